import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** How a shell is started. */
export interface Start {
  /** Path of the shell. */
  readonly command: string;
  /** Reads lines, and answers each with any number of lines and a last one that begins with "=". */
  readonly script: string;
  /** It starts programs, which are to be ended with it. */
  readonly group?: boolean;
}

/**
 * A shell that answers one question at a time. It holds none of our sockets and does not keep this program from ending;
 * and to start a program from it costs a tenth of what it costs from here, for it has little to copy.
 */
export class Shell {
  readonly #child: Child;
  readonly #group: boolean;
  #text = "";
  #answer: ((text: string | undefined) => void) | undefined;
  /** It ended, or could not be started. */
  ended = false;
  /** Settles when it and all that it started are gone. */
  readonly gone: Promise<void>;

  constructor({ command, script, group = false }: Start) {
    this.#group = group;
    // What programs say of a failure is read, so they must say it in English.
    const env = { ...process.env, LC_ALL: "C" };
    this.#child = spawn(command, ["-c", script], { stdio: ["pipe", "pipe", "ignore"], detached: group, env });
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout]) (stream as unknown as { unref(): void }).unref();
    const end = (): void => {
      this.ended = true;
      this.#settle(undefined);
    };
    this.#child.on("error", end).on("exit", end);
    // What it started holds the other end of its output too.
    this.gone = new Promise((resolve) => {
      this.#child.once("close", () => resolve()).once("error", () => resolve());
    });
    this.#child.stdin.on("error", end);
    this.#child.stdout.setEncoding("utf8").on("data", (piece: string) => this.#take(piece));
  }

  /** False if the program does not exist. */
  get started(): boolean {
    return this.#child.pid !== undefined;
  }

  /** Its answer without the last line's end; undefined when it ended over it. The question must be one line. */
  ask(line: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#child.stdin.write(`${line}\n`);
    });
  }

  /** Lets it end when it has answered. */
  end(): void {
    this.#child.stdin.end();
  }

  kill(): void {
    const { pid } = this.#child;
    if (!this.#group || pid === undefined || this.ended) {
      this.#child.kill("SIGKILL");
      return;
    }
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It ended by itself meanwhile, with all that it had started.
    }
  }

  #take(piece: string): void {
    this.#text += piece;
    if (!this.#text.endsWith("\n")) return;
    const text = this.#text.slice(0, -1);
    if (text[text.lastIndexOf("\n") + 1] !== "=") return;
    this.#text = "";
    this.#settle(text);
  }

  #settle(text: string | undefined): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(text);
  }
}
