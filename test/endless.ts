import { setImmediate as turn } from "node:timers/promises";
import { checkSignal, type HistoryReader, type KnownDevice } from "../hub/history/store.ts";

/** Turns after which a query that nobody stops gives up, so that no test waits for ever. */
const mostTurns = 1_000_000;

/** A history whose queries end only when they are canceled: whoever cancels one sees it stop. */
export class EndlessHistory implements HistoryReader {
  readonly devices: readonly KnownDevice[];
  /** Turns that all queries together have taken. */
  turns = 0;
  /** How each query ended, in order. */
  readonly ended: unknown[] = [];
  running = 0;
  /** How often devices were listed. */
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
      throw new Error("nobody stopped this query");
    } catch (error) {
      this.ended.push(error);
      throw error;
    } finally {
      this.running--;
    }
  }
}

/** Waits until a query has begun. */
export async function begun(history: EndlessHistory): Promise<void> {
  for (let turns = 0; history.running === 0; turns++) {
    if (turns > mostTurns) throw new Error("no query was begun");
    await turn();
  }
}
