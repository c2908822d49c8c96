// Finds and removes what a test run leaves behind: processes, mounts, files. Each is a bug in a test.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Leftovers of one test run, which must run with `env`. */
export class Remains {
  readonly #folder = mkdtempSync(join(tmpdir(), "gohm-test-"));
  readonly #before = new Set(pids());

  constructor() {
    // Some tests run programs as another user, who must be able to read the folder.
    chmodSync(this.#folder, 0o755);
  }

  /** Environment that puts temporary files into a folder of this run. */
  get env(): { readonly TMPDIR: string } {
    return { TMPDIR: this.#folder };
  }

  /**
   * Kills leftover processes, unmounts leftover mounts, and deletes leftover files.
   * @param graceMs time in which processes may still exit by themselves
   * @returns one line for each leftover
   */
  async clear(graceMs = 10_000): Promise<string[]> {
    const deadline = performance.now() + graceMs;
    while (this.#processes().length > 0 && performance.now() < deadline) await delay(100);
    const processes = this.#processes();
    for (const { pid } of processes) end(pid);
    const mounts = this.#mounts();
    // Lazily, because a process that is still exiting may use it. In reverse order of mounting.
    for (const mount of mounts.toReversed()) spawnSync("umount", ["--lazy", mount]);
    const files = readdirSync(this.#folder);
    rmSync(this.#folder, { recursive: true, force: true });
    return [
      ...processes.map(({ pid, line }) => `process ${pid}: ${line}`),
      ...mounts.map((mount) => `mount ${mount}`),
      ...files.map((file) => `file ${join(this.#folder, file)}`),
    ];
  }

  /** Processes started during the run whose environment, arguments or working directory name the folder. */
  #processes(): { pid: number; line: string }[] {
    return pids().flatMap((pid) => {
      if (this.#before.has(pid) || pid === process.pid) return [];
      const line = read(pid, "cmdline").replaceAll("\0", " ").trim();
      const marks = [line, read(pid, "environ"), directoryOf(pid)];
      return line !== "" && marks.some((mark) => mark.includes(this.#folder))
        ? [{ pid, line: line.slice(0, 200) }]
        : [];
    });
  }

  #mounts(): string[] {
    const lines = read(process.pid, "mountinfo").split("\n");
    return lines.map((line) => line.split(" ")[4] ?? "").filter((place) => place.startsWith(this.#folder));
  }
}

const pids = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // It has exited, or belongs to another user: then none of our tests started it.
  }
}

function directoryOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just exited by itself.
  }
}
