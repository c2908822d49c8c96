/** The hub's clock and timers; passed in, so that tests need not wait. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Calls `run` once, `ms` milliseconds from now. @returns a function that cancels it */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

const day = 86_400_000;

/**
 * Earliest plausible time in Unix milliseconds: a machine without a battery for its clock starts in 1970, or at the date of
 * its firmware. A row of each rollup begins at this time.
 */
export const earliest = 380 * 48 * day;

/** Two clocks that differ by more disagree. */
const disagreementMs = day;
/** The longest time for which a hub may have been off. */
const longestOffMs = 365 * day;
/** A clock that has run for this long is accepted, even against history and hosts. */
const proofMs = 3_600_000;

/**
 * Decides whether the hub's clock can be right, by the newest sample of its history and by the clocks of the hosts: a
 * sample with a wrong date stays in the rollups for ever.
 */
export class ClockGuard {
  #newest: number | undefined;
  /** Times at which the current doubt began, NaN without one, and of the last check during a doubt; by the clock itself. */
  #since = Number.NaN;
  #last = Number.NaN;

  /** @param newest Unix milliseconds of the newest sample; undefined where there is none */
  constructor(newest: number | undefined) {
    this.#newest = newest;
  }

  /**
   * Checks the clock. True if it can be right.
   * @param peer time of a host's own clock; undefined if the host does not report it
   */
  believes(now: number, peer: number | undefined): boolean {
    if (now < earliest) return false;
    if (!this.#plausible(now, peer !== undefined && peer >= earliest ? peer : undefined) && !this.#proven(now)) {
      return false;
    }
    this.#newest = now;
    this.#since = Number.NaN;
    return true;
  }

  /** True if nothing contradicts the clock. For samples of the past, which are no evidence of the current time. */
  accepts(now: number): boolean {
    const newest = this.#newest ?? now;
    return this.acceptsPast(now) && Number.isNaN(this.#since) && now <= newest + longestOffMs;
  }

  /**
   * True if nothing says that the clock is behind. For imports, which are as old as their data: after one of an archive of
   * years ago the newest sample of the history is as old.
   */
  acceptsPast(now: number): boolean {
    return now >= earliest && now >= (this.#newest ?? now) - disagreementMs;
  }

  #plausible(now: number, peer: number | undefined): boolean {
    const newest = this.#newest;
    if (peer !== undefined && Math.abs(now - peer) <= disagreementMs) return true;
    // A single host with a slow clock must not cost a new hub its first hour; a slow clock of the hub may.
    if (newest === undefined) return peer === undefined || peer < now;
    const ahead = peer === undefined ? longestOffMs : disagreementMs;
    return now >= newest - disagreementMs && now <= newest + ahead;
  }

  #proven(now: number): boolean {
    if (!(Math.abs(now - this.#last) <= disagreementMs)) this.#since = now;
    this.#last = now;
    if (Number.isNaN(this.#since)) this.#since = now;
    return now - this.#since >= proofMs;
  }
}
