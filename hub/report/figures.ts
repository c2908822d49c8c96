// Reads reports back: those that GOHM wrote, and those of the tool before it. Others may write to their folder, so nothing in it
// is trusted.
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { undefused } from "../../program/csv.ts";
import { clean, oneLine } from "../../proto/clean.ts";
import { fixed } from "../../proto/round.ts";
import { isServerName } from "../servers.ts";
import { mean } from "./number.ts";
import {
  averageFile,
  codeOf,
  dayFolder,
  gpuFile,
  gpuOfFile,
  isReportDate,
  readFileOf,
  statOf,
  summaryFile,
} from "./place.ts";
import { type CardFigures, intervalSec, type ReportFigures, type ReportRow, unused } from "./report.ts";

/** Most cards of a report. */
const mostCards = 256;
/** Most bytes of a CSV file of a report: twenty times those of a day of 25 hours. */
const mostBytes = 262_144;
/** Most bytes of a summary, which has a paragraph for each task. */
export const mostSummaryBytes = 16_777_216;
/** Bytes of a summary in which its table of cards is. */
const tableBytes = 65_536;
/** Most entries of a folder that are looked at. */
const mostEntries = 100_000;
/** Most reports of a list. */
const mostReports = 1_000_000;
/** Reports after which others get a turn. */
const turn = 5000;

/** A report that is there. */
export interface ReportPlace {
  readonly node: string;
  /** "YYYY-MM-DD" */
  readonly date: string;
}

/** Days of a list, both included: "YYYY-MM-DD". */
export interface ReportRange {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Lists the reports of a folder, the newest first, those of a day by node. @throws Error of the file system */
export async function listReports(
  folder: string,
  { from = "", to = "9999-99-99" }: ReportRange = {},
): Promise<readonly ReportPlace[]> {
  const nodesOf = new Map<string, string[]>();
  let count = 0;
  for (const node of (await foldersIn(folder, isServerName)).sort()) {
    const isWanted = (name: string): boolean => name >= from && name <= to && isReportDate(name);
    for (const date of await foldersIn(join(folder, node), isWanted)) {
      if (++count > mostReports) break;
      const nodes = nodesOf.get(date);
      if (nodes === undefined) nodesOf.set(date, [node]);
      else nodes.push(node);
    }
  }
  const list: ReportPlace[] = [];
  let done = 0;
  for (const date of [...nodesOf.keys()].sort().reverse()) {
    for (const node of nodesOf.get(date) ?? []) list.push({ node, date });
    if (list.length - done < turn) continue;
    done = list.length;
    await setImmediate();
  }
  return list;
}

/** Names of folders in a folder, but no links to folders. @throws Error of the file system */
async function foldersIn(folder: string, isWanted: (name: string) => boolean): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFolder } of entriesOf(folder)) {
    if (!isWanted(name)) continue;
    // Some file systems do not say what an entry is.
    if (isFolder ?? (await statOf(join(folder, name)))?.isDirectory()) names.push(name);
  }
  return names;
}

interface Entry {
  readonly name: string;
  /** undefined if the file system does not say. */
  readonly isFolder: boolean | undefined;
}

/** Entries of a folder, none without it, piece by piece: a folder of another program may have millions. */
async function* entriesOf(folder: string): AsyncGenerator<Entry> {
  try {
    let count = 0;
    for await (const entry of await opendir(folder, { bufferSize: 256 })) {
      if (++count > mostEntries) return;
      const isOther = entry.isFile() || entry.isSymbolicLink() || entry.isFIFO() || entry.isSocket();
      yield { name: entry.name, isFolder: entry.isDirectory() || (isOther ? false : undefined) };
    }
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENOTDIR") throw error;
  }
}

/**
 * Reads the report of a node and day.
 * @returns undefined if there is none
 * @throws Error of the file system, if it may not be read
 */
export const readFigures = async (folder: string, node: string, date: string): Promise<ReportFigures | undefined> =>
  (await readReport(folder, node, date))?.figures;

/** A report that was read. */
export interface ReadReport {
  readonly figures: ReportFigures;
  /** True if its files have the numbers of cards in their names, as those of the first release have. */
  readonly isByCard: boolean;
}

/** As `readFigures`. */
export async function readReport(folder: string, node: string, date: string): Promise<ReadReport | undefined> {
  const path = await dayFolder(folder, node, date);
  if (path === undefined) return undefined;
  const files = await gpuFilesIn(path, date);
  const averages = averagesOf(await textOf(path, averageFile(date), mostBytes));
  if (files.length === 0 && averages === undefined) return undefined;
  const numbers = numbersOf(await textOf(path, summaryFile(date), mostSummaryBytes, tableBytes));
  const lines = new Map(averages?.cards.map((line) => [line.index, line]));
  const indices = [...new Set([...lines.keys(), ...files])].sort((a, b) => a - b).slice(0, mostCards);
  const isByCard = averages?.isByCard ?? false;
  const cards: CardFigures[] = [];
  let shift = 0;
  for (const [place, index] of indices.entries()) {
    const read = rowsOf(await textOf(path, gpuFile(index, date), mostBytes));
    shift = read.shift || shift;
    const line = lines.get(index);
    cards.push({
      ...(isByCard ? { index: place, card: index } : { index, card: numbers.get(index) }),
      gpu: line === undefined ? meanOf(read.rows, ({ gpu }) => gpu) : line.gpu,
      vram: line === undefined ? meanOf(read.rows, ({ vram }) => vram) : line.vram,
      user: line?.user,
      rows: read.rows,
    });
  }
  const figures = {
    node,
    date,
    cards,
    gpu: averages?.gpu ?? overall(cards.map(({ gpu }) => gpu)),
    vram: averages?.vram ?? overall(cards.map(({ vram }) => vram)),
    rows: cards.reduce((sum, card) => sum + card.rows.length, 0),
    expected: cards.length * Math.floor((daySec - shift) / intervalSec),
  };
  return { figures, isByCard };
}

