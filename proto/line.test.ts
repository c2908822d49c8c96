import { expect, test } from "vitest";
import { linePath } from "./line.ts";

const size = { width: 100, height: 50 };

test.each([
  [[], ""],
  [[0, 50, 100], "M0 50h0L50 25L100 0"],
  [[10, null, undefined, 30, 40], "M0 45h0M75 35h0L100 30"],
  [[null, 20, null], "M50 40h0"],
  [[Number.NaN, 5], "M100 47.5h0"],
  [[-20, 140], "M0 50h0L100 0"],
] as const)("%j is the path %j", (values, path) => {
  expect(linePath(values, size)).toBe(path);
});
