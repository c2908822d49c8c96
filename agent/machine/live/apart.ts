import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";

/** Answers each line, the path of a file, with "=" and that file's first line. `read` is of the shell: nothing is started. */
const script = 'while IFS= read -r path; do text=; { IFS= read -r text <"$path"; } 2>/dev/null; echo "=$text"; done';

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** A shell that reads files, one at a time. */
class Shell {
  readonly #child: Child;
  #text = "";
  #answer: ((line: string | undefined) => void) | undefined;
  /** It ended, or could not be started. */
  ended = false;

  /** False where there is no such program. */
  get started(): boolean {
    return this.#child.pid !== undefined;
  }

  constructor(command: string) {
    this.#child = spawn(command, ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
    // It must not keep the program from ending.
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout]) (stream as unknown as { unref(): void }).unref();
    const end = (): void => {
      this.ended = true;
      this.#settle(undefined);
    };
    this.#child.on("error", end).on("exit", end);
    this.#child.stdin.on("error", end);
    this.#child.stdout.setEncoding("utf8").on("data", (piece: string) => this.#take(piece));
  }

  /** First line of a file, "" where it cannot be read; undefined when the shell ended over it. */
  ask(path: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#child.stdin.write(`${path}\n`);
    });
  }

  end(): void {
    this.#child.stdin.end();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(piece: string): void {
    this.#text += piece;
    if (!this.#text.endsWith("\n")) return;
    const line = this.#text.slice(1, -1);
    this.#text = "";
    this.#settle(line);
  }

  #settle(line: string | undefined): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(line);
  }
}

/**
 * Reads first lines of files in a process of its own. A driver that keeps its reader waiting keeps that process, which
 * holds none of our sockets; a thread of ours would keep this program from ending, and its port from the next one.
 * @param at Path of a file on this system.
 */
export function apart(
  at: (path: string) => string,
  command = "/bin/sh",
): (path: string) => Promise<string | undefined> {
  let idle: Shell | undefined;
  const shells = new Set<Shell>();
  // One that sleeps would end with its input, one that is kept waiting would not.
  process.once("exit", () => {
    for (const shell of shells) shell.kill();
  });
  return async (path) => {
    const shell = idle ?? new Shell(command);
    idle = undefined;
    shells.add(shell);
    const line = await shell.ask(at(path));
    // A shell that was given up and came back late finds its place taken.
    if (!shell.ended && idle === undefined) idle = shell;
    else {
      shell.end();
      shells.delete(shell);
    }
    const text = shell.started ? line : await direct(at(path));
    return text || undefined;
  };
}

/** Images of containers without a shell have no other reader than us. */
const direct = async (path: string): Promise<string | undefined> =>
  (await readFile(path, "utf8").catch(() => undefined))?.split("\n", 1)[0]; // absence is the answer
