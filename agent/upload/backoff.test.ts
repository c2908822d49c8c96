import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

test.each([
  [1, 0, 1000],
  [2, 0, 2000],
  [6, 0, 32_000],
  [7, 0, 60_000],
  [1_000_000, 0, 60_000],
  [1, 0.5, 750],
])("after %i failures and chance %d it waits %i ms", (failures, chance, ms) => {
  expect(backoffMs(failures, chance)).toBe(ms);
});

test("never more than a minute, never less than half of the whole wait", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (n, chance) => {
      const ms = backoffMs(n, chance);
      expect(ms).toBeLessThanOrEqual(60_000);
      expect(ms).toBeGreaterThanOrEqual(backoffMs(n, 0) / 2);
    }),
  );
});

test("other steps grow by their own factor, up to their own longest", () => {
  const steps = { firstMs: 5000, factor: 3, longestMs: 30_000 };
  expect([1, 2, 3].map((failures) => backoffMs(failures, 0, steps))).toEqual([5000, 15_000, 30_000]);
});
