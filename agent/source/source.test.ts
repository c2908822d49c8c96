import { expect, test } from "vitest";
import { Baseline } from "./source.ts";

test("there is nothing to count from at first", () => {
  expect(new Baseline<number>().take(0, 1)).toBeUndefined();
});

test("a reading that follows within a second has no rate yet, a later one counts from the first", () => {
  const baseline = new Baseline<number>();
  baseline.take(0, 10);
  expect(baseline.take(999, 11)).toBeUndefined();
  expect(baseline.take(1000, 12)).toEqual({ from: 10, span: 1000 });
});

test("readings in quick succession all count over at least a second", () => {
  const baseline = new Baseline<number>();
  baseline.take(0, 0);
  baseline.take(5000, 5);
  expect(baseline.take(5003, 6)).toEqual({ from: 0, span: 5003 });
  expect(baseline.take(6000, 7)).toEqual({ from: 5, span: 1000 });
  expect(baseline.take(6500, 8)).toEqual({ from: 5, span: 1500 });
});
