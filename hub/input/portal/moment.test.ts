import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { Moments } from "./moment.ts";

const start = 1_800_000_000_000;
const second = 1000;
let moments: Moments;

beforeEach(() => {
  moments = new Moments();
});

/** Reports at seconds of the hub's clock, each with its age, of a machine whose clock is ahead; current ones are true. */
const read = (at: readonly number[], age: (at: number) => number, aheadSec = 0, dated = true): boolean[] =>
  at.map((received) =>
    moments.isCurrent({
      sampled: start + (received - age(received) + aheadSec) * second,
      sent: dated ? start + Math.floor(received + aheadSec) * second : undefined,
      received: start + received * second,
    }),
  );

const everyFive = Array.from({ length: 10 }, (_, i) => i * 5);
const fresh = () => 0.2;

test("samples of a machine with a right clock are current from the first", () => {
  expect(read(everyFive, fresh)).toEqual(everyFive.map(() => true));
  expect(Math.abs(moments.skewMs ?? Number.NaN)).toBeLessThan(second);
});

test("samples of an outage are late, and the first fresh one is current", () => {
  expect(read([0, 5], fresh)).toEqual([true, true]);
  // A minute of them, at once.
  const stored = Array.from({ length: 12 }, (_, i) => 65 + i / 100);
  expect(read(stored, (at) => 60 - (at - 65) * 500)).toEqual(stored.map((_, i) => i > 5));
  expect(read([70], fresh)).toEqual([true]);
});

test.each([
  [true, 6],
  [false, 5],
])("samples of an outage that come first after the hub's start are late (dated %s)", (dated, current) => {
  const stored = Array.from({ length: 100 }, (_, i) => i / 100);
  expect(read(stored, (at) => 600 - at * 606, 0, dated).map(Number)).toEqual(
    stored.map((_, i) => Number(i >= 100 - current)),
  );
});

test.each([
  ["slow", -600],
  ["fast", 600],
])("a machine whose clock is %s is current after three reports, and its clock's error is known", (_, ahead) => {
  const current = read(everyFive, fresh, ahead);
  expect(current.slice(2)).toEqual(everyFive.slice(2).map(() => true));
  expect(current[0]).toBe(ahead > 0);
  expect(Math.abs((moments.skewMs ?? 0) - ahead * second)).toBeLessThan(second);
});

test("stored samples of a machine whose clock is slow are late, as they are sent later than they were made", () => {
  read(everyFive, fresh, -600);
  expect(read([100, 100.01, 100.02], () => 45, -600)).toEqual([false, false, false]);
  expect(read([105], fresh, -600)).toEqual([true]);
});

test("a request that is sent again after a minute is late, and so is one that was overtaken", () => {
  read(everyFive, fresh);
  const again = { sampled: start + 44_800, sent: start + 45_000, received: start + 105_000 };
  expect([1, 2, 3].map((i) => moments.isCurrent({ ...again, received: again.received + i }))).toEqual([
    false,
    false,
    false,
  ]);
  expect(moments.isCurrent({ sampled: start + 40_000, sent: start + 41_000, received: start + 46_000 })).toBe(false);
  expect(read([50], fresh)).toEqual([true]);
});

test("a clock that is set back an hour costs three reports", () => {
  read(everyFive, fresh);
  expect(read([50, 55, 60, 65], fresh, -3600)).toEqual([false, false, true, true]);
});

test("one sample of the year 2500 costs its machine three reports, and nothing for ever", () => {
  read(everyFive, fresh);
  expect(read([50], fresh, 4e9)).toEqual([true]);
  expect(read([55, 60, 65, 70], fresh)).toEqual([false, false, true, true]);
});

test("a stored sample is never current, whatever the clocks, once its machine was heard at the usual pace", () => {
  const report = fc.record({
    pause: fc.double({ min: 1, max: 60, noNaN: true }),
    delay: fc.double({ min: 0, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: -1e8, max: 1e8 }),
      fc.array(report, { minLength: 3, maxLength: 50 }),
      fc.integer({ min: 33, max: 100_000 }),
      (ahead, reports, age) => {
        moments = new Moments();
        let at = 0;
        for (const { pause, delay } of reports) {
          at += pause;
          read([at], () => delay, ahead);
        }
        expect(read([at + 0.1], () => age, ahead)).toEqual([false]);
      },
    ),
    cases,
  );
});
