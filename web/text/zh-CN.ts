import type { FaultCode } from "../../hub/fault.ts";
import { span } from "../../proto/quantity.ts";
import type { ForeignText } from "./text.ts";

const number = new Intl.NumberFormat("zh-CN").format;
const seconds = (ms: number): string => `${number(ms / 1000)} 秒`;
const time = new Intl.DateTimeFormat("zh-CN", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format;
const units = { d: " 天", h: " 小时", min: " 分钟", s: " 秒" };
const age = (ms: number): string => span(ms / 1000, units);
const nodes = (node: string, others: number): string =>
  `${node}${others > 0 ? ` 和另外 ${number(others)} 个节点` : " "}`;
const losses = { deleted: "删除", replaced: "替换", emptied: "清空" };
/** Why a report is refused, before the hub's own words. */
const faults: Readonly<Partial<Record<FaultCode, string>>> = {
  bad_request: "（内容无效）",
  body_too_large: "（内容过大）",
  media_type_refused: "（类型不受支持）",
  sample_bad: "（时间或名称无效）",
  history_unwritable: "（历史无法写入）",
};

export const zhCN: ForeignText = {
  tag: "zh-CN",
  name: "简体中文",

  verdict: { free: "空闲", busy: "使用中", held: "占而未用", broken: "故障", unknown: "未知" },
  verdictHint: {
    free: "没有人在用。",
    busy: "正在跑计算。",
    held: "有人占用，但没有在计算。",
    broken: "目前的状态下无法使用。",
    unknown: "没有最新读数。",
  },
  freeRule: (percent, share, floor) =>
    `“空闲”的标准：读数是最新的、卡上没有进程（仅用于显示且几乎不占显存的除外）、利用率低于 ${percent}%、显存占用低于 ${share}% 或 ${floor}，且没有错误计数。`,
  freeOf: (cards) => `张空闲，共 ${cards} 张卡`,
  noCardsAnywhere: "这些主机上没有 GPU",
  noCardsApproved: "已批准的主机没有 GPU",
  freeWere: (cards) => `张当时空闲，共 ${cards} 张卡`,
  noneFree: (total) => `共 ${total} 张，没有空闲`,
  ofTotal: (total) => `/ ${total}`,
  freeCards: "空闲的卡",
  heldBy: "谁在占用",
  trouble: "异常",
  noTrouble: "一切正常。",
  noHolders: "没有人在跑任务。",
  more: (n) => `还有 ${n} 项`,
  fewer: "收起",
  copy: (command) => `复制 ${command}`,
  copied: "已复制",
  cards: (n) => `${n} 张卡`,
  hosts: (n) => `${n} 台主机`,
  idleCards: (n) => `${n} 张未用`,
  hostsShown: (shown, all) => (shown === all ? `${all} 台主机` : `${shown} / ${all} 台主机`),
  nothingFits: "没有符合条件的卡。",
  clearFilter: "显示全部",

  all: "全部",
  mine: "我的",
  whoAmI: "我是",
  choose: "请选择…",
  search: "搜索",
  searchHint: "主机、用户、型号、进程",
  show: "筛选",
  sort: "排序",
  byName: "按名称",
  byFree: "空闲多的在前",
  view: "视图",
  rows: "列表",
  heat: "总览图",
  heatHint: "每格一张卡，填充高度为利用率。方向键移动，回车打开主机。",
  onlyUser: (user) => `只看 ${user}`,

  theme: "主题",
  themes: { auto: "跟随系统", light: "浅色", dark: "深色" },
  language: "语言",
  overview: "所有主机",
  skip: "跳到正文",
  close: "关闭",
  signIn: "登录",
  account: (name) => `账号：${name}`,
  administration: "管理",
  reports: "每日报告",
  waiting: (n) => `${n} 台主机待批准`,
  version: (version) => `GOHM ${version}`,

  loading: "正在加载…",
  partFault: (reason) => `这部分页面加载失败，正在重试。（${reason}）`,
  loadAgain: "重新加载",
  outdated: "页面与 hub 的版本不一致。",
  noHosts: "还没有配置主机。",
  noHostsHint: '请在 settings.json 的 "servers" 里填写：{"servers": {"node1": "10.0.0.1:9203"}}',
  live: "实时",
  lost: (time, age) => `${time} 起与 hub 断开连接（${age}）`,
  lostHint: {
    closed: "下面显示的是断开前的数据，不是当前数据。正在重新连接。",
    silent: "hub 不再发送数据。下面显示的是断开前的数据，不是当前数据。正在重新连接。",
    garbled: "hub 发来的消息前后不一致，正在重新加载全部数据。",
    "sign-in": "hub 前面的服务器要求登录，请重新加载页面并登录。下面显示的是断开前的数据，不是当前数据。",
    "signed-out": "这个 hub 要求登录。",
  },
  opening: "正在连接 hub…",
  notice: "hub 的提示",

  unreachableSince: (age) => `已失联 ${age}`,
  neverReached: "从未连上",
  waits: "等待批准",
  waitsHint: "这台机器自行注册。管理员批准后才会计入。",
  late: (age) => `已有 ${age}没有应答`,
  connecting: "正在连接…",
  lastKnown: "旧数据",
  lastKnownFrom: (age) => `下面是 ${age}前的数据。`,
  seen: (age) => `${age}前更新`,
  ago: (age) => `${age}前`,
  up: (age) => `已运行 ${age}`,
  driver: (version) => `驱动 ${version}`,
  cuda: (version) => `CUDA ${version}`,
  span: (seconds) => span(seconds, units),
  idleFor: (age, orLonger) => `未用 ${age}${orLonger ? "以上" : ""}`,
  divided: "已划分为多个实例",
  noProcess: "显存被占用，但看不到进程",
  elsewhere: "在 agent 的容器之外",
  integrated: "处理器内置",
  hostPart: (size) => `主机内存 ${size}`,
  memoryShared: "与主机共用内存",
  processesUnknown: "进程未知",
  asleep: "休眠中",
  times: (n) => `×${n}`,
  list: (words) => words.join("、"),

  fault: (fault) => {
    switch (fault.kind) {
      case "lost":
        return "掉卡";
      case "hung":
        return "驱动无响应";
      case "stale":
        return "读取失败";
      case "ecc-uncorrected":
        return `${fault.count} 个不可纠正的 ECC 错误`;
      case "xid":
        return `Xid ${fault.code}${fault.count > 1 ? `，共 ${fault.count} 次` : ""}`;
      case "nvlink":
        return `NVLink 仅 ${fault.of - fault.count}/${fault.of} 条链路正常`;
      default:
        return fault satisfies never;
    }
  },
  slowed: (reasons) => `因${reasons}降频`,
  throttle: {
    0: "原因不明",
    1: "空闲",
    2: "应用时钟设置",
    3: "功耗上限",
    4: "硬件保护",
    5: "同步加速",
    6: "温度墙",
    7: "过热",
    8: "供电制动",
    9: "显示时钟设置",
    10: "电流上限",
    11: "显存过热",
    12: "供电模块过热",
    13: "主板信号（PROCHOT）",
    14: "冷却液过热",
    15: "驱动未说明的原因",
  },
  sourceFault: (source) => `无法读取 ${source}`,
  diskFull: (mount, percent) => `磁盘 ${mount} 已用 ${percent}%`,
  mountHangs: (mount) => `挂载点 ${mount} 无响应`,
  card: (name) => `${name} 号卡`,
  onCard: (name, words) => `${name} 号卡：${words}`,

  model: "型号",
  state: "状态",
  utilization: "利用率",
  memory: "显存",
  hostMemory: "内存",
  temperature: "温度",
  power: "功耗",
  fan: "风扇",
  processes: "进程",
  cpu: "CPU",
  load: "负载",
  network: "网络",
  disks: "磁盘",
  disk: "磁盘",
  iowait: "等待磁盘",
  swap: "交换空间",
  threads: (n) => `${n} 线程`,
  receive: "收",
  transmit: "发",

  back: "所有主机",
  unknownHost: (name) => `hub 里没有叫“${name}”的主机。`,
  address: "地址",
  group: "分组",
  labels: "标签",
  os: "系统",
  kernel: "内核",
  uptime: "已运行",
  agent: "Agent",
  answered: "上次应答",
  clocks: "频率",
  clockSm: "SM",
  clockMemory: "显存",
  memoryUse: "显存控制器",
  limits: "限制频率的原因",
  noLimits: "无",
  ecc: "显存错误",
  eccCount: (corrected, uncorrected) => `已纠正 ${corrected}，不可纠正 ${uncorrected}`,
  xid: "Xid",
  xidCount: (count, code, time) => `${count} 次，最近一次 ${code}（${time}）`,
  pid: "PID",
  user: "用户",
  command: "命令",
  started: "已运行",
  mount: "挂载点",
  fileSystem: "类型",
  used: "已用",
  size: "容量",
  available: "可用",
  readOnly: "只读",
  nic: "网卡",
  down: "未连接",
  addresses: "地址",
  speed: "速率",
  sources: "数据来源",
  sourceStates: {
    ok: "正常",
    stale: "过期",
    hung: "无响应",
    lost: "丢失",
    unsupported: "这台机器没有",
    unknown: "未知",
  },
  took: "耗时",
  reader: "来源",
  noCards: "这台机器没有 GPU。",

  history: "历史",
  range: "时间范围",
  ranges: {
    "15m": "15 分钟",
    "1h": "1 小时",
    "6h": "6 小时",
    "24h": "24 小时",
    "3d": "3 天",
    "10d": "10 天",
    "30d": "30 天",
    "1y": "1 年",
    all: "全部",
  },
  noHistory: "这段时间还没有数据。",
  historyFault: (reason) => `无法读取历史数据：${reason}`,
  shownOf: (shown, all) => `显示 ${shown} / ${all}`,
  busiest: "最忙",
  sides: "上收下发",
  band: "色带表示最小值到最大值，线表示平均值。",
  toggle: (name) => `显示或隐藏 ${name}`,

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
    reports_refused: ({ fault, message }) => `上报被拒绝${faults[fault] ?? ""}：${message}`,
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
    settings_bad: ({ message }) => `设置有误，仍沿用之前的设置：${message}`,
    nodes_waiting: ({ most }) => `已有 ${number(most)} 台机器等待批准，无法再注册新机器。请批准认识的，删除其余的。`,
    nodes_full: ({ most }) => `已注册 ${number(most)} 台机器，无法再注册新机器。请管理员删除已经不用的。`,
    logger_gateway: ({ origin }) =>
      `GPU Metrics Logger 的记录来自 ${origin}，即 hub 所在网络的网关：无论从哪里来，经过它的客户端都显示为这个地址。如果 hub 在容器中，请让它使用主机网络，或把 push.logger 设为 "token"。`,
    book_restored: ({ path, lost, aside }) =>
      `管理数据 ${path} 在 hub 运行期间被${losses[lost]}，已在原处重新写入，数据没有丢失。${aside && `当时在那里的文件现名为 ${aside}。要恢复备份，请先停止 hub。`}`,
    book_damaged: ({ path, error, aside }) =>
      `管理数据 ${path} 已损坏（${error}），已移到 ${aside}，并新建了文件。原有内容需要从备份恢复，或重新创建。`,
    book_row: ({ path, message }) => `管理数据 ${path} 中有损坏的记录：${message}。请停止 hub 后更正，或恢复备份。`,
    book_unusable: ({ path, error }) => `无法使用管理数据 ${path}：${error}。实时数据和历史不受影响。`,
    history_unwritable: ({ folder, error, retryMs }) =>
      `无法将历史写入 ${folder}：${error}。实时数据照常显示，每 ${seconds(retryMs)}重试一次。`,
    history_crowded: ({ most, host, others }) =>
      `${host}${others > 0 ? ` 和另外 ${number(others)} 台主机` : " "}的设备超过了历史为每台机器保留的数量（${number(most)}，history.max_devices）。最久没有出现的设备会从历史中删除。`,
    export_failed: ({ path, error, retryMs }) =>
      `每日 CSV 文件无法写入 ${path}（export.folder）：${error}。每 ${number(retryMs / 60_000)} 分钟重试一次。`,
    report_failed: ({ node, others, error }) =>
      `${nodes(node, others)}的每日报告缺少数据：${error}。至少每小时会再次读取，缺少的日期会自动补上。`,
    report_unwritable: ({ node, others, error }) =>
      `${nodes(node, others)}的每日报告无法写入（reports.folder）：${error}。至少每小时重试一次。`,
    report_rows: ({ date, node, others, gpus, missing, expected }) =>
      `${date} 的每日报告不完整：${nodes(node, others)}缺少数据，其中 ${node} 应有 ${number(expected)} 行，缺 ${number(missing)} 行（${gpus}）。`,
    report_values: ({ date, node, others, gpus, count }) =>
      `${date} 的每日报告中，${nodes(node, others)}有低于 0% 或高于 100% 的数值，其中 ${node} 有 ${number(count)} 行（${gpus}）。`,
    report_cards: ({ date, node, others, gpus, before }) =>
      `${date} 的每日报告中，${nodes(node, others)}缺少以前有的卡：${before} 时 ${node} 还有 ${gpus}。`,
    report_shared: ({ date, node, others, gpus, most }) =>
      `${date}，${nodes(node, others)}上有多个用户的任务同时使用同一张卡：最多 ${number(most)} 个用户（${node} 的 ${gpus}）。`,
    report_users: ({ date, message }) => `${date} 的每日报告中，用户可能缺失或有误：${message}`,
    history_restored: ({ path, lost, aside }) =>
      `历史 ${path} 在 hub 运行期间被${losses[lost]}，已在原处重新写入，${lost === "emptied" ? "其中只剩最近几小时的数据" : "数据没有丢失"}。${aside && `当时在那里的文件现名为 ${aside}。要恢复备份，请先停止 hub。`}`,
  },
};
