// The files of a daily report (docs/reports.md): exactly those that the tool before GOHM wrote.
import { setImmediate } from "node:timers/promises";
import { defused, quoted } from "../../program/csv.ts";
import { clean, oneLine } from "../../proto/clean.ts";
import { fixed } from "../../proto/round.ts";
import { mean, pythonFloat } from "./number.ts";
import { averageFile, gpuFile, summaryFile } from "./place.ts";
import {
  type DayTasks,
  type GpuTask,
  type NodeDay,
  type ReportCard,
  type ReportDay,
  type ReportRow,
  unused,
} from "./report.ts";

/** A file of a report. */
export interface ReportFile {
  readonly name: string;
  readonly text: string;
}

const allCards = "全部平均";
const allUsers = "所有使用者";
const tasksTitle = "GPU 使用者任務資訊:";
const figuresTitle = "各 GPU 使用率與 VRAM 使用率:";

const rule = "=".repeat(32);
/** Tasks after which others get a turn. */
const turn = 200;
/** Most bytes of a text from elsewhere. */
const mostBytes = 1024;

/** A text from elsewhere on a line of its own: what would break the line or steer a terminal becomes a space. */
const line = (text: string | number): string => {
  const one = String(text);
  return one.length <= mostBytes && plain.test(one) ? one : clean(oneLine(one), mostBytes);
};
const plain = /^[\x20-\x7e]*$/;

/** Means of a card; undefined without rows. */
interface Means {
  readonly gpu: number;
  readonly vram: number;
}

const meansOf = ({ rows }: ReportCard): Means | undefined =>
  rows === undefined || rows.length === 0
    ? undefined
    : { gpu: mean(rows.map(({ gpu }) => gpu)), vram: mean(rows.map(({ vram }) => vram)) };

/** The mean of a node. Here each is added to the sum of those before it. */
const meanOf = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** What the averages and the summary are made of. */
interface Figures {
  readonly cards: readonly { readonly index: number; readonly means: Means | undefined; readonly user: string }[];
  readonly gpu: number;
  readonly vram: number;
}

/** @param users of cards without a task */
function figuresOf(
  cards: readonly ReportCard[],
  tasks: readonly GpuTask[],
  users: ReadonlyMap<number, string>,
): Figures {
  // Of tasks that share a card the last one counts.
  const holders = new Map([...users, ...tasks.map(({ index, user }) => [index, user] as const)]);
  const all = cards.map((card) => ({
    index: card.index,
    means: meansOf(card),
    user: line(holders.get(card.index) ?? unused),
  }));
  const known = all.flatMap(({ means }) => means ?? []);
  return {
    cards: all,
    gpu: meanOf(known.map(({ gpu }) => gpu)),
    vram: meanOf(known.map(({ vram }) => vram)),
  };
}

function gpuText(rows: readonly ReportRow[], day: ReportDay): string {
  const times = timesOf(day);
  const lines = ["時間戳,日期時間,GPU使用率(%),VRAM使用率(%)\n"];
  for (const row of rows) {
    const { gpuText = pythonFloat(row.gpu), vramText = pythonFloat(row.vram) } = row;
    let time = times.get(row.at);
    if (time === undefined) {
      time = `${row.at},"${day.zone.format(row.at * 1000)}",`;
      if (times.size < mostTimes) times.set(row.at, time);
    }
    lines.push(time, gpuText, ",", vramText, "\n");
  }
  return lines.join("");
}

/** Beginnings of rows by their time: those of all cards of all nodes have the same times. */
const times = new WeakMap<ReportDay, Map<number, string>>();
/** Sources with another step may have any time of the day. */
const mostTimes = 1000;

function timesOf(day: ReportDay): Map<number, string> {
  const known = times.get(day) ?? new Map<number, string>();
  times.set(day, known);
  return known;
}

function averageText({ cards, gpu, vram }: Figures): string {
  const lines = cards.map(({ index, means, user }) => {
    const figures = means === undefined ? "N/A,N/A" : `${fixed(means.gpu, 2)},${fixed(means.vram, 2)}`;
    return `GPU[${index}],${figures},${quoted(defused(user))}\n`;
  });
  return `GPU編號,平均GPU使用率(%),平均VRAM使用率(%),使用者\n${lines.join("")}${allCards},${fixed(gpu, 2)},${fixed(vram, 2)},${allUsers}\n`;
}

/** A task without its first line. */
const detailsOf = (task: GpuTask) => ({
  model: `GPU 型號: ${line(task.model)}`,
  memory: `GPU 記憶體: ${line(task.memory)} MB`,
  type: `任務類型: ${line(task.type)}`,
  image: `映像檔: ${line(task.image)}`,
  start: `開始時間: ${line(task.start)}`,
  end: `結束時間: ${line(task.end)}`,
  seconds: `使用時長: ${fixed(task.seconds, 1)} 秒`,
  uuid: `GPU UUID: ${line(task.uuid)}`,
});

