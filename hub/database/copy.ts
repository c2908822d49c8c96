import { type BigIntStats, constants, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import Sqlite from "better-sqlite3";
import { Fault } from "../fault.ts";
import { checkIntegrity, type DatabaseFormat, isDamage, versionOf } from "./database.ts";

const attempts = 3;

/** Files that make up a database, and where copies of them go. */
interface FileSet {
  readonly folder: string;
  /** Matches their names. */
  readonly names: RegExp;
  /** An empty folder. */
  readonly scratch: string;
  /** What they hold, for messages. */
  readonly noun: string;
}

/**
 * Copies files in the state of one moment.
 * @throws Fault data_folder_busy if they change meanwhile
 * @throws Error of the file system
 */
export async function copyFiles({ folder, names, scratch, noun }: FileSet): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = statesOf(folder, names);
    for (const name of before.keys()) {
      await copyFile(join(folder, name), join(scratch, name), constants.COPYFILE_FICLONE).catch((error: unknown) => {
        // Deleted meanwhile: the comparison of states detects it.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      });
    }
    if (same(before, statesOf(folder, names))) return;
    for (const name of readdirSync(scratch)) rmSync(join(scratch, name));
  }
  throw new Fault(
    "data_folder_busy",
    `The ${noun} in ${resolve(folder)} changes while it is read: a hub is starting there, or runs and cannot be asked (its log says why); try again, or stop it`,
  );
}

type States = ReadonlyMap<string, BigIntStats>;

function statesOf(folder: string, names: RegExp): States {
  const found = readdirSync(folder).filter((name) => names.test(name));
  return new Map(
    found.flatMap((name): [string, BigIntStats][] => {
      const state = statSync(join(folder, name), { bigint: true, throwIfNoEntry: false });
      return state === undefined ? [] : [[name, state]];
    }),
  );
}

function same(before: States, after: States): boolean {
  if (before.size !== after.size) return false;
  return [...before].every(([name, { ino, size, mtimeNs, ctimeNs }]) => {
    const now = after.get(name);
    return now?.ino === ino && now.size === size && now.mtimeNs === mtimeNs && now.ctimeNs === ctimeNs;
  });
}

/**
 * Copies a database that no hub has open into one new file, with the content of its log and without an upgrade. Its files are
 * only read.
 * @param source the database file
 * @param path the new file; a temporary folder is created beside it
 * @returns false if there is no such database, or it was never written to
 * @throws Fault database_damaged, data_newer, data_folder_unusable (not ours), data_folder_busy
 * @throws Error of the file system or the disk
 */
export async function copyDatabase(source: string, path: string, format: DatabaseFormat): Promise<boolean> {
  if (!existsSync(source)) return false;
  const [folder, name] = [dirname(source), basename(source)];
  const scratch = `${path}.work`;
  mkdirSync(scratch, { mode: 0o700 });
  try {
    const names = new RegExp(`^${name.replaceAll(".", "\\.")}(-wal|-journal)?$`);
    await copyFiles({ folder, names, scratch, noun: format.noun });
    const file = new Sqlite(join(scratch, name));
    try {
      // SQLite then keeps the index of its log in memory, not in a file for which a full disk has no room.
      file.pragma("locking_mode = EXCLUSIVE");
      checkIntegrity(file);
      if (versionOf(file, source, format) === 0) return false;
      await file.backup(path);
      return true;
    } finally {
      file.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new Fault("database_damaged", `${resolve(source)} is damaged: ${(error as Error).message}`, { cause: error });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
