/** A cache with a limit in bytes; evicts the least recently used entry. */
export class LruCache<T> {
  readonly #most: number;
  readonly #all = new Map<number, { readonly value: T; readonly bytes: number }>();
  #bytes = 0;

  /** @param most bytes of all entries together */
  constructor(most: number) {
    this.#most = most;
  }

  get(key: number): T | undefined {
    const found = this.#all.get(key);
    if (found === undefined) return undefined;
    // A Map iterates in the order of insertion: the entry becomes the newest.
    this.#all.delete(key);
    this.#all.set(key, found);
    return found.value;
  }

  /** Adds an entry; the key must not be in the cache. */
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
