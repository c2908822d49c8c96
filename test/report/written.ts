// Reports in a folder, as the contract has their files, for tests of those who read them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface WrittenCard {
  readonly card: number;
  /** Unix seconds, GPU and VRAM in percent; undefined if its source had nothing, and there is no file. */
  readonly rows: readonly (readonly [at: number, gpu: number, vram: number])[] | undefined;
  /** As the column has it; "" for nobody. */
  readonly user: string;
}

export interface WrittenReport {
  readonly node: string;
  readonly date: string;
  /** The time of a row as text. */
  readonly format: (at: number) => string;
  readonly cards: readonly WrittenCard[];
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Writes the files of a report. @returns their folder */
export function writeFiles(folder: string, { node, date, format, cards }: WrittenReport): string {
  const path = join(folder, node, date);
  mkdirSync(path, { recursive: true });
  const means = cards.map(({ rows = [] }) =>
    rows.length === 0 ? undefined : ([1, 2] as const).map((at) => mean(rows.map((row) => row[at]))),
  );
  const known = means.flatMap((one) => (one === undefined ? [] : [one]));
  const whole = [0, 1].map((at) => (known.length === 0 ? 0 : mean(known.map((one) => one[at] ?? 0))).toFixed(2));
  const users = cards.map(({ user }) => user || "未使用");
  for (const [i, { rows }] of cards.entries()) {
    if (rows === undefined) continue;
    const lines = rows.map(([at, gpu, vram]) => `${at},"${format(at)}",${gpu},${vram}\n`);
    writeFileSync(join(path, `gpu${i}_${date}.csv`), `時間戳,日期時間,GPU使用率(%),VRAM使用率(%)\n${lines.join("")}`);
  }
  const average = means.map((one, i) => {
    const [gpu = "N/A", vram = "N/A"] = one?.map((value) => value.toFixed(2)) ?? [];
    return `GPU[${i}],${gpu},${vram},${cell(users[i] ?? "")}\n`;
  });
  writeFileSync(
    join(path, `average_${date}.csv`),
    `GPU編號,平均GPU使用率(%),平均VRAM使用率(%),使用者\n${average.join("")}全部平均,${whole.join(",")},所有使用者\n`,
  );
  const line = "=".repeat(32);
  const used = means.map((one, i) => {
    const [gpu, vram] = one?.map((value) => value.toFixed(2)) ?? ["nan", "nan"];
    return `GPU[${i}]: GPU使用率 = ${gpu}%, VRAM使用率 = ${vram}% (使用者: ${users[i]})\n`;
  });
  writeFileSync(
    join(path, `summary_${date}.txt`),
    `${line}\nAMD GPU 與 VRAM 每日使用率統計\n日期: ${date}\n節點: ${node}\n${line}\n\nGPU 硬體對應表:\n${cards
      .map(({ card }, i) => `GPU[${i}] -> Card ${card}\n`)
      .join(
        "",
      )}\n各 GPU 使用率與 VRAM 使用率:\n${used.join("")}\n整體平均 GPU 使用率: ${whole[0]}%\n整體平均 VRAM 使用率: ${whole[1]}%\n${line}\n`,
  );
  return path;
}

/** Rows of a day: every ten minutes, stamped with the end of the interval, of values that a card might have. */
export const rowsOf = (
  from: number,
  to: number,
  value: (place: number) => readonly [gpu: number, vram: number],
): [number, number, number][] =>
  Array.from({ length: (to - from) / 600 }, (_, place) => [from + 600 * (place + 1), ...value(place)]);

/** Writes a small report, of colab-gpu1 and 2025-08-01, with a user. @returns its folder */
export const writeExample = (folder: string): string =>
  writeFiles(folder, {
    node: "colab-gpu1",
    date: "2025-08-01",
    format: () => "2025-08-01 00:10:00",
    cards: [{ card: 1, rows: [[1_753_978_200, 1.23, 45.67]], user: "alice" }],
  });
