import { expect, test } from "vitest";
import { fixed, round } from "./round.ts";

// What Python 3 prints for round(value, decimals).
test.each([
  [0.5, 0, 0],
  [1.5, 0, 2],
  [2.5, 0, 2],
  [-2.5, 0, -2],
  [3.4999, 0, 3],
  [0.25, 1, 0.2],
  [0.75, 1, 0.8],
  [0.35, 1, 0.3],
  [1.25, 1, 1.2],
  [12.34, 1, 12.3],
  [0.125, 2, 0.12],
  [0.375, 2, 0.38],
  [2.675, 2, 2.67],
  [0.1 + 0.2, 1, 0.3],
  [1e300, 1, 1e300],
  [2 ** 49 + 0.125, 2, 562949953421312.12],
  [2 ** 49 + 0.375, 2, 562949953421312.38],
  [Number.POSITIVE_INFINITY, 1, Number.POSITIVE_INFINITY],
])("round(%d, %i) is %d", (value, decimals, rounded) => {
  expect(round(value, decimals)).toBe(rounded);
});

// What Python 3 prints for format(value, ".Nf").
test.each([
  [0.125, 2, "0.12"],
  [0.375, 2, "0.38"],
  [2.675, 2, "2.67"],
  [-0.125, 2, "-0.12"],
  [-0.001, 2, "-0.00"],
  [-0, 2, "-0.00"],
  [0, 2, "0.00"],
  [100, 2, "100.00"],
  [9.995, 2, "9.99"],
  [99.999, 2, "100.00"],
  [0.25, 1, "0.2"],
  [0.75, 1, "0.8"],
  [2.5, 0, "2"],
  [3.5, 0, "4"],
  [562949953421312.1, 2, "562949953421312.12"],
  [1e21, 2, "1000000000000000000000.00"],
  [1.5e22, 1, "15000000000000000000000.0"],
  [1e22, 0, "10000000000000000000000"],
  [Number.POSITIVE_INFINITY, 2, "inf"],
  [Number.NEGATIVE_INFINITY, 2, "-inf"],
  [Number.NaN, 2, "nan"],
])("fixed(%d, %i) is %s", (value, decimals, text) => {
  expect(fixed(value, decimals)).toBe(text);
});
