import { closeSync, openSync, statSync } from "node:fs";
import { resolve } from "node:path";
import Sqlite from "better-sqlite3";
import { Fault } from "../fault.ts";
import {
  checkIntegrity,
  checkVersion,
  type Database,
  type DatabaseFormat,
  databaseError,
  definitionsOf,
  headerOf,
  versionOf,
} from "./database.ts";

/** A format, and the steps that create it. */
export interface DatabaseSchema extends DatabaseFormat {
  /** SQL. Step i brings a file from version i to i + 1; all of them make a new file. A released step never changes. */
  readonly steps: readonly string[];
}

/**
 * Opens or creates a database file, for this process alone, and upgrades it to the newest version. Commits survive the end of
 * the process and a power failure.
 * @throws Fault data_newer, data_folder_unusable (another program's file): nothing was written then
 * @throws Fault data_folder_busy
 * @throws SqliteError, which `isDamage` tells apart, and errors of the file system
 */
export function openDatabase(path: string, schema: DatabaseSchema): Database {
  const found = statSync(path, { throwIfNoEntry: false });
  // A pipe would be waited for until the hub is killed.
  if (found?.isFile() === false) throw new Error(`${path} is not a file`);
  const header = found && headerOf(path);
  // Before the file is opened: closing it again would move its write-ahead log into it.
  if (header?.application === schema.application) checkVersion(path, header.version, schema);
  const file = lock(path);
  try {
    const version = checked(file, path, schema);
    file.pragma("journal_mode = WAL");
    file.pragma("synchronous = FULL");
    if (checkpoint(file)) checkLength(file, path);
    checkIntegrity(file);
    migrate(file, schema, version);
    // The header of the file, which is looked at before it is opened, says the new version from now on.
    if (version < schema.newest) checkpoint(file);
    if (definitionsOf(file) !== definitions(schema)) {
      // No other check detects a corrupted name of a column.
      throw databaseError("its tables are not those of its version", "SQLITE_CORRUPT");
    }
    file.pragma("foreign_keys = ON");
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Opens the file and takes a lock that ends with this process, however that ends. */
function lock(path: string): Database {
  // SQLite would give a new file the rights that the umask leaves; the files that it makes beside it get those of the file.
  closeSync(openSync(path, "a", 0o600));
  const { ino } = statSync(path);
  const file = new Sqlite(path, { timeout: 500 });
  try {
    // Before anything is read: SQLite then keeps the index of its log in memory, not in a file for which a full disk has no room.
    file.pragma("locking_mode = EXCLUSIVE");
    lockNow(file);
    if (statSync(path, { throwIfNoEntry: false })?.ino !== ino) {
      throw databaseError("the file was replaced", "SQLITE_BUSY");
    }
    return file;
  } catch (error) {
    file.close();
    if (!/^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string }).code ?? "")) throw error;
    throw new Fault(
      "data_folder_busy",
      `Another program is using ${resolve(path)}; if it is a hub, end it or set GOHM_DATA to another folder`,
      { cause: error },
    );
  }
}

/** Takes the lock of a file in exclusive locking mode. @throws SqliteError */
export function lockNow(file: Database): void {
  try {
    file.exec("BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    // A bit changed on the disk can make a file look read-only. If its tables cannot be read either, it is damaged.
    if ((error as { code?: string }).code === "SQLITE_READONLY") definitionsOf(file);
    throw error;
  }
}

/** The version of the file. Its owner may be unreadable because a bit of it changed: all else is ours then. */
function checked(file: Database, path: string, schema: DatabaseSchema): number {
  try {
    return versionOf(file, path, schema);
  } catch (error) {
    if (
      error instanceof Fault &&
      error.code === "data_folder_unusable" &&
      definitionsOf(file) === definitions(schema)
    ) {
      throw databaseError("its owner is unknown", "SQLITE_CORRUPT");
    }
    throw error;
  }
}

/**
 * Moves the write-ahead log into the file.
 * @returns false if the disk has no space, or a quota or limit denies it: the log stays where it is
 * @throws SqliteError for every other failure of the disk, such as a sector that cannot be read
 */
export function checkpoint(file: Pick<Database, "pragma">): boolean {
  try {
    file.pragma("wal_checkpoint(TRUNCATE)");
    return true;
  } catch (error) {
    // SQLite says FULL for ENOSPC, and IOERR_WRITE for every other error of a write.
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(FULL|IOERR_WRITE)$/.test(error.code)) return false;
    throw error;
  }
}

/** True if the disk prevents the use of a file: it is full, read-only, or fails. */
export const isDiskFailure = (error: unknown): boolean =>
  error instanceof Sqlite.SqliteError && /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN)/.test(error.code);

/** Checks that the file has as many pages as its header says. @throws SqliteError SQLITE_CORRUPT */
export function checkLength(file: Database, path: string): void {
  const [pages = 0, bytes = 0] = ["page_count", "page_size"].map((name) => Number(file.pragma(name, { simple: true })));
  if (statSync(path).size < pages * bytes) throw databaseError("the file is cut short", "SQLITE_CORRUPT");
}

/** Applies the steps that are missing, each in a transaction of its own. */
function migrate(file: Database, { application, steps }: DatabaseSchema, from = 0): void {
  // A step may rebuild a table that others refer to. SQLite ignores the change of this inside a transaction.
  file.pragma("foreign_keys = OFF");
  steps.forEach((step, version) => {
    if (version < from) return;
    file.transaction(() => {
      file.exec(step);
      if ((file.pragma("foreign_key_check") as unknown[]).length > 0) {
        throw new Error(`step ${version + 1} of the schema breaks a foreign key`);
      }
      file.pragma(`application_id = ${application}`);
      file.pragma(`user_version = ${version + 1}`);
    })();
  });
}

/** Definitions as this version makes them. */
function definitions(schema: DatabaseSchema): string {
  const fresh = new Sqlite(":memory:");
  migrate(fresh, schema);
  const made = definitionsOf(fresh);
  fresh.close();
  return made;
}

/** Bytes of a database file and its log. */
export const databaseBytes = (path: string): number =>
  [path, `${path}-wal`].reduce((sum, name) => sum + (statSync(name, { throwIfNoEntry: false })?.size ?? 0), 0);
