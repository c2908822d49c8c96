/** Pauses between attempts after the free ones: each is twice as long as the one before. */
const firstPauseMs = 1000;
const longestPauseMs = 300_000;
/** Attempts are forgotten so long after the last one. */
const forgetMs = 3_600_000;

export interface PauseOptions {
  /** Attempts without a pause. */
  readonly free: number;
  /** Most keys that are remembered; those with the oldest attempts are forgotten first. */
  readonly limit: number;
}

interface Tally {
  count: number;
  /** Time of the last attempt, and until when there must be no other. */
  at: number;
  until: number;
}

/** Counts attempts by a key: after some free ones, each costs a pause. */
export class Pauses {
  readonly #ticks: () => number;
  readonly #options: PauseOptions;
  readonly #tallies = new Map<string, Tally>();

  /** @param ticks milliseconds, monotonic */
  constructor(ticks: () => number, options: PauseOptions) {
    this.#ticks = ticks;
    this.#options = options;
  }

  get size(): number {
    return this.#tallies.size;
  }

  /** Milliseconds until the next attempt may begin; 0 or less: now. */
  wait(key: string): number {
    const now = this.#ticks();
    return (this.#tallies.get(key)?.until ?? now) - now;
  }

  /** Attempts that are remembered. */
  count(key: string): number {
    const tally = this.#tallies.get(key);
    return tally === undefined || this.#isOld(tally) ? 0 : tally.count;
  }

  /** Counts an attempt. @returns a function that takes it back */
  add(key: string): () => void {
    const { free, limit } = this.#options;
    const now = this.#ticks();
    const count = this.count(key) + 1;
    const pause = count < free ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (count - free));
    this.#tallies.delete(key);
    this.#tallies.set(key, { count, at: now, until: now + pause });
    const oldest = this.#tallies.keys().next();
    if (this.#tallies.size > limit && !oldest.done) this.#tallies.delete(oldest.value);
    return () => this.#remove(key);
  }

  forget(key: string): void {
    this.#tallies.delete(key);
  }

  #remove(key: string): void {
    const tally = this.#tallies.get(key);
    if (tally === undefined) return;
    tally.count--;
    tally.until = tally.at;
    if (tally.count === 0) this.#tallies.delete(key);
  }

  #isOld({ at }: Tally): boolean {
    return this.#ticks() - at > forgetMs;
  }
}
