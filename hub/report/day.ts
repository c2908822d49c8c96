import { dayAfter, type Zone } from "../../program/zone.ts";
import { intervalSec, type ReportDay } from "./report.ts";

/** What a date of a report must be, for errors. */
export const dayWanted = 'a date in the form YYYY-MM-DD, such as "2025-08-01"';

/**
 * The day of a date, which has 23 or 25 hours where clocks are set.
 * @param text "2025-08-01", or "2025-8-1", which Python takes, too
 * @returns undefined if it is not a date, or one that the zone left out
 */
export function reportDay(zone: Zone, text: string): ReportDay | undefined {
  const [, year, month = "", day = ""] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text) ?? [];
  if (year === undefined) return undefined;
  const date = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
  const from = zone.startOfDay(date);
  const to = from === undefined ? undefined : zone.startOfDay(dayAfter(date));
  if (from === undefined || to === undefined || to <= from) return undefined;
  return { date, from: from / 1000, to: to / 1000, zone };
}

/** Times of the rows that a day has up to now, which are the ends of intervals. Unix seconds. */
export function expectedRows({ from, to }: ReportDay, nowSec: number): number[] {
  const count = Math.max(0, Math.floor((Math.min(to, nowSec) - from) / intervalSec));
  return Array.from({ length: count }, (_, i) => from + (i + 1) * intervalSec);
}
