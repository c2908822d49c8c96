/** Wait after the first failure, and the longest between two attempts. */
const firstMs = 1000;
const longestMs = 60_000;

/**
 * Exponential backoff with jitter: milliseconds to wait after so many failures in a row. Up to half of the wait is random, so
 * that machines which lost their hub together do not return together.
 * @param chance Random number from 0 up to 1.
 */
export function backoffMs(failures: number, chance: number): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - chance / 2));
}
