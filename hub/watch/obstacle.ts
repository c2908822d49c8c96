import { accessSync, constants, lstatSync, readFileSync, realpathSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Obstacle } from "../servers.ts";
import { undosOf } from "./replacement.ts";

/** Where a file really is: behind symbolic links, which stay. One that is missing is in its folder. @throws Error of the file system */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return join(realpathSync(dirname(path)), basename(path));
  }
}

/**
 * Why a file cannot be replaced, without trying it; undefined if nothing is known against it. A missing file can be created
 * where its folder can be written.
 */
export function obstacleOf(path: string): Obstacle | undefined {
  let stats: Stats | undefined;
  try {
    const real = realPath(path);
    stats = lstatSync(real, { throwIfNoEntry: false });
    const owner = stats && nameOf(stats.uid);
    const refusal = (kind: Obstacle["kind"], reason: string): Obstacle => ({ kind, reason, owner });
    if (isMounted(real)) {
      return refusal("mount", `${real} is mounted by itself and cannot be replaced; its folder can be mounted instead`);
    }
    accessSync(dirname(real), constants.W_OK | constants.X_OK);
    if (stats === undefined) return undefined;
    accessSync(real, constants.R_OK | constants.W_OK);
    if (!isOwn(stats)) return refusal("permission", `the hub does not run as ${owner}, to whom it belongs`);
    // A directory has one link more for each folder in it; what is no file cannot be read, which says more.
    if (stats.isFile() && stats.nlink > 1 + undosOf(real).length) {
      return refusal("links", "it has further hard links, which would keep the old content");
    }
    return undefined;
  } catch (error) {
    const owner = stats && nameOf(stats.uid);
    if ((error as NodeJS.ErrnoException).code === "EROFS") {
      return { kind: "read_only", reason: "its file system is read-only for the hub", owner };
    }
    return { kind: "permission", reason: `the hub may not replace it (${(error as Error).message})`, owner };
  }
}

/** True if a file that replaces this one can have the same owner and group. */
function isOwn({ uid, gid }: Stats): boolean {
  const user = process.geteuid?.();
  if (user === undefined || user === 0) return true;
  return uid === user && [process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(gid);
}

/** True if a file is a mount point, which rename(2) refuses to replace. */
function isMounted(path: string): boolean {
  let mounts: string;
  try {
    mounts = readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return false; // not Linux: the rename would say so
  }
  // The fifth field, in which blanks, line feeds and backslashes are octal (proc(5)).
  const written = path.replaceAll(/[ \t\n\\]/g, (found) => `\\${found.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return mounts.split("\n").some((line) => line.split(" ")[4] === written);
}

/** Name of a user in /etc/passwd, else "user 1000". */
function nameOf(uid: number): string {
  try {
    for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
      const [name, , id] = line.split(":");
      if (name && id === String(uid)) return name;
    }
  } catch {
    // A container without a list of users: the number says it, too.
  }
  return `user ${uid}`;
}
