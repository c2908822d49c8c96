import type { Metric } from "../../proto/catalog.ts";
import { Kind } from "../../proto/gen/metric_pb.js";
import { fits, type Samples } from "../../proto/history.ts";
import { round } from "../../proto/round.ts";
import { Fault } from "../fault.ts";
import {
  type Aggregate,
  type Columns,
  type KnownDevice,
  kept,
  type SeriesId,
  type SeriesQuery,
  type Store,
} from "./store.ts";

/** Indices of the GPUs that each host has now, by its name. */
export type PresentGpus = ReadonlyMap<string, readonly number[]>;

/** What the hub knows of the names of hosts. */
export interface HostNames {
  /** The host that a name means, which may be the one that is shown. */
  keyOf(name: string): string;
  /** True if a host is named in lists. */
  counts(host: string): boolean;
}

/** A series that History.GetHistory asked for. */
export interface SeriesRef {
  readonly host: string;
  readonly level: "gpu" | "host";
  readonly key: string;
  /** "gpumem" (memory used, in ten thousandths of the total), or a metric of the catalogue. */
  readonly metric: "gpumem" | Metric;
}

/** Lists the types that series of a GPU or a host may have. */
export function typesOf(level: "gpu" | "host"): string[] {
  const own = kept[level];
  const legacy = own.flatMap((metric) => metric.legacy || []);
  return [...(level === "gpu" ? ["gpumem"] : []), ...legacy, ...own.map(({ name }) => name)];
}

/** Returns the metric of a type; undefined if such a device has none. */
export function metricOf(level: "gpu" | "host", type: string): SeriesRef["metric"] | undefined {
  if (type === "") return undefined;
  if (level === "gpu" && type === "gpumem") return "gpumem";
  return kept[level].find((metric) => metric.name === type || metric.legacy === type);
}

/** Returns the GPUs of a host by index; if cards were swapped, the one seen last. */
export function gpusOf(known: readonly KnownDevice[], host: string): Map<number, KnownDevice> {
  const gpus = new Map<number, KnownDevice>();
  for (const device of known) {
    if (device.host !== host || device.level !== "gpu" || device.index === undefined) continue;
    const other = gpus.get(device.index);
    if (other === undefined || other.last <= device.last) gpus.set(device.index, device);
  }
  return gpus;
}

/**
 * Finds the series of an id, "<server>_<gpu id>" or "<server>", of which the server may be a shown name. If a server is itself called "a_0", the type decides between
 * GPU and host: no type belongs to both.
 * @throws Fault host_unknown, device_unknown, metric_unknown
 */
export function find(
  asked: { id: string; type: string; names?: HostNames },
  known: readonly KnownDevice[],
  present: PresentGpus,
): SeriesRef {
  const { id, type, names } = asked;
  const hosts = new Set([...present.keys(), ...known.map(({ host }) => host)]);
  const keyOf = (name: string): string => names?.keyOf(name) ?? name;
  const [, before = "", index = ""] = /^(.+)_(\d{1,9})$/.exec(id) ?? [];
  const name = keyOf(before);
  const whole = keyOf(id);
  const levels = [...(hosts.has(name) ? ["gpu" as const] : []), ...(hosts.has(whole) ? ["host" as const] : [])];
  if (levels.length === 0) {
    const listed = [...hosts].filter((host) => names?.counts(host) ?? true);
    throw new Fault(
      "host_unknown",
      `There is no "${id}": ids are <server>_<gpu id> and <server>, servers are ${some(listed)}`,
    );
  }
  for (const level of levels) {
    const metric = metricOf(level, type);
    if (metric === undefined) continue;
    if (level === "host") return { host: whole, level, key: "", metric };
    return { host: name, level, key: keyOfIndex(name, Number(index), { known, present }), metric };
  }
  const allowed = levels.map((level) => `of a ${level === "gpu" ? "GPU" : "host"} ${typesOf(level).join(", ")}`);
  throw new Fault("metric_unknown", `There is no type "${type}" for "${id}": types are ${allowed.join("; ")}`);
}

