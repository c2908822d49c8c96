// Owner and rights of what is written to the folder of reports.
import { constants, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { codeOf } from "../place.ts";

/** What file systems of Windows, shares and FUSE answer if they have no owners, rights, or synchronization of folders. */
const unsupported = ["EPERM", "EINVAL", "ENOTSUP", "ENOSYS"];

export async function ifSupported(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!unsupported.includes(codeOf(error) ?? "")) throw error;
  }
}

export const isRoot = (): boolean => process.geteuid?.() === 0;

/** Flags that open a folder, and nothing else. */
export const directory = constants.O_RDONLY | constants.O_DIRECTORY;

/** Sets owner and rights of a folder. Opened first: another user could put a link in its place. */
export async function give(path: string, { uid, gid }: Stats, mode?: number): Promise<void> {
  const handle = await open(path, directory | constants.O_NOFOLLOW);
  try {
    // Before the rights: a change of the owner may clear some.
    if (isRoot()) await ifSupported(handle.chown(uid, gid));
    if (mode !== undefined) await ifSupported(handle.chmod(mode));
  } finally {
    await handle.close();
  }
}
