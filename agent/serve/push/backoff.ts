/** Milliseconds after the first failure, and the most there are between two attempts. */
const firstMs = 1000;
const longestMs = 60_000;

/**
 * Milliseconds to wait after so many failures in a row: twice as long each time, and by chance up to half of it less, so
 * that machines which lost their hub together do not come back together.
 * @param chance From 0 up to 1.
 */
export function backoffMs(failures: number, chance: number): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - chance / 2));
}
