import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";

export type File = Database.Database;

/** "GOHM" in ASCII, so that a file of another program is told apart. */
const application = 0x474f484d;
const newest = 1;

/**
 * device: a thing that is measured. layout: names of metrics in the order in which a poll's values stand, one name a
 * line. poll: everything measured on one device at one time (Unix ms), v being little-endian doubles.
 */
const schema = `
  CREATE TABLE device (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL, idx INTEGER,
    UNIQUE (host, level, key)
  );
  CREATE TABLE layout (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
  CREATE TABLE used (
    device INTEGER NOT NULL, layout INTEGER NOT NULL, PRIMARY KEY (device, layout)
  ) WITHOUT ROWID;
  CREATE TABLE poll (
    device INTEGER NOT NULL, t INTEGER NOT NULL, layout INTEGER NOT NULL, v BLOB NOT NULL, PRIMARY KEY (device, t)
  ) WITHOUT ROWID;
`;

/**
 * The history of a data folder, opened for this process alone. A file that is damaged is moved aside, and a new one begun.
 * @param check reads what the store needs to begin; a failure of it counts as damage
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function openFile(folder: string, log: Log, check: (file: File) => void): File {
  const path = join(folder, "history.db");
  prepare(folder, path);
  try {
    return open(path, check);
  } catch (error) {
    if (!damaged(error)) throw refusal(error, folder);
    const aside = moveAside(path);
    log.error(
      `the history ${path} is damaged (${(error as Error).message}); it was moved to ${aside} and a new one begun`,
    );
    try {
      return open(path, check);
    } catch (again) {
      throw refusal(again, folder);
    }
  }
}

function prepare(folder: string, path: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw refusal(error, folder);
  }
}

function open(path: string, check: (file: File) => void): File {
  const file = new Database(path, { timeout: 500 });
  try {
    // Held until the file is closed, or the process ends in whatever way: a second hub would write the same samples.
    file.pragma("locking_mode = EXCLUSIVE");
    file.exec("BEGIN EXCLUSIVE; COMMIT");
    migrate(file, path);
    file.pragma("journal_mode = WAL");
    // What the system was told survives the end of the process; a power cut costs what was not yet checkpointed.
    file.pragma("synchronous = NORMAL");
    file.pragma("journal_size_limit = 67108864");
    file.pragma("wal_checkpoint(TRUNCATE)");
    const pages =
      Number(file.pragma("page_count", { simple: true })) * Number(file.pragma("page_size", { simple: true }));
    if (statSync(path).size < pages) throw new Database.SqliteError("the file is cut short", "SQLITE_CORRUPT");
    check(file);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function migrate(file: File, path: string): void {
  const version = Number(file.pragma("user_version", { simple: true }));
  const owner = Number(file.pragma("application_id", { simple: true }));
  const empty = Number(file.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()) === 0;
  if (!empty && owner !== application) {
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
  if (!empty) return;
  file.transaction(() => {
    file.exec(schema);
    file.pragma(`application_id = ${application}`);
    file.pragma(`user_version = ${newest}`);
  })();
}

const damaged = (error: unknown): boolean =>
  error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);

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
  return new Fault(
    "data_folder_unusable",
    `Cannot use the data folder ${resolve(folder)} (GOHM_DATA): ${message}; make it writable for this user or set GOHM_DATA to another folder`,
    { cause: error },
  );
}

/** The log of a database means nothing beside another file, so it goes along. */
function moveAside(path: string): string {
  const free = (n: number): string => (existsSync(`${path}.damaged-${n}`) ? free(n + 1) : `${path}.damaged-${n}`);
  const aside = free(1);
  renameSync(path, aside);
  for (const tail of ["-wal", "-shm", "-journal"]) if (existsSync(path + tail)) renameSync(path + tail, aside + tail);
  return aside;
}
