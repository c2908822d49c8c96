import type { FaultCode } from "../../hub/fault.ts";
import { span } from "../../proto/quantity.ts";
import type { SaidText } from "./said.ts";
import { signInFailures } from "./said-zh-CN/sign-in.ts";

const number = new Intl.NumberFormat("zh-CN").format;
const seconds = (ms: number): string => `${number(ms / 1000)} 秒`;
const time = new Intl.DateTimeFormat("zh-CN", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format;
const units = { d: " 天", h: " 小时", min: " 分钟", s: " 秒" };
const age = (ms: number): string => span(ms / 1000, units);
const nodes = (node: string, others: number): string =>
  `${node}${others > 0 ? ` 和另外 ${number(others)} 个节点` : " "}`;
const losses = { deleted: "删除", replaced: "替换", emptied: "清空" };
/** Behind a colon, if there is a reason. */
const why = (reason: string): string => reason && `：${reason}`;
/** A file in the middle of a sentence, if it may be named. */
const named = (path: string): string => path && ` ${path} `;
const taskOf = (task: string): string => (task ? `任务 ${task} ` : "有任务");
/** Why a report is refused. */
const faults: Readonly<Partial<Record<FaultCode, string>>> = {
  bad_request: "内容无效",
  body_too_large: "内容过大",
  media_type_refused: "类型不受支持",
  sample_bad: "时间或名称无效",
  history_unwritable: "历史无法写入",
};
/** The same before the hub's own words. */
const refusal = (fault: FaultCode): string => (faults[fault] ? `（${faults[fault]}）` : "");
const datedByHub = "当前数据的时间以 hub 为准，补传数据的时间不准确。";

export const saidZhCN: SaidText = {
  failures: signInFailures,
  reasons: {
    no_connection_in_time: ({ address, deadlineMs }) => `${seconds(deadlineMs)}内未能连接到 ${address}`,
    no_answer_in_time: ({ deadlineMs }) => `${seconds(deadlineMs)}内没有应答`,
    no_tls: ({ address, error }) => `无法与 ${address} 建立 TLS 连接：${error}`,
    no_tls_half: ({ address }) => `无法与 ${address} 建立 TLS 连接：poll.cert 和 poll.key 必须同时设置，或都不设置`,
    no_tls_pair: ({ address, key, cert }) =>
      `无法与 ${address} 建立 TLS 连接：${key} 中的私钥与 ${cert} 中的证书不匹配`,
    unreadable: ({ error }) => `无法读取应答：${error}`,
    empty: () => "应答为空",
    not_hmonitor: ({ address }) => `${address} 上应答的不是 hmonitor：它不支持 gpu.HostMonitor`,
    not_grpc: ({ address }) => `${address} 上应答的程序不支持 gRPC`,
    not_tls: ({ address, error }) =>
      `${address} 上应答的程序不支持 TLS：如果 hmonitor 没有配置证书，地址前不要加 tls://（${error}）`,
    flooding: ({ address }) => `${address} 上应答的程序发送的数据远远超过 hmonitor`,
    link_local: ({ address }) =>
      `hub 不会连接 ${address}：链路本地地址（169.254.0.0/16、fe80::/10）也是云平台元数据服务的地址，请为该机器换一个地址`,
    refused: ({ address, answer }) => `被 ${address} 拒绝：${answer}`,
    closed: ({ address }) => `与 ${address} 的连接已关闭`,
    reset: ({ address }) => `与 ${address} 的连接被重置`,
    hanging: ({ address }) => `${address} 不再应答：hmonitor 没有响应，或者中间的网络断开`,
    not_allowed: ({ address }) =>
      `与 ${address} 的连接被重置：agent 的 GOHM_ALLOW 是否包含本 hub 的地址？如果 agent 配置了证书，这里的地址应为 tls://${address}`,
    not_allowed_tls: ({ address }) => `与 ${address} 的连接被重置：agent 的 GOHM_ALLOW 是否包含本 hub 的地址？`,
    not_listening: ({ address }) => `${address} 拒绝连接：那里是否运行着 hmonitor？`,
    no_route: ({ address }) => `没有到 ${address} 的路由`,
    no_answer: ({ address }) => `无法连接到 ${address}：该地址没有响应`,
    no_name: ({ address }) => `无法解析 ${address} 中的主机名`,
    no_connection: ({ address, error }) => `无法连接到 ${address}：${error}`,
    own_certificate: ({ address, error }) =>
      `${address} 不接受本 hub 的证书（poll.cert 和 poll.key）：它是否由那里 GOHM_TLS_CLIENT_CA 中的机构签发？${error && `（${error}）`}`,
    its_certificate: ({ address, error }) => `${address} 出示的证书未通过验证：${error}`,
    token_reset: () => "令牌已重置，需要重新注册",
    reports_refused: ({ fault, message }) => `上报被拒绝${refusal(fault)}：${message}`,
    catching_up: () => "正在补传之前积存的样本，从最早的开始，还没有当前数据",
    never_reported: () => "hub 启动以来没有上报过",
    records_old: ({ behindMs }) => `最新的记录已是 ${age(behindMs)}之前的：正在补传，或者它的时钟、时区不对`,
    means_only: () => "其 Netdata 只提供 10 分钟的平均值，仅计入历史：在该机器上运行 hmonitor 后即可显示当前状态",
    netdata_unread: ({ error }) => `无法读取其 Netdata：${error}`,
    stopped: () => "已停止上报",
  },
  notices: {
    clock_wrong: ({ now }) =>
      `hub 所在机器的时钟为 ${time(now)}，不可能正确。校准之前，实时数据照常显示，但不记入历史。`,
    certificate_ends: ({ path, to }) =>
      `hub 的证书${named(path)}（hub.tls.cert）将于 ${time(to)} 到期，请在此之前续期。换上新文件即可，无需重启。`,
    certificate_invalid: ({ path, from, to }) =>
      `hub 的证书${named(path)}（hub.tls.cert）仅在 ${time(from)} 至 ${time(to)} 之间有效，浏览器和各台机器目前都不接受它。请续期，或校准本机时钟。换上新文件即可，无需重启。`,
    certificate_unusable: ({ message }) =>
      `无法使用新证书，仍沿用之前的${why(message)}。文件修正后自动生效，无需重启。`,
    settings_bad: ({ message }) => `设置有误，仍沿用之前的设置${why(message)}`,
    nodes_waiting: ({ most }) => `已有 ${number(most)} 台机器等待批准，无法再注册新机器。请批准认识的，删除其余的。`,
    nodes_full: ({ most }) => `已注册 ${number(most)} 台机器，无法再注册新机器。请管理员删除已经不用的。`,
    logger_gateway: ({ origin }) =>
      `GPU Metrics Logger 的记录来自${origin && ` ${origin}，即`} hub 所在网络的网关：无论从哪里来，经过它的客户端都显示为这个地址。如果 hub 在容器中，请让它使用主机网络，或把 push.logger 设为 "token"。`,
    book_restored: ({ path, lost, aside }) =>
      `管理数据${named(path)}在 hub 运行期间被${losses[lost]}，已在原处重新写入，数据没有丢失。${aside && `当时在那里的文件现名为 ${aside}。要恢复备份，请先停止 hub。`}`,
    book_damaged: ({ path, error, aside }) =>
      `管理数据${named(path)}已损坏${error && `（${error}）`}，已移到${aside ? ` ${aside}` : "别处"}，并新建了文件。原有内容需要从备份恢复，或重新创建。`,
    book_row: ({ path, message }) =>
      `管理数据${named(path)}中有损坏的记录${why(message)}。请停止 hub 后更正，或恢复备份。`,
    book_unusable: ({ path, error }) => `无法使用管理数据${path && ` ${path}`}${why(error)}。实时数据和历史不受影响。`,
    history_unwritable: ({ folder, error, retryMs }) =>
      `历史无法写入${folder && ` ${folder}`}${why(error)}。实时数据照常显示，每 ${seconds(retryMs)}重试一次。`,
    history_crowded: ({ most, host, others }) =>
      `${host}${others > 0 ? ` 和另外 ${number(others)} 台主机` : " "}的设备超过了历史为每台机器保留的数量（${number(most)}，history.max_devices）。最久没有出现的设备会从历史中删除。`,
    export_failed: ({ path, error, retryMs }) =>
      `每日 CSV 文件无法写入${path && ` ${path}`}（export.folder）${why(error)}。每 ${number(retryMs / 60_000)} 分钟重试一次。`,
    report_failed: ({ node, others, error }) =>
      `${nodes(node, others)}的每日报告缺少数据${why(error)}。至少每小时会再次读取，缺少的日期会自动补上。`,
    report_unwritable: ({ node, others, error }) =>
      `${nodes(node, others)}的每日报告无法写入（reports.folder）${why(error)}。至少每小时重试一次。`,
    report_rows: ({ date, node, others, gpus, missing, expected }) =>
      `${date} 的每日报告不完整：${nodes(node, others)}缺少数据，其中 ${node} 应有 ${number(expected)} 行，缺 ${number(missing)} 行（${gpus}）。`,
    report_values: ({ date, node, others, gpus, count }) =>
      `${date} 的每日报告中，${nodes(node, others)}有低于 0% 或高于 100% 的数值，其中 ${node} 有 ${number(count)} 行（${gpus}）。`,
    report_cards: ({ date, node, others, gpus, before }) =>
      `${date} 的每日报告中，${nodes(node, others)}缺少以前有的卡：${before} 时 ${node} 还有 ${gpus}。`,
    report_shared: ({ date, node, others, gpus, most }) =>
      `${date}，${nodes(node, others)}上有多个用户的任务同时使用同一张卡：最多 ${number(most)} 个用户（${node} 的 ${gpus}）。`,
    report_users: ({ date, message }) => `${date} 的每日报告中，用户可能缺失或有误${why(message) || "。"}`,
    history_restored: ({ path, lost, aside }) =>
      `历史${named(path)}在 hub 运行期间被${losses[lost]}，已在原处重新写入，${lost === "emptied" ? "其中只剩最近几小时的数据" : "数据没有丢失"}。${aside && `当时在那里的文件现名为 ${aside}。要恢复备份，请先停止 hub。`}`,
  },
  causes: {
    nothing_listens: () => "该端口没有程序在监听",
    connection_cut: () => "连接被中断",
    no_route_to_machine: () => "没有到该机器的路由",
    no_route_to_network: () => "没有到该网络的路由",
    machine_silent: () => "该机器没有响应",
    machine_unknown: () => "没有这个名称的机器",
    name_not_looked_up: () => "无法解析主机名",
    certificate_own: () => "它的证书是自签名的（可用 NODE_EXTRA_CA_CERTS 指定）",
    certificate_authority: () => "本机不信任签发其证书的机构（可用 NODE_EXTRA_CA_CERTS 指定）",
    certificate_expired: () => "它的证书已过期",
    certificate_name: () => "它的证书属于另一个名称",
    answer_late: ({ limitMs }) => `${seconds(limitMs)}内没有收到完整的应答`,
    answer_large: ({ mib }) => `应答超过 ${number(mib)} MiB`,
    answer_cut: () => "应答中途断开",
    link_local: () => "它的地址是链路本地地址，云平台的元数据服务使用这类地址，因此 hub 不会向它发送请求",
    not_http: () => "那里的程序不支持 HTTP",
    connection_failed: ({ error }) => `连接失败${error && `（${error}）`}`,
    netdata: ({ address, why }) => `${address && `${address} 上的 Netdata：`}${why}`,
    no_chart: () => "没有这个图表",
    rest_follows: ({ limitMs }) => `${limitMs / 1000} 秒内没有全部读完，其余的在下个间隔继续读取`,
    no_chart_then: () => "没有这个图表，或这段时间没有数据",
    no_charts: () => "这个 Netdata 没有 AMD GPU 的图表",
    charts_long: ({ mib }) => `它的图表列表超过 ${mib} MiB`,
    charts_broken: () => "它的图表列表不完整，或不是 Netdata 的格式",
    rows_broken: () => "它的应答不完整，或不是有效的 JSON",
    rows_none: () => "它的应答中没有“data”列表",
    no_time: () => "读取时间已用完",
    redirected: ({ to }) => `它重定向到${to ? ` ${to}` : "别处"}：设置中必须写实际的地址`,
    status: ({ status }) => `它的应答状态为 ${status}`,
    html: () => "它应答的是网页（HTML），而不是 JSON",
    not_read_in_time: ({ node, limitMs }) => `${seconds(limitMs)}内未能读完 ${node}`,
    host_without_gpus: ({ host, hosts }) => `历史中主机“${host}”没有 GPU${hosts && `：现有主机为 ${hosts}`}`,
    write_failed: ({ path, error }) => `文件无法写入${path && ` ${path}`}${why(error)}`,
    may_not_write: () => "运行程序的用户没有写入权限",
    hub_may_not_write: () => "hub 没有写入权限",
    disk_full: () => "磁盘已满",
    read_only: () => "文件系统为只读",
    no_folder: () => "文件夹不存在",
    is_file: ({ path }) => `${path ? `${path} ` : "它"}是文件，而这里需要文件夹`,
    not_made: ({ path }) => `无法创建${path ? ` ${path}` : "文件夹"}`,
    no_file: () => "文件不存在",
    may_not_read: () => "运行程序的用户没有读取权限",
    token_missing: () => "没有任务 API 的令牌（reports.tasks.token_file、GOHM_REPORTS_TASKS_TOKEN）",
    token_unread: ({ place, why: reason }) => `无法${place && `从 ${place} `}读取任务 API 的令牌${why(reason)}`,
    token_empty: ({ place }) => `任务 API 的令牌为空${place && `（${place}）`}`,
    token_odd: ({ place }) => `任务 API 的令牌含有令牌不应有的字符，例如空格或换行${place && `（${place}）`}`,
    tasks_away: ({ url, why }) => `无法连接任务 API${url && ` ${url}`}：${why}`,
    tasks_odd: ({ url, why }) => `任务 API${url && ` ${url}`} 的应答不对：${why}`,
    tasks_refused: ({ url, status }) => `任务 API${url && ` ${url}`} 拒绝了令牌（状态 ${status}），令牌可能已过期`,
    tasks_redirected: ({ url, to }) =>
      `任务 API${url && ` ${url}`} 重定向到${to ? ` ${to}` : "其他地址"}，程序不会跟随：请把 reports.tasks.url 设为实际的地址`,
    tasks_missing: ({ url }) => `${url ? `${url} 上` : "那里"}没有任务 API（状态 404）：请检查 reports.tasks.url`,
    tasks_failed: ({ url, status }) => `任务 API${url && ` ${url}`} 出错（状态 ${status}）`,
    tasks_unasked: ({ error }) => `无法查询任务 API${why(error)}`,
    users_earlier: ({ why, then }) => `${why}。用户取自它在 ${then} 的应答`,
    users_unknown: ({ why }) => `${why}。当天没有保存过更早的应答，因此用户未知`,
    answer_unread: ({ error }) => `无法读取任务 API 的上一次应答${why(error)}`,
    tasks_wrong: ({ why }) => `任务 API：${why}`,
    ids_without_first: ({ node }) => `${node} 的 GPU 编号跨节点连续，但 reports.tasks.first 中没有它的第一个编号`,
    id_strange: ({ id, node, ids }) =>
      `任务 API 中有 ${node} 的 GPU${id && `“${id}”`}，而该节点的编号为 ${ids}：请检查 reports.tasks.ids`,
    id_strange_first: ({ id, node, firstId }) =>
      `任务 API 中有 ${node} 的 GPU${id && `“${id}”`}，而该节点的编号从 ${firstId} 开始：请检查 reports.tasks.ids`,
    host_strange: ({ strange, node }) =>
      `任务 API 中的主机${strange && `“${strange}”`}与节点 ${node} 名称不同：节点名称必须与任务 API 一致`,
    form_html: () => "应答是 HTML，而不是 JSON",
    form_nothing: () => "应答没有任何内容",
    form_no_object: () => "应答不是对象",
    form_no_tasks: () => "应答不是按编号排列的任务",
    form_ends: () => "JSON 中途结束",
    form_no_json: () => "应答不是 JSON",
    task_large: ({ kib }) => `有任务超过 ${number(kib)} KiB`,
    task_parts: ({ most }) => `有任务的组成部分超过 ${number(most)} 个`,
    task_no_object: ({ task }) => `${taskOf(task)}不是对象`,
    task_gpus: ({ task }) => `${taskOf(task)}的“gpus”不是列表`,
    task_details: ({ task }) => `${taskOf(task)}的“task”不是对象`,
    task_gpu: ({ task }) => `${taskOf(task)}有 GPU 不是对象`,
    task_text: ({ task, key }) => `${taskOf(task)}的“${key}”不是文本`,
    task_seconds: ({ task }) => `${taskOf(task)}的“total_seconds”不是数字`,
    gpus_left_out: ({ most }) => `GPU 超过 ${number(most)} 个，其余已略去`,
    values_more: ({ more }) => `另有 ${number(more)} 个任务值的格式不对`,
  },
  troubles: {
    clock_ahead: ({ skewMs }) => `时钟比 hub 快 ${age(skewMs)}：${datedByHub}`,
    clock_behind: ({ skewMs }) => `时钟比 hub 慢 ${age(skewMs)}：${datedByHub}`,
    clock_wrong: () => "时钟与 hub 相差一天以上，数据的时间以 hub 为准。",
    second_machine: ({ first, second }) =>
      `有两台机器同时以这台主机的名义上报（boot ID：${first}… 和 ${second}…），只采用第一台。请为每台机器设置不同的主机名和令牌。`,
    report_refused: ({ fault, message }) => `有一次上报被拒绝：${faults[fault] ?? fault}（${message}）`,
    too_much: () => "发送的数据超过 hub 对一台机器的限制。",
    at_once: () => "同时上报多次，而不是逐次上报。",
    too_many_devices: ({ most, left }) =>
      `一天内上报的设备超过 ${number(most)} 个（push.devices）：上次上报中有 ${number(left)} 个未记录。`,
    same_ids: ({ more, gpus }) =>
      `上次上报的 ${number(gpus)} 个 GPU 中有 ${number(more)} 个与另一个 GPU 的 ID 相同：只采用第一个。`,
    large_report: ({ kib }) => `上次上报的数据有 ${number(kib)} KiB，远大于正常大小。`,
    moved: ({ origin, before }) =>
      `令牌重置后，它从 ${origin} 注册；以前的地址是 ${before}。如果不认识新地址，请再次重置令牌。`,
    name_asked: ({ origin, hostname }) =>
      `${origin} 上的机器请求以“${hostname}”注册，而这是本主机的名称。如果它就是这台机器并丢失了令牌，请重置令牌；否则请给它换一个主机名。`,
    client_name_asked: ({ origin, hostname }) =>
      `${origin} 上的机器请求以“${hostname}”注册，而这是本主机的名称。如果它就是这台机器，请开放名称；否则请给它换一个主机名。`,
    by_turns: ({ one, other }) =>
      `上报轮流来自 ${one} 和 ${other}：如果是两台机器共用一个令牌，请为每台设置各自的主机名和令牌。`,
    names_by_turns: ({ one, other }) =>
      `使用这个名称的记录轮流来自 ${one} 和 ${other}：如果是两台机器，请为每台设置各自的 client_name。`,
    records_ahead: ({ differenceMs, zone }) =>
      `按时区 ${zone}，它的记录比 hub 的时钟快 ${age(differenceMs)}，hub 已按此差值校正记录的时间。请把 hub.timezone 设为客户端所在的时区，或校准那台机器的时钟。`,
    records_behind: ({ differenceMs, zone }) =>
      `按时区 ${zone}，它的记录比 hub 的时钟慢 ${age(differenceMs)}，hub 已按此差值校正当前记录的时间。请把 hub.timezone 设为客户端所在的时区，或校准那台机器的时钟。`,
    records_old: ({ differenceMs, zone }) =>
      `按时区 ${zone} 和 hub 的时钟，它最新的记录已是 ${age(differenceMs)}之前的，历史按记录自带的时间保存。如果这些其实是当前数据，请把 hub.timezone 设为客户端所在的时区，或校准那台机器的时钟。`,
    bad_records: ({ failed, example }) => `最近一次请求中有 ${number(failed)} 条记录无法接收：${example}。`,
    records_elsewhere: ({ origin, hostname }) =>
      `${origin} 上的 Logger 客户端以“${hostname}”的名称发送记录，已被拒绝：这台机器已用令牌注册，并从别处上报。如果那是另一台机器，请换一个 client_name；如果是同一台，请为客户端配置“上报”用途的令牌。`,
    records_too_large: ({ mib }) =>
      `它最近一次发送的记录超过 ${mib}（push.body），之后每次重发也会被拒绝：请调大这个限制。`,
    records_too_many: ({ most }) =>
      `它最近一次请求的记录超过 ${number(most)} 条，多出的部分已被拒绝，之后每次重发也会被拒绝：请减少每次发送的条数，或改用 CSV 导入。`,
    lookalike: ({ names }) => `它的名称与另一台主机（${names}）相似：批准之前请核对地址。`,
    other_history: ({ hostname, until }) =>
      `历史中已有名为“${hostname}”的数据（导入的，或来自另一台机器），截至 ${time(until)}。批准之后，这台机器的数据会并入其中；在此之前只显示，不保存。`,
    client_history: ({ hostname, until }) =>
      `历史中已有名为“${hostname}”的数据（导入的，或来自另一台机器），截至 ${time(until)}。批准之前只显示，不保存；批准之后，客户端会全部补发。`,
  },
};
