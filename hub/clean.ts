import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { catalog } from "../proto/catalog.ts";
import { clean as cleanText, limitOf } from "../proto/clean.ts";
import { type HostInfo, HostInfoSchema, State, Throttle, XidAction } from "../proto/gen/host_pb.js";
import { type Range, rangeOf } from "../proto/range.ts";

/** Most entries of one kind that a host may have; the rest is left out. */
const limits: Readonly<Record<string, number>> = { gpus: 256, disks: 512, nics: 512, procs: 8192, sources: 64 };
const otherLimit = 64;

/** Ranges of fields, by their messages: those of metrics, and of other numbers that are shown or counted by. */
const ranges = new Map<string, Range>([
  ...catalog.flatMap((metric): [string, Range][] => {
    const field = metric.path.at(-1);
    return field === undefined ? [] : [[nameOf(field), rangeOf(metric)]];
  }),
  // A program's share may count several engines of a card.
  ["gpu.ProcInfo.utilization", [0, 1000]],
  ["gpu.GPUInfo.id", [0, 999_999]],
  ["gpu.NicInfo.speed", [0, 1e14]],
]);

/** The most that a double holds to the last digit. */
const most = Number.MAX_SAFE_INTEGER;

/** What stands for a value that this hub does not know, by the enum: none that says that all is well. Elsewhere it is absent. */
const unknown = new Map<string, number>([
  ["gpu.State", State.STALE],
  ["gpu.Throttle", Throttle.OTHER],
  ["gpu.XidAction", XidAction.INSPECT],
]);

type Message = Record<string, unknown>;
type Clean = (message: Message) => void;

const cleanHost = cleaner(HostInfoSchema);

/**
 * Sanitizes a host's report in place: lists and texts within their limits, no hidden characters, no number outside the
 * range of its metric, no integer beyond what a double holds (NVML's "not available" is 2^64-1), no more in use than there
 * is, nothing that the hub does not know. An agent of the first GOHM leaves zeros out; they are put back.
 */
export function clean(info: HostInfo): void {
  cleanHost(info as unknown as Message);
  if (info.agentVersion === undefined && info.sampled === undefined) restoreZeros(info);
}

function nameOf({ parent, localName }: DescField): string {
  return `${parent.typeName}.${localName}`;
}

/** Where texts, lists and numbers are in a message of this kind, worked out once: every poll passes through here. */
function cleaner(schema: DescMessage): Clean {
  const steps = [...schema.fields.flatMap((field) => stepOf(field) ?? []), ...shares(schema)];
  return (message) => {
    if (message.$unknown !== undefined) message.$unknown = undefined;
    for (const step of steps) step(message);
  };
}

/** More in use than there is: what is in use is not known. */
function shares({ fields }: DescMessage): Clean[] {
  const totals = new Set(fields.map(({ localName }) => localName).filter((name) => /total$/i.test(name)));
  return [...totals].flatMap((total): Clean[] => {
    const used = total === "total" ? "used" : total.replace(/Total$/, "Used");
    if (!fields.some(({ localName }) => localName === used)) return [];
    return [
      (message) => {
        const [part, whole] = [message[used], message[total]] as [bigint | undefined, bigint | undefined];
        if (part !== undefined && whole !== undefined && part > whole) message[used] = undefined;
      },
    ];
  });
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
  const kept =
    field.fieldKind === "scalar"
      ? keeper(field, field.scalar)
      : field.fieldKind === "enum"
        ? known(field.enum)
        : undefined;
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
  if (field.listKind === "enum") {
    const kept = known(field.enum);
    return (held) => {
      if (held.every((item) => kept(item) === item)) return;
      held.splice(0, held.length, ...new Set(held.flatMap((item) => kept(item) ?? [])));
    };
  }
  return (held) =>
    held.forEach((item, i) => {
      if (typeof item === "string") held[i] = cleanText(item);
    });
}

/** A value of an enum, or what stands for one that this hub does not know. */
function known({ values, typeName }: DescEnum): (held: unknown) => unknown {
  const numbers = new Set<unknown>(values.map(({ number }) => number));
  return (held) => (numbers.has(held) ? held : unknown.get(typeName));
}

/** What is kept of a value of this field; undefined where every value is. */
function keeper(field: DescField, scalar: ScalarType): ((held: unknown) => unknown) | undefined {
  const range = ranges.get(nameOf(field));
  switch (scalar) {
    case ScalarType.STRING: {
      const limit = limitOf(field.localName);
      return (held) => cleanText(held as string, limit);
    }
    case ScalarType.UINT64:
    case ScalarType.INT64: {
      const [least, greatest] = [BigInt(range?.[0] ?? -most), BigInt(range?.[1] ?? most)];
      return (held) => ((held as bigint) >= least && (held as bigint) <= greatest ? held : undefined);
    }
    case ScalarType.DOUBLE: {
      const [least, greatest] = range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      return (held) => {
        const value = held as number;
        return Number.isFinite(value) && value >= least && value <= greatest ? value : undefined;
      };
    }
    default:
      if (range === undefined) return undefined;
      return (held) => ((held as number) >= range[0] && (held as number) <= range[1] ? held : undefined);
  }
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
