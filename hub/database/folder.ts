import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
} from "node:fs";
import { join, parse, resolve } from "node:path";
import { Fault } from "../fault.ts";

/** Names of what a hub puts into its data folder beside its databases. */
const own = /^(control$|restore\.)/;

/** Name of a folder in the data folder in which a restore works. Once complete and checked, it is renamed to `ready`. */
const partial = /^restore\.partial-/;
const ready = "restore.ready";

export const partialRestore = (folder: string): string =>
  join(folder, `restore.partial-${randomBytes(6).toString("hex")}`);

/** Names of the folders that interrupted restores left before their commit. */
export const partialsIn = (folder: string): string[] => readdirSync(folder).filter(isPartial);

/** True if a restore works, or worked, in a folder of this name. */
export const isPartial = (name: string): boolean => partial.test(name);

/** Commits a restore: from now on it is completed, even after a crash. @throws Error of the file system */
export function commitRestore(folder: string, from: string): void {
  syncFolder(from);
  renameSync(from, join(folder, ready));
  syncFolder(folder);
}

/** Moves the files of a committed restore into place. @returns false if there is none @throws Error of the file system */
export function completeRestore(folder: string): boolean {
  const from = join(folder, ready);
  if (!existsSync(from)) return false;
  for (const name of readdirSync(from)) renameSync(join(from, name), join(folder, name));
  syncFolder(folder);
  rmdirSync(from);
  return true;
}

/**
 * Completes an interrupted restore.
 * @throws Fault data_folder_busy while one is in progress, or if one was interrupted before its commit
 * @throws Fault data_folder_unusable
 */
export function checkRestored(folder: string): void {
  const name = cutOff(folder);
  if (name === undefined) return;
  throw new Fault(
    "data_folder_busy",
    `A restore into ${resolve(folder)} is in progress or was interrupted; wait for it, run gohm restore again, or remove ${join(resolve(folder), name)}`,
  );
}

/** Completes a committed restore. @returns the folder that another one left before its commit @throws Fault data_folder_unusable */
function cutOff(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  try {
    completeRestore(folder);
    return partialsIn(folder)[0];
  } catch (error) {
    throw unusable(folder, error);
  }
}

const unusable = (folder: string, error: unknown): Fault =>
  new Fault(
    "data_folder_unusable",
    `Cannot use the data folder ${resolve(folder)} (GOHM_DATA): ${(error as Error).message}; make it writable for this user or set GOHM_DATA to another folder`,
    { cause: error },
  );

/** Writes a folder's entries to the disk. @throws Error of the file system */
export function syncFolder(folder: string): void {
  const file = openSync(folder, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Removes the permissions of other users on a hub's files, which contain who computes when, and who may sign in. An earlier
 * version, a careless umask or a manual copy left them. A folder with other content keeps its own; a missing one is ignored.
 * @param databases "history.db": with it, every file whose name begins with "history." is the hub's
 * @throws Fault data_folder_unusable
 */
export function makePrivate(folder: string, databases: readonly string[]): void {
  const starts = databases.map((file) => `${parse(file).name}.`);
  try {
    restrict(folder, (name) => own.test(name) || starts.some((start) => name.startsWith(start)));
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** @throws Error of the file system */
function restrict(folder: string, isOwn: (name: string) => boolean): void {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const names = readdirSync(folder);
  const paths = names.filter(isOwn).map((name) => join(folder, name));
  if (paths.length === names.length) paths.push(folder);
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o077) === 0) continue;
    try {
      chmodSync(path, found.mode & 0o700);
    } catch (error) {
      // Owned by another user (a volume that Kubernetes gave a group), who decides its permissions.
      if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
    }
  }
}
