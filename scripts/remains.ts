// What a test run leaves behind: processes, mounts, files. Each is an error of a test, and is cleared away.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Watches one test run, which must be given `env`. */
export class Remains {
  readonly #folder = mkdtempSync(join(tmpdir(), "gohm-test-"));
  readonly #before = new Set(pids());

  constructor() {
    // Some tests run programs as another user, who must be able to reach them.
    chmodSync(this.#folder, 0o755);
  }

  /** Makes temporary files of the tests go into a folder of this run. */
  get env(): { readonly TMPDIR: string } {
    return { TMPDIR: this.#folder };
  }

  /**
   * Ends, unmounts and deletes what is left.
   * @param graceMs how long processes that are ending may take
   * @returns one line for each
   */
  async clear(graceMs = 10_000): Promise<string[]> {
    const deadline = performance.now() + graceMs;
    while (this.#processes().length > 0 && performance.now() < deadline) await delay(100);
    const processes = this.#processes();
    for (const { pid } of processes) end(pid);
    const mounts = this.#mounts();
    // Lazily: a process that is still ending may stand in it. The last one mounted goes first.
    for (const mount of mounts.toReversed()) spawnSync("umount", ["--lazy", mount]);
    const files = readdirSync(this.#folder);
    rmSync(this.#folder, { recursive: true, force: true });
    return [
      ...processes.map(({ pid, line }) => `process ${pid}: ${line}`),
      ...mounts.map((mount) => `mount ${mount}`),
      ...files.map((file) => `file ${join(this.#folder, file)}`),
    ];
  }

  /** Processes that were started meanwhile and have to do with the folder: by environment, arguments or place. */
  #processes(): { pid: number; line: string }[] {
    return pids().flatMap((pid) => {
      if (this.#before.has(pid) || pid === process.pid) return [];
      const line = read(pid, "cmdline").replaceAll("\0", " ").trim();
      const marks = [line, read(pid, "environ"), placeOf(pid)];
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
    return ""; // It has ended, or belongs to somebody else: then no test of ours started it.
  }
}

function placeOf(pid: number): string {
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
    // It has just ended by itself.
  }
}
