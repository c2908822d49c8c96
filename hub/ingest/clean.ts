import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { catalog } from "../../proto/catalog.ts";
import { clean as cleanText, limitOf } from "../../proto/clean.ts";
import { listOf } from "../../proto/device.ts";
import { type HostInfo, HostInfoSchema, State, Throttle, XidAction } from "../../proto/gen/host_pb.js";
import { rangeOf, type ValueRange } from "../../proto/range.ts";
import { round } from "../../proto/round.ts";

/** Most entries of a list, by its field; further ones are dropped. */
const limits: Readonly<Record<string, number>> = {
  [listOf.gpu]: 256,
  [listOf.disk]: 512,
  [listOf.nic]: 512,
  procs: 8192,
};
const otherLimit = 64;

/** Ranges of fields by name: those of metrics, and of other numbers that views show or calculate with. */
const ranges = new Map<string, ValueRange>([
  ...catalog.flatMap((metric): (readonly [string, ValueRange])[] => {
    const fields = [metric.path.at(-1), metric.exact?.at(-1)];
    return fields.flatMap((field) => (field === undefined ? [] : [[nameOf(field), rangeOf(metric)] as const]));
  }),
  // The share of a process may add up several engines of a card.
  ["gpu.ProcInfo.utilization", [0, 1000]],
  ["gpu.GPUInfo.id", [0, 999_999]],
  ["gpu.NicInfo.speed", [0, 1e14]],
  ["gpu.HostInfo.exporterPort", [1, 65_535]],
]);

/** Fields that give a metric with more digits. */
const refining: ReadonlySet<string> = new Set(catalog.flatMap(({ exact }) => exact?.at(-1) ?? []).map(nameOf));

/** The greatest integer that a double represents exactly. */
const most = Number.MAX_SAFE_INTEGER;

/** Substitutes for values that this hub does not know, by enum: none of them means that all is well. Other enums: absent. */
const unknown = new Map<string, number>([
  ["gpu.State", State.STALE],
  ["gpu.Throttle", Throttle.OTHER],
  ["gpu.XidAction", XidAction.INSPECT],
]);

type Message = Record<string, unknown>;
/** Sanitizes one message in place. */
type Sanitizer = (message: Message) => void;

const sanitizeHost = sanitizerOf(HostInfoSchema);

/**
 * Sanitizes a host's report in place. Cuts lists and texts to their limits, removes hidden characters and unknown fields,
 * and drops numbers out of the range of their metric, integers that a double cannot represent (NVML's "not available" is
 * 2^64-1), and amounts in use above their total. Rounds percentages with decimals to two of them. Restores the zeros that an agent of the first GOHM omits.
 */
export function sanitize(info: HostInfo): void {
  sanitizeHost(info as unknown as Message);
  if (info.agentVersion === undefined && info.sampled === undefined) restoreZeros(info);
}

function nameOf({ parent, localName }: DescField): string {
  return `${parent.typeName}.${localName}`;
}

/** Finds the texts, lists and numbers of a message type once, as this runs for every report. */
function sanitizerOf(schema: DescMessage): Sanitizer {
  const steps = [...schema.fields.flatMap((field) => stepOf(field) ?? []), ...usedAboveTotal(schema)];
  return (message) => {
    if (message.$unknown !== undefined) message.$unknown = undefined;
    for (const step of steps) step(message);
  };
}

/** Drops an amount in use that is greater than its total. */
function usedAboveTotal({ fields }: DescMessage): Sanitizer[] {
  const totals = new Set(fields.map(({ localName }) => localName).filter((name) => /total$/i.test(name)));
  return [...totals].flatMap((total): Sanitizer[] => {
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

/** Sanitizes one field; undefined where every value is valid. */
function stepOf(field: DescField): Sanitizer | undefined {
  const name = field.localName;
  if (field.fieldKind === "message") {
    const inner = sanitizerOf(field.message);
    return (message) => {
      const value = message[name];
      if (value !== undefined) inner(value as Message);
    };
  }
  if (field.fieldKind === "list") {
    const limit = limits[name] ?? otherLimit;
    const each = eachOf(field);
    return (message) => {
      const items = message[name] as unknown[];
      if (items.length > limit) items.length = limit;
      each(items);
    };
  }
  const sanitized =
    field.fieldKind === "scalar"
      ? scalarOf(field, field.scalar)
      : field.fieldKind === "enum"
        ? known(field.enum)
        : undefined;
  return (
    sanitized &&
    ((message) => {
      const value = message[name];
      if (value === undefined) return;
      const next = sanitized(value);
      if (next !== value) message[name] = next;
    })
  );
}

/** Sanitizes the items of a list in place. */
function eachOf(field: DescField & { fieldKind: "list" }): (items: unknown[]) => void {
  if (field.listKind === "message") {
    const inner = sanitizerOf(field.message);
    return (items) => {
      for (const item of items) inner(item as Message);
    };
  }
  if (field.listKind === "enum") {
    const sanitized = known(field.enum);
    return (items) => {
      if (items.every((item) => sanitized(item) === item)) return;
      items.splice(0, items.length, ...new Set(items.flatMap((item) => sanitized(item) ?? [])));
    };
  }
  return (items) =>
    items.forEach((item, i) => {
      if (typeof item === "string") items[i] = cleanText(item);
    });
}

/** Replaces a value that the enum does not declare by its substitute. */
function known({ values, typeName }: DescEnum): (value: unknown) => unknown {
  const numbers = new Set<unknown>(values.map(({ number }) => number));
  return (value) => (numbers.has(value) ? value : unknown.get(typeName));
}

/** Sanitizes a scalar: a text is cleaned, a number out of range becomes undefined. Undefined where every value is valid. */
function scalarOf(field: DescField, scalar: ScalarType): ((value: unknown) => unknown) | undefined {
  const range = ranges.get(nameOf(field));
  switch (scalar) {
    case ScalarType.STRING: {
      const limit = limitOf(field.localName);
      return (value) => cleanText(value as string, limit);
    }
    case ScalarType.UINT64:
    case ScalarType.INT64: {
      const [least, greatest] = [BigInt(range?.[0] ?? -most), BigInt(range?.[1] ?? most)];
      return (value) => ((value as bigint) >= least && (value as bigint) <= greatest ? value : undefined);
    }
    case ScalarType.DOUBLE: {
      const [least, greatest] = range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      // Two decimals are what history keeps: every view shows the same value.
      const kept = refining.has(nameOf(field)) ? (double: number) => round(double, 2) : (double: number) => double;
      return (value) => {
        const double = value as number;
        return Number.isFinite(double) && double >= least && double <= greatest ? kept(double) : undefined;
      };
    }
    default:
      if (range === undefined) return undefined;
      return (value) => ((value as number) >= range[0] && (value as number) <= range[1] ? value : undefined);
  }
}

/**
 * Restores zeros that an agent of the first GOHM does not send, as its messages have no field presence: its idle card reads
 * 0 %. A temperature of 0 °C and a size of 0 bytes meant "not known" there and stay absent.
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
