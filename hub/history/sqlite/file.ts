import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";
import { CorruptChunk } from "./codec.ts";
import type { File } from "./database.ts";
import { convert } from "./file/first.ts";
import { quarantine } from "./quarantine.ts";

/** "GOHM" in ASCII, so that a file of another program is told apart. */
const application = 0x474f484d;
const newest = 2;

/**
 * host, device, metric: names, with the numbers they have in keys and rows, and a checksum (see names.ts). raw: the samples of one metric
 * of one host within one block, and the times of its polls in a row of their own; five, hour, day: what those were
 * within 5 minutes, an hour, a day (see span.ts for keys, rows.ts for what is in a row). sealed: head chunks of the journal (by id, in `run`) that
 * are in rows already.
 */
const schema = `
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

/** Rows are from 0.3 to 22 KB: with small pages little is left empty beside them. */
const pageSize = 1024;

/** Larger files are looked through only when the hub did not end properly: reading takes seconds for each GB. Bytes. */
const quickly = 2 ** 28;

interface Given {
  readonly log: Log;
}

/**
 * The history of a data folder, opened for this process alone. A file that is damaged is moved aside, and a new one begun.
 * @param check reads what the store needs to begin; a failure of it counts as damage
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function openFile(folder: string, { log }: Given, check: (file: File) => void): File {
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

/** Bytes of the database and its log. */
export function fileBytes(folder: string): number {
  const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return size(join(folder, "history.db")) + size(join(folder, "history.db-wal"));
}

function prepare(folder: string, path: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${path} is a folder`);
    makePrivate(folder);
  } catch (error) {
    throw refusal(error, folder);
  }
}

/** Everything that a hub puts into its data folder. */
const own = /^(history\.|control$)/;

/**
 * Takes all rights from others: the history says who computes when. An earlier version, or a careless umask, left them.
 * A folder that holds other things too keeps its rights; the files in it do not.
 */
function makePrivate(folder: string): void {
  const names = readdirSync(folder);
  const paths = names.filter((name) => own.test(name)).map((name) => join(folder, name));
  if (paths.length === names.length) paths.push(folder);
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o077) === 0) continue;
    try {
      chmodSync(path, found.mode & 0o700);
    } catch (error) {
      // Another user's (a volume that Kubernetes gave a group): its rights are that user's to decide.
      if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
    }
  }
}

