import type { Metric } from "./catalog.ts";
import { Kind, Unit } from "./gen/metric_pb.js";

/** Minimum and maximum of plausible values, both inclusive, in the wire's unit. */
export type ValueRange = readonly [min: number, max: number];

/** Largest integer up to which a double is exact. */
const most = Number.MAX_SAFE_INTEGER;

const byUnit: Readonly<Record<Unit, ValueRange>> = {
  [Unit.UNSPECIFIED]: [0, most],
  [Unit.BYTES]: [0, most],
  [Unit.KIBIBYTES]: [0, most],
  // A hundred terabytes a second: fifty times what the links of one GPU carry.
  [Unit.BYTES_PER_SECOND]: [0, 1e14],
  [Unit.PERCENT]: [0, 100],
  [Unit.CELSIUS]: [-60, 200],
  // A hundred kilowatts.
  [Unit.MILLIWATTS]: [0, 1e8],
  [Unit.MILLIJOULES]: [0, most],
  [Unit.MEGAHERTZ]: [0, 1e5],
  // Three hundred years.
  [Unit.SECONDS]: [0, 1e10],
  [Unit.COUNT]: [0, 1e9],
};

/** Ranges of metrics that differ from the range of their unit. */
const byName: Readonly<Record<string, ValueRange>> = {
  // A percentage of the maximum noise-tolerant fan speed, which may exceed 100 % (NVML API, nvmlDeviceGetFanSpeed).
  gpu_fan: [0, 200],
};

/** Returns the range of plausible values of a metric. A value outside is an error of the machine that sent it. */
export function rangeOf({ name, unit, kind }: Metric): ValueRange {
  // Counters have no limit except that of exact doubles.
  if (kind === Kind.COUNTER && unit === Unit.COUNT) return [0, most];
  return Object.hasOwn(byName, name) ? (byName[name] ?? byUnit[unit]) : byUnit[unit];
}
