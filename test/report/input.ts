// Reports in JSON, as test/report/collect.py takes them, with the numbers that Python would make of them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { reportDay } from "../../hub/report/day.ts";
import { filesOf } from "../../hub/report/form.ts";
import { type JsonNumber, jsonNumber } from "../../hub/report/number.ts";
import {
  type DayTasks,
  type GpuTask,
  intervalSec,
  type NodeDay,
  type ReportDay,
  type ReportRow,
} from "../../hub/report/report.ts";
import { Zone } from "../../program/zone.ts";
import { top } from "../program.ts";

/** Folders that were written by hand, each with the input that it is made of. */
export const expectedFolder = join(top, "test", "report", "expected");
export const expectedCases = readdirSync(expectedFolder).sort();

/** The files of a folder by name. */
export const filesIn = (folder: string): Map<string, string> =>
  new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]));

/** The texts of a report's files by name. */
export async function textsOf(nodeDay: NodeDay, tasks: DayTasks): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const { name, text } of filesOf(nodeDay, tasks)) texts.set(name, text);
  return texts;
}

/** A report of an expected folder. */
export interface ExpectedReport {
  readonly nodeDay: NodeDay;
  readonly tasks: DayTasks;
  /** What its folder must have. */
  readonly files: ReadonlyMap<string, string>;
}

export function expectedReport(name: string): ExpectedReport {
  const { nodeDay, tasks } = reportOf(readFileSync(join(expectedFolder, name, "input.json"), "utf8"));
  return { nodeDay, tasks, files: filesIn(join(expectedFolder, name, nodeDay.node.name, nodeDay.day.date)) };
}

type Pair = readonly [JsonNumber, JsonNumber | null];
type Series = JsonNumber | readonly JsonNumber[] | readonly Pair[] | null;

interface Input {
  readonly node: string;
  readonly date: string;
  readonly zone: string;
  readonly cards: readonly {
    readonly index: JsonNumber;
    readonly card: JsonNumber;
    readonly gpu: Series;
    readonly vram: Series;
  }[];
  readonly tasks: Readonly<Record<string, readonly (Omit<GpuTask, "seconds"> & { readonly seconds: JsonNumber })[]>>;
}

/** Makes a report of a line of input. @throws Error if its date is none */
export function reportOf(text: string): { readonly nodeDay: NodeDay; readonly tasks: DayTasks } {
  const { node, date, zone, cards, tasks } = parse(text);
  const day = reportDay(new Zone(zone), date);
  if (day === undefined) throw new Error(`${date} is not a date`);
  const nodeDay = {
    node: { name: node },
    day,
    cards: cards.map(({ index, card, gpu, vram }) => ({
      index: index.value,
      card: card.value,
      rows: rowsOf(day, seriesOf(day, gpu), seriesOf(day, vram)),
    })),
    issues: [],
  };
  return { nodeDay, tasks: tasksOf(tasks) };
}

const tasksOf = (tasks: Input["tasks"]): DayTasks =>
  new Map(
    Object.entries(tasks).map(([name, own]) => [
      name,
      own.map((task) => ({
        ...task,
        id: plain(task.id),
        index: task.index === undefined ? undefined : Number(plain(task.index)),
        seconds: task.seconds.value,
      })),
    ]),
  );

/** The input with every number as Python's json module reads it. */
const parse = (text: string): Input =>
  JSON.parse(text, ((_key: string, value: unknown, { source }: { readonly source: string }) =>
    typeof value === "number" ? jsonNumber(source) : value) as (key: string, value: unknown) => unknown) as Input;

const plain = (value: unknown): number | string => (typeof value === "string" ? value : (value as JsonNumber).value);

const zero: JsonNumber = { value: 0, text: "0" };

const isPairs = (list: readonly JsonNumber[] | readonly Pair[]): list is readonly Pair[] =>
  list.length === 0 || Array.isArray(list[0]);

/** Numbers by time. */
function seriesOf({ from, to }: ReportDay, series: Series): Map<number, JsonNumber> | undefined {
  if (series === null) return undefined;
  const list: readonly JsonNumber[] | readonly Pair[] = Array.isArray(series) ? series : [series];
  if (isPairs(list)) return new Map(list.map(([at, value]) => [at.value, value ?? zero]));
  const count = Math.floor((to - from) / intervalSec);
  return new Map(
    Array.from({ length: count }, (_, i) => [
      from + (i + 1) * intervalSec,
      list[Math.floor((i * list.length) / count)] ?? zero,
    ]),
  );
}

function rowsOf(
  { from, to }: ReportDay,
  gpu: Map<number, JsonNumber> | undefined,
  vram: Map<number, JsonNumber> | undefined,
): ReportRow[] | undefined {
  if (gpu === undefined || vram === undefined) return undefined;
  return [...gpu]
    .filter(([at]) => at > from && at <= to)
    .sort(([a], [b]) => a - b)
    .map(([at, one]) => {
      const other = vram.get(at) ?? zero;
      return { at, gpu: one.value, vram: other.value, gpuText: one.text, vramText: other.text };
    });
}
