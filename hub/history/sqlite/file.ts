import { accessSync, closeSync, constants, existsSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { makeFoldersSync } from "../../../program/folder.ts";
import { checkVersion, databaseError, definitionsOf, isDamage, quarantine } from "../../database/database.ts";
import { checkLength, checkpoint, lockNow } from "../../database/open.ts";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";
import { CorruptChunk } from "./codec.ts";
import type { File } from "./database.ts";
import { convert } from "./file/first.ts";

/** Application id in the header of our files: "GOHM" in ASCII. */
const application = 0x474f484d;

/** The schema of version 0.1.0, which had other tables. */
const first = 1;

/**
 * host, device, metric: names and their numbers in keys and rows, with a checksum (names.ts). raw: the samples of one metric
 * of one host within one block, and the times of its polls in a row of their own; five, hour, day: rollups by 5 minutes,
 * hour and day (keys: key.ts, contents: row.ts). sealed: ids (`run`) of head chunks in the journal that are compacted.
 */
const second = `
  CREATE TABLE host (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first INTEGER, last INTEGER, open TEXT NOT NULL,
    sum INTEGER NOT NULL
  );
  CREATE TABLE device (
    id INTEGER PRIMARY KEY, host INTEGER NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL, idx INTEGER,
    last INTEGER NOT NULL, metrics TEXT NOT NULL, sum INTEGER NOT NULL, UNIQUE (host, level, key)
  );
  CREATE TABLE metric (
    id INTEGER PRIMARY KEY, level TEXT NOT NULL, name TEXT NOT NULL, sum INTEGER NOT NULL, UNIQUE (level, name)
  );
  CREATE TABLE raw (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE five (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE hour (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE day (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE sealed (run INTEGER PRIMARY KEY, segment INTEGER NOT NULL);
`;
/** name: a card's model, and named: the time of the newest sample that gave it. */
const third = "ALTER TABLE device ADD COLUMN name TEXT; ALTER TABLE device ADD COLUMN named INTEGER;";

/** Steps from one version of the schema to the next, beginning with the second. */
const steps = [second, third] as const;
const newest = first + steps.length;

/** Bytes. Rows have 0.3 to 22 KB: small pages leave little space unused beside them. */
const pageSize = 1024;

/** Larger files are checked only after an unclean end of the hub: reading takes seconds for each GB. Bytes. */
const quickBytes = 2 ** 28;

/**
 * Opens the history of a data folder for this process alone. A damaged file is quarantined, and a new one begun.
 * @param check reads what the store needs at first; its failure counts as damage
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function openFile(folder: string, { log }: { readonly log: Log }, check: (file: File) => void): File {
  const path = join(folder, "history.db");
  prepare(folder, path);
  try {
    return open(path, log, check);
  } catch (error) {
    if (!damaged(error)) throw refusal(error, folder);
    const aside = quarantine(path);
    log.error(
      `the history ${path} is damaged (${(error as Error).message}); it was moved to ${aside} and a new one begun`,
    );
    try {
      return open(path, log, check);
    } catch (again) {
      throw refusal(again, folder);
    }
  }
}

function prepare(folder: string, path: string): void {
  try {
    makeFoldersSync(folder, 0o700);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) throw new Error(`${path} is a folder`);
    if (found?.isFile() === false) throw new Error(`${path} is not a file`);
  } catch (error) {
    throw refusal(error, folder);
  }
}

function open(path: string, log: Log, check: (file: File) => void): File {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const ended = existsSync(`${path}-wal`) === false;
  const file = lock(path);
  try {
    const version = versionOf(file, path);
    // Commits survive the end of the process. A loss of power costs those since the last checkpoint, which the journal
    // still holds.
    file.pragma("journal_mode = WAL");
    file.pragma("synchronous = NORMAL");
    file.pragma("journal_size_limit = 67108864");
    file.pragma("cache_size = -16384");
    if (checkpoint(file)) checkLength(file, path);
    // After the change to WAL: a check before it keeps the file locked against checkpoints (SQLite 3.5x).
    if (size < quickBytes || !ended) checkPages(file);
    if (version === 0) migrate(file, first);
    if (version === first) {
      checkFirst(file);
      return upgraded(file, { path, log, check });
    }
    if (version > first) {
      checkTables(file, version);
      migrate(file, version);
    }
    checkTables(file, newest);
    check(file);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function lock(path: string): File {
  // SQLite would create the file with the umask's permissions; the files beside it get those of the file.
  closeSync(openSync(path, "a", 0o600));
  const before = statSync(path);
  const file = new Database(path, { timeout: 500 });
  try {
    // Locks until the file is closed or the process ends in any way: a second hub would write the same samples.
    // Before any read: SQLite then needs no shared-memory file for its log, for which a full disk has no space.
    file.pragma("locking_mode = EXCLUSIVE");
    // Both affect an empty file only; on any other the second is a write, for which a full disk has no space.
    if (before.size === 0) {
      file.pragma(`page_size = ${pageSize}`);
      file.pragma("auto_vacuum = INCREMENTAL");
    }
    lockNow(file);
    // Another hub replaced the file while this one waited for the lock on the old one.
    if (statSync(path, { throwIfNoEntry: false })?.ino !== before.ino)
      throw databaseError("the file was replaced", "SQLITE_BUSY");
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** @returns 0 for an empty file */
function versionOf(file: File, path: string): number {
  const version = Number(file.pragma("user_version", { simple: true }));
  const owner = Number(file.pragma("application_id", { simple: true }));
  const empty = Number(file.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()) === 0;
  if (!empty && owner !== application) {
    // With our tables: only the application id was damaged.
    if (definitionsOf(file) === tables(version)) throw databaseError("it has another application ID", "SQLITE_CORRUPT");
    throw new Fault(
      "data_folder_unusable",
      `${path} belongs to another program; set GOHM_DATA to a folder of the hub's own`,
    );
  }
  checkVersion(path, version, { newest });
  if (!empty && version === 0) throw databaseError("it has no version", "SQLITE_CORRUPT");
  return empty ? 0 : version;
}

/** SQL of the tables of a version. */
function tables(version: number): string {
  const fresh = new Database(":memory:");
  for (const step of steps.slice(0, Math.max(0, version - first))) fresh.exec(step);
  const made = definitionsOf(fresh);
  fresh.close();
  return made;
}

/** Compares the tables with those of a version: no other check detects a corrupted column name. @throws SqliteError */
function checkTables(file: File, version: number): void {
  if (definitionsOf(file) === tables(version)) return;
  throw databaseError("its tables are not those of its version", "SQLITE_CORRUPT");
}

/** Checks that a file has a table that only the first schema has: else its version is damaged. @throws SqliteError */
function checkFirst(file: File): void {
  const found = file.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'layout'").pluck().get();
  if (found === 0) throw databaseError("its tables are not those of its version", "SQLITE_CORRUPT");
}

function checkPages(file: File): void {
  const [first] = file.pragma("quick_check(1)") as { quick_check: string }[];
  const found = first?.quick_check ?? "it cannot be read";
  if (found !== "ok") throw databaseError(found.replaceAll("\n", " "), "SQLITE_CORRUPT");
}

/** Brings the tables of a version, or an empty file, to the newest one in one transaction. */
function migrate(file: File, from: number): void {
  if (from === newest) return;
  file.transaction(() => {
    for (const step of steps.slice(from - first)) file.exec(step);
    file.pragma(`application_id = ${application}`);
    file.pragma(`user_version = ${newest}`);
  })();
}

/** Converts a file of the first schema into a new one beside it, which then replaces it: an interruption loses nothing. */
function upgraded(old: File, { path, log, check }: { path: string; log: Log; check: (file: File) => void }): File {
  const beside = `${path}.new`;
  const clear = (): void => {
    for (const tail of ["", "-wal", "-shm", "-journal"]) rmSync(beside + tail, { force: true });
  };
  clear();
  log.info(`the history ${path} is brought into the form of this version; that may take minutes`);
  try {
    const file = lock(beside);
    try {
      file.pragma("synchronous = NORMAL");
      migrate(file, first);
      convert(old, file, log);
    } finally {
      file.close();
    }
    // Closing the old file would delete its log, whose name may be the new file's by then.
    old.pragma("journal_mode = DELETE");
  } catch (error) {
    clear();
    throw error;
  }
  // Before the lock on the old file ends: no other hub may open it.
  renameSync(beside, path);
  old.close();
  return open(path, log, check);
}

export const damaged = (error: unknown): boolean => error instanceof CorruptChunk || isDamage(error);

function refusal(error: unknown, folder: string): Fault {
  if (error instanceof Fault) return error;
  const { code = "", message } = error as { code?: string; message: string };
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new Fault(
      "data_folder_busy",
      `Another hub is using the data folder ${resolve(folder)} (GOHM_DATA); end it or set GOHM_DATA to another folder`,
      { cause: error },
    );
  }
  const way = /FULL|ENOSPC/.test(code) ? "make room on its disk" : "make it writable for this user";
  return new Fault(
    "data_folder_unusable",
    `Cannot use the data folder ${resolve(folder)} (GOHM_DATA): ${message}; ${way} or set GOHM_DATA to another folder`,
    { cause: error },
  );
}
