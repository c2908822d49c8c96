/** Greatest age of a current record, and how far a client's clock may be ahead without a correction. Milliseconds. */
export const freshMs = 30_000;
/** Time zones differ by multiples of this. */
const zoneStepMs = 900_000;
/** More than two time zones can differ: a clock is not corrected by more. */
const mostMs = 26 * 3_600_000;
/** Consecutive requests that show that a clock is behind, how far they may be apart, and the least time between two of them. */
const steadyCount = 3;
const steadyMs = 2000;
const apartMs = 900;

/** What the newest record of a request is. */
export type Age = "current" | "old" | "ahead";

/**
 * Finds out by how much the times of a client's records are wrong: its clock may be, or its time zone may be another one than
 * the hub's. Records have no other time, and those of an outage come late, in one request with the current ones at its end.
 *
 * A record cannot be of the future: a client that is ahead is corrected at once. One that seems behind may send what it
 * stored: it is corrected when several requests in a row agree. A correction of whole quarters of an hour is exact, and each one
 * lasts, so that a record that comes again has the same time.
 */
export class Drift {
  #correctionMs = 0;
  #zone: string | undefined;
  #doubt: { readonly offsetMs: number; readonly at: number; readonly count: number } | undefined;

  /** @param known correction that was found out before the hub was started, and the time zone that it is for */
  constructor(known?: { readonly aheadMs: number; readonly zone: string | undefined }) {
    this.#correctionMs = known?.aheadMs ?? 0;
    this.#zone = known?.zone;
  }

  /** Milliseconds to subtract from the times of records. */
  get correctionMs(): number {
    return this.#correctionMs;
  }

  /** Forgets what was found out if the hub's time zone is another one now. @param zone its name */
  begin(zone: string): void {
    if (this.#zone === zone) return;
    this.#zone = zone;
    this.#correctionMs = 0;
    this.#doubt = undefined;
  }

  /** True if a record is of the future, as far as is known. */
  isAhead(at: number, now: number): boolean {
    return at - this.#correctionMs > now + freshMs;
  }

  /** Takes the time of the newest record of a request. @returns what it is, by the correction that is right now */
  take(newest: number, now: number): Age {
    const offsetMs = newest - now;
    const seemsMs = offsetMs - this.#correctionMs;
    if (Math.abs(offsetMs) <= freshMs) {
      this.#correctionMs = 0;
      this.#doubt = undefined;
      return "current";
    }
    if (Math.abs(seemsMs) <= freshMs) {
      this.#doubt = undefined;
      return "current";
    }
    if (Math.abs(offsetMs) > mostMs) return offsetMs > 0 ? "ahead" : "old";
    if (seemsMs < 0 && !this.#isSteady(offsetMs, now)) return "old";
    this.#correctionMs = corrected(offsetMs);
    this.#doubt = undefined;
    return "current";
  }

  /** True if this is the last of several requests that agree. */
  #isSteady(offsetMs: number, at: number): boolean {
    const before = this.#doubt;
    if (before !== undefined && at - before.at < apartMs) return false;
    const agrees = before !== undefined && Math.abs(offsetMs - before.offsetMs) <= steadyMs;
    this.#doubt = { offsetMs, at, count: agrees ? before.count + 1 : 1 };
    return this.#doubt.count >= steadyCount;
  }
}

/** The error of a clock: that of a time zone, or in whole seconds. */
function corrected(offsetMs: number): number {
  const zone = Math.round(offsetMs / zoneStepMs) * zoneStepMs;
  return Math.abs(offsetMs - zone) <= freshMs ? zone : Math.round(offsetMs / 1000) * 1000;
}