const running = "狀態: 執行中";

function summaryTask(task: GpuTask): string {
  const { model, memory, type, image, start, end, seconds, uuid } = detailsOf(task);
  const project = `專案 UUID: ${line(task.project)}`;
  const lines = [model, memory, type, project, image, start, task.end === "" ? running : end, seconds, uuid];
  return `  GPU ${line(task.id)}: ${line(task.user)}\n${lines.map((one) => `    - ${one}\n`).join("")}\n`;
}

/** The part of the summary with tasks. Of 10,000 it takes a tenth of a second: others get turns. */
async function tasksText(node: string, tasks: DayTasks): Promise<string> {
  if (![...tasks.values()].some(({ length }) => length > 0)) return "";
  const own = tasks.get(node) ?? [];
  let text = `\n${tasksTitle}\n${"-".repeat(50)}\n`;
  if (own.length > 0) text += `\n${node} GPU 任務資訊:\n`;
  for (const [place, task] of own.entries()) {
    text += summaryTask(task);
    if (place % turn === turn - 1) await setImmediate();
  }
  return text;
}

/** Two decimals as Python prints a float: "0.0". */
const percent = (value = Number.NaN): string =>
  Number.isFinite(value) ? pythonFloat(Number(fixed(value, 2))) : fixed(value, 2);

function summaryText({ node, day, cards }: NodeDay, figures: Figures, tasks: string): string {
  const numbers = cards.map(({ index, card }) => `GPU[${index}] -> Card ${card}\n`);
  const lines = figures.cards.map(
    ({ index, means, user }) =>
      `GPU[${index}]: GPU使用率 = ${percent(means?.gpu)}%, VRAM使用率 = ${percent(means?.vram)}% (使用者: ${user})\n`,
  );
  return [
    `${rule}\nAMD GPU 與 VRAM 每日使用率統計\n日期: ${day.date}\n節點: ${node.name}\n${rule}\n`,
    `\nGPU 硬體對應表:\n${numbers.join("")}`,
    tasks,
    `\n${figuresTitle}\n${lines.join("")}`,
    `\n整體平均 GPU 使用率: ${fixed(figures.gpu, 2)}%\n整體平均 VRAM 使用率: ${fixed(figures.vram, 2)}%\n${rule}\n`,
  ].join("");
}

/** What a report keeps of an earlier one while no task of the day is known. */
export interface KnownTasks {
  /** Users by the index of their card. */
  readonly users: ReadonlyMap<number, string>;
  /** The part of the summary with tasks. */
  readonly text: string;
}

/** The part of a summary with tasks; "" if it has none. */
export function tasksIn(summary: string): string {
  const from = summary.indexOf(`\n${tasksTitle}\n`);
  const to = summary.lastIndexOf(`\n${figuresTitle}\n`);
  return from < 0 || to < from ? "" : summary.slice(from, to);
}

/** The files of a report, one by one: those of the cards that have rows, the averages, the summary. */
export async function* filesOf(nodeDay: NodeDay, tasks: DayTasks, known?: KnownTasks): AsyncGenerator<ReportFile> {
  const { node, day, cards } = nodeDay;
  for (const { index, rows } of cards) {
    if (rows !== undefined) yield { name: gpuFile(index, day.date), text: gpuText(rows, day) };
  }
  const figures = figuresOf(cards, tasks.get(node.name) ?? [], known?.users ?? new Map());
  yield { name: averageFile(day.date), text: averageText(figures) };
  const text = summaryText(nodeDay, figures, known?.text ?? (await tasksText(node.name, tasks)));
  yield { name: summaryFile(day.date), text };
}

/** What `gohm report --user-report` prints of the tasks of a day. */
export function userReport(date: string, tasks: DayTasks): string {
  const nodes = [...tasks].filter(([, { length }]) => length > 0);
  if (nodes.length === 0) return "沒有 GPU 使用者任務資訊可供顯示\n";
  const blocks = nodes.map(([node, own]) => `\n${line(node)}:\n${"-".repeat(40)}\n${own.map(reportedTask).join("")}`);
  const frame = "=".repeat(60);
  return `\n=== ${date} GPU 使用者任務報告 ===\n${frame}\n${blocks.join("")}${frame}\n`;
}

function reportedTask(task: GpuTask): string {
  const { model, memory, type, image, start, end, seconds, uuid } = detailsOf(task);
  const state = task.end === "" ? [running] : [end, "狀態: 已完成"];
  const lines = [`使用者: ${line(task.user)}`, model, memory, type, image, start, ...state, seconds, uuid];
  return `GPU ${line(task.id)}:\n${lines.map((one) => `  ${one}\n`).join("")}\n`;
}
