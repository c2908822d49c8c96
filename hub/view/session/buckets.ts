export interface BucketOptions {
  /** Tokens of a full bucket. */
  readonly capacity: number;
  /** Milliseconds after which a token comes back. */
  readonly refillMs: number;
  /** Most buckets that are remembered; those used longest ago are forgotten first, and are full again. */
  readonly limit: number;
}

interface Bucket {
  /** Tokens that are missing at a time. */
  readonly taken: number;
  readonly at: number;
}

/** Token buckets, by a key. */
export class Buckets {
  readonly #ticks: () => number;
  readonly #options: BucketOptions;
  readonly #buckets = new Map<string, Bucket>();

  /** @param ticks milliseconds, monotonic */
  constructor(ticks: () => number, options: BucketOptions) {
    this.#ticks = ticks;
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Milliseconds until the bucket has a token; 0: it has one. */
  wait(key: string): number {
    const { capacity, refillMs } = this.#options;
    return Math.max(0, (this.#missing(key) - (capacity - 1)) * refillMs);
  }

  /** Tokens that are missing, rounded up. */
  taken(key: string): number {
    return Math.ceil(this.#missing(key));
  }

  /** Takes a token, if there is one. @returns a function that gives it back */
  take(key: string): () => void {
    const { capacity, limit } = this.#options;
    this.#set(key, Math.min(capacity, this.#missing(key) + 1));
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > limit && !oldest.done) this.#buckets.delete(oldest.value);
    return () => this.#set(key, this.#missing(key) - 1);
  }

  #missing(key: string): number {
    const { refillMs } = this.#options;
    const bucket = this.#buckets.get(key);
    return bucket === undefined ? 0 : Math.max(0, bucket.taken - (this.#ticks() - bucket.at) / refillMs);
  }

  #set(key: string, taken: number): void {
    this.#buckets.delete(key);
    if (taken > 0) this.#buckets.set(key, { taken, at: this.#ticks() });
  }
}
