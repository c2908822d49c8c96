import type { Log } from "../log.ts";

/** Least time between two log lines about one listener that throws. Milliseconds. */
const logPauseMs = 60_000;

interface ListenersContext {
  readonly now: () => number;
  readonly log: Log;
}

/** Functions that are called for every event. One that throws is logged, and does not keep others from being called. */
export class Listeners<T> {
  readonly #what: string;
  readonly #context: ListenersContext;
  /** Unix milliseconds at which an error of each listener was last logged. */
  readonly #all = new Map<(event: T) => void, number>();

  /** @param what plural of the events, for the log */
  constructor(what: string, context: ListenersContext) {
    this.#what = what;
    this.#context = context;
  }

  /** @returns a function that removes it */
  add(listener: (event: T) => void): () => void {
    this.#all.set(listener, Number.NEGATIVE_INFINITY);
    return () => this.#all.delete(listener);
  }

  call(event: T): void {
    for (const listener of this.#all.keys()) {
      try {
        listener(event);
      } catch (error) {
        this.#logFailure(listener, error);
      }
    }
  }

  #logFailure(listener: (event: T) => void, error: unknown): void {
    const { now, log } = this.#context;
    const at = now();
    const last = this.#all.get(listener);
    if (last === undefined || Math.abs(at - last) < logPauseMs) return;
    this.#all.set(listener, at);
    log.error(`a listener to ${this.#what} failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
}
