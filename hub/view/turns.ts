interface Waiting {
  readonly address: string;
  readonly start: () => void;
}

/**
 * Limits how many answers are made or sent at the same time, per address and in all; further ones wait in order,
 * each address in its turn. An answer that is not read keeps its memory and its turn.
 */
export class Turns {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #busy = new Map<string, number>();
  /** Those that wait, by address: the one that got a turn the longest ago comes first. */
  readonly #queues = new Map<string, Set<Waiting>>();
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
    const own = this.#queues.get(address) ?? new Set();
    this.#queues.set(address, own.add(waiting));
    this.#next();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (this.#take(waiting)) return;
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

  /** Takes one out of the queue. @returns false if it does not wait */
  #take(waiting: Waiting): boolean {
    const own = this.#queues.get(waiting.address);
    if (!own?.delete(waiting)) return false;
    if (own.size === 0) this.#queues.delete(waiting.address);
    return true;
  }

  #next(): void {
    while (this.#taken < this.#total) {
      const free = [...this.#queues].find(([address]) => (this.#busy.get(address) ?? 0) < this.#perAddress);
      const [waiting] = free?.[1] ?? [];
      if (free === undefined || waiting === undefined) return;
      const [address, own] = free;
      this.#take(waiting);
      if (own.size > 0) {
        this.#queues.delete(address);
        this.#queues.set(address, own);
      }
      this.#count(address, 1);
      waiting.start();
    }
  }
}
