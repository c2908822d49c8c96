import { Unit } from "./gen/metric_pb.js";
import { size, span } from "./quantity.ts";

/**
 * Text of a value in its wire unit: `show(85899345920, Unit.BYTES)` is "80 GiB".
 * @param digits Most decimals of percentages, watts and plain numbers; otherwise they have as many as labels need
 */
export function show(value: number, unit: Unit, digits?: number): string {
  const decimals = (amount: number, usual = 0): number => Number(amount.toFixed(digits ?? usual));
  switch (unit) {
    case Unit.BYTES:
      return size(value);
    case Unit.KIBIBYTES:
      return size(value * 1024);
    case Unit.BYTES_PER_SECOND:
      return `${size(value)}/s`;
    case Unit.PERCENT:
      return `${decimals(value)}%`;
    case Unit.CELSIUS:
      return `${Math.round(value)} °C`;
    case Unit.MILLIWATTS:
      return `${decimals(value / 1000)} W`;
    case Unit.MILLIJOULES:
      // Electricity is billed in kilowatt-hours.
      return `${(value / 3.6e9).toFixed(1)} kWh`;
    case Unit.MEGAHERTZ:
      return `${Math.round(value)} MHz`;
    case Unit.SECONDS:
      return span(value);
    case Unit.COUNT:
    case Unit.UNSPECIFIED:
      return String(decimals(value, 1));
    default:
      return unit satisfies never;
  }
}

/** Smallest distance between labels of an axis that `show` writes differently, in the wire unit. */
export function labelStep(unit: Unit): number {
  switch (unit) {
    case Unit.MILLIWATTS:
      return 1000;
    case Unit.MILLIJOULES:
      return 3.6e8;
    case Unit.COUNT:
    case Unit.UNSPECIFIED:
      return 0.1;
    default:
      return 1;
  }
}

/** True if an axis is divided at powers of two. */
export const isBinary = (unit: Unit): boolean =>
  unit === Unit.BYTES || unit === Unit.KIBIBYTES || unit === Unit.BYTES_PER_SECOND;
