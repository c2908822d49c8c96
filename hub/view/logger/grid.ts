import { dayNumber, dayText, type Zone } from "../../../program/zone.ts";
import type { Range } from "../../history/store.ts";

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** Days from 1970-01-01, both inclusive. */
export interface DayRange {
  readonly first: number;
  readonly last: number;
}

/** Hours or days of local time, and the buckets of the history that are in them. */
export interface LocalGrid {
  /** Number of the first hour or day, counted from 1970-01-01 00:00 of local time. */
  readonly first: number;
  /** Number of hours or days. */
  readonly length: number;
  /** Range of the history. Its step is the longest that lies within one hour or day everywhere. */
  readonly range: Range;
  /** Place of each bucket of the range in the grid; -1 for one outside. */
  readonly places: Int32Array;
}

/** The part of a range of days in which there can be samples. @param oldest Unix milliseconds, as `newest` */
export function clipped(
  { first, last }: DayRange,
  zone: Zone,
  { oldest, newest }: { readonly oldest: number; readonly newest: number },
): DayRange {
  const day = (at: number): number => dayNumber(zone.dayOf(at)) ?? 0;
  return { first: Math.max(first, day(oldest)), last: Math.min(last, day(newest)) };
}

/**
 * Divides local days into hours or days. Local days do not begin with a UTC day, and an hour that comes twice is one.
 * @param unitMs `hourMs` or `dayMs`
 */
export function localGrid({ first, last }: DayRange, zone: Zone, unitMs: number): LocalGrid {
  const from = zone.startOfDay(dayText(first)) ?? 0;
  const to = zone.startOfDay(dayText(last + 1)) ?? 0;
  const spans = zone.spans(from, to);
  const borders = spans.flatMap((span) => [span.to, span.offset]);
  const step = [from, zone.offset(to), ...borders].reduce(commonDivisor, unitMs);
  const each = dayMs / unitMs;
  const length = Math.max(0, last + 1 - first) * each;
  const places = new Int32Array(Math.max(0, (to - from) / step));
  for (const span of spans) {
    for (let at = span.from; at < span.to; at += step) {
      const place = Math.floor((at + span.offset) / unitMs) - first * each;
      places[(at - from) / step] = place < length ? place : -1;
    }
  }
  return { first: first * each, length, range: { from, to, step }, places };
}

function commonDivisor(a: number, b: number): number {
  let [divisor, rest] = [Math.abs(a), Math.abs(b)];
  while (rest > 0) [divisor, rest] = [rest, divisor % rest];
  return divisor;
}
