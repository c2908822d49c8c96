/** Greatest age of a current sample, and most that two measurements of a clock's error may differ. Milliseconds. */
export const freshMs = 30_000;
/** Measurements of a clock's error that are remembered: some minutes of them. */
const mostOffsets = 32;
/** Consecutive measurements that show that a clock was set anew. */
const steadyCount = 3;
/** How far those may be apart, and the least time between two of them. */
const steadyMs = 2000;
const apartMs = 900;

/** Times of one report, Unix milliseconds. */
export interface ReportTimes {
  /** Measurement, by the clock of the machine. */
  readonly sampled: number;
  /** Transmission, by the clock of the machine; undefined if it was not sent. */
  readonly sent: number | undefined;
  /** Receipt, by the clock of the hub. */
  readonly received: number;
}

/**
 * Decides whether a sample is current, or was stored by its machine and is sent later, and measures the error of the
 * machine's clock.
 *
 * A delay on the way makes a clock look slower than it is, never faster. So the error is the greatest difference of the
 * last measurements, and a sample that seems much older is late. It is believed that a clock was set back, or was slow from
 * the start, once several reports in a row agree at the pace in which they were made: a stored sample is followed by the next
 * one at once, and a repeated request is one.
 */
export class Moments {
  readonly #offsets: number[] = [];
  #doubt: { readonly offset: number; readonly at: number; readonly count: number } | undefined;
  #last = Number.NEGATIVE_INFINITY;

  /** @param skewMs error of the clock before the hub was started. Of one that is ahead the first report shows it. */
  constructor(skewMs = 0) {
    if (skewMs < 0) this.#offsets.push(skewMs);
  }

  /** Milliseconds by which the machine's clock is ahead of the hub's; undefined until it was measured. */
  get skewMs(): number | undefined {
    return this.#offsets.length === 0 ? undefined : Math.max(...this.#offsets);
  }

  /** True if the sample describes the present. */
  isCurrent({ sampled, sent, received }: ReportTimes): boolean {
    if (!this.#learns((sent ?? sampled) - received, received)) return false;
    if (sent !== undefined && sent - sampled > freshMs) return false;
    // A repeated one, or one that was overtaken.
    if (sampled <= this.#last) return false;
    this.#last = sampled;
    return true;
  }

  /** Takes a measurement of the clock's error; false if it contradicts the others. */
  #learns(offset: number, received: number): boolean {
    if (offset < (this.skewMs ?? 0) - freshMs && !this.#isSteady(offset, received)) return false;
    this.#doubt = undefined;
    this.#offsets.push(offset);
    if (this.#offsets.length > mostOffsets) this.#offsets.shift();
    return true;
  }

  /** True if this is the last of several measurements that agree; the earlier ones are forgotten then. */
  #isSteady(offset: number, at: number): boolean {
    const before = this.#doubt;
    const agrees = before !== undefined && Math.abs(offset - before.offset) <= steadyMs && at - before.at >= apartMs;
    const count = agrees ? before.count + 1 : 1;
    this.#doubt = { offset, at, count };
    if (count < steadyCount) return false;
    this.#offsets.length = 0;
    this.#last = Number.NEGATIVE_INFINITY;
    return true;
  }
}
