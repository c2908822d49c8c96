import { expect, test } from "vitest";
import { type Timing, TimingRecord } from "./timing.ts";

const of = (intervalMs?: number, clock?: Timing["clock"]): Timing => ({ intervalMs, clock });

test("the book is told of an interval that changed by a fifth, and not of delays", () => {
  const record = new TimingRecord(of(10_000));
  expect(record.take(of(11_900))).toBe(undefined);
  // One that is not known yet is the one of before.
  expect(record.take(of())).toBe(undefined);
  expect(record.take(of(12_000))).toEqual({ intervalMs: 12_000 });
  expect(record.take(of(13_000))).toBe(undefined);
  expect(new TimingRecord(of()).take(of(10_000))).toEqual({ intervalMs: 10_000 });
});

test("the book is told of a clock that is 5 s more off than it knows, that is right again, or is of another time zone", () => {
  const record = new TimingRecord(of(10_000, { aheadMs: 60_000, zone: "UTC" }));
  const told = (aheadMs: number, zone = "UTC") => record.take(of(undefined, { aheadMs, zone }))?.clock;
  expect(told(64_999)).toBe(undefined);
  expect(told(65_000)).toEqual({ aheadMs: 65_000, zone: "UTC" });
  expect(told(65_000, "Asia/Shanghai")).toEqual({ aheadMs: 65_000, zone: "Asia/Shanghai" });
  expect(record.take(of())).toEqual({ intervalMs: 10_000, clock: undefined });
  expect(record.take(of())).toBe(undefined);
});