function open(path: string, log: Log, check: (file: File) => void): File {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const ended = existsSync(`${path}-wal`) === false;
  const file = lock(path);
  try {
    const version = versionOf(file, path);
    // What the system was told survives the end of the process; a power cut costs what was not yet checkpointed, and that
    // is in the journal still.
    file.pragma("journal_mode = WAL");
    file.pragma("synchronous = NORMAL");
    file.pragma("journal_size_limit = 67108864");
    file.pragma("cache_size = -16384");
    if (checkpointed(file)) whole(file, path);
    // After the change to WAL: a check before it leaves the file locked against checkpoints (SQLite 3.5x).
    if (size < quickly || !ended) sound(file);
    if (version === 0) create(file);
    if (version === 1) return upgraded(file, { path, log, check });
    sameTables(file);
    check(file);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Whether the log is in the file; not where the disk is full, and it can stay where it is. */
function checkpointed(file: File): boolean {
  try {
    file.pragma("wal_checkpoint(TRUNCATE)");
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && /^SQLITE_(FULL|IOERR_WRITE)/.test(error.code)) return false;
    throw error;
  }
}

function lock(path: string): File {
  // SQLite would give a new file the rights that the umask leaves; what it makes beside it gets those of the file.
  closeSync(openSync(path, "a", 0o600));
  const before = statSync(path);
  const file = new Database(path, { timeout: 500 });
  try {
    // Held until the file is closed, or the process ends in whatever way: a second hub would write the same samples.
    // Before anything is read: SQLite then needs no file beside it for its log, for which a full disk has no room.
    file.pragma("locking_mode = EXCLUSIVE");
    // Both have an effect on an empty file only; on another one the second is a write, for which a full disk has no room.
    if (before.size === 0) {
      file.pragma(`page_size = ${pageSize}`);
      file.pragma("auto_vacuum = INCREMENTAL");
    }
    lockNow(file);
    // Another hub has put a new file in its place while this one waited for the lock on the old one.
    if (statSync(path, { throwIfNoEntry: false })?.ino !== before.ino)
      throw new Database.SqliteError("the file was replaced", "SQLITE_BUSY");
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** @throws SqliteError */
function lockNow(file: File): void {
  try {
    file.exec("BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    // A bit changed on the disk can make a file look read-only. Where its tables cannot be read either, it is damaged.
    if ((error as { code?: string }).code === "SQLITE_READONLY") tablesOf(file);
    throw error;
  }
}

/** @returns 0 for an empty file */
function versionOf(file: File, path: string): number {
  const version = Number(file.pragma("user_version", { simple: true }));
  const owner = Number(file.pragma("application_id", { simple: true }));
  const empty = Number(file.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()) === 0;
  if (!empty && owner !== application) {
    // All else is ours: what says so was changed on the disk.
    if (tablesOf(file) === tables()) throw new Database.SqliteError("its owner is not told", "SQLITE_CORRUPT");
    throw new Fault(
      "data_folder_unusable",
      `${path} belongs to another program; set GOHM_DATA to a folder of the hub's own`,
    );
  }
  if (version > newest) {
    throw new Fault(
      "data_newer",
      `${path} was written by a newer version of the hub (its schema is ${version}, this version knows ${newest}); run that version, or set GOHM_DATA to another folder`,
    );
  }
  if (!empty && version === 0) throw new Database.SqliteError("it has no version", "SQLITE_CORRUPT");
  return empty ? 0 : version;
}

/** Tables as they are written, in the order of their names. */
function tablesOf(file: File): string {
  const found = file.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").pluck().all();
  return (found as string[]).join(";\n");
}

/** Tables as this version makes them. */
function tables(): string {
  const fresh = new Database(":memory:");
  fresh.exec(schema);
  const made = tablesOf(fresh);
  fresh.close();
  return made;
}

/** A bit more or less in the name of a column would be told by no other check. */
function sameTables(file: File): void {
  if (tablesOf(file) === tables()) return;
  throw new Database.SqliteError("its tables are not those of its version", "SQLITE_CORRUPT");
}

/** The file has all the pages that it says it has. */
function whole(file: File, path: string): void {
  const pages =
    Number(file.pragma("page_count", { simple: true })) * Number(file.pragma("page_size", { simple: true }));
  if (statSync(path).size < pages) {
    throw new Database.SqliteError("the file is cut short", "SQLITE_CORRUPT");
  }
}

function sound(file: File): void {
  const [first] = file.pragma("quick_check(1)") as { quick_check: string }[];
  const found = first?.quick_check ?? "it cannot be read";
  if (found !== "ok") throw new Database.SqliteError(found.replaceAll("\n", " "), "SQLITE_CORRUPT");
}

function create(file: File): void {
  file.transaction(() => {
    file.exec(schema);
    file.pragma(`application_id = ${application}`);
    file.pragma(`user_version = ${newest}`);
  })();
}

/** A file of the first version, made anew beside it and then put in its place: nothing of it is lost if that is cut off. */
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
      create(file);
      convert(old, file, log);
    } finally {
      file.close();
    }
    // Its log would be deleted when it is closed, when that name may belong to the new file.
    old.pragma("journal_mode = DELETE");
  } catch (error) {
    clear();
    throw error;
  }
  // Before the lock on the old one ends: nobody else may begin with it.
  renameSync(beside, path);
  old.close();
  return open(path, log, check);
}

export const damaged = (error: unknown): boolean =>
  error instanceof CorruptChunk ||
  (error instanceof Database.SqliteError &&
    (/^SQLITE_(CORRUPT|NOTADB)/.test(error.code) || error.message === "unsupported file format"));

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
