import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";

/** Most entries of one kind that a host may have; the rest is left out. */
const limits: Readonly<Record<string, number>> = { gpus: 256, disks: 512, nics: 512, procs: 8192, sources: 64 };
const otherLimit = 64;
const longest = 256;

// biome-ignore lint/suspicious/noControlCharactersInRegex: names come from other machines and end up on terminals and in files
const control = /[\u0000-\u001f\u007f-\u009f]/g;

/** The most that a double holds to the last digit. */
const most = BigInt(Number.MAX_SAFE_INTEGER);

type Message = Record<string, unknown>;
type Clean = (message: Message) => void;

const cleanHost = cleaner(HostInfoSchema);

/**
 * Makes what a host sent fit for keeping, in place: lists and texts within their limits, no control characters, no
 * fractions that are no number, no integer beyond what a double holds (NVML's "not available" is 2^64-1), nothing that
 * the hub does not know. An agent of the first GOHM leaves zeros out; they are put back.
 */
export function clean(info: HostInfo): void {
  cleanHost(info as unknown as Message);
  if (info.agentVersion === undefined && info.sampled === undefined) restoreZeros(info);
}

/** Where texts, lists and wide numbers stand in a message of this kind, worked out once: every poll passes through here. */
function cleaner(schema: DescMessage): Clean {
  const steps = schema.fields.flatMap((field) => stepOf(field) ?? []);
  return (message) => {
    if (message.$unknown !== undefined) message.$unknown = undefined;
    for (const step of steps) step(message);
  };
}

/** Undefined for a field in which nothing can be amiss. */
function stepOf(field: DescField): Clean | undefined {
  const name = field.localName;
  if (field.fieldKind === "message") {
    const inner = cleaner(field.message);
    return (message) => {
      const held = message[name];
      if (held !== undefined) inner(held as Message);
    };
  }
  if (field.fieldKind === "list") {
    const limit = limits[name] ?? otherLimit;
    const each = eachOf(field);
    return (message) => {
      const held = message[name] as unknown[];
      if (held.length > limit) held.length = limit;
      each(held);
    };
  }
  const kept = field.fieldKind === "scalar" ? keeper(field.scalar) : undefined;
  return (
    kept &&
    ((message) => {
      const held = message[name];
      if (held === undefined) return;
      const next = kept(held);
      if (next !== held) message[name] = next;
    })
  );
}

function eachOf(field: DescField & { fieldKind: "list" }): (held: unknown[]) => void {
  if (field.listKind === "message") {
    const inner = cleaner(field.message);
    return (held) => {
      for (const item of held) inner(item as Message);
    };
  }
  return (held) =>
    held.forEach((item, i) => {
      if (typeof item === "string") held[i] = text(item);
    });
}

/** What is kept of a value of this kind; undefined for kinds of which every value is. */
function keeper(scalar: ScalarType): ((held: unknown) => unknown) | undefined {
  switch (scalar) {
    case ScalarType.STRING:
      return (held) => text(held as string);
    case ScalarType.UINT64:
    case ScalarType.INT64:
      return (held) => ((held as bigint) > most || (held as bigint) < -most ? undefined : held);
    case ScalarType.DOUBLE:
      return (held) => (Number.isFinite(held) ? held : undefined);
    default:
      return undefined;
  }
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
