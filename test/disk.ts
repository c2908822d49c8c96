// A small file system in memory, for disks that get full or read-only. Only root may mount one.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Disk {
  readonly path: string;
  /** Takes all the room there is, but for some bytes. */
  fill(butFor?: number): void;
  /** Gives that room back. */
  free(): void;
  /** @param options as mount -o takes them */
  remount(options: string): void;
  remove(): void;
}

/** @param size as tmpfs takes it: "4m" */
export function smallDisk(size: string): Disk {
  const path = mkdtempSync(join(tmpdir(), "gohm-disk-"));
  execFileSync("/usr/bin/mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", path], { stdio: "ignore" });
  // Ends with this process, in whatever way that ends, and takes the mount along. Lazily: a file may still be open.
  const script = 'cat >/dev/null; umount -l "$1" && rmdir "$1"';
  const guard = spawn("/bin/sh", ["-c", script, "sh", path], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  guard.unref();
  const filler = join(path, "filler");
  return {
    path,
    fill(butFor = 0) {
      for (const piece of [65_536, 4096, 1]) fillWith(filler, piece);
      if (butFor > 0) truncateSync(filler, statSync(filler).size - butFor);
    },
    free: () => rmSync(filler),
    remount: (options) => execFileSync("/usr/bin/mount", ["-o", `remount,size=${size},${options}`, path]),
    remove() {
      try {
        execFileSync("/usr/bin/umount", ["-l", path]);
        rmSync(path, { recursive: true, force: true });
      } finally {
        guard.stdin.end();
      }
    },
  };
}

function fillWith(path: string, piece: number): void {
  const bytes = Buffer.alloc(piece);
  try {
    for (;;) writeFileSync(path, bytes, { flag: "a" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

/** Whether file systems can be mounted here: not without root, and not in every container. */
export function canMount(): boolean {
  try {
    smallDisk("100k").remove();
    return true;
  } catch {
    return false; // the tests that need one are then skipped, by name
  }
}
