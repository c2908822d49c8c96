import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expectedRows } from "./day.ts";
import { readFigures } from "./figures.ts";
import { issue } from "./issue.ts";
import {
  type DataIssue,
  type GpuTask,
  intervalSec,
  type NodeDay,
  type ReportCard,
  type ReportFigures,
} from "./report.ts";

/** Cards that an issue names. */
const mostNamed = 8;
/** Reports that are looked through for the last one with data. */
const mostReports = 7;

/** What the rows of a node and day are. */
interface Checked {
  /** Intervals of all cards with rows, of those that are expected up to now. */
  readonly rows: number;
  readonly expected: number;
  readonly issues: readonly DataIssue[];
}

/** True if no card has any row. */
export const isEmptyDay = ({ cards }: Pick<NodeDay, "cards">): boolean =>
  cards.every(({ rows = [] }) => rows.length === 0);

/**
 * Checks the data of a node.
 * @param until Unix seconds: rows of intervals that ended up to then are expected
 * @param last the last report of the node, whose cards are looked for
 */
export function checkDay(nodeDay: NodeDay, until: number, last: ReportFigures | undefined): Checked {
  const { day, cards } = nodeDay;
  const wanted = expectedRows(day, until).length;
  const lacking = cards.flatMap((card) => {
    // Rows of a source with another step are not at the ends of the intervals.
    const intervals = new Set(card.rows?.map(({ at }) => Math.ceil((at - day.from) / intervalSec)));
    const there = [...intervals].filter((interval) => interval > 0 && interval <= wanted).length;
    return there < wanted ? [{ card, missing: wanted - there }] : [];
  });
  const missing = lacking.reduce((sum, { missing }) => sum + missing, 0);
  const expected = wanted * Math.max(1, cards.length);
  const gpus = list(lacking.map(({ card }) => gpuOf(card)));
  return {
    rows: cards.length === 0 ? 0 : expected - missing,
    expected,
    issues: [
      ...(missing > 0 && !isEmptyDay(nodeDay) ? [issue("rows_missing", { gpus, missing, expected })] : []),
      ...outOfRange(cards),
      ...goneCards(cards, last),
    ],
  };
}

const isOut = (value: number): boolean => !(value >= 0 && value <= 100);

function outOfRange(cards: readonly ReportCard[]): DataIssue[] {
  const out = cards.map((card) => ({
    card,
    count: card.rows?.filter(({ gpu, vram }) => isOut(gpu) || isOut(vram)).length ?? 0,
  }));
  const count = out.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return [];
  const gpus = list(out.flatMap((one) => (one.count > 0 ? gpuOf(one.card) : [])));
  return [issue("values_out", { gpus, count })];
}

/** Cards that the last report has data of, and this one none. */
function goneCards(cards: readonly ReportCard[], last: ReportFigures | undefined): DataIssue[] {
  const there = new Set(cards.flatMap(({ card, rows = [] }) => (rows.length > 0 ? card : [])));
  // A node without any data is missing as a whole.
  if (last === undefined || there.size === 0) return [];
  const gone = last.cards.filter(({ index, card = index, rows }) => rows.length > 0 && !there.has(card));
  if (gone.length === 0) return [];
  const gpus = list(gone.map(({ index, card = index }) => gpuOf({ index, card })));
  return [issue("cards_gone", { gpus, date: last.date })];
}

/** Cards on which several users had tasks at the same time. Says nobody's name: not everybody may see it. */
export function sharedCards(tasks: readonly GpuTask[]): DataIssue[] {
  const byIndex = new Map<number, GpuTask[]>();
  for (const task of tasks) {
    if (task.index === undefined) continue;
    const others = byIndex.get(task.index);
    if (others === undefined) byIndex.set(task.index, [task]);
    else others.push(task);
  }
  const shared = [...byIndex].flatMap(([index, held]) => {
    const users = usersAtOnce(held);
    return users > 1 ? { index, users } : [];
  });
  if (shared.length === 0) return [];
  const most = Math.max(...shared.map(({ users }) => users));
  const gpus = list(shared.sort((a, b) => a.index - b.index).map(({ index }) => `GPU[${index}]`));
  return [issue("cards_shared", { gpus, most })];
}

/** The greatest number of users that have a task at one time. Times are texts of one form, which sort as they follow. */
function usersAtOnce(tasks: readonly GpuTask[]): number {
  const changes = tasks.flatMap(({ user, start, end }) => {
    if (end !== "" && end <= start) return [];
    return [{ at: start, user, by: 1 }, ...(end === "" ? [] : [{ at: end, user, by: -1 }])];
  });
  // A task that ends makes room for one that begins then.
  changes.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.by - b.by));
  const running = new Map<string, number>();
  let most = 0;
  for (const { user, by } of changes) {
    const count = (running.get(user) ?? 0) + by;
    if (count > 0) running.set(user, count);
    else running.delete(user);
    most = Math.max(most, running.size);
  }
  return most;
}

export const gpuOf = ({ index, card }: Pick<ReportCard, "index" | "card">): string =>
  card === index ? `GPU[${index}]` : `GPU[${index}] (card ${card})`;

/** Joins names; of many the first. */
export const list = (names: readonly string[]): string =>
  names.length > mostNamed ? `${names.slice(0, mostNamed).join(", ")}, …` : names.join(", ");

/**
 * The last report of a node before a day that has data.
 * @returns undefined without one
 */
export async function lastFigures(folder: string, node: string, date: string): Promise<ReportFigures | undefined> {
  const names = await readdir(join(folder, node)).catch(() => []);
  const before = names.filter((name) => /^\d{4}-\d\d-\d\d$/.test(name) && name < date);
  for (const name of before.sort().reverse().slice(0, mostReports)) {
    const figures = await readFigures(folder, node, name);
    if (figures?.cards.some(({ rows }) => rows.length > 0)) return figures;
  }
  return undefined;
}
