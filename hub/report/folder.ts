// Writes the files of a report: whole or not at all, beside their place first, and never less than what is there (decision 68).
import type { Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, rename, rmdir, stat, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { makeFolders } from "../../program/folder.ts";
import { serverNameWanted } from "../servers.ts";
import { mostSummaryBytes, readReport } from "./figures.ts";
import { takeLock } from "./folder/lock.ts";
import { directory, give, ifSupported, isRoot } from "./folder/rights.ts";
import { filesOf, type KnownTasks, type ReportFile, tasksIn } from "./form.ts";
import { codeOf, foldersOf, gpuFile, readFileOf, statOf, summaryFile } from "./place.ts";
import type { CardFigures, DayTasks, NodeDay, ReportCard, ReportFigures, ReportRow } from "./report.ts";

/** What became of the files. */
export interface Written {
  /** False if what is there has all of it, and more. */
  readonly written: boolean;
  /** Indices of the GPUs whose rows were kept, as there are more of them. */
  readonly kept: readonly number[];
  /** Cards with their rows as the files have them now. */
  readonly cards: readonly ReportCard[];
}

export interface WriteOptions {
  /**
   * True if the source did not answer: then the files that are there get users and cards only, and their folder keeps its time,
   * which says when its source was asked last.
   */
  readonly isUnasked?: boolean;
}

/** How often a report is begun anew, as another machine took this program for gone. */
const mostTries = 3;

/**
 * Writes the report of a node and day into NODE/YYYY-MM-DD/ of the folder of reports, which is made if there is none. Of each
 * GPU of which the files that are there have more rows, these stay, and averages and summary are made with them; users stay
 * while no task of the day is known. If it fails, all files are as they were.
 * @throws Error of the file system, with its code; Error if there is something else at a place
 */
export async function writeReport(
  folder: string,
  nodeDay: NodeDay,
  tasks: DayTasks,
  { isUnasked = false }: WriteOptions = {},
): Promise<Written> {
  const { node, day } = nodeDay;
  const folders = foldersOf(folder, node.name, day.date);
  if (folders === undefined) {
    throw new Error(`The name of a node must be ${serverNameWanted}: it is ${JSON.stringify(node.name)}`);
  }
  const owner = await ownerOf(folder);
  const made: string[] = [];
  try {
    for (const path of folders) if (await makeFolder(path, owner)) made.unshift(path);
    const place: Place = { folder, path: folders[1], owner };
    return isUnasked ? await keepingTime(place, nodeDay, tasks) : await writeInto(place, nodeDay, tasks);
  } catch (error) {
    // Folders that were made for nothing. One in which something is stays.
    for (const path of made) await rmdir(path).catch(() => undefined);
    throw error;
  }
}

/** Where a report is written. */
interface Place {
  /** Of reports. */
  readonly folder: string;
  /** Of the node and day. */
  readonly path: string;
  readonly owner: Stats;
}

/** Writes a report, and leaves the time of its folder as it is. */
async function keepingTime(place: Place, nodeDay: NodeDay, tasks: DayTasks): Promise<Written> {
  const { path } = place;
  const { atime, mtime } = await stat(path);
  const setTime = async (): Promise<boolean> =>
    await utimes(path, atime, mtime).then(
      () => true,
      () => false,
    );
  // Only its owner can: else rows that the source still has would never be asked for.
  if (!(await setTime())) {
    const report = await readReport(place.folder, nodeDay.node.name, nodeDay.day.date);
    return { written: false, ...fuller(nodeDay, report?.figures) };
  }
  try {
    const { changed, kept, cards } = await writeFiles(place, nodeDay, tasks);
    return { written: changed, kept, cards };
  } finally {
    await setTime();
  }
}

async function writeInto(place: Place, nodeDay: NodeDay, tasks: DayTasks): Promise<Written> {
  const { changed, kept, cards } = await writeFiles(place, nodeDay, tasks);
  return { written: changed || kept.length === 0, kept, cards };
}

interface Changed extends Fuller {
  /** True if a file was written. */
  readonly changed: boolean;
}

async function writeFiles(place: Place, nodeDay: NodeDay, tasks: DayTasks, tries = 1): Promise<Changed> {
  const { folder, path, owner } = place;
  const lock = await takeLock(path, owner);
  try {
    const { date } = nodeDay.day;
    const report = await readReport(folder, nodeDay.node.name, date);
    const there = report?.figures;
    // Its files have the names of other GPUs of this form.
    if (there !== undefined && there.rows > 0 && report?.isByCard) {
      return {
        changed: false,
        kept: there.cards.map(({ index }) => index),
        cards: there.cards.map((one) => cardOf(one)),
      };
    }
    const { cards, kept } = fuller(nodeDay, there);
    const own = new Set(kept.map((index) => gpuFile(index, date)));
    const known = await knownTasks(path, date, tasks, there);
    const files: ReportFile[] = [];
    for await (const file of filesOf({ ...nodeDay, cards }, tasks, known)) {
      if (!own.has(file.name) && !(await isThere(path, file))) files.push(file);
    }
    await replace(path, lock.path, files, owner);
    return { changed: files.length > 0, kept, cards };
  } catch (error) {
    if (tries === mostTries || (await lock.isHeld())) throw error;
    return await writeFiles(place, nodeDay, tasks, tries + 1);
  } finally {
    await lock.release();
  }
}

/** Makes the folder of reports, if there is none. @returns what its folders and files get: its owner and rights @throws Error */
async function ownerOf(folder: string): Promise<Stats> {
  const first = await makeFolders(folder);
  if (first !== undefined && isRoot()) {
    // A hub runs as another user, and its data folder is that user's.
    const parent = await stat(dirname(first));
    for (let path = resolve(folder); path !== dirname(first); path = dirname(path)) await give(path, parent);
  }
  return await stat(folder);
}

/** Makes a folder with owner and rights of another. @returns true if there was none @throws Error */
async function makeFolder(path: string, owner: Stats): Promise<boolean> {
  const there = await statOf(path);
  if (there?.isDirectory()) return false;
  if (there?.isSymbolicLink()) {
    throw new Error(`${path} is a symbolic link: none below the folder of reports is followed`);
  }
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await lstat(path)).isDirectory()) return false;
    throw error;
  }
  await give(path, owner, owner.mode & 0o2777);
  await sync(dirname(path));
  return true;
}

