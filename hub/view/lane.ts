import { Fault } from "../fault.ts";
import { Turns } from "./turns.ts";

/** Most questions that are worked on at the same time: all read the same history, and share one processor. */
const working = { total: 4, perAddress: 2 } as const;
/** Most of them and of those that wait together: in all, and of one address. */
const most = { total: 128, perAddress: 64 } as const;

interface Asker {
  readonly address: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** Questions of one kind: a few are worked on at a time, further ones wait in order. */
export class Lane {
  readonly #turns = new Turns(working);
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  /** Works on a question when it is its turn. @throws Fault busy, canceled, and what the work throws */
  async ask<T>({ address, signal }: Asker, work: () => Promise<T>): Promise<T> {
    if (signal.aborted) throw gone();
    if (this.#total >= most.total || (this.#byAddress.get(address) ?? 0) >= most.perAddress) throw busy();
    this.#count(address, 1);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = this.#turns.enter(address, resolve);
    const stop = (): void => reject(gone());
    signal.addEventListener("abort", stop, { once: true });
    try {
      await promise;
      return await work();
    } finally {
      signal.removeEventListener("abort", stop);
      leave();
      this.#count(address, -1);
    }
  }

  #count(address: string, change: 1 | -1): void {
    this.#total += change;
    const own = (this.#byAddress.get(address) ?? 0) + change;
    if (own > 0) this.#byAddress.set(address, own);
    else this.#byAddress.delete(address);
  }
}

const gone = (): Fault => new Fault("canceled", "The client went away before its question was answered.");
const busy = (): Fault => new Fault("busy", "Too many questions wait for their answers: ask again in some seconds.");
