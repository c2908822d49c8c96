import type { FaultCode } from "../../hub/fault.ts";
import { span } from "../../proto/quantity.ts";
import type { SaidText } from "./said.ts";
import { signInFailures } from "./said-zh-TW/sign-in.ts";

const number = new Intl.NumberFormat("zh-TW").format;
const seconds = (ms: number): string => `${number(ms / 1000)} 秒`;
const time = new Intl.DateTimeFormat("zh-TW", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format;
const units = { d: " 天", h: " 小時", min: " 分鐘", s: " 秒" };
const age = (ms: number): string => span(ms / 1000, units);
const nodes = (node: string, others: number): string =>
  `${node}${others > 0 ? ` 和另外 ${number(others)} 個節點` : " "}`;
const losses = { deleted: "刪除", replaced: "取代", emptied: "清空" };
/** Behind a colon, if there is a reason. */
const why = (reason: string): string => reason && `：${reason}`;
/** A file in the middle of a sentence, if it may be named. */
const named = (path: string): string => path && ` ${path} `;
const taskOf = (task: string): string => (task ? `任務 ${task} ` : "有任務");
/** Why a report is refused. */
const faults: Readonly<Partial<Record<FaultCode, string>>> = {
  bad_request: "內容無效",
  body_too_large: "內容過大",
  media_type_refused: "類型不受支援",
  sample_bad: "時間或名稱無效",
  history_unwritable: "歷史無法寫入",
};
/** The same before the hub's own words. */
const refusal = (fault: FaultCode): string => (faults[fault] ? `（${faults[fault]}）` : "");
const datedByHub = "目前資料的時間以 hub 為準，補傳資料的時間不準確。";

export const saidZhTW: SaidText = {
  failures: signInFailures,
  reasons: {
    no_connection_in_time: ({ address, deadlineMs }) => `${seconds(deadlineMs)}內未能連線到 ${address}`,
    no_answer_in_time: ({ deadlineMs }) => `${seconds(deadlineMs)}內沒有回應`,
    no_tls: ({ address, error }) => `無法與 ${address} 建立 TLS 連線：${error}`,
    no_tls_half: ({ address }) => `無法與 ${address} 建立 TLS 連線：poll.cert 和 poll.key 必須同時設定，或都不設定`,
    no_tls_pair: ({ address, key, cert }) =>
      `無法與 ${address} 建立 TLS 連線：${key} 中的私密金鑰與 ${cert} 中的憑證不相符`,
    unreadable: ({ error }) => `無法讀取回應：${error}`,
    empty: () => "回應是空的",
    not_hmonitor: ({ address }) => `${address} 上回應的不是 hmonitor：它不支援 gpu.HostMonitor`,
    not_grpc: ({ address }) => `${address} 上回應的程式不支援 gRPC`,
    not_tls: ({ address, error }) =>
      `${address} 上回應的程式不支援 TLS：如果 hmonitor 沒有設定憑證，位址前不要加 tls://（${error}）`,
    flooding: ({ address }) => `${address} 上回應的程式傳送的資料遠遠超過 hmonitor`,
    link_local: ({ address }) =>
      `hub 不會連線到 ${address}：鏈路本地位址（169.254.0.0/16、fe80::/10）也是雲端平台中繼資料服務的位址，請為該機器換一個位址`,
    refused: ({ address, answer }) => `被 ${address} 拒絕：${answer}`,
    closed: ({ address }) => `與 ${address} 的連線已關閉`,
    reset: ({ address }) => `與 ${address} 的連線被重設`,
    hanging: ({ address }) => `${address} 不再回應：hmonitor 沒有反應，或者中間的網路中斷`,
    not_allowed: ({ address }) =>
      `與 ${address} 的連線被重設：agent 的 GOHM_ALLOW 是否包含本 hub 的位址？如果 agent 設定了憑證，這裡的位址應為 tls://${address}`,
    not_allowed_tls: ({ address }) => `與 ${address} 的連線被重設：agent 的 GOHM_ALLOW 是否包含本 hub 的位址？`,
    not_listening: ({ address }) => `${address} 拒絕連線：那裡是否有 hmonitor 在執行？`,
    no_route: ({ address }) => `沒有到 ${address} 的路由`,
    no_answer: ({ address }) => `無法連線到 ${address}：該位址沒有回應`,
    no_name: ({ address }) => `無法解析 ${address} 中的主機名稱`,
    no_connection: ({ address, error }) => `無法連線到 ${address}：${error}`,
    own_certificate: ({ address, error }) =>
      `${address} 不接受本 hub 的憑證（poll.cert 和 poll.key）：它是否由那裡 GOHM_TLS_CLIENT_CA 中的機構簽發？${error && `（${error}）`}`,
    its_certificate: ({ address, error }) => `${address} 出示的憑證未通過驗證：${error}`,
    token_reset: () => "權杖已重設，需要重新註冊",
    reports_refused: ({ fault, message }) => `回報被拒絕${refusal(fault)}：${message}`,
    catching_up: () => "正在補傳先前積存的樣本，從最早的開始，還沒有目前的資料",
    never_reported: () => "hub 啟動以來沒有回報過",
    records_old: ({ behindMs }) => `最新的記錄已是 ${age(behindMs)}之前的：正在補傳，或者它的時鐘、時區不對`,
    means_only: () => "其 Netdata 只提供 10 分鐘的平均值，僅計入歷史：在該機器上執行 hmonitor 後即可顯示目前狀態",
    netdata_unread: ({ error }) => `無法讀取其 Netdata：${error}`,
    stopped: () => "已停止回報",
  },
  notices: {
    clock_wrong: ({ now }) =>
      `hub 所在機器的時鐘為 ${time(now)}，不可能正確。校正之前，即時資料照常顯示，但不記入歷史。`,
    certificate_ends: ({ path, to }) =>
      `hub 的憑證${named(path)}（hub.tls.cert）將於 ${time(to)} 到期，請在此之前更新。換上新檔案即可，無需重新啟動。`,
    certificate_invalid: ({ path, from, to }) =>
      `hub 的憑證${named(path)}（hub.tls.cert）僅在 ${time(from)} 至 ${time(to)} 之間有效，瀏覽器和各台機器目前都不接受它。請更新憑證，或校正本機時鐘。換上新檔案即可，無需重新啟動。`,
    certificate_unusable: ({ message }) =>
      `無法使用新憑證，仍沿用先前的${why(message)}。檔案修正後自動生效，無需重新啟動。`,
    settings_bad: ({ message }) => `設定有誤，仍沿用先前的設定${why(message)}`,
    nodes_waiting: ({ most }) => `已有 ${number(most)} 台機器等待核准，無法再註冊新機器。請核准認識的，刪除其餘的。`,
    nodes_full: ({ most }) => `已註冊 ${number(most)} 台機器，無法再註冊新機器。請管理員刪除已經不用的。`,
    logger_gateway: ({ origin }) =>
      `GPU Metrics Logger 的記錄來自${origin && ` ${origin}，即`} hub 所在網路的閘道：無論從哪裡來，經過它的用戶端都顯示為這個位址。如果 hub 在容器中，請讓它使用主機網路，或把 push.logger 設為 "token"。`,
    book_restored: ({ path, lost, aside }) =>
      `管理資料${named(path)}在 hub 執行期間被${losses[lost]}，已在原處重新寫入，資料沒有遺失。${aside && `當時在那裡的檔案現名為 ${aside}。要還原備份，請先停止 hub。`}`,
    book_damaged: ({ path, error, aside }) =>
      `管理資料${named(path)}已損毀${error && `（${error}）`}，已移到${aside ? ` ${aside}` : "他處"}，並建立了新檔案。原有內容需要從備份還原，或重新建立。`,
    book_row: ({ path, message }) =>
      `管理資料${named(path)}中有損毀的記錄${why(message)}。請停止 hub 後更正，或還原備份。`,
    book_unusable: ({ path, error }) => `無法使用管理資料${path && ` ${path}`}${why(error)}。即時資料和歷史不受影響。`,
    history_unwritable: ({ folder, error, retryMs }) =>
      `歷史無法寫入${folder && ` ${folder}`}${why(error)}。即時資料照常顯示，每 ${seconds(retryMs)}重試一次。`,
    history_crowded: ({ most, host, others }) =>
      `${host}${others > 0 ? ` 和另外 ${number(others)} 台主機` : " "}的裝置超過了歷史為每台機器保留的數量（${number(most)}，history.max_devices）。最久沒有出現的裝置會從歷史中刪除。`,
    export_failed: ({ path, error, retryMs }) =>
      `每日 CSV 檔案無法寫入${path && ` ${path}`}（export.folder）${why(error)}。每 ${number(retryMs / 60_000)} 分鐘重試一次。`,
    report_failed: ({ node, others, error }) =>
      `${nodes(node, others)}的每日報告缺少資料${why(error)}。至少每小時會再次讀取，缺少的日期會自動補上。`,
    report_unwritable: ({ node, others, error }) =>
      `${nodes(node, others)}的每日報告無法寫入（reports.folder）${why(error)}。至少每小時重試一次。`,
    report_rows: ({ date, node, others, gpus, missing, expected }) =>
      `${date} 的每日報告不完整：${nodes(node, others)}缺少資料，其中 ${node} 應有 ${number(expected)} 列，缺 ${number(missing)} 列（${gpus}）。`,
    report_values: ({ date, node, others, gpus, count }) =>
      `${date} 的每日報告中，${nodes(node, others)}有低於 0% 或高於 100% 的數值，其中 ${node} 有 ${number(count)} 列（${gpus}）。`,
    report_cards: ({ date, node, others, gpus, before }) =>
      `${date} 的每日報告中，${nodes(node, others)}缺少以前有的卡：${before} 時 ${node} 還有 ${gpus}。`,
    report_shared: ({ date, node, others, gpus, most }) =>
      `${date}，${nodes(node, others)}上有多位使用者的工作同時使用同一張卡：最多 ${number(most)} 位使用者（${node} 的 ${gpus}）。`,
    report_users: ({ date, message }) => `${date} 的每日報告中，使用者可能缺漏或有誤${why(message) || "。"}`,
    history_restored: ({ path, lost, aside }) =>
      `歷史${named(path)}在 hub 執行期間被${losses[lost]}，已在原處重新寫入，${lost === "emptied" ? "其中只剩最近幾小時的資料" : "資料沒有遺失"}。${aside && `當時在那裡的檔案現名為 ${aside}。要還原備份，請先停止 hub。`}`,
  },
  causes: {
    nothing_listens: () => "該連接埠沒有程式在接聽",
    connection_cut: () => "連線被中斷",
    no_route_to_machine: () => "沒有到該機器的路由",
    no_route_to_network: () => "沒有到該網路的路由",
    machine_silent: () => "該機器沒有回應",
    machine_unknown: () => "沒有這個名稱的機器",
    name_not_looked_up: () => "無法解析主機名稱",
    certificate_own: () => "它的憑證是自我簽署的（可用 NODE_EXTRA_CA_CERTS 指定）",
    certificate_authority: () => "本機不信任簽發其憑證的單位（可用 NODE_EXTRA_CA_CERTS 指定）",
    certificate_expired: () => "它的憑證已過期",
    certificate_name: () => "它的憑證屬於另一個名稱",
    answer_late: ({ limitMs }) => `${seconds(limitMs)}內沒有收到完整的回應`,
    answer_large: ({ mib }) => `回應超過 ${number(mib)} MiB`,
    answer_cut: () => "回應中途斷開",
    link_local: () => "它的位址是連結本機位址，雲端的中繼資料服務使用這類位址，因此 hub 不會向它傳送要求",
    not_http: () => "那裡的程式不支援 HTTP",
    connection_failed: ({ error }) => `連線失敗${error && `（${error}）`}`,
    netdata: ({ address, why }) => `${address && `${address} 上的 Netdata：`}${why}`,
    no_chart: () => "沒有這個圖表",
    rest_follows: ({ limitMs }) => `${limitMs / 1000} 秒內沒有全部讀完，其餘的在下個間隔繼續讀取`,
    no_chart_then: () => "沒有這個圖表，或這段時間沒有資料",
    no_charts: () => "這個 Netdata 沒有 AMD GPU 的圖表",
    charts_long: ({ mib }) => `它的圖表清單超過 ${mib} MiB`,
    charts_broken: () => "它的圖表清單不完整，或不是 Netdata 的格式",
    rows_broken: () => "它的回應不完整，或不是有效的 JSON",
    rows_none: () => "它的回應中沒有「data」清單",
    no_time: () => "讀取時間已用完",
    redirected: ({ to }) => `它重新導向到${to ? ` ${to}` : "他處"}：設定中必須寫實際的位址`,
    status: ({ status }) => `它的回應狀態為 ${status}`,
    html: () => "它回應的是網頁（HTML），而不是 JSON",
    not_read_in_time: ({ node, limitMs }) => `${seconds(limitMs)}內未能讀完 ${node}`,
    host_without_gpus: ({ host, hosts }) => `歷史中主機「${host}」沒有 GPU${hosts && `：現有主機為 ${hosts}`}`,
    write_failed: ({ path, error }) => `檔案無法寫入${path && ` ${path}`}${why(error)}`,
    may_not_write: () => "執行程式的使用者沒有寫入權限",
    hub_may_not_write: () => "hub 沒有寫入權限",
    disk_full: () => "磁碟已滿",
    read_only: () => "檔案系統為唯讀",
    no_folder: () => "資料夾不存在",
    is_file: ({ path }) => `${path ? `${path} ` : "它"}是檔案，而這裡需要資料夾`,
    not_made: ({ path }) => `無法建立${path ? ` ${path}` : "資料夾"}`,
    no_file: () => "檔案不存在",
    may_not_read: () => "執行程式的使用者沒有讀取權限",
    token_missing: () => "沒有任務 API 的權杖（reports.tasks.token_file、GOHM_REPORTS_TASKS_TOKEN）",
    token_unread: ({ place, why: reason }) => `無法${place && `從 ${place} `}讀取任務 API 的權杖${why(reason)}`,
    token_empty: ({ place }) => `任務 API 的權杖為空${place && `（${place}）`}`,
    token_odd: ({ place }) => `任務 API 的權杖含有權杖不應有的字元，例如空格或換行${place && `（${place}）`}`,
    tasks_away: ({ url, why }) => `無法連線至任務 API${url && ` ${url}`}：${why}`,
    tasks_odd: ({ url, why }) => `任務 API${url && ` ${url}`} 的回應不對：${why}`,
    tasks_refused: ({ url, status }) => `任務 API${url && ` ${url}`} 拒絕了權杖（狀態 ${status}），權杖可能已過期`,
    tasks_redirected: ({ url, to }) =>
      `任務 API${url && ` ${url}`} 重新導向到${to ? ` ${to}` : "其他位址"}，程式不會跟隨：請把 reports.tasks.url 設為實際的位址`,
    tasks_missing: ({ url }) => `${url ? `${url} 上` : "那裡"}沒有任務 API（狀態 404）：請檢查 reports.tasks.url`,
    tasks_failed: ({ url, status }) => `任務 API${url && ` ${url}`} 出錯（狀態 ${status}）`,
    tasks_unasked: ({ error }) => `無法查詢任務 API${why(error)}`,
    users_earlier: ({ why, then }) => `${why}。使用者取自它在 ${then} 的回應`,
    users_unknown: ({ why }) => `${why}。當天沒有保存過更早的回應，因此使用者不明`,
    answer_unread: ({ error }) => `無法讀取任務 API 的上一次回應${why(error)}`,
    tasks_wrong: ({ why }) => `任務 API：${why}`,
    ids_without_first: ({ node }) => `${node} 的 GPU 編號跨節點連續，但 reports.tasks.first 中沒有它的第一個編號`,
    id_strange: ({ id, node, ids }) =>
      `任務 API 中有 ${node} 的 GPU${id && `「${id}」`}，而該節點的編號為 ${ids}：請檢查 reports.tasks.ids`,
    id_strange_first: ({ id, node, firstId }) =>
      `任務 API 中有 ${node} 的 GPU${id && `「${id}」`}，而該節點的編號從 ${firstId} 開始：請檢查 reports.tasks.ids`,
    host_strange: ({ strange, node }) =>
      `任務 API 中的主機${strange && `「${strange}」`}與節點 ${node} 名稱不同：節點名稱必須與任務 API 一致`,
    form_html: () => "回應是 HTML，而不是 JSON",
    form_nothing: () => "回應為空",
    form_no_object: () => "回應不是物件",
    form_no_tasks: () => "回應不是按編號排列的任務",
    form_ends: () => "JSON 中途結束",
    form_no_json: () => "回應不是 JSON",
    task_large: ({ kib }) => `有任務超過 ${number(kib)} KiB`,
    task_parts: ({ most }) => `有任務的組成部分超過 ${number(most)} 個`,
    task_no_object: ({ task }) => `${taskOf(task)}不是物件`,
    task_gpus: ({ task }) => `${taskOf(task)}的「gpus」不是清單`,
    task_details: ({ task }) => `${taskOf(task)}的「task」不是物件`,
    task_gpu: ({ task }) => `${taskOf(task)}有 GPU 不是物件`,
    task_text: ({ task, key }) => `${taskOf(task)}的「${key}」不是文字`,
    task_seconds: ({ task }) => `${taskOf(task)}的「total_seconds」不是數字`,
    gpus_left_out: ({ most }) => `GPU 超過 ${number(most)} 個，其餘已略去`,
    values_more: ({ more }) => `另有 ${number(more)} 個任務值的格式不對`,
  },
  troubles: {
    clock_ahead: ({ skewMs }) => `時鐘比 hub 快 ${age(skewMs)}：${datedByHub}`,
    clock_behind: ({ skewMs }) => `時鐘比 hub 慢 ${age(skewMs)}：${datedByHub}`,
    clock_wrong: () => "時鐘與 hub 相差一天以上，資料的時間以 hub 為準。",
    second_machine: ({ first, second }) =>
      `有兩台機器同時以這台主機的名義回報（boot ID：${first}… 和 ${second}…），只採用第一台。請為每台機器設定不同的主機名稱和權杖。`,
    report_refused: ({ fault, message }) => `有一次回報被拒絕：${faults[fault] ?? fault}（${message}）`,
    too_much: () => "傳送的資料超過 hub 對一台機器的限制。",
    at_once: () => "同時回報多次，而不是逐次回報。",
    too_many_devices: ({ most, left }) =>
      `一天內回報的裝置超過 ${number(most)} 個（push.devices）：上次回報中有 ${number(left)} 個未記錄。`,
    same_ids: ({ more, gpus }) =>
      `上次回報的 ${number(gpus)} 個 GPU 中有 ${number(more)} 個與另一個 GPU 的 ID 相同：只採用第一個。`,
    large_report: ({ kib }) => `上次回報的資料有 ${number(kib)} KiB，遠大於正常大小。`,
    moved: ({ origin, before }) =>
      `權杖重設後，它從 ${origin} 註冊；先前的位址是 ${before}。如果不認得新位址，請再次重設權杖。`,
    name_asked: ({ origin, hostname }) =>
      `${origin} 上的機器請求以「${hostname}」註冊，而這是本主機的名稱。如果它就是這台機器並遺失了權杖，請重設權杖；否則請給它換一個主機名稱。`,
    client_name_asked: ({ origin, hostname }) =>
      `${origin} 上的機器請求以「${hostname}」註冊，而這是本主機的名稱。如果它就是這台機器，請開放名稱；否則請給它換一個主機名稱。`,
    by_turns: ({ one, other }) =>
      `回報輪流來自 ${one} 和 ${other}：如果是兩台機器共用一個權杖，請為每台設定各自的主機名稱和權杖。`,
    names_by_turns: ({ one, other }) =>
      `使用這個名稱的記錄輪流來自 ${one} 和 ${other}：如果是兩台機器，請為每台設定各自的 client_name。`,
    records_ahead: ({ differenceMs, zone }) =>
      `依時區 ${zone}，它的記錄比 hub 的時鐘快 ${age(differenceMs)}，hub 已依此差值校正記錄的時間。請把 hub.timezone 設為用戶端所在的時區，或校正那台機器的時鐘。`,
    records_behind: ({ differenceMs, zone }) =>
      `依時區 ${zone}，它的記錄比 hub 的時鐘慢 ${age(differenceMs)}，hub 已依此差值校正目前記錄的時間。請把 hub.timezone 設為用戶端所在的時區，或校正那台機器的時鐘。`,
    records_old: ({ differenceMs, zone }) =>
      `依時區 ${zone} 和 hub 的時鐘，它最新的記錄已是 ${age(differenceMs)}之前的，歷史以記錄自帶的時間保存。如果這些其實是目前的資料，請把 hub.timezone 設為用戶端所在的時區，或校正那台機器的時鐘。`,
    bad_records: ({ failed, example }) => `最近一次請求中有 ${number(failed)} 筆記錄無法接收：${example}。`,
    records_elsewhere: ({ origin, hostname }) =>
      `${origin} 上的 Logger 用戶端以「${hostname}」的名稱傳送記錄，已被拒絕：這台機器已用權杖註冊，並從別處回報。如果那是另一台機器，請換一個 client_name；如果是同一台，請為用戶端設定「回報」用途的權杖。`,
    records_too_large: ({ mib }) =>
      `它最近一次傳送的記錄超過 ${mib}（push.body），之後每次重送也會被拒絕：請調大這個限制。`,
    records_too_many: ({ most }) =>
      `它最近一次請求的記錄超過 ${number(most)} 筆，多出的部分已被拒絕，之後每次重送也會被拒絕：請減少每次傳送的筆數，或改用 CSV 匯入。`,
    lookalike: ({ names }) => `它的名稱與另一台主機（${names}）相似：核准之前請核對位址。`,
    other_history: ({ hostname, until }) =>
      `歷史中已有名為「${hostname}」的資料（匯入的，或來自另一台機器），截至 ${time(until)}。核准之後，這台機器的資料會併入其中；在此之前只顯示，不儲存。`,
    client_history: ({ hostname, until }) =>
      `歷史中已有名為「${hostname}」的資料（匯入的，或來自另一台機器），截至 ${time(until)}。核准之前只顯示，不儲存；核准之後，用戶端會全部補送。`,
  },
};
