import type { ChildProcess } from "node:child_process";
import { Hung, Unsupported } from "../source.ts";
import type { ReaderAnswer, ReaderRequest } from "./message.ts";
import type { Reading } from "./reader.ts";
import { LibraryNotFound } from "./search.ts";

/** Milliseconds to open the driver, which wakes every sleeping GPU: that takes seconds for each. */
const openMs = 60_000;

const shortestPause = 1000;
const longestPause = 300_000;

/** Milliseconds until a machine without a driver is tried again. */
const unsupportedPause = 60_000;

/** Number of readers that SIGKILL does not end (they wait inside the kernel) at which no more are started. */
const mostUnkillable = 2;

/** Milliseconds after which a killed process has ended, or waits inside the kernel. */
const killMs = 2000;

export interface LinkOptions {
  start(): ChildProcess;
  /** Milliseconds, monotonic. */
  ticks(): number;
  /** Milliseconds a read may take. */
  readonly deadline: number;
}

interface ReaderProcess {
  readonly child: ChildProcess;
  readonly since: number;
  /** Settles when the library is open or has failed to open. */
  readonly opened: Promise<void>;
}

type State =
  | { readonly state: "idle" }
  | { readonly state: "running"; readonly reader: ReaderProcess }
  /** No reader is started until then; `paused` if requested, not after a failure. */
  | { readonly state: "waiting"; readonly until: number; readonly error: Error; readonly paused?: true };

/**
 * The parent's end of the NVML reader process. A call into the driver may never return, so a reader that misses its deadline
 * is killed, and another one is started after a pause that doubles with each failure.
 */
