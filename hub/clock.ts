/** Time as the hub sees it; passed in, so that tests need not wait. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Runs once, `ms` milliseconds from now; the function it returns calls that off. */
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
 * No clock that is right says an earlier time: a machine without a battery for its clock starts in 1970, or when its
 * firmware was made. Unix milliseconds; a row of each kind of summary begins here.
 */
export const earliest = 380 * 48 * day;

/** Beyond this, two clocks disagree. Milliseconds. */
const apart = day;
/** A hub may have been off for this long. Milliseconds. */
const off = 365 * day;
/** A clock that goes on for this long is believed, whatever contradicts it. Milliseconds. */
const proof = 3_600_000;

/**
 * Decides whether the hub's clock can be right, by the newest sample of its history and by the clocks of the hosts: a
 * sample under a wrong date stays in the summaries for ever.
 */
export class ClockGuard {
  #newest: number | undefined;
  /** Since when the clock is doubted, and what it said when it was asked last. */
  #since = Number.NaN;
  #last = Number.NaN;

  /** @param newest Unix milliseconds of the newest sample; undefined where there is none */
  constructor(newest: number | undefined) {
    this.#newest = newest;
  }

  /** @param peer what a host's own clock says; undefined where it does not say */
  believes(now: number, peer: number | undefined): boolean {
    if (now < earliest) return false;
    if (!this.#plausible(now, peer !== undefined && peer >= earliest ? peer : undefined) && !this.#proven(now)) {
      return false;
    }
    this.#newest = now;
    this.#since = Number.NaN;
    return true;
  }

  /** True if nothing speaks against the clock. For samples of the past, which say nothing of what time it is. */
  accepts(now: number): boolean {
    const newest = this.#newest ?? now;
    return now >= earliest && Number.isNaN(this.#since) && now >= newest - apart && now <= newest + off;
  }

  #plausible(now: number, peer: number | undefined): boolean {
    const newest = this.#newest;
    if (peer !== undefined && Math.abs(now - peer) <= apart) return true;
    // A single host whose clock is behind must not cost a new hub its first hour; a clock of the hub that is behind may.
    if (newest === undefined) return peer === undefined || peer < now;
    const ahead = peer === undefined ? off : apart;
    return now >= newest - apart && now <= newest + ahead;
  }

  #proven(now: number): boolean {
    if (!(Math.abs(now - this.#last) <= apart)) this.#since = now;
    this.#last = now;
    if (Number.isNaN(this.#since)) this.#since = now;
    return now - this.#since >= proof;
  }
}
