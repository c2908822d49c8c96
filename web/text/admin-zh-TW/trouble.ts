import type { FaultCode } from "../../../hub/fault.ts";
import { span } from "../../../proto/quantity.ts";
import type { ForeignAdminText } from "../admin.ts";

const number = new Intl.NumberFormat("zh-TW").format;
const time = new Intl.DateTimeFormat("zh-TW", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format;
const age = (ms: number): string => span(ms / 1000, { d: " 天", h: " 小時", min: " 分鐘", s: " 秒" });
const datedByHub = "目前資料的時間以 hub 為準，補傳資料的時間不準確。";
/** Why a report is refused. */
export const faults: Readonly<Partial<Record<FaultCode, string>>> = {
  bad_request: "內容無效",
  body_too_large: "內容過大",
  history_unwritable: "歷史無法寫入",
  media_type_refused: "類型不受支援",
  node_registered: "主機名稱已被註冊",
  sample_bad: "時間或名稱無效",
  secret_refused: "沒有金鑰，或金鑰錯誤",
  sender_refused: "無權傳送記錄",
  too_many_attempts: "錯誤的金鑰過多",
  too_many_nodes: "機器過多",
};

/** What is wrong with the reports of a host. */
export const troubleTexts: ForeignAdminText["troubleTexts"] = {
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
};
