import fc from "fast-check";
import { expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { dayMs, hourMs, localGrid } from "./grid.ts";

const zones = ["UTC", "Asia/Shanghai", "Asia/Kolkata", "Europe/London", "Africa/Cairo", "Australia/Lord_Howe"];
const day = fc.integer({ min: 18_300, max: 22_000 });

test.each(zones)("in %s every bucket of a grid lies within one local hour or day, and none is left out", (name) => {
  const zone = new Zone(name);
  const check = (first: number, days: number, unitMs: number, places: readonly number[]): void => {
    const { range, length, places: grid, first: unit } = localGrid({ first, last: first + days }, zone, unitMs);
    expect([length, unit]).toEqual([((days + 1) * dayMs) / unitMs, (first * dayMs) / unitMs]);
    expect([grid.length, grid[0], grid.at(-1)]).toEqual([(range.to - range.from) / range.step, 0, length - 1]);
    for (const share of places) {
      const place = Math.floor(share * grid.length);
      const start = range.from + place * range.step;
      for (const at of [start, start + range.step - 1]) {
        expect(grid[place]).toBe(Math.floor((at + zone.offset(at)) / unitMs) - unit);
      }
    }
  };
  const shares = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 50 });
  fc.assert(fc.property(day, fc.integer({ min: 0, max: 400 }), fc.constantFrom(hourMs, dayMs), shares, check), {
    numRuns: 40,
  });
});

test.each([
  ["UTC", 24, 1],
  ["Asia/Shanghai", 8, 1],
  ["Europe/London", 1, 1],
  ["Asia/Kolkata", 0.5, 0.5],
  ["Asia/Kathmandu", 0.25, 0.25],
])(
  "in %s a bucket has %d hours for days, and %d for hours: the longest that summaries can answer",
  (name, days, hours) => {
    const year = { first: 20_454, last: 20_818 };
    const step = (unitMs: number): number => localGrid(year, new Zone(name), unitMs).range.step / hourMs;
    expect([step(dayMs), step(hourMs)]).toEqual([days, hours]);
  },
);
