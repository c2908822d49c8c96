import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { makeFoldersSync } from "../program/folder.ts";
import type { Clock } from "./clock.ts";
import { type DatabaseKind, headerOf } from "./database/database.ts";
import { commitRestore, completeRestore, isPartial, partialRestore, partialsIn } from "./database/folder.ts";
import { databases, histories } from "./databases.ts";
import { Fault } from "./fault.ts";
import { checkAlone } from "./http/socket.ts";
import type { Log } from "./log.ts";

export interface RestoreOptions {
  /** The data folder. */
  readonly data: string;
  /** What `gohm backup` made: a file with the history, or a folder with every database. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A restored database. */
export interface RestoredDatabase {
  readonly path: string;
  readonly bytes: number;
}

/** What an empty data folder may contain: where a hub's socket was, and what a file system puts into its top folder. */
const ignored = new Set(["control", "lost+found"]);

/**
 * Restores a backup into an empty data folder. Copies and checks every database first; then moves all of them into place, or
 * none. An interrupted restore is completed by the next restore or start of the hub, or has no effect.
 * @throws Fault restore_failed, data_folder_busy, data_newer
 */
export async function restore(options: RestoreOptions): Promise<readonly RestoredDatabase[]> {
  const folder = resolve(options.data);
  const made = await prepare(folder, options);
  const work = partialRestore(folder);
  try {
    mkdirSync(work, { mode: 0o700 });
    const restored = await copyAll(options, work);
    checkEmpty(folder);
    commitRestore(folder, work);
    completeRestore(folder);
    return restored;
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    if (made && readdirSync(folder).length === 0) rmdirSync(folder);
    throw error instanceof Fault ? error : failed(options.path, (error as Error).message, error);
  }
}

/** Prepares the data folder. @returns true if it was created */
async function prepare(folder: string, { path, log }: RestoreOptions): Promise<boolean> {
  await checkAlone(folder);
  try {
    if (!existsSync(path)) throw failed(path, "it does not exist");
    if (!existsSync(folder)) {
      makeFoldersSync(folder, 0o700);
      return true;
    }
    if (completeRestore(folder)) log.warn(`completed an interrupted restore into ${folder}`);
    for (const name of partialsIn(folder)) rmSync(join(folder, name), { recursive: true });
    checkEmpty(folder);
    return false;
  } catch (error) {
    throw error instanceof Fault ? error : failed(path, (error as Error).message, error);
  }
}

/** @throws Fault restore_failed */
function checkEmpty(folder: string): void {
  const found = readdirSync(folder).filter((name) => !ignored.has(name) && !isPartial(name));
  if (found.length === 0) return;
  const more = found.length > 3 ? ` and ${found.length - 3} more` : "";
  throw new Fault(
    "restore_failed",
    `Cannot restore into ${folder}: it is not empty (${found.slice(0, 3).join(", ")}${more}); stop the hub and move all of it elsewhere, or name another folder (--data, GOHM_DATA)`,
  );
}

/** Copies every database of the backup into a folder, checked and with their final permissions. */
async function copyAll(options: RestoreOptions, work: string): Promise<readonly RestoredDatabase[]> {
  const isFolder = statSync(options.path).isDirectory();
  if (isFolder) checkKnown(options.path);
  const restored: RestoredDatabase[] = [];
  for (const kind of isFolder ? databases : histories) {
    const path = join(work, kind.file);
    if (!(await copied(options, kind, path))) continue;
    restored.push({ path: join(options.data, kind.file), bytes: finish(path, options.data) });
  }
  if (restored.length === 0) throw failed(options.path, "it contains no database of a hub");
  return restored;
}

/** Creates a folder in which the backup file has the name of its database. @throws Fault restore_failed */
function staged(path: string, { work, file }: { work: string; file: string }): string {
  const log = `${path}-wal`;
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw failed(path, `${log} shows that it is not a backup but a file of a data folder; restore that folder`);
  }
  const folder = join(work, "source");
  mkdirSync(folder, { mode: 0o700 });
  symlinkSync(path, join(folder, file));
  return folder;
}

/**
 * Refuses what is no database before any of it is copied: a pipe never ends, and an empty file would become an empty history.
 * @throws Fault restore_failed
 * @throws Error of the file system
 */
function checkFile(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  const found = statSync(path);
  if (!found.isFile()) throw failed(path, "it is not a file");
  // All that a new database holds may be in its log.
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  if (found.size === 0) throw failed(path, "it is empty");
  if (headerOf(path) === undefined) throw failed(path, `${resolve(path)} is damaged: it is not a database`);
}

/** Checks that this version knows every database of a backup: none may be skipped silently. @throws Fault restore_failed */
function checkKnown(folder: string): void {
  const known = new Set(databases.map(({ file }) => file));
  const other = readdirSync(folder).find((name) => name.endsWith(".db") && !known.has(name));
  if (other === undefined) return;
  const way = "move it elsewhere, or restore with the version that made the backup";
  throw failed(folder, `${other} is not a database of GOHM, or of a newer version; ${way}`);
}

/** Copies one database of the backup. @returns false if the backup holds none */
async function copied(
  { path: source, clock, log }: RestoreOptions,
  kind: DatabaseKind,
  path: string,
): Promise<boolean> {
  const isFolder = statSync(source).isDirectory();
  checkFile(isFolder ? join(source, kind.file) : source);
  const from = isFolder ? resolve(source) : staged(resolve(source), { work: dirname(path), file: kind.file });
  const name = isFolder ? join(source, kind.file) : source;
  try {
    return await kind.copy({ folder: from, path, clock, log });
  } catch (error) {
    const { code, message } = error as Partial<Fault> & Error;
    if (code === "data_newer") {
      const text = `Cannot restore ${resolve(name)}: it was written by a newer version of the hub; restore it with that version`;
      throw new Fault("data_newer", text, { cause: error });
    }
    if (code === "data_folder_unusable") throw failed(name, `it is not a hub's ${kind.name}`, error);
    throw failed(name, message.replaceAll(join(from, kind.file), resolve(name)), error);
  } finally {
    if (!isFolder) rmSync(from, { recursive: true });
  }
}

/** Gives a copy to the owner of the data folder and writes it to the disk. @returns its size in bytes */
function finish(path: string, data: string): number {
  const { uid, gid } = statSync(data);
  if (process.getuid?.() === 0) chownSync(path, uid, gid);
  chmodSync(path, 0o600);
  const file = openSync(path, "r+");
  fsyncSync(file);
  closeSync(file);
  return statSync(path).size;
}

const failed = (path: string, why: string, cause?: unknown): Fault =>
  new Fault("restore_failed", `Cannot restore ${resolve(path)}: ${why}`, { cause });
