// A client in Python that is told by lines what to do, and tells by lines of JSON what happened.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { top } from "../program.ts";

export const python = "/usr/bin/python3";

/** A running client, whose events are of a type that the test knows. */
export class PythonClient<Event> {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #events: AsyncIterator<string>;
  #errors = "";

  /** @param script its file in test/push/ */
  constructor(script: string, args: readonly string[]) {
    this.#child = spawn(python, [join(top, "test/push", script), ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      this.#errors += piece;
    });
    this.#child.stdin.on("error", () => {}); // it has ended
    this.#events = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<Event> {
    const { value, done } = await this.#events.next();
    if (done) throw new Error(`the client has ended: ${this.#errors}`);
    return JSON.parse(value) as Event;
  }

  /** Lets it do something. @returns what happened */
  does(line: string): Promise<Event> {
    this.#child.stdin.write(`${line}\n`);
    return this.next();
  }

  /** Waits for its end. @returns its exit status */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, "close");
    return this.#child.exitCode;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}