interface Fuller {
  readonly cards: readonly ReportCard[];
  readonly kept: readonly number[];
}

/** The cards of a report with those that are there already, and of each card the rows that are there, if they are more. */
function fuller(nodeDay: NodeDay, there: ReportFigures | undefined): Fuller {
  const cards = new Map(nodeDay.cards.map((card) => [card.index, card]));
  const kept: number[] = [];
  for (const old of there?.cards ?? []) {
    const card = cards.get(old.index);
    if (isFuller(old.rows, card?.rows ?? [], nodeDay)) kept.push(old.index);
    else if (card !== undefined) continue;
    cards.set(old.index, cardOf(old, card));
  }
  return { cards: [...cards.values()].sort((a, b) => a.index - b.index), kept };
}

const cardOf = ({ index, card = index, rows }: CardFigures, now?: ReportCard): ReportCard => ({
  index,
  card: now?.card ?? card,
  rows: rows.length === 0 ? undefined : rows,
});

/** True if rows are more than others, or say more: one in which both values are 0 may be all that is left of a gap. */
function isFuller(rows: readonly ReportRow[], others: readonly ReportRow[], { day }: NodeDay): boolean {
  const own = rows.filter(({ at }) => at > day.from && at <= day.to);
  return own.length > others.length || own.filter(hasValue).length > others.filter(hasValue).length;
}

const hasValue = ({ gpu, vram }: ReportRow): boolean => gpu !== 0 || vram !== 0;

/** What the files that are there say of tasks, while no task of the day is known. */
async function knownTasks(
  path: string,
  date: string,
  tasks: DayTasks,
  there: ReportFigures | undefined,
): Promise<KnownTasks | undefined> {
  if (there === undefined || [...tasks.values()].some(({ length }) => length > 0)) return undefined;
  const summary = await readFileOf(path, summaryFile(date), mostSummaryBytes);
  return {
    users: new Map(there.cards.flatMap(({ index, user }) => (user === undefined ? [] : [[index, user]]))),
    text: tasksIn(summary?.toString() ?? ""),
  };
}

/** True if a file is there with the same bytes. */
async function isThere(path: string, { name, text }: ReportFile): Promise<boolean> {
  const bytes = Buffer.from(text);
  return (await readFileOf(path, name, bytes.length))?.equals(bytes) ?? false;
}

/** Makes files, and renames them when all of them are on the disk. @throws Error */
async function replace(path: string, part: string, files: readonly ReportFile[], owner: Stats): Promise<void> {
  if (files.length === 0) return;
  for (const { name } of files) {
    if ((await statOf(join(path, name)))?.isDirectory()) throw new Error(`${join(path, name)} is a directory`);
  }
  const made: FileHandle[] = [];
  try {
    for (const file of files) made.push(await make(part, file, owner));
    // Together: the file system can write them at once.
    await Promise.all(made.map((file) => file.sync()));
  } finally {
    await Promise.all(made.map((file) => file.close()));
  }
  for (const { name } of files) await rename(join(part, name), join(path, name));
  await sync(path);
}

/** Makes a file that those may read who may read the folder of reports. @returns it, open */
async function make(part: string, { name, text }: ReportFile, { mode, uid, gid }: Stats): Promise<FileHandle> {
  const file = await open(join(part, name), "wx", 0o600);
  try {
    await file.writeFile(text);
    if (isRoot()) await ifSupported(file.chown(uid, gid));
    await ifSupported(file.chmod((mode & 0o444) | 0o200));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, directory);
  try {
    await ifSupported(handle.sync());
  } finally {
    await handle.close();
  }
}
