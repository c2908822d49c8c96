/** Milliseconds between attempts. */
export interface BackoffSteps {
  readonly firstMs: number;
  /** Factor from each wait to the next. */
  readonly factor: number;
  readonly longestMs: number;
}

const usual: BackoffSteps = { firstMs: 1000, factor: 2, longestMs: 60_000 };

/**
 * Exponential backoff with jitter: milliseconds to wait after so many failures in a row. Up to half of the wait is random, so
 * that machines which lost their server together do not return together.
 * @param chance Random number from 0 up to 1.
 */
export function backoffMs(failures: number, chance: number, { firstMs, factor, longestMs } = usual): number {
  const whole = Math.min(longestMs, firstMs * factor ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - chance / 2));
}
