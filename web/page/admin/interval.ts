/** Most seconds between two reports. */
export const longestSec = 3600;

/** Seconds of a typed interval; null for the usual one, undefined if it is none. */
export function secondsOf(typed: string): number | null | undefined {
  const words = typed.trim();
  if (words === "") return null;
  const seconds = /^\d{1,4}$/.test(words) ? Number(words) : 0;
  return seconds >= 1 && seconds <= longestSec ? seconds : undefined;
}
