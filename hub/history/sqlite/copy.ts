import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { copyFiles } from "../../database/copy.ts";
import { type CopyOptions, isDamage } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import { backUp } from "./backup.ts";
import type { File } from "./database.ts";
import { openStore } from "./store.ts";

/** Files that make up a history: the database, its write-ahead log, and the journal; not SQLite's shared memory. */
const historyFiles = /^history\.(db|db-wal|db-journal|journal-\d{1,15})$/;
/** Schema version of hub 0.1.0, which had no journal. */
const first = 1;
/** Application id of our files. */
const owner = Buffer.from("GOHM").readUInt32BE();

/**
 * Copies a history that no hub has open into one new file, with the samples of its journal; one of an earlier schema as it
 * is. Its files are read and never opened as a database, so that nothing of them changes, whatever state they are in.
 * @throws Fault database_damaged, backup_failed, data_folder_busy, data_folder_unusable, data_newer
 */
export async function copyHistory(options: CopyOptions): Promise<void> {
  const { path } = options;
  const scratch = `${path}.work`;
  mkdirSync(scratch, { mode: 0o700 });
  try {
    await copyFiles({ folder: options.folder, names: historyFiles, scratch, noun: "history" });
    await merge(options, scratch);
  } catch (error) {
    throw translated(error, scratch, options.folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Merges the copied files into one. */
async function merge({ folder, path, clock, log }: CopyOptions, scratch: string): Promise<void> {
  const file = new Database(join(scratch, "history.db"));
  try {
    // SQLite then keeps the index of its log in memory, not in a file for which a full disk has no room.
    file.pragma("locking_mode = EXCLUSIVE");
    if (schemaOf(file) === first) return await backUp(file, path, async () => {});
  } finally {
    file.close();
  }
  const ever = Number.POSITIVE_INFINITY;
  const rename = (line: string): string => line.replaceAll(scratch, resolve(folder));
  const store = openStore({
    folder: scratch,
    clock,
    log: {
      info: (line) => log.info(rename(line)),
      warn: (line) => log.warn(rename(line)),
      error: (line) => log.error(rename(line)),
    },
    // A copy must not delete anything.
    retention: () => ({ raw: ever, fiveMinutes: ever, hour: ever, day: ever }),
    maxSize: () => ever,
    trouble: () => {},
  });
  try {
    if (readdirSync(scratch).some((name) => name.startsWith("history.db.damaged"))) throw damaged("see above");
    await store.backup(path);
  } finally {
    await store.close();
  }
}

/** @returns the schema version; undefined for another program's file @throws Fault database_damaged */
function schemaOf(file: File): number | undefined {
  try {
    const [found] = file.pragma("quick_check(1)") as { quick_check: string }[];
    if (found?.quick_check !== "ok") throw damaged(String(found?.quick_check.replaceAll("\n", " ")));
    const ours = Number(file.pragma("application_id", { simple: true })) === owner;
    return ours ? Number(file.pragma("user_version", { simple: true })) : undefined;
  } catch (error) {
    throw isDamage(error) ? damaged((error as Error).message) : error;
  }
}

const damaged = (what: string): Fault => new Fault("database_damaged", `The history is damaged (${what})`);

/** Rewrites a fault about the scratch folder to name the folder that was copied. */
function translated(error: unknown, scratch: string, folder: string): unknown {
  if (!(error instanceof Fault)) return error;
  return new Fault(error.code, error.message.replaceAll(scratch, resolve(folder)), { cause: error });
}
