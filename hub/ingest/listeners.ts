import type { HostInfo } from "../../proto/gen/host_pb.js";
import type { DeviceSample } from "../history/store.ts";
import type { Log } from "../log.ts";

/** A report that was kept. */
export interface HostReading {
  readonly host: string;
  /** The input that it came by; "import" for one of a file. */
  readonly input: string;
  /** Unix milliseconds of the measurement, as in history. A late reading that comes again has the same host and time. */
  readonly at: number;
  /** Sanitized; never changed afterwards. */
  readonly info: HostInfo;
  /** Devices that were measured for this report. Arrays of values are reused for the next one: copy what you keep. */
  readonly devices: readonly DeviceSample[];
  /** True for a report of the past, which comes in any order. */
  readonly late: boolean;
}

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
