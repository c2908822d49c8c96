interface Waiting {
  readonly address: string;
  readonly start: () => void;
}

/**
 * Limits how many answers are made or sent at the same time, per address and in all; further ones wait in order. An answer
 * that is not read keeps its memory and its turn.
 */
export class Turns {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #busy = new Map<string, number>();
  readonly #queue = new Set<Waiting>();
  #taken = 0;

  constructor({ total, perAddress }: { readonly total: number; readonly perAddress: number }) {
    this.#total = total;
    this.#perAddress = perAddress;
  }

  /**
   * Calls `start` now or later.
   * @returns Ends the turn, or gives up waiting; further calls change nothing.
   */
  enter(address: string, start: () => void): () => void {
    const waiting: Waiting = { address, start };
    this.#queue.add(waiting);
    this.#next();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (this.#queue.delete(waiting)) return;
      this.#count(address, -1);
      this.#next();
    };
  }

  #count(address: string, change: 1 | -1): void {
    this.#taken += change;
    const busy = (this.#busy.get(address) ?? 0) + change;
    if (busy > 0) this.#busy.set(address, busy);
    else this.#busy.delete(address);
  }

  #next(): void {
    for (const waiting of this.#queue) {
      if (this.#taken >= this.#total) return;
      if ((this.#busy.get(waiting.address) ?? 0) >= this.#perAddress) continue;
      this.#queue.delete(waiting);
      this.#count(waiting.address, 1);
      waiting.start();
    }
  }
}
