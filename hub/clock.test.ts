import { expect, test } from "vitest";
import { ClockGuard, earliest } from "./clock.ts";

const minute = 60_000;
const day = 86_400_000;
const year = 365 * day;
const now = 1_800_000_000_000;

test.each([
  ["1970", undefined, 20_000, undefined, false],
  ["1970, as a host says too", undefined, 20_000, 20_000, false],
  ["the year of an old firmware", undefined, Date.UTC(2015, 0, 1), undefined, false],
  ["today, with no history", undefined, now, undefined, true],
  ["today, with no history and a host of 1970", undefined, now, 20_000, true],
  ["today, with no history and a host that is behind", undefined, now, now - 2 * year, true],
  ["two years ago, with no history and a host of today", undefined, now - 2 * year, now, false],
  ["a day after the newest sample", now, now + day, undefined, true],
  ["half a year after the newest sample", now, now + year / 2, undefined, true],
  ["half a year after the newest sample, as a host says too", now, now + year / 2, now + year / 2, true],
  ["half a year after the newest sample, against a host", now, now + year / 2, now, false],
  ["twenty years after the newest sample", now, now + 20 * year, undefined, false],
  ["an hour before the newest sample", now, now - 60 * minute, undefined, true],
  ["a year before the newest sample", now, now - year, undefined, false],
  ["years before a newest sample of the future, as a host says too", now + 20 * year, now, now + 1000, true],
])("a clock that says %s is believed as it should be", (_, newest, says, peer, wanted) => {
  expect(new ClockGuard(newest).believes(says, peer)).toBe(wanted);
});

test("a clock that goes on for an hour is believed, and one before the first possible time never", () => {
  const believed = (from: number): number | undefined => {
    const guard = new ClockGuard(now);
    for (let i = 0; i < 90; i++) if (guard.believes(from + i * minute, undefined)) return i;
    return undefined;
  };
  expect(believed(now + 20 * year)).toBe(60);
  expect(believed(now - year)).toBe(60);
  expect(believed(20_000)).toBeUndefined();
});

test("a clock that leaps from one wrong date to another begins its hour anew", () => {
  const guard = new ClockGuard(now);
  expect(guard.believes(now + 20 * year, undefined)).toBe(false);
  expect(guard.believes(now + 40 * year, undefined)).toBe(false);
  // Set right meanwhile: what was doubted before does not count towards the next doubt.
  expect(guard.believes(now + minute, undefined)).toBe(true);
  expect(guard.believes(now + 40 * year + 90 * minute, undefined)).toBe(false);
});

test("the first possible time begins a row of every summary", () => {
  for (const span of [4 / 24, 48 / 288, 2, 48]) expect(earliest % (span * day)).toBe(0);
});
