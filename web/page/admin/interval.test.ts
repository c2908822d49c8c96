import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { secondsOf } from "./interval.ts";

test.each([
  ["", null],
  ["  ", null],
  ["5", 5],
  [" 30 ", 30],
  ["3600", 3600],
  ["0", undefined],
  ["3601", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["1e2", undefined],
  ["0x10", undefined],
  ["５", undefined],
  ["soon", undefined],
])("%j is an interval of %j seconds", (typed, seconds) => {
  expect(secondsOf(typed)).toBe(seconds);
});

test("whatever is typed, an interval is null, or a whole number of seconds that the hub takes", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (typed) => {
      const seconds = secondsOf(typed);
      if (seconds === null) expect(typed.trim()).toBe("");
      else if (seconds !== undefined)
        expect([Number.isInteger(seconds), seconds >= 1, seconds <= 3600]).toEqual([true, true, true]);
    }),
    cases,
  );
});
