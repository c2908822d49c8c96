import { expect, test } from "vitest";
import { RateLimit } from "./rate.ts";

const limits = { rate: 10, burst: 20, waitMs: 1000 };

test("takes a burst at once, then at a rate, and refuses what would have to wait too long", () => {
  const limit = new RateLimit(limits, 0);
  expect([20, 5, 5, 1].map((units) => limit.take(units, 0))).toEqual([0, 500, 1000, undefined]);
  // What was refused was not taken.
  expect(limit.take(1, 100)).toBe(1000);
});

test("fills up with time, and not when the clock is set back", () => {
  const limit = new RateLimit(limits, 10_000);
  limit.take(20, 10_000);
  expect(limit.take(10, 0)).toBe(1000);
  expect(limit.take(1, 0)).toBeUndefined();
  expect(limit.take(20, 3_600_000)).toBe(0);
});