export class ReaderLink {
  readonly #options: LinkOptions;
  readonly #abandoned = new Set<ChildProcess>();
  #state: State = { state: "idle" };
  #pause = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /**
   * Reads once; the caller waits for it before the next read.
   * @throws Unsupported if there is no driver, Hung if it does not answer, Error otherwise; within a pause the failure that
   *   led to it, at once.
   */
  async read(libraries: readonly string[], signal?: AbortSignal): Promise<Reading> {
    const reader = this.#start(libraries);
    try {
      await this.#opening(reader, signal);
      const answer = await exchange(reader.child, { kind: "read" }, { deadline: this.#options.deadline, signal });
      if (answer.kind !== "reading") throw new Error(`NVML's reader answered "${answer.kind}" to a read`);
      this.#pause = 0;
      return answer.reading;
    } catch (error) {
      // The pause ended the reader in the middle of this read.
      this.refuse();
      if (!(error instanceof StillOpening))
        this.#fail(reader.child, error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  close(): void {
    if (this.#state.state === "running") this.#abandon(this.#state.reader.child);
    this.#state = { state: "idle" };
  }

  /** @throws Error of the current pause, if there is one */
  refuse(): void {
    const state = this.#state;
    if (state.state === "waiting" && state.paused && this.#options.ticks() < state.until) throw state.error;
  }

  /**
   * Stops the reader and starts none for so many milliseconds. Settles when no reader is left.
   * @param error What reads throw meanwhile.
   * @throws Hung if a reader cannot be stopped.
   */
  async pause(ms: number, error: Error): Promise<void> {
    if (this.#state.state === "running") this.#abandon(this.#state.reader.child);
    this.#state = { state: "waiting", until: this.#options.ticks() + ms, error, paused: true };
    const late = (): Error => new Hung("NVML hangs in the kernel: its reader cannot be ended; restart the machine");
    const ends = [...this.#abandoned].map((child) => new Promise<void>((gone) => child.once("exit", () => gone())));
    await within(Promise.all(ends), { deadline: killMs, late });
  }

  /** Ends a pause, or the wait after a failure, whose cause may be gone. */
  resume(): void {
    if (this.#state.state === "waiting") this.#state = { state: "idle" };
    this.#pause = 0;
  }

  #start(libraries: readonly string[]): ReaderProcess {
    const now = this.#options.ticks();
    if (this.#state.state === "running") return this.#state.reader;
    if (this.#state.state === "waiting" && now < this.#state.until) throw this.#state.error;
    if (this.#abandoned.size >= mostUnkillable) {
      throw new Hung(
        `NVML hangs in the kernel: ${mostUnkillable} of its readers cannot be killed; restart the machine`,
      );
    }
    const child = this.#options.start();
    const opened = exchange(child, { kind: "open", libraries }, { deadline: openMs }).then(() => undefined);
    // Reads handle its failure; without a read under way it must not count as unhandled.
    opened.catch(() => undefined);
    const reader = { child, since: now, opened };
    this.#state = { state: "running", reader };
    return reader;
  }

  /** Waits for the library, but no longer than a read may take; opening continues meanwhile. */
  async #opening(reader: ReaderProcess, signal: AbortSignal | undefined): Promise<void> {
    const { deadline, ticks } = this.#options;
    const late = (): Error => new StillOpening(Math.round((ticks() - reader.since) / 1000));
    await within(reader.opened, { deadline, signal, late });
  }

  #fail(child: ChildProcess, error: Error): void {
    if (this.#state.state !== "running" || this.#state.reader.child !== child) return;
    this.#abandon(child);
    this.#pause = Math.min(Math.max(this.#pause * 2, shortestPause), longestPause);
    const pause = error instanceof Unsupported ? unsupportedPause : this.#pause;
    this.#state = { state: "waiting", until: this.#options.ticks() + pause, error };
  }

  #abandon(child: ChildProcess): void {
    if (child.exitCode !== null || child.signalCode !== null) return;
    this.#abandoned.add(child);
    child.once("exit", () => this.#abandoned.delete(child));
    child.kill("SIGKILL");
  }
}

/** Opening the driver takes longer than a read may take; that is no failure yet. */
class StillOpening extends Hung {
  constructor(seconds: number) {
    super(`NVML is still starting after ${seconds} s: GPUs that sleep are being woken`);
  }
}

interface Limit {
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
  late(): Error;
}

/** Settles as the promise does, or rejects with `late` at the deadline or when the signal aborts. */
function within<T>(promise: Promise<T>, { deadline, signal, late }: Limit): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", give);
    };
    const give = (): void => {
      end();
      reject(late());
    };
    const timer = setTimeout(give, deadline);
    signal?.addEventListener("abort", give, { once: true });
    if (signal?.aborted) give();
    promise.finally(end).then(resolve, reject);
  });
}

/** Errors of writing to a child that has ended. */
const closed = new Set(["EPIPE", "ECONNRESET", "ERR_IPC_CHANNEL_CLOSED"]);

/**
 * Sends one request and waits for its answer.
 * @throws Unsupported if there is no driver, Hung at the deadline (ms) or when the signal aborts, Error otherwise.
 */
export async function exchange(
  child: ChildProcess,
  request: ReaderRequest,
  { deadline, signal }: { deadline: number; signal?: AbortSignal | undefined },
): Promise<ReaderAnswer> {
  const seconds = Number((deadline / 1000).toFixed(1));
  const late = (): Error => new Hung(`NVML did not answer within ${seconds} s: its reader was stopped`);
  const heard = listen(child);
  try {
    child.send(request, (error) => {
      // A child that cannot be written to has ended, and its end says why.
      if (error && !closed.has((error as NodeJS.ErrnoException).code ?? "")) heard.fail(error);
    });
    const answer = await within(heard.answer, { deadline, signal, late });
    if (answer.kind === "failed") throw failureOf(answer);
    return answer;
  } finally {
    heard.end();
  }
}

function failureOf({ message, lacks }: Extract<ReaderAnswer, { kind: "failed" }>): Error {
  if (lacks === "library") return new LibraryNotFound(message);
  return lacks === "driver" ? new Unsupported(message) : new Error(message);
}

/** Waits for the next answer of a child, or its exit. */
function listen(child: ChildProcess): { answer: Promise<ReaderAnswer>; fail(error: Error): void; end(): void } {
  let complaint = "";
  let fail: (error: Error) => void = () => undefined;
  const hear = (text: Buffer): void => {
    complaint = (complaint + text.toString()).slice(-2000);
  };
  let end = (): void => undefined;
  const answer = new Promise<ReaderAnswer>((resolve, reject) => {
    const ended = (status: number | null, killer: NodeJS.Signals | null): void =>
      reject(died(status, killer, complaint));
    fail = reject;
    child.on("message", resolve);
    child.on("error", reject);
    child.on("exit", ended);
    child.stderr?.on("data", hear);
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    end = () => {
      child.off("message", resolve);
      child.off("error", reject);
      child.off("exit", ended);
      child.stderr?.off("data", hear);
      // Left to flow, so that a chatty library does not fill the pipe and block.
      child.stderr?.resume();
    };
  });
  return { answer, fail: (error) => fail(error), end: () => end() };
}

function died(status: number | null, killer: NodeJS.Signals | null, complaint: string): Error {
  const how = killer === null ? `with status ${status}` : `by ${killer}`;
  const why = killer === "SIGBUS" ? " (the driver's files changed under it)" : "";
  const last = complaint
    .trim()
    .split("\n")
    .filter((line) => line.trim() !== "")
    .at(-1);
  return new Error(`NVML's reader was ended ${how}${why}${last === undefined ? "" : `: ${last.trim()}`}`);
}
