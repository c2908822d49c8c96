import { type BigIntStats, constants, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import type { CopyOptions } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import { backUp } from "./backup.ts";
import type { File } from "./database.ts";
import { openStore } from "./store.ts";

/** The database, its log, and the journal: all that a history is made of. What other processes share of it means nothing. */
const parts = /^history\.(db|db-wal|db-journal|journal-\d{1,15})$/;
/** Form of the file of version 0.1.0, which had no journal. */
const first = 1;
/** As every file of ours says. */
const owner = Buffer.from("GOHM").readUInt32BE();
const attempts = 3;

/**
 * Copies a history that no hub has open into one new file, with what the journal holds; a history of an earlier version as
 * it is. Nothing of it is opened, only read, so that nothing of it is changed whatever state it is in.
 * @throws Fault backup_failed, data_folder_busy, data_folder_unusable, data_newer
 */
export async function copyHistory(options: CopyOptions): Promise<void> {
  const { path } = options;
  const scratch = `${path}.work`;
  mkdirSync(scratch, { mode: 0o700 });
  try {
    await still(options.folder, scratch);
    await finish(options, scratch);
  } catch (error) {
    throw named(error, scratch, options.folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Copies the files as they were together at one moment. */
async function still(folder: string, scratch: string): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = states(folder);
    for (const name of before.keys()) {
      await copyFile(join(folder, name), join(scratch, name), constants.COPYFILE_FICLONE).catch((error: unknown) => {
        // Expired meanwhile: somebody works there, as the next look at the folder tells.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      });
    }
    if (same(before, states(folder))) return;
    for (const name of readdirSync(scratch)) rmSync(join(scratch, name));
  }
  throw new Fault(
    "data_folder_busy",
    `The history in ${resolve(folder)} changes while it is copied: a hub is starting there, or runs and cannot be asked (its log says why); try again, or stop it`,
  );
}

type States = ReadonlyMap<string, BigIntStats>;

function states(folder: string): States {
  const found = readdirSync(folder).filter((name) => parts.test(name));
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

/** Makes one file of the copied ones. */
async function finish({ folder, path, clock, log }: CopyOptions, scratch: string): Promise<void> {
  const file = new Database(join(scratch, "history.db"));
  try {
    if (looked(file) === first) return await backUp(file, path, async () => {});
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
    // Nothing is to go because it is copied.
    retention: () => ({ raw: ever, fiveMinutes: ever, hour: ever, day: ever }),
    maxSize: () => ever,
    trouble: () => {},
  });
  try {
    if (readdirSync(scratch).some((name) => name.startsWith("history.db.damaged"))) throw damage("see above");
    await store.backup(path);
  } finally {
    await store.close();
  }
}

/** @returns the version of the file's form; undefined where it is another program's @throws Fault backup_failed when it is damaged */
function looked(file: File): number | undefined {
  try {
    const [found] = file.pragma("quick_check(1)") as { quick_check: string }[];
    if (found?.quick_check !== "ok") throw new Error(found?.quick_check.replaceAll("\n", " "));
    const ours = Number(file.pragma("application_id", { simple: true })) === owner;
    return ours ? Number(file.pragma("user_version", { simple: true })) : undefined;
  } catch (error) {
    throw damage((error as Error).message);
  }
}

const damage = (what: string): Fault =>
  new Fault(
    "backup_failed",
    `The history is damaged (${what}), so that no whole copy can be made of it; start the hub, which goes on with what is whole, or copy the folder as it is`,
  );

/** What is told of the copied files is meant of the folder that they are from. */
function named(error: unknown, scratch: string, folder: string): unknown {
  if (!(error instanceof Fault)) return error;
  return new Fault(error.code, error.message.replaceAll(scratch, resolve(folder)), { cause: error });
}
