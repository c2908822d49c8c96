import fc from "fast-check";
import { expect, test } from "vitest";
import { numbers } from "./json.ts";

const integer = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(0, -0, 9, 10, 2 ** 31, 1e9, 1e18, 2 ** 53));
const cents = fc.maxSafeInteger().map((value) => value / 100);

test("any numbers are written as JSON.stringify writes them, no number and infinity as null", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(integer, cents, fc.double(), fc.float())), (list) => {
      expect(numbers(Float64Array.from(list)).toString()).toBe(JSON.stringify(list));
    }),
    { numRuns: 1000 },
  );
});

test("a slice is written alone", () => {
  expect(numbers(Float64Array.of(1, 2.5, Number.NaN, 4), 1, 3).toString()).toBe("[2.5,null]");
});
