import { span } from "../../proto/quantity.ts";
import type { ReportText } from "./report.ts";

const number = new Intl.NumberFormat("zh-TW").format;
const units = { d: " 天", h: " 小時", min: " 分鐘", s: " 秒" };
const age = (ms: number): string => span(ms / 1000, units);

export const reportZhTW: ReportText = {
  node: "節點",
  allNodes: "所有節點",
  from: "從",
  to: "到",
  states: { running: "當日未結束", complete: "完整", partial: "資料有缺", empty: "無資料" },
  stateHint: {
    running: "這一天尚未結束，報告只包含產生當時已有的資料。",
    complete: "每張卡的資料都齊全。",
    partial: "缺少部分資料列。",
    empty: "所有卡都沒有資料：節點沒有回應。",
  },
  coverage: "資料完整度",
  rows: (there, all) => `${there} / ${all} 列`,
  users: "使用者",
  nobody: "未使用",
  files: "檔案",
  file: { average: "平均值", summary: "摘要" },
  perCard: (files) => `各卡資料（${files} 個檔案）`,
  print: "列印版",
  vram: "VRAM 使用率",
  noData: "無資料",
  byHour: (zone) => `小圖為每小時的 GPU 使用率，縱軸 0 至 100%。日期依 ${zone} 時區。`,
  byTenMinutes: (zone) => `小圖為每十分鐘的平均值，縱軸 0 至 100%。日期依 ${zone} 時區。`,
  cardNumber: "卡號",
  older: "更早的報告",
  noneFit: "沒有符合條件的報告。",
  back: "所有報告",
  unknown: (node, date) => `沒有 ${node} 在 ${date} 的報告。`,
  namesHidden: "含有使用者名稱的檔案需登入後下載。",

  none: "尚無每日報告。",
  first: (time, zone) => `報告於每天 ${time}（${zone}）產生。`,
  setUp: "請在 settings.json 的「reports」中填寫節點：每個節點寫上 Netdata 的位址，或本 hub 的主機名稱：",
  setUpMore: "執行 gohm report YYYY-MM-DD 可立即產生任一天的報告。檔案格式見 docs/reports.md。",

  issues: {
    rows_missing: ({ gpus, missing, expected }) => `應有 ${number(expected)} 列，缺 ${number(missing)} 列：${gpus}`,
    values_out: ({ gpus, count }) => `${number(count)} 列的數值低於 0% 或高於 100%：${gpus}`,
    cards_gone: ({ gpus, date }) => `${date} 的報告中有、現在沒有資料的卡：${gpus}`,
    cards_shared: ({ gpus, most }) => `同一張卡上同時有 ${number(most)} 位使用者的工作：${gpus}`,
    rows_unread: ({ gpus, why }) => `${gpus} 沒有資料：${why}`,
    charts_unknown: ({ why }) => `無法列出它的圖表，因此按未知型號的卡讀取：${why}`,
    cards_unlisted: ({ gpus }) => `它的 Netdata 中沒有這些卡的圖表：${gpus}`,
    cards_unnamed: ({ cards }) => `它的 Netdata 中有設定裡沒有列出的卡：${cards}`,
    values_none: ({ gpus, count }) => `${number(count)} 列沒有數值，以 0 計：${gpus}`,
    values_no_vram: ({ gpus, count }) => `${number(count)} 列沒有顯示記憶體數值，以 0 計：${gpus}`,
    rows_bad: ({ gpus, count }) => `${number(count)} 列無法讀取，已略去：${gpus}`,
    rows_spaced: ({ gpus, stepSec }) => `各列間隔為 ${number(stepSec)} 秒，而不是 600 秒：${gpus}`,
    history_empty: ({ host }) => `歷史中沒有主機「${host}」當天的樣本`,
    clock_off: ({ aheadMs }) => `它的時鐘比本機${aheadMs > 0 ? "快" : "慢"} ${age(Math.abs(aheadMs))}`,
  },
};
