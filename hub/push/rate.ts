export interface RateLimits {
  /** Units per second. */
  readonly rate: number;
  /** Units that may be used at once. */
  readonly burst: number;
  /** Longest wait for units, in milliseconds. */
  readonly waitMs: number;
}

/** Limits how fast something is used up: a token bucket whose users wait for what they take. */
export class RateLimit {
  readonly #limits: RateLimits;
  #left: number;
  #at: number;

  /** @param now milliseconds, as in `take` */
  constructor(limits: RateLimits, now: number) {
    this.#limits = limits;
    this.#left = limits.burst;
    this.#at = now;
  }

  /**
   * Takes units.
   * @param now Unix milliseconds; a clock that is set back gives no units meanwhile
   * @returns milliseconds to wait before they may be used; undefined if that is too long, and none are taken
   */
  take(units: number, now: number): number | undefined {
    const { rate, burst, waitMs } = this.#limits;
    const elapsed = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#left = Math.min(burst, this.#left + elapsed * rate);
    const wait = Math.max(0, ((units - this.#left) / rate) * 1000);
    if (wait > waitMs) return undefined;
    this.#left -= units;
    return wait;
  }
}
