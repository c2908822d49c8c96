/** What was read last, by key, as long as it takes no more than some bytes: what nobody asked for of late goes first. */
export class LruCache<T> {
  readonly #most: number;
  readonly #all = new Map<number, { readonly value: T; readonly bytes: number }>();
  #bytes = 0;

  /** @param most bytes of all together */
  constructor(most: number) {
    this.#most = most;
  }

  get(key: number): T | undefined {
    const found = this.#all.get(key);
    if (found === undefined) return undefined;
    // A Map goes through its keys in the order in which they were set.
    this.#all.delete(key);
    this.#all.set(key, found);
    return found.value;
  }

  /** Remembers what was not remembered yet. */
  set(key: number, value: T, bytes: number): void {
    this.#all.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, held] of this.#all) {
      if (this.#bytes <= this.#most) return;
      this.#all.delete(oldest);
      this.#bytes -= held.bytes;
    }
  }

  clear(): void {
    this.#all.clear();
    this.#bytes = 0;
  }
}
