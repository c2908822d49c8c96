import { expect, test } from "vitest";
import { round } from "./round.ts";

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
])("round(%d, %i) is %d", (value, decimals, rounded) => {
  expect(round(value, decimals)).toBe(rounded);
});
