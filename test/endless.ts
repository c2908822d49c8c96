import { setImmediate as turn } from "node:timers/promises";
import { checkSignal, type HistoryReader, type KnownDevice } from "../hub/history/store.ts";

/** Number of turns of the event loop after which a query fails that is not canceled, so that no test waits forever. */
const mostTurns = 1_000_000;

/** A history whose queries end only when they are canceled. */
export class EndlessHistory implements HistoryReader {
  readonly devices: readonly KnownDevice[];
  /** Turns of the event loop of all queries together. */
  turns = 0;
  /** Error with which each query ended, in order. */
  readonly ended: unknown[] = [];
  running = 0;
  /** Number of calls of `known`. */
  listed = 0;

  constructor(devices: readonly KnownDevice[]) {
    this.devices = devices;
  }

  read(_query: unknown, signal?: AbortSignal): Promise<never> {
    return this.#work(signal);
  }

  fold(_query: unknown, signal?: AbortSignal): Promise<never> {
    return this.#work(signal);
  }

  async known(): Promise<readonly KnownDevice[]> {
    this.listed++;
    return this.devices;
  }

  async #work(signal: AbortSignal | undefined): Promise<never> {
    this.running++;
    try {
      for (let turns = 0; turns < mostTurns; turns++) {
        await turn();
        this.turns++;
        checkSignal(signal);
      }
      throw new Error("this query was not canceled");
    } catch (error) {
      this.ended.push(error);
      throw error;
    } finally {
      this.running--;
    }
  }
}

/** Waits until a query is running. */
export async function begun(history: EndlessHistory): Promise<void> {
  for (let turns = 0; history.running === 0; turns++) {
    if (turns > mostTurns) throw new Error("no query was started");
    await turn();
  }
}
