import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { clean } from "../../../proto/clean.ts";
import { type GPUInfo, GPUInfoSchema, Vendor } from "../../../proto/gen/host_pb.js";
import { round } from "../../../proto/round.ts";
import type { Capabilities } from "../../book/book.ts";
import type { LoggerRecord, Readings } from "./record.ts";

type CardInit = Exclude<MessageInitShape<typeof GPUInfoSchema>, { $typeName: string }>;

const MiB = 1024 ** 2;
const mostMiB = Number.MAX_SAFE_INTEGER / MiB;

/** A card as a record describes it. What no card can have is not known. */
export function cardOf({ gpu, name, readings }: LoggerRecord, more: CardInit = {}): GPUInfo {
  const { utilization, memUtilization, temperature, power, powerLimit, fan } = readings;
  return create(GPUInfoSchema, {
    id: gpu,
    procsUnknown: true,
    ...(name === undefined ? {} : { name, ...vendorOf(name) }),
    ...percent("utilization", "utilizationExact", utilization),
    ...percent("memUtilization", "memUtilizationExact", memUtilization),
    ...memoryOf(readings),
    ...whole("temp", temperature, -60, 200),
    ...whole("power", power === undefined ? undefined : power * 1000, 0, 1e8),
    ...whole("powerLimit", powerLimit === undefined ? undefined : powerLimit * 1000, 0, 1e8),
    ...whole("fanspeed", fan, 0, 200),
    ...more,
  });
}

type Hardware = Capabilities["gpus"][number];

/** A card as the book has it. */
export function hardwareOf(record: LoggerRecord): Hardware {
  const { memTotal } = cardOf(record);
  return {
    index: record.gpu,
    name: clean(record.name ?? "", 64),
    ...(memTotal === undefined ? {} : { memoryTotalMB: Math.round(Number(memTotal) / MiB) }),
  };
}

/** How names of cards begin. */
const makers: readonly (readonly [RegExp, Vendor])[] = [
  [/^(nvidia|geforce|tesla|quadro)\b/i, Vendor.NVIDIA],
  [/^(amd|radeon|instinct)\b/i, Vendor.AMD],
  [/^intel\b/i, Vendor.INTEL],
];

/** The maker of a card by its name, which a record does not tell otherwise. */
function vendorOf(name: string): { readonly vendor?: Vendor } {
  const vendor = makers.find(([beginning]) => beginning.test(name))?.[1];
  return vendor === undefined ? {} : { vendor };
}

/** A percentage as a whole number, rounded as the logger does, and with its fraction if it has one. */
function percent<K extends string, E extends string>(
  field: K,
  exact: E,
  value: number | undefined,
): { readonly [N in K | E]?: number } {
  if (value === undefined || value < 0 || value > 100) return {};
  const fields = Number.isInteger(value) ? { [field]: value } : { [field]: round(value), [exact]: value };
  return fields as { readonly [N in K | E]?: number };
}

function whole<K extends string>(
  field: K,
  value: number | undefined,
  least: number,
  most: number,
): { readonly [N in K]?: number } {
  if (value === undefined || value < least || value > most) return {};
  return { [field]: round(value) } as { readonly [N in K]?: number };
}

/**
 * Memory in bytes. Used and free memory are both rounded down to MiB: where that cost one MiB of the total, used memory is
 * half a MiB more, so that rounding down gives both as they were sent.
 */
function memoryOf(readings: Readings): { memTotal?: bigint; memUsed?: bigint } {
  const [size, used, free] = [readings.total, readings.used, readings.free].map(sizeOf);
  // No card is without memory.
  const total = size === 0 ? undefined : size;
  const all = total ?? (used !== undefined && free !== undefined ? used + free : undefined);
  const inUse = used ?? (all !== undefined && free !== undefined && free <= all ? all - free : undefined);
  const isSplit = total !== undefined && used !== undefined && free !== undefined && used + free === total - 1;
  return {
    ...(all === undefined ? {} : { memTotal: bytesOf(all) }),
    ...(inUse === undefined ? {} : { memUsed: bytesOf(isSplit ? inUse + 0.5 : inUse) }),
  };
}

const sizeOf = (value: number | undefined): number | undefined =>
  value !== undefined && value >= 0 && value <= mostMiB ? value : undefined;

const bytesOf = (mebibytes: number): bigint => BigInt(Math.round(mebibytes * MiB));
