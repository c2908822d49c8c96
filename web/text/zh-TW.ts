import type { FaultCode } from "../../hub/fault.ts";
import { span } from "../../proto/quantity.ts";
import type { ForeignText } from "./text.ts";

const number = new Intl.NumberFormat("zh-TW").format;
const seconds = (ms: number): string => `${number(ms / 1000)} 秒`;
const time = new Intl.DateTimeFormat("zh-TW", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format;
const units = { d: " 天", h: " 小時", min: " 分鐘", s: " 秒" };
const age = (ms: number): string => span(ms / 1000, units);
const nodes = (node: string, others: number): string =>
  `${node}${others > 0 ? ` 和另外 ${number(others)} 個節點` : " "}`;
const losses = { deleted: "刪除", replaced: "取代", emptied: "清空" };
/** Why a report is refused, before the hub's own words. */
const faults: Readonly<Partial<Record<FaultCode, string>>> = {
  bad_request: "（內容無效）",
  body_too_large: "（內容過大）",
  media_type_refused: "（類型不受支援）",
  sample_bad: "（時間或名稱無效）",
  history_unwritable: "（歷史無法寫入）",
};

export const zhTW: ForeignText = {
  tag: "zh-TW",
  name: "繁體中文",

  verdict: { free: "閒置", busy: "使用中", held: "佔而未用", broken: "故障", unknown: "不明" },
  verdictHint: {
    free: "沒有人在用。",
    busy: "正在跑運算。",
    held: "有人佔用，但沒有在運算。",
    broken: "目前的狀態下無法使用。",
    unknown: "沒有最新讀數。",
  },
  freeRule: (percent, share, floor) =>
    `「閒置」的標準：讀數是最新的、卡上沒有行程（僅用於顯示且幾乎不佔 VRAM 的除外）、使用率低於 ${percent}%、VRAM 用量低於 ${share}% 或 ${floor}，且沒有錯誤計數。`,
  freeOf: (cards) => `張閒置，共 ${cards} 張卡`,
  noCardsAnywhere: "這些主機上沒有 GPU",
  noCardsApproved: "已核准的主機沒有 GPU",
  freeWere: (cards) => `張當時閒置，共 ${cards} 張卡`,
  noneFree: (total) => `共 ${total} 張，沒有閒置`,
  ofTotal: (total) => `/ ${total}`,
  freeCards: "閒置的卡",
  heldBy: "誰在佔用",
  trouble: "異常",
  noTrouble: "一切正常。",
  noHolders: "沒有人在跑工作。",
  more: (n) => `還有 ${n} 項`,
  fewer: "收合",
  copy: (command) => `複製 ${command}`,
  copied: "已複製",
  cards: (n) => `${n} 張卡`,
  hosts: (n) => `${n} 台主機`,
  idleCards: (n) => `${n} 張未用`,
  hostsShown: (shown, all) => (shown === all ? `${all} 台主機` : `${shown} / ${all} 台主機`),
  nothingFits: "沒有符合條件的卡。",
  clearFilter: "顯示全部",

  all: "全部",
  mine: "我的",
  whoAmI: "我是",
  choose: "請選擇…",
  search: "搜尋",
  searchHint: "主機、使用者、型號、行程",
  show: "篩選",
  sort: "排序",
  byName: "依名稱",
  byFree: "閒置多的在前",
  view: "檢視",
  rows: "清單",
  heat: "總覽圖",
  heatHint: "每格一張卡，填滿高度為使用率。方向鍵移動，Enter 開啟主機。",
  onlyUser: (user) => `只看 ${user}`,

  theme: "佈景主題",
  themes: { auto: "跟隨系統", light: "淺色", dark: "深色" },
  language: "語言",
  overview: "所有主機",
  skip: "跳到主要內容",
  close: "關閉",
  signIn: "登入",
  account: (name) => `帳號：${name}`,
  administration: "管理",
  reports: "每日報告",
  waiting: (n) => `${n} 台主機待核准`,
  version: (version) => `GOHM ${version}`,

  loading: "載入中…",
  partFault: (reason) => `這部分頁面載入失敗，正在重試。（${reason}）`,
  loadAgain: "重新載入",
  outdated: "頁面與 hub 的版本不一致。",
  noHosts: "還沒有設定主機。",
  noHostsHint: '請在 settings.json 的 "servers" 裡填寫：{"servers": {"node1": "10.0.0.1:9203"}}',
  live: "即時",
  lost: (time, age) => `${time} 起與 hub 中斷連線（${age}）`,
  lostHint: {
    closed: "下面顯示的是中斷前的資料，不是目前的資料。正在重新連線。",
    silent: "hub 不再傳送資料。下面顯示的是中斷前的資料，不是目前的資料。正在重新連線。",
    garbled: "hub 傳來的訊息前後不一致，正在重新載入全部資料。",
    "sign-in": "hub 前面的伺服器要求登入，請重新載入頁面並登入。下面顯示的是中斷前的資料，不是目前的資料。",
    "signed-out": "這個 hub 要求登入。",
  },
  opening: "正在連線到 hub…",
  notice: "hub 的提示",

  unreachableSince: (age) => `已失聯 ${age}`,
  neverReached: "從未連上",
  waits: "等待核准",
  waitsHint: "這台機器自行註冊。管理員核准後才會計入。",
  late: (age) => `已有 ${age}沒有回應`,
  connecting: "正在連線…",
  lastKnown: "舊資料",
  lastKnownFrom: (age) => `下面是 ${age}前的資料。`,
  seen: (age) => `${age}前更新`,
  ago: (age) => `${age}前`,
  up: (age) => `已運作 ${age}`,
  driver: (version) => `驅動程式 ${version}`,
  cuda: (version) => `CUDA ${version}`,
  span: (seconds) => span(seconds, units),
  idleFor: (age, orLonger) => `未用 ${age}${orLonger ? "以上" : ""}`,
  divided: "已劃分為多個執行個體",
  noProcess: "VRAM 被佔用，但看不到行程",
  elsewhere: "在 agent 的容器之外",
  integrated: "處理器內建",
  hostPart: (size) => `主機記憶體 ${size}`,
  memoryShared: "與主機共用記憶體",
  processesUnknown: "行程不明",
  asleep: "休眠中",
  times: (n) => `×${n}`,
  list: (words) => words.join("、"),

  fault: (fault) => {
    switch (fault.kind) {
      case "lost":
        return "掉卡";
      case "hung":
        return "驅動程式沒有回應";
      case "stale":
        return "讀取失敗";
      case "ecc-uncorrected":
        return `${fault.count} 個無法修正的 ECC 錯誤`;
      case "xid":
        return `Xid ${fault.code}${fault.count > 1 ? `，共 ${fault.count} 次` : ""}`;
      case "nvlink":
        return `NVLink 僅 ${fault.of - fault.count}/${fault.of} 條連結正常`;
      default:
        return fault satisfies never;
    }
  },
  slowed: (reasons) => `因${reasons}降頻`,
  throttle: {
    0: "原因不明",
    1: "閒置",
    2: "應用程式時脈設定",
    3: "功耗上限",
    4: "硬體保護",
    5: "同步加速",
    6: "溫度上限",
    7: "過熱",
    8: "供電煞車",
    9: "顯示時脈設定",
    10: "電流上限",
    11: "VRAM 過熱",
    12: "供電模組過熱",
    13: "主機板訊號（PROCHOT）",
    14: "冷卻液過熱",
    15: "驅動程式未說明的原因",
  },
  sourceFault: (source) => `無法讀取 ${source}`,
  diskFull: (mount, percent) => `磁碟 ${mount} 已用 ${percent}%`,
  mountHangs: (mount) => `掛載點 ${mount} 沒有回應`,
  card: (name) => `${name} 號卡`,
  onCard: (name, words) => `${name} 號卡：${words}`,

  model: "型號",
  state: "狀態",
  utilization: "使用率",
  memory: "VRAM",
  hostMemory: "記憶體",
  temperature: "溫度",
  power: "功耗",
  fan: "風扇",
  processes: "行程",
  cpu: "CPU",
  load: "負載",
  network: "網路",
  disks: "磁碟",
  disk: "磁碟",
  iowait: "等待磁碟",
  swap: "置換空間",
  threads: (n) => `${n} 執行緒`,
  receive: "收",
  transmit: "送",

  back: "所有主機",
  unknownHost: (name) => `hub 裡沒有叫「${name}」的主機。`,
  address: "位址",
  group: "群組",
  labels: "標籤",
  os: "系統",
  kernel: "核心",
  uptime: "已運作",
  agent: "Agent",
  answered: "上次回應",
  clocks: "時脈",
  clockSm: "SM",
  clockMemory: "VRAM",
  memoryUse: "VRAM 控制器",
  limits: "限制時脈的原因",
  noLimits: "無",
  ecc: "VRAM 錯誤",
  eccCount: (corrected, uncorrected) => `已修正 ${corrected}，無法修正 ${uncorrected}`,
  xid: "Xid",
  xidCount: (count, code, time) => `${count} 次，最近一次 ${code}（${time}）`,
  pid: "PID",
  user: "使用者",
  command: "指令",
  started: "已執行",
  mount: "掛載點",
  fileSystem: "類型",
  used: "已用",
  size: "容量",
  available: "可用",
  readOnly: "唯讀",
  nic: "網卡",
  down: "未連線",
  addresses: "位址",
  speed: "速率",
  sources: "資料來源",
  sourceStates: {
    ok: "正常",
    stale: "過期",
    hung: "沒有回應",
    lost: "遺失",
    unsupported: "這台機器沒有",
    unknown: "不明",
  },
  took: "耗時",
  reader: "來源",
  noCards: "這台機器沒有 GPU。",

  history: "歷史",
  range: "時間範圍",
  ranges: {
    "15m": "15 分鐘",
    "1h": "1 小時",
    "6h": "6 小時",
    "24h": "24 小時",
    "3d": "3 天",
    "10d": "10 天",
    "30d": "30 天",
    "1y": "1 年",
    all: "全部",
  },
  noHistory: "這段時間還沒有資料。",
  historyFault: (reason) => `無法讀取歷史資料：${reason}`,
  shownOf: (shown, all) => `顯示 ${shown} / ${all}`,
  busiest: "最忙",
  sides: "上收下送",
  band: "色帶表示最小值到最大值，線表示平均值。",
  toggle: (name) => `顯示或隱藏 ${name}`,

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
    reports_refused: ({ fault, message }) => `回報被拒絕${faults[fault] ?? ""}：${message}`,
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
    settings_bad: ({ message }) => `設定有誤，仍沿用先前的設定：${message}`,
    nodes_waiting: ({ most }) => `已有 ${number(most)} 台機器等待核准，無法再註冊新機器。請核准認識的，刪除其餘的。`,
    nodes_full: ({ most }) => `已註冊 ${number(most)} 台機器，無法再註冊新機器。請管理員刪除已經不用的。`,
    logger_gateway: ({ origin }) =>
      `GPU Metrics Logger 的記錄來自 ${origin}，即 hub 所在網路的閘道：無論從哪裡來，經過它的用戶端都顯示為這個位址。如果 hub 在容器中，請讓它使用主機網路，或把 push.logger 設為 "token"。`,
    book_restored: ({ path, lost, aside }) =>
      `管理資料 ${path} 在 hub 執行期間被${losses[lost]}，已在原處重新寫入，資料沒有遺失。${aside && `當時在那裡的檔案現名為 ${aside}。要還原備份，請先停止 hub。`}`,
    book_damaged: ({ path, error, aside }) =>
      `管理資料 ${path} 已損毀（${error}），已移到 ${aside}，並建立了新檔案。原有內容需要從備份還原，或重新建立。`,
    book_row: ({ path, message }) => `管理資料 ${path} 中有損毀的記錄：${message}。請停止 hub 後更正，或還原備份。`,
    book_unusable: ({ path, error }) => `無法使用管理資料 ${path}：${error}。即時資料和歷史不受影響。`,
    history_unwritable: ({ folder, error, retryMs }) =>
      `無法將歷史寫入 ${folder}：${error}。即時資料照常顯示，每 ${seconds(retryMs)}重試一次。`,
    history_crowded: ({ most, host, others }) =>
      `${host}${others > 0 ? ` 和另外 ${number(others)} 台主機` : " "}的裝置超過了歷史為每台機器保留的數量（${number(most)}，history.max_devices）。最久沒有出現的裝置會從歷史中刪除。`,
    export_failed: ({ path, error, retryMs }) =>
      `每日 CSV 檔案無法寫入 ${path}（export.folder）：${error}。每 ${number(retryMs / 60_000)} 分鐘重試一次。`,
    report_failed: ({ node, others, error }) =>
      `${nodes(node, others)}的每日報告缺少資料：${error}。至少每小時會再次讀取，缺少的日期會自動補上。`,
    report_unwritable: ({ node, others, error }) =>
      `${nodes(node, others)}的每日報告無法寫入（reports.folder）：${error}。至少每小時重試一次。`,
    report_rows: ({ date, node, others, gpus, missing, expected }) =>
      `${date} 的每日報告不完整：${nodes(node, others)}缺少資料，其中 ${node} 應有 ${number(expected)} 列，缺 ${number(missing)} 列（${gpus}）。`,
    report_values: ({ date, node, others, gpus, count }) =>
      `${date} 的每日報告中，${nodes(node, others)}有低於 0% 或高於 100% 的數值，其中 ${node} 有 ${number(count)} 列（${gpus}）。`,
    report_cards: ({ date, node, others, gpus, before }) =>
      `${date} 的每日報告中，${nodes(node, others)}缺少以前有的卡：${before} 時 ${node} 還有 ${gpus}。`,
    report_shared: ({ date, node, others, gpus, most }) =>
      `${date}，${nodes(node, others)}上有多位使用者的工作同時使用同一張卡：最多 ${number(most)} 位使用者（${node} 的 ${gpus}）。`,
    report_users: ({ date, message }) => `${date} 的每日報告中，使用者可能缺漏或有誤：${message}`,
    history_restored: ({ path, lost, aside }) =>
      `歷史 ${path} 在 hub 執行期間被${losses[lost]}，已在原處重新寫入，${lost === "emptied" ? "其中只剩最近幾小時的資料" : "資料沒有遺失"}。${aside && `當時在那裡的檔案現名為 ${aside}。要還原備份，請先停止 hub。`}`,
  },
};
