import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";

/** Most entries of one kind that a host may have; the rest is left out. */
const limits: Readonly<Record<string, number>> = { gpus: 256, disks: 512, nics: 512, procs: 8192, sources: 64 };
const otherLimit = 64;
const longest = 256;

// biome-ignore lint/suspicious/noControlCharactersInRegex: names come from other machines and end up on terminals and in files
const control = /[\u0000-\u001f\u007f-\u009f]/g;

/**
 * Makes what a host sent fit for keeping, in place: lists and texts within their limits, no control characters, no
 * fractions that are no number, no integer beyond what a double holds (NVML's "not available" is 2^64-1), nothing that
 * the hub does not know. An agent of the first GOHM leaves zeros out; they are put back.
 */
export function clean(info: HostInfo): void {
  visit(HostInfoSchema, info as unknown as Record<string, unknown>);
  if (info.agentVersion === undefined && info.sampled === undefined) restoreZeros(info);
}

function visit(schema: DescMessage, message: Record<string, unknown>): void {
  if (message.$unknown !== undefined) message.$unknown = undefined;
  for (const field of schema.fields) {
    const held = message[field.localName];
    if (held === undefined) continue;
    if (field.fieldKind === "message") visit(field.message, held as Record<string, unknown>);
    else if (field.fieldKind === "list") list(field, held as unknown[]);
    else {
      const kept = scalar(field, held);
      if (kept !== held) message[field.localName] = kept;
    }
  }
}

function list(field: DescField & { fieldKind: "list" }, held: unknown[]): void {
  const limit = limits[field.localName] ?? otherLimit;
  if (held.length > limit) held.length = limit;
  if (field.listKind === "message") {
    for (const item of held) visit(field.message, item as Record<string, unknown>);
  } else
    held.forEach((item, i) => {
      if (typeof item === "string") held[i] = text(item);
    });
}

function scalar(field: DescField, held: unknown): unknown {
  if (typeof held === "string") return text(held);
  if (typeof held === "bigint") {
    return held > BigInt(Number.MAX_SAFE_INTEGER) || held < BigInt(Number.MIN_SAFE_INTEGER) ? undefined : held;
  }
  if (field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT) {
    return Number.isFinite(held) ? held : undefined;
  }
  return held;
}

function text(held: string): string {
  const short = held.length > longest ? held.slice(0, longest).replace(/[\uD800-\uDBFF]$/, "") : held;
  return short.replace(control, " ");
}

/**
 * The first GOHM's agent has no presence: 0 is not on its wire. An idle card must read 0 % there, as it did then. A
 * temperature of 0 °C and a size of 0 bytes were its way of saying "not known" and stay absent.
 */
function restoreZeros(info: HostInfo): void {
  for (const gpu of info.gpus) {
    gpu.id ??= 0;
    if (gpu.memTotal !== undefined) gpu.memUsed ??= 0n;
    gpu.utilization ??= 0;
    gpu.fanspeed ??= 0;
    for (const proc of gpu.procs) {
      proc.pid ??= 0;
      proc.uid ??= 0;
      proc.mem ??= 0n;
    }
  }
  for (const disk of info.disks) if (disk.total !== undefined) disk.used ??= 0n;
}
