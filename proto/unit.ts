import { Unit } from "./gen/metric_pb.js";

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function scaled(value: number, base: number, names: readonly string[]): string {
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= base && step < names.length - 1) {
    rest /= base;
    step++;
  }
  const digits = step === 0 || Math.abs(rest) >= 100 ? 0 : 1;
  return `${rest.toFixed(digits)} ${names[step]}`;
}

/** A value in its wire unit, written for a person: `show(85899345920, Unit.BYTES)` is "80.0 GiB". */
export function show(value: number, unit: Unit): string {
  switch (unit) {
    case Unit.BYTES:
      return scaled(value, 1024, binary);
    case Unit.KIBIBYTES:
      return scaled(value * 1024, 1024, binary);
    case Unit.BYTES_PER_SECOND:
      return `${scaled(value, 1024, binary)}/s`;
    case Unit.PERCENT:
      return `${Math.round(value)}%`;
    case Unit.CELSIUS:
      return `${Math.round(value)} °C`;
    case Unit.MILLIWATTS:
      return `${Math.round(value / 1000)} W`;
    case Unit.MILLIJOULES:
      // Kilowatt-hours, as on the bill.
      return `${(value / 3.6e9).toFixed(1)} kWh`;
    case Unit.MEGAHERTZ:
      return `${Math.round(value)} MHz`;
    case Unit.SECONDS:
      return span(value);
    case Unit.COUNT:
    case Unit.UNSPECIFIED:
      return String(Number(value.toFixed(2)));
    default:
      return unit satisfies never;
  }
}

/** Seconds as the two largest units that matter: "3 d 4 h", "12 min", "8 s". */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}
