import { span } from "../../proto/quantity.ts";
import type { ReportText } from "./report.ts";

const number = new Intl.NumberFormat("zh-CN").format;
const units = { d: " 天", h: " 小时", min: " 分钟", s: " 秒" };
const age = (ms: number): string => span(ms / 1000, units);

export const reportZhCN: ReportText = {
  node: "节点",
  allNodes: "所有节点",
  from: "从",
  to: "到",
  states: { running: "当天未结束", complete: "完整", partial: "数据有缺", empty: "无数据" },
  stateHint: {
    running: "这一天还没有结束，报告只包含生成时已有的数据。",
    complete: "每张卡的数据都齐全。",
    partial: "缺少部分数据行。",
    empty: "所有卡都没有数据：节点没有应答。",
  },
  coverage: "数据完整度",
  rows: (there, all) => `${there} / ${all} 行`,
  users: "用户",
  nobody: "未使用",
  files: "文件",
  file: { average: "平均值", summary: "汇总" },
  perCard: (files) => `各卡数据（${files} 个文件）`,
  print: "打印版",
  vram: "显存使用率",
  noData: "无数据",
  byHour: (zone) => `小图为每小时的 GPU 利用率，纵轴 0 至 100%。日期按 ${zone} 时区。`,
  byTenMinutes: (zone) => `小图为每十分钟的平均值，纵轴 0 至 100%。日期按 ${zone} 时区。`,
  cardNumber: "卡号",
  older: "更早的报告",
  noneFit: "没有符合条件的报告。",
  back: "所有报告",
  unknown: (node, date) => `没有 ${node} 在 ${date} 的报告。`,
  namesHidden: "含有用户名的文件需要登录后下载。",

  none: "还没有每日报告。",
  first: (time, zone) => `报告每天 ${time}（${zone}）生成。`,
  setUp: "请在 settings.json 的“reports”里填写节点：每个节点写上 Netdata 的地址，或本 hub 的主机名：",
  setUpMore: "运行 gohm report YYYY-MM-DD 可立即生成任意一天的报告。文件格式见 docs/reports.md。",

  issues: {
    rows_missing: ({ gpus, missing, expected }) => `应有 ${number(expected)} 行，缺 ${number(missing)} 行：${gpus}`,
    values_out: ({ gpus, count }) => `${number(count)} 行的数值低于 0% 或高于 100%：${gpus}`,
    cards_gone: ({ gpus, date }) => `${date} 的报告中有、现在没有数据的卡：${gpus}`,
    cards_shared: ({ gpus, most }) => `同一张卡上同时有 ${number(most)} 个用户的任务：${gpus}`,
    rows_unread: ({ gpus, why }) => `${gpus} 没有数据：${why}`,
    charts_unknown: ({ why }) => `无法列出它的图表，因此按未知型号的卡读取：${why}`,
    cards_unlisted: ({ gpus }) => `它的 Netdata 中没有这些卡的图表：${gpus}`,
    cards_unnamed: ({ cards }) => `它的 Netdata 中有设置里没有列出的卡：${cards}`,
    values_none: ({ gpus, count }) => `${number(count)} 行没有数值，按 0 计：${gpus}`,
    values_no_vram: ({ gpus, count }) => `${number(count)} 行没有显存数值，按 0 计：${gpus}`,
    rows_bad: ({ gpus, count }) => `${number(count)} 行无法读取，已略去：${gpus}`,
    rows_spaced: ({ gpus, stepSec }) => `各行间隔为 ${number(stepSec)} 秒，而不是 600 秒：${gpus}`,
    history_empty: ({ host }) => `历史中没有主机“${host}”当天的样本`,
    clock_off: ({ aheadMs }) => `它的时钟比本机${aheadMs > 0 ? "快" : "慢"} ${age(Math.abs(aheadMs))}`,
  },
};
