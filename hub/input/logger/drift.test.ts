import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { Drift, freshMs } from "./drift.ts";

const now = 1_800_000_000_000;
const second = 1000;
const minute = 60_000;
const hour = 3_600_000;

/** What the newest records of requests are, one every ten seconds, by their offsets from the hub's clock. */
function ages(drift: Drift, ...offsets: readonly number[]): string[] {
  return offsets.map((offset, i) => drift.take(now + i * 10 * second + offset, now + i * 10 * second));
}

test("records of a client with the hub's time are current up to 30 s, and keep their times", () => {
  const drift = new Drift();
  expect(ages(drift, 0, -30 * second, 20 * second)).toEqual(["current", "current", "current"]);
  expect(drift.correctionMs).toBe(0);
});

test.each([
  ["another time zone", 8 * hour - 2 * second, 8 * hour],
  ["a zone with half an hour", 5.5 * hour + second, 5.5 * hour],
  ["a clock that is wrong by minutes", 7 * minute + 3400, 7 * minute + 3 * second],
])("records ahead by %s are current at once, and are corrected by as much each time", (_, offset, correction) => {
  const drift = new Drift();
  expect(ages(drift, offset)).toEqual(["current"]);
  expect(drift.correctionMs).toBe(correction);
  // A request that comes late does not change it: its records come again at the same times.
  expect(ages(drift, offset - 20 * second, offset + second, offset)).toEqual(["current", "current", "current"]);
  expect(drift.correctionMs).toBe(correction);
});

test("records behind are old until three requests agree", () => {
  const drift = new Drift();
  expect(ages(drift, -8 * hour, -8 * hour + second, -8 * hour)).toEqual(["old", "old", "current"]);
  expect(drift.correctionMs).toBe(-8 * hour);
});

test("the parts of one request, and stored records, show nothing of a clock", () => {
  const drift = new Drift();
  for (let i = 0; i < 5; i++) expect(drift.take(now - hour, now + i)).toBe("old");
  // Each is newer than the one before by another time than passed between them.
  expect(ages(new Drift(), -3 * hour, -2 * hour, -hour, -50 * minute)).toEqual(["old", "old", "old", "old"]);
});

test("a clock that is right again, and another time zone of the hub, end the correction at once", () => {
  const drift = new Drift();
  drift.begin("UTC");
  ages(drift, 8 * hour);
  expect(ages(drift, 0)).toEqual(["current"]);
  expect(drift.correctionMs).toBe(0);
  ages(drift, 8 * hour);
  drift.begin("UTC");
  expect(drift.correctionMs).toBe(8 * hour);
  drift.begin("Asia/Shanghai");
  expect(drift.correctionMs).toBe(0);
});

test("a clock is not corrected by more than two time zones can differ", () => {
  expect(ages(new Drift(), 27 * hour)).toEqual(["ahead"]);
  expect(ages(new Drift(), -27 * hour, -27 * hour, -27 * hour)).toEqual(["old", "old", "old"]);
});

test("whatever comes, a current record is within 30 s of the hub's clock once corrected", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: -1e8, max: 1e8 }), fc.nat(100_000)), { maxLength: 12 }),
      (requests) => {
        const drift = new Drift();
        let at = now;
        for (const [offset, pause] of requests) {
          at += pause;
          if (drift.take(at + offset, at) !== "current") continue;
          expect(Math.abs(offset - drift.correctionMs)).toBeLessThanOrEqual(freshMs);
        }
      },
    ),
    cases,
  );
});
