import type { Metric } from "./catalog.ts";
import { Kind, Unit } from "./gen/metric_pb.js";

/** Least and greatest value that is believed, both included, in the wire's unit. */
export type Range = readonly [least: number, greatest: number];

/** The most that a double holds to the last digit. */
const most = Number.MAX_SAFE_INTEGER;

const byUnit: Readonly<Record<Unit, Range>> = {
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

/** Metrics that their unit alone would judge wrongly. */
const byName: Readonly<Record<string, Range>> = {
  // Of the speed at which the fan is still quiet enough: NVML says that it may exceed 100 %.
  gpu_fan: [0, 200],
};

/** The values of a metric that are believed; any other is a fault of the machine that sends it. */
export function rangeOf({ name, unit, kind }: Metric): Range {
  // A counter has no end but what a number holds.
  if (kind === Kind.COUNTER && unit === Unit.COUNT) return [0, most];
  return Object.hasOwn(byName, name) ? (byName[name] ?? byUnit[unit]) : byUnit[unit];
}
