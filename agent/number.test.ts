import fc from "fast-check";
import { expect, test } from "vitest";
import { amount, given, whole, within } from "./number.ts";

test.each([
  ["0", 0],
  [" 42\n", 42],
  ["-1\n", -1],
  ["9007199254740991", 9_007_199_254_740_991],
  ["9007199254740992", undefined],
  ["18446744073709551615", undefined],
  ["", undefined],
  ["N/A", undefined],
  ["1.5", undefined],
  ["0x10", undefined],
  [undefined, undefined],
])("%j is the whole number %s", (text, number) => {
  expect(whole(text)).toBe(number);
});

test.each([
  [0, 0n],
  [1.6, 2n],
  [2 ** 53, undefined],
  [2 ** 64, undefined],
  [-1, undefined],
  [Number.NaN, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [undefined, undefined],
  [0n, 0n],
  [2n ** 53n - 1n, 2n ** 53n - 1n],
  [2n ** 53n, undefined],
  [-1n, undefined],
])("%s is the amount %s", (value, expected) => {
  expect(amount(value)).toBe(expected);
});

test("an amount is always one that a double holds to the last digit", () => {
  fc.assert(
    fc.property(fc.oneof(fc.double(), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })), (value) => {
      const found = amount(value);
      return found === undefined || (found >= 0n && BigInt(Number(found)) === found && found < 2n ** 53n);
    }),
  );
});

test("a value between the bounds, bounds included, stays; any other and none is none", () => {
  expect([within(0, 0, 9), within(9, 0, 9), within(10, 0, 9), within(-1, 0, 9), within(undefined, 0, 9)]).toEqual([
    0,
    9,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a field without a value is not there", () => {
  expect(given("a", 0)).toEqual({ a: 0 });
  expect(Object.keys(given("a", undefined))).toEqual([]);
});