const daySec = 86_400;

async function gpuFilesIn(path: string, date: string): Promise<number[]> {
  const indices: number[] = [];
  for await (const { name, isFolder } of entriesOf(path)) {
    const index = gpuOfFile(name, date);
    if (index !== undefined && isFolder !== true) indices.push(index);
  }
  return indices;
}

/** A file as text, or its beginning; "" if there is none. */
async function textOf(path: string, name: string, most: number, end = most): Promise<string> {
  const bytes = await readFileOf(path, name, most);
  return bytes?.toString("utf8", 0, end).replace(/^\ufeff/, "") ?? "";
}

const linesOf = (text: string): string[] => text.split(/\r?\n/);

/** Two decimals, as the averages have them; undefined without rows. */
function meanOf(rows: readonly ReportRow[], of: (row: ReportRow) => number): number | undefined {
  if (rows.length === 0) return undefined;
  const value = Number(fixed(mean(rows.map(of)), 2));
  return Number.isFinite(value) ? value : undefined;
}

function overall(values: readonly (number | undefined)[]): number {
  const known = values.flatMap((value) => value ?? []);
  return known.length === 0 ? 0 : Number(fixed(known.reduce((sum, value) => sum + value, 0) / known.length, 2));
}

/** A row of the averages. */
interface AverageLine {
  readonly index: number;
  readonly gpu: number | undefined;
  readonly vram: number | undefined;
  readonly user: string | undefined;
}

interface Averages {
  readonly cards: readonly AverageLine[];
  readonly gpu: number | undefined;
  readonly vram: number | undefined;
  /** True if its numbers of GPUs are those of cards. */
  readonly isByCard: boolean;
}

/** Reads averages: "GPU[0],0.00,0.14,user", without users in the second release, "gpu9,0.00,0.14" in the first. */
function averagesOf(text: string): Averages | undefined {
  const cards: AverageLine[] = [];
  let all: { gpu: number | undefined; vram: number | undefined } | undefined;
  let isByCard = false;
  for (const line of linesOf(text)) {
    const [, name = "", index, card, gpu = "", vram = "", user] =
      /^(GPU\[(\d{1,5})\]|gpu(\d{1,5})|全部平均),([^,]*),([^,]*)(?:,(.*))?$/.exec(line) ?? [];
    if (name === "") continue;
    const means = { gpu: numberOf(gpu), vram: numberOf(vram) };
    if (name === "全部平均") all = means;
    else cards.push({ index: Number(index ?? card), ...means, user: userOf(user) });
    isByCard ||= card !== undefined;
  }
  if (cards.length === 0 && all === undefined) return undefined;
  return { cards, gpu: all?.gpu, vram: all?.vram, isByCard };
}

/** The user in the last cell of a row, which may have commas if the tool before GOHM wrote it. */
function userOf(cell: string | undefined): string | undefined {
  if (cell === undefined) return undefined;
  const isQuoted = cell.length > 1 && cell.startsWith('"') && cell.endsWith('"');
  const text = isQuoted ? cell.slice(1, -1).replaceAll('""', '"') : cell;
  const user = clean(oneLine(undefused(text)), 1024);
  return user === unused || user === "" ? undefined : user;
}

/** Characters of the longest number that Python prints of a float: "-1.7976931348623157e+308". */
const longestNumber = 24;
const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function numberOf(cell: string): number | undefined {
  const value = cell.length <= longestNumber && number.test(cell) ? Number(cell) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/** Numbers of cards by index. */
function numbersOf(summary: string): Map<number, number> {
  const found = summary.matchAll(/^GPU\[(\d{1,5})\] -> Card (\d{1,5})\r?$/gm);
  return new Map([...found].map(([, index, card]) => [Number(index), Number(card)]));
}

interface ReadRows {
  readonly rows: readonly ReportRow[];
  /** Seconds by which clocks were set forward between the first and the last row. */
  readonly shift: number;
}

/** Most rows of a card. */
const mostRows = 1000;
const row = /^(\d{9,11}),"?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)"?,([^,]*),([^,]*)$/;

/** Reads rows: `1754007000,"2025-08-01 00:10:00",0,0.14`. Other lines are left out. */
function rowsOf(text: string): ReadRows {
  const rows = new Map<number, ReportRow>();
  const offsets = new Map<number, number>();
  for (const line of linesOf(text)) {
    const [, seconds, day, time, first = "", second = ""] = row.exec(line) ?? [];
    const [at, gpu, vram] = [Number(seconds), numberOf(first), numberOf(second)];
    if (seconds === undefined || gpu === undefined || vram === undefined || rows.size >= mostRows) continue;
    rows.set(at, { at, gpu, vram });
    offsets.set(at, Date.parse(`${day}T${time}Z`) / 1000 - at);
  }
  const times = [...rows.keys()].sort((a, b) => a - b);
  const offset = (at: number | undefined): number => offsets.get(at ?? 0) ?? 0;
  const shift = offset(times.at(-1)) - offset(times[0]);
  return {
    rows: times.flatMap((at) => rows.get(at) ?? []),
    // No zone sets its clocks by more.
    shift: Math.abs(shift) <= 7200 ? shift : 0,
  };
}
