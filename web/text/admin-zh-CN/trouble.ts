import type { FaultCode } from "../../../hub/fault.ts";
import { span } from "../../../proto/quantity.ts";
import type { ForeignAdminText } from "../admin.ts";

const number = new Intl.NumberFormat("zh-CN").format;
const time = new Intl.DateTimeFormat("zh-CN", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format;
const age = (ms: number): string => span(ms / 1000, { d: " 天", h: " 小时", min: " 分钟", s: " 秒" });
const datedByHub = "当前数据的时间以 hub 为准，补传数据的时间不准确。";
/** Why a report is refused. */
export const faults: Readonly<Partial<Record<FaultCode, string>>> = {
  bad_request: "内容无效",
  body_too_large: "内容过大",
  history_unwritable: "历史无法写入",
  media_type_refused: "类型不受支持",
  node_registered: "主机名已被注册",
  sample_bad: "时间或名称无效",
  secret_refused: "没有密钥，或密钥错误",
  sender_refused: "无权发送记录",
  too_many_attempts: "错误密钥过多",
  too_many_nodes: "机器过多",
};

/** What is wrong with the reports of a host. */
export const troubleTexts: ForeignAdminText["troubleTexts"] = {
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
};
