// The files of a day's report, written from the form that readers of these folders rely on: no code of the hub has a part
// in it, and every mean and every number is the text that the test gives.

/** One row: Unix seconds at which its interval ends, and both values as they are printed. */
export type WantedRow = readonly [at: number, gpu: string, vram: string];

export interface WantedCard {
  readonly card: number;
  /** undefined: there is no file. */
  readonly rows: readonly WantedRow[] | undefined;
  /** Means with two decimals, as the file of averages prints them; undefined without data. */
  readonly means: readonly [gpu: string, vram: string] | undefined;
  /** 未使用 by default. */
  readonly user?: string;
}

export interface WantedNode {
  readonly node: string;
  readonly date: string;
  /** Seconds by which local time is ahead of UTC, from a time on (Unix seconds); the first one from the beginning. */
  readonly offsets: readonly (readonly [from: number, seconds: number])[];
  readonly cards: readonly WantedCard[];
  readonly overall: readonly [gpu: string, vram: string];
  /** Of the summary: undefined if no node has a task, "" if only others have. */
  readonly tasks?: string;
}

const line = "=".repeat(32);

/** "2025-08-01 00:10:00" */
function local(at: number, offsets: WantedNode["offsets"]): string {
  const [, offset = 0] = offsets.findLast(([from]) => from <= at) ?? offsets[0] ?? [];
  return new Date((at + offset) * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** A mean as Python prints the float: "0.00" is 0.0, "20.80" is 20.8. */
const float = (twoDecimals: string): string => twoDecimals.replace(/0$/, "");

/** @returns text by name of the file */
export function wantedFiles({ node, date, offsets, cards, overall, tasks }: WantedNode): Record<string, string> {
  const files: Record<string, string> = {};
  let averages = "GPU編號,平均GPU使用率(%),平均VRAM使用率(%),使用者\n";
  let figures = "";
  let map = "";
  for (const [index, { card, rows, means, user = "未使用" }] of cards.entries()) {
    const lines = rows?.map(([at, gpu, vram]) => `${at},"${local(at, offsets)}",${gpu},${vram}\n`);
    if (lines) files[`gpu${index}_${date}.csv`] = `時間戳,日期時間,GPU使用率(%),VRAM使用率(%)\n${lines.join("")}`;
    const [gpu, vram] = means ?? ["N/A", "N/A"];
    averages += `GPU[${index}],${gpu},${vram},${/[",]/.test(user) ? `"${user.replaceAll('"', '""')}"` : user}\n`;
    const [use, memory] = means === undefined ? ["nan", "nan"] : means.map(float);
    figures += `GPU[${index}]: GPU使用率 = ${use}%, VRAM使用率 = ${memory}% (使用者: ${user})\n`;
    map += `GPU[${index}] -> Card ${card}\n`;
  }
  files[`average_${date}.csv`] = `${averages}全部平均,${overall[0]},${overall[1]},所有使用者\n`;
  const tasksPart = tasks === undefined ? "" : `\nGPU 使用者任務資訊:\n${"-".repeat(50)}\n${tasks}`;
  files[`summary_${date}.txt`] =
    `${line}\nAMD GPU 與 VRAM 每日使用率統計\n日期: ${date}\n節點: ${node}\n${line}\n\nGPU 硬體對應表:\n${map}${tasksPart}` +
    `\n各 GPU 使用率與 VRAM 使用率:\n${figures}\n整體平均 GPU 使用率: ${overall[0]}%\n整體平均 VRAM 使用率: ${overall[1]}%\n${line}\n`;
  return files;
}
