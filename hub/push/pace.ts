/** Pauses between reports of which the shortest is a machine's interval. */
const pausesKept = 3;
const longestPauseMs = 3_600_000;
/** Shorter ones are of samples that were stored for some seconds, or of one sample that comes in parts. */
const shortestPauseMs = 900;

/** A machine counts as down after this time without a current report, or after so many of its intervals. Milliseconds. */
const leastSilenceMs = 30_000;
export const silentIntervals = 3;
/** The same before its first report to a hub that was just started, which does not know when the last one was. */
const firstIntervals = 2;

/** Finds out how often a machine reports. Times are Unix milliseconds. */
export class Pace {
  readonly #pauses: number[] = [];
  #heard: number | undefined;

  /** @param knownMs interval that it had before the hub was started, if that is known */
  constructor(knownMs?: number) {
    if (knownMs !== undefined) this.#pauses.push(...Array.from({ length: pausesKept }, () => knownMs));
  }

  /** Time of the last current report; undefined before the first one. */
  get heard(): number | undefined {
    return this.#heard;
  }

  /** Milliseconds between its reports; undefined until there were two. */
  get ownMs(): number | undefined {
    return this.#pauses.length === 0 ? undefined : Math.min(...this.#pauses);
  }

  /** As `ownMs`, once enough reports show it. */
  get steadyMs(): number | undefined {
    return this.#pauses.length < pausesKept ? undefined : this.ownMs;
  }

  /** How long it may be silent. @param intervalMs that it should have */
  silenceMs(intervalMs: number): number {
    return Math.max(leastSilenceMs, (this.#heard === undefined ? firstIntervals : silentIntervals) * intervalMs);
  }

  hear(now: number): void {
    const pause = this.#heard === undefined ? 0 : now - this.#heard;
    if (pause >= shortestPauseMs && this.#pauses.push(Math.min(longestPauseMs, pause)) > pausesKept)
      this.#pauses.shift();
    // The parts of one sample must not hide the pause before it.
    if (pause < 0 || pause >= shortestPauseMs || this.#heard === undefined) this.#heard = now;
  }

  /**
   * Seconds between its reports, to show, if that is longer than usual.
   * @param shown what is shown now; it changes only if the interval changes by a fifth
   */
  unusualSec(shown: number | undefined): number | undefined {
    const own = this.steadyMs ?? 0;
    if (own * silentIntervals <= leastSilenceMs) return undefined;
    const before = (shown ?? 0) * 1000;
    return Math.abs(own - before) < before / 5 ? shown : Math.round(own / 1000);
  }
}
