import fc from "fast-check";
import { expect, test } from "vitest";
import { catalog } from "./catalog.ts";
import { Unit } from "./gen/metric_pb.js";
import { unitByMetric } from "./metric-unit.ts";
import { isBinary, labelStep, show } from "./unit.ts";

test.each([
  [0, Unit.BYTES, "0 B"],
  [1023, Unit.BYTES, "1.0 KiB"],
  [1024, Unit.BYTES, "1.0 KiB"],
  [85_899_345_920, Unit.BYTES, "80 GiB"],
  [2 ** 60, Unit.BYTES, "1024 PiB"],
  [1536, Unit.KIBIBYTES, "1.5 MiB"],
  [1_250_000, Unit.BYTES_PER_SECOND, "1.2 MiB/s"],
  [99.6, Unit.PERCENT, "100%"],
  [41, Unit.CELSIUS, "41 °C"],
  [699_499, Unit.MILLIWATTS, "699 W"],
  [1980, Unit.MEGAHERTZ, "1980 MHz"],
  [9_000_000_000, Unit.MILLIJOULES, "2.5 kWh"],
  [90_000, Unit.SECONDS, "1 d 1 h"],
  [0.256, Unit.COUNT, "0.3"],
])("show(%d, %s) is %s", (value, unit, text) => {
  expect(show(value, unit)).toBe(text);
});

test.each([
  [37.456, Unit.PERCENT, "37.46%"],
  [37, Unit.PERCENT, "37%"],
  [412_345, Unit.MILLIWATTS, "412.35 W"],
  [412_500, Unit.MILLIWATTS, "412.5 W"],
  [1.37, Unit.COUNT, "1.37"],
  [41.26, Unit.CELSIUS, "41 °C"],
  [80 * 2 ** 30, Unit.BYTES, "80 GiB"],
])("show(%d, %s) with two decimals is %s", (value, unit, text) => {
  expect(show(value, unit, 2)).toBe(text);
});

const units = Object.values(Unit).filter((unit): unit is Unit => typeof unit === "number");

test("neighbouring labels of an axis are never written alike", () => {
  const divided = units.filter((unit) => !isBinary(unit) && unit !== Unit.SECONDS);
  expect(divided.length).toBeGreaterThan(5);
  fc.assert(
    fc.property(fc.constantFrom(...divided), fc.nat({ max: 10_000 }), (unit, at) => {
      const step = labelStep(unit);
      expect(show((at + 1) * step, unit)).not.toBe(show(at * step, unit));
    }),
  );
});

test("every metric that history keeps has a unit, the one of its field", () => {
  const kept = catalog.filter(({ keep }) => keep);
  expect([...unitByMetric.keys()]).toEqual(kept.map(({ name }) => name));
  for (const { name, unit } of kept) expect(unitByMetric.get(name), name).toBe(unit);
  expect(unitByMetric.get("gpu_power")).toBe(Unit.MILLIWATTS);
  expect([...unitByMetric.values()]).not.toContain(Unit.UNSPECIFIED);
});
