// A small tmpfs, for tests with disks that become full or read-only. Only root can mount one.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Disk {
  readonly path: string;
  /** Fills the disk, except for some bytes. */
  fill(butFor?: number): void;
  /** Frees the filled space. */
  free(): void;
  /** @param options as mount -o takes them */
  remount(options: string): void;
  remove(): void;
}

/** @param size as tmpfs takes it: "4m" */
export function smallDisk(size: string): Disk {
  const path = mkdtempSync(join(tmpdir(), "gohm-disk-"));
  execFileSync("/usr/bin/mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", path], { stdio: "ignore" });
  // Unmounts when this process ends, for any reason. Lazily: a file may still be open.
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

/** True if file systems can be mounted: not without root, and not in every container. */
export function canMount(): boolean {
  try {
    smallDisk("100k").remove();
    return true;
  } catch {
    return false; // tests that need one are skipped and counted
  }
}