function keyOfIndex(
  host: string,
  index: number,
  { known, present }: { known: readonly KnownDevice[]; present: PresentGpus },
): string {
  const gpus = gpusOf(known, host);
  const found = gpus.get(index);
  if (found) return found.key;
  const now = present.get(host) ?? [];
  // Seen, but never measured: its series is empty.
  if (now.includes(index)) return "";
  const ids = [...new Set([...gpus.keys(), ...now])].sort((a, b) => a - b).map((n) => `${host}_${n}`);
  throw new Fault("device_unknown", `There is no GPU ${index} on "${host}": its GPUs are ${some(ids)}`);
}

/** Joins names for a message: the first twenty of many. */
export function some(names: readonly string[]): string {
  if (names.length === 0) return "(none)";
  return names.length > 20 ? `${names.slice(0, 20).join(", ")} and ${names.length - 20} more` : names.join(", ");
}

/** The part of a query that applies to every series. */
type SampleRange = Pick<SeriesQuery<Aggregate>, "range" | "most">;

/**
 * Reads series as the first GOHM's messages have them: integers in the unit and scale of docs/metrics.md. A bucket has its
 * mean, or for a counter its newest sample: the mean of a counter is meaningless.
 */
export async function samples(
  history: Pick<Store, "read">,
  wanted: readonly SeriesRef[],
  { range, most }: SampleRange,
): Promise<Samples[]> {
  const series = wanted.flatMap(({ host, level, key, metric }) => {
    const names = metric === "gpumem" ? ["gpu_memory_used", "gpu_memory_total"] : [metric.name];
    return names.map((name): SeriesId => ({ host, level, key, metric: name }));
  });
  const columns = [...(await history.read({ series, range, most, of: ["avg", "last"] }))];
  return wanted.map(({ metric }) => {
    const [own, total] = columns.splice(0, metric === "gpumem" ? 2 : 1);
    if (own === undefined) return integers(new Float64Array(), () => 0);
    if (metric !== "gpumem") {
      const values = metric.kind === Kind.COUNTER ? own.last : own.avg;
      // A percentage of the first GOHM is an integer, as Python rounds it.
      const whole = metric.exact === undefined ? Math.round : round;
      return integers(own.t, (i) => whole((values[i] ?? Number.NaN) * metric.scale));
    }
    return share(own, total);
  });
}

function share(used: Columns<"avg">, total: Columns<"avg"> | undefined): Samples {
  let j = 0;
  return integers(used.t, (i, at) => {
    while ((total?.t[j] ?? Number.POSITIVE_INFINITY) < at) j++;
    const size = total?.t[j] === at ? (total.avg[j] ?? 0) : 0;
    return size > 0 ? Math.trunc(((used.avg[i] ?? Number.NaN) / size) * 10_000) : Number.NaN;
  });
}

/** Converts to unsigned integers; values that do not fit are left out, so that none wraps around. */
function integers(times: Float64Array, value: (i: number, at: number) => number): Samples {
  const t = new Float64Array(times.length);
  const v = new Float64Array(times.length);
  let count = 0;
  for (let i = 0; i < times.length; i++) {
    const at = times[i] as number;
    const held = value(i, at);
    if (!fits(at, held)) continue;
    t[count] = at;
    v[count++] = held;
  }
  return { t: t.subarray(0, count), v: v.subarray(0, count) };
}

const day = 86_400_000;

/** Returns the start of the first day with samples of any of the series, in Unix ms; undefined if there are none. */
export async function firstDay(history: Pick<Store, "fold">, series: readonly SeriesId[], to: number) {
  const [days] = await history.fold({ groups: [series], range: { from: 0, to, step: day } });
  return days?.t[0];
}

const rounds = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
];

/** Returns the least round step that is not shorter; both in milliseconds. */
export function roundStep(least: number): number {
  const seconds = least / 1000;
  return 1000 * (rounds.find((step) => step >= seconds) ?? Math.ceil(seconds / 86_400) * 86_400);
}
