// Days in zones, as a clock on the wall there has them.
import type { LocalDay } from "./scene.ts";

/** Seconds. */
export const hour = 3600;
const day = 24 * hour;

/** Unix seconds. */
export const utc = (year: number, month: number, date: number, hours = 0): number =>
  Date.UTC(year, month - 1, date, hours) / 1000;

/** @param offsets seconds by which the zone is ahead of UTC, the first one at the day's beginning */
export function dayIn(zone: string, date: string, offsets: LocalDay["offsets"], hours = 24): LocalDay {
  const from = Date.parse(`${date}T00:00:00Z`) / 1000 - (offsets[0]?.[1] ?? 0);
  return { zone, date, offsets, from, to: from + hours * hour };
}

/** A zone in which it is about noon, so that a test does not run into midnight, with its hours ahead of UTC. */
export function middayZone(): { readonly zone: string; readonly ahead: number } {
  const ahead = 12 - new Date().getUTCHours();
  // The sign of these names is the other way round: Etc/GMT-8 is eight hours ahead.
  return { zone: ahead === 0 ? "UTC" : `Etc/GMT${ahead > 0 ? "-" : "+"}${Math.abs(ahead)}`, ahead };
}

/** The day that it is in a zone, or one some days before. */
export function clock({ zone, ahead }: ReturnType<typeof middayZone>, daysAgo = 0): LocalDay {
  const local = Date.now() / 1000 + ahead * hour - daysAgo * day;
  return dayIn(zone, new Date(local * 1000).toISOString().slice(0, 10), [[0, ahead * hour]]);
}
