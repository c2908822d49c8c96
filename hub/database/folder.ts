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
import { join, resolve } from "node:path";
import { Fault } from "../fault.ts";

/** Names of everything that a hub puts into its data folder. */
const own = /^((history|gohm|ledger)\.|control$|restore\.)/;

/** A restore works in such a folder of the data folder. Once everything is there and checked it gets the name `ready`. */
const partial = /^restore\.partial-/;
const ready = "restore.ready";

export const partialRestore = (folder: string): string =>
  join(folder, `restore.partial-${randomBytes(6).toString("hex")}`);

/** Names of what restores left that were cut off before anything was in place. */
export const partialsIn = (folder: string): string[] => readdirSync(folder).filter(isPartial);

/** True if a restore works, or worked, in a folder of this name. */
export const isPartial = (name: string): boolean => partial.test(name);

/** From here on the restore is completed, whatever happens. @throws Error of the file system */
export function commitRestore(folder: string, from: string): void {
  syncFolder(from);
  renameSync(from, join(folder, ready));
  syncFolder(folder);
}

/** Puts the files of a committed restore in their places. @returns false if there is none @throws Error of the file system */
export function completeRestore(folder: string): boolean {
  const from = join(folder, ready);
  if (!existsSync(from)) return false;
  for (const name of readdirSync(from)) renameSync(join(from, name), join(folder, name));
  syncFolder(folder);
  rmdirSync(from);
  return true;
}

/**
 * Completes a restore that was cut off.
 * @throws Fault data_folder_busy while one is under way, or was cut off before it could be completed
 * @throws Fault data_folder_unusable
 */
export function checkRestored(folder: string): void {
  const name = cutOff(folder);
  if (name === undefined) return;
  throw new Fault(
    "data_folder_busy",
    `A restore into ${resolve(folder)} is under way or was cut off; wait for it, run gohm restore again, or remove ${join(resolve(folder), name)}`,
  );
}

/** Completes a restore if it can. @returns the name of what one left that cannot be completed @throws Fault data_folder_unusable */
function cutOff(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  try {
    completeRestore(folder);
    return partialsIn(folder)[0];
  } catch (error) {
    throw new Fault(
      "data_folder_unusable",
      `Cannot use the data folder ${resolve(folder)} (GOHM_DATA): ${(error as Error).message}; make it writable for this user or set GOHM_DATA to another folder`,
      { cause: error },
    );
  }
}

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
 * Takes all rights on a hub's files from other users: they say who computes when, and who may sign in. An earlier version, a
 * careless umask or a copy by hand left them. A folder that holds other things too keeps its rights; a missing one is ignored.
 * @throws Error of the file system
 */
export function makePrivate(folder: string): void {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
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
