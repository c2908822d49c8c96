import { expect, test } from "vitest";
import { Throttle } from "../../../proto/gen/host_pb.js";
import { Residencies, reasonsOf } from "./throttle.ts";

test.each([
  [0, Throttle.POWER_CAP],
  [7, Throttle.POWER_CAP],
  [16, Throttle.CURRENT],
  [23, Throttle.CURRENT],
  [32, Throttle.SW_THERMAL],
  [33, Throttle.SW_THERMAL],
  [34, Throttle.MEMORY_THERMAL],
  [35, Throttle.SW_THERMAL],
  [37, Throttle.SW_THERMAL],
  [38, Throttle.REGULATOR_THERMAL],
  [41, Throttle.REGULATOR_THERMAL],
  [42, Throttle.LIQUID_THERMAL],
  [44, Throttle.REGULATOR_THERMAL],
  [46, Throttle.PROCHOT],
  [47, Throttle.PROCHOT],
  [57, Throttle.OTHER],
  [63, Throttle.OTHER],
])("bit %i of the status is reason %i", (bit, reason) => {
  expect(reasonsOf(1n << BigInt(bit))).toEqual([reason]);
});

test("several bits of one reason are one reason", () => {
  expect(reasonsOf(0b11n | (1n << 44n) | (1n << 38n))).toEqual([Throttle.POWER_CAP, Throttle.REGULATOR_THERMAL]);
});

const at = (samples: number | undefined, ppt: number, heat = 0) => ({
  ...(samples === undefined ? {} : { samples }),
  counts: new Map([
    [Throttle.POWER_CAP, ppt],
    [Throttle.SW_THERMAL, heat],
  ]),
});

test("a reason held when its counter grew by one in a hundred samples or more since the reading before", () => {
  const residencies = new Residencies();
  expect(residencies.reasons(0, at(1000, 500, 7))).toBeUndefined();
  expect(residencies.reasons(10_000, at(11_000, 600, 7))).toEqual([Throttle.POWER_CAP]);
  expect(residencies.reasons(20_000, at(21_000, 699, 107))).toEqual([Throttle.SW_THERMAL]);
  expect(residencies.reasons(30_000, at(31_000, 699, 107))).toEqual([]);
});

test("firmware that stopped sampling, or started anew, tells nothing for once", () => {
  const residencies = new Residencies();
  residencies.reasons(0, at(1000, 500));
  expect(residencies.reasons(10_000, at(1000, 500))).toBeUndefined();
  expect(residencies.reasons(20_000, at(10, 0))).toBeUndefined();
  expect(residencies.reasons(30_000, at(1010, 900))).toEqual([Throttle.POWER_CAP]);
  expect(residencies.reasons(40_000, at(2010, 3))).toBeUndefined();
});

test("where the firmware counts no samples, any growth is a reason", () => {
  const residencies = new Residencies();
  residencies.reasons(0, at(undefined, 5));
  expect(residencies.reasons(10_000, at(undefined, 6))).toEqual([Throttle.POWER_CAP]);
  expect(residencies.reasons(20_000, at(undefined, 6))).toEqual([]);
});
