import { closeSync, existsSync, openSync, readSync, renameSync } from "node:fs";
import Sqlite from "better-sqlite3";
import type { Clock } from "../clock.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";

/** An open database file. */
export type Database = Sqlite.Database;

/** What a database file of one kind looks like. */
export interface DatabaseFormat {
  /** Names the content in messages: "history". */
  readonly noun: string;
  /** SQLite's application_id: tells the file from those of other programs, and from our other kinds. */
  readonly application: number;
  /** The newest schema version that this program knows; 0 is an empty file. */
  readonly newest: number;
}

/** Source and target of a copy. */
export interface CopyOptions {
  /** The data folder. */
  readonly folder: string;
  /** The file to write; temporary files may be created beside it. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A database that backups hold. */
export interface DatabaseKind {
  /** "history" */
  readonly name: string;
  /** What it holds, in words: "administration data". */
  readonly noun: string;
  /** Its file in a data folder, and in a backup. */
  readonly file: string;
  /**
   * Copies the database of a folder that no hub uses into one new file, checked and with everything that its logs hold.
   * @returns false if the folder holds none
   * @throws Fault database_damaged, backup_failed, data_folder_busy, data_folder_unusable, data_newer
   */
  copy(options: CopyOptions): Promise<boolean>;
}

/** A database in use that can be copied. */
export interface CopySource {
  /** Writes a copy of everything until now into a new file. @throws Fault backup_failed */
  backup(path: string): Promise<void>;
  /** Bytes on disk. */
  bytes(): number;
}

/** An error of the database file. @param code SQLite's name of it, such as SQLITE_CORRUPT */
export const databaseError = (message: string, code: string): Error => new Sqlite.SqliteError(message, code);

/** True if the error says that the content of the file is damaged. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Sqlite.SqliteError &&
  (/^SQLITE_(CORRUPT|NOTADB)/.test(error.code) || error.message === "unsupported file format");

/**
 * Renames a damaged or misplaced file, so that nothing uses it any more, and returns its new path. Its write-ahead log is
 * useless beside any other file and is renamed with it.
 * @throws Error of the file system
 */
export function quarantine(path: string, why: "damaged" | "replaced" = "damaged"): string {
  const free = (n: number): string => (existsSync(`${path}.${why}-${n}`) ? free(n + 1) : `${path}.${why}-${n}`);
  const aside = free(1);
  renameSync(path, aside);
  for (const tail of ["-wal", "-shm", "-journal"]) if (existsSync(path + tail)) renameSync(path + tail, aside + tail);
  return aside;
}

/** Bytes of the file's header that are read here: https://www.sqlite.org/fileformat.html#the_database_header */
const headerBytes = 100;
const magic = "SQLite format 3\0";

/** Owner and version from a file's header; undefined for a file that is empty or no database. */
export interface DatabaseHeader {
  readonly application: number;
  readonly version: number;
}

/** Reads the header without opening the database, so that nothing is changed. @throws Error of the file system */
export function headerOf(path: string): DatabaseHeader | undefined {
  const head = Buffer.alloc(headerBytes);
  const file = openSync(path, "r");
  try {
    if (readSync(file, head, 0, headerBytes, 0) < headerBytes) return undefined;
  } finally {
    closeSync(file);
  }
  if (head.toString("latin1", 0, magic.length) !== magic) return undefined;
  return { version: head.readUInt32BE(60), application: head.readUInt32BE(68) };
}

/** @throws Fault data_newer */
export function checkVersion(path: string, version: number, format: Pick<DatabaseFormat, "newest">): void {
  if (version <= format.newest) return;
  throw new Fault(
    "data_newer",
    `${path} was written by a newer version of the hub (its schema is ${version}, this version knows ${format.newest}); run that version, or set GOHM_DATA to another folder`,
  );
}

/** Schema version of an open file, 0 if it has no tables. @throws Fault data_newer, data_folder_unusable @throws SqliteError if it is damaged */
export function versionOf(file: Database, path: string, format: DatabaseFormat): number {
  const { application, version } = stampOf(file);
  const empty = Number(file.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()) === 0;
  if (empty) return 0;
  if (application !== format.application) {
    throw new Fault("data_folder_unusable", `${path} is not the ${format.noun} of a hub; move it elsewhere`);
  }
  checkVersion(path, version, format);
  if (version === 0) throw databaseError("it has no version", "SQLITE_CORRUPT");
  return version;
}

/** Owner and version as the open file has them, its write-ahead log included. */
function stampOf(file: Database): DatabaseHeader {
  const [application, version] = ["application_id", "user_version"].map((name) =>
    Number(file.pragma(name, { simple: true })),
  );
  return { application: application ?? 0, version: version ?? 0 };
}

/** Definitions of tables, indexes and triggers, in the order of their names. */
export function definitionsOf(file: Database): string {
  const found = file.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").pluck().all();
  return (found as string[]).join(";\n");
}

/** @throws SqliteError SQLITE_CORRUPT */
export function checkIntegrity(file: Database): void {
  const [first] = file.pragma("integrity_check(1)") as { integrity_check: string }[];
  const found = first?.integrity_check ?? "it cannot be read";
  if (found !== "ok") throw databaseError(found.replaceAll("\n", " "), "SQLITE_CORRUPT");
}
