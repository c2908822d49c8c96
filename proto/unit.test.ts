import { expect, test } from "vitest";
import { Unit } from "./gen/metric_pb.js";
import { show, span } from "./unit.ts";

test.each([
  [0, Unit.BYTES, "0 B"],
  [1023, Unit.BYTES, "1023 B"],
  [1024, Unit.BYTES, "1.0 KiB"],
  [85_899_345_920, Unit.BYTES, "80.0 GiB"],
  [2 ** 60, Unit.BYTES, "1024 PiB"],
  [1536, Unit.KIBIBYTES, "1.5 MiB"],
  [1_250_000, Unit.BYTES_PER_SECOND, "1.2 MiB/s"],
  [99.6, Unit.PERCENT, "100%"],
  [41, Unit.CELSIUS, "41 °C"],
  [699_499, Unit.MILLIWATTS, "699 W"],
  [1980, Unit.MEGAHERTZ, "1980 MHz"],
  [9_000_000_000, Unit.MILLIJOULES, "2.5 kWh"],
  [0.256, Unit.COUNT, "0.26"],
])("show(%d, %s) is %s", (value, unit, text) => {
  expect(show(value, unit)).toBe(text);
});

test.each([
  [-5, "0 s"],
  [59.4, "59 s"],
  [60, "1 min"],
  [3600, "1 h 0 min"],
  [86_399, "23 h 59 min"],
  [273_600, "3 d 4 h"],
])("span(%d) is %s", (seconds, text) => {
  expect(span(seconds)).toBe(text);
});
