/** Texts of the page that is printed, in one language. */
export interface PrintText {
  readonly title: string;
  readonly gpu: string;
  readonly vram: string;
  readonly mean: string;
  readonly card: string;
  readonly user: string;
  readonly nobody: string;
  readonly rows: string;
  readonly of: (rows: number, expected: number) => string;
  readonly coverage: string;
  readonly all: string;
  readonly charts: string;
  /** What lines mean, also without colours, and the zone of the day. */
  readonly legend: (zone: string) => string;
  readonly noData: string;
  readonly cardNumber: (number: number) => string;
}

const en: PrintText = {
  title: "Daily GPU report",
  gpu: "GPU utilization",
  vram: "VRAM in use",
  mean: "mean",
  card: "Card",
  user: "User",
  nobody: "not used",
  rows: "Rows",
  of: (rows, expected) => `${rows} of ${expected}`,
  coverage: "Coverage",
  all: "All cards",
  charts: "The day, card by card",
  legend: (zone) =>
    `Solid line: GPU utilization. Dashed line: VRAM in use. Both from 0 to 100 %. Times are those of ${zone}; each point is the mean of ten minutes.`,
  noData: "no data",
  cardNumber: (number) => `Card ${number}`,
};

const zhCN: PrintText = {
  title: "GPU 每日报告",
  gpu: "GPU 利用率",
  vram: "显存使用率",
  mean: "平均",
  card: "卡号",
  user: "用户",
  nobody: "未使用",
  rows: "数据行",
  of: (rows, expected) => `${rows} / ${expected}`,
  coverage: "数据完整度",
  all: "全部平均",
  charts: "全天曲线（逐卡）",
  legend: (zone) =>
    `实线为 GPU 利用率，虚线为显存使用率，纵轴均为 0 至 100%。时间为 ${zone} 时区；每个点是十分钟的平均值。`,
  noData: "无数据",
  cardNumber: (number) => `卡 ${number}`,
};

const zhTW: PrintText = {
  title: "GPU 每日報告",
  gpu: "GPU 使用率",
  vram: "VRAM 使用率",
  mean: "平均",
  card: "卡號",
  user: "使用者",
  nobody: "未使用",
  rows: "資料列",
  of: (rows, expected) => `${rows} / ${expected}`,
  coverage: "資料完整度",
  all: "全部平均",
  charts: "全日曲線（逐卡）",
  legend: (zone) =>
    `實線為 GPU 使用率，虛線為 VRAM 使用率，縱軸皆為 0 至 100%。時間為 ${zone} 時區；每個點是十分鐘的平均值。`,
  noData: "無資料",
  cardNumber: (number) => `卡 ${number}`,
};

/** By BCP 47 tag. */
export const printTexts = { en, "zh-CN": zhCN, "zh-TW": zhTW } as const satisfies Readonly<Record<string, PrintText>>;
