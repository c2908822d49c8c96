import { catalog, type Metric } from "../../proto/catalog.ts";
import { Fault } from "../fault.ts";
import type { Known, Range, Store } from "./store.ts";

/** Host name → indices of the GPUs it has now. */
export type Present = ReadonlyMap<string, readonly number[]>;

/** A series as History.GetHistory names it, found. */
export interface Wanted {
  readonly host: string;
  readonly level: "gpu" | "host";
  readonly key: string;
  /** Memory in use as ten thousandths of memory installed, or a metric of the catalogue. */
  readonly metric: "gpumem" | Metric;
}

/** Columns in the units of the wire: Unix nanoseconds, and integers in unit and scale of docs/metrics.md. */
export interface Integers {
  readonly t: bigint[];
  readonly v: bigint[];
}

const kept = catalog.filter((metric) => metric.keep);

/** Type names that a GPU's or a host's series may have. */
export function typesOf(level: "gpu" | "host"): string[] {
  const own = kept.filter((metric) => metric.level === level);
  const legacy = own.flatMap((metric) => metric.legacy || []);
  return [...(level === "gpu" ? ["gpumem"] : []), ...legacy, ...own.map(({ name }) => name)];
}

function metricOf(level: "gpu" | "host", type: string): Wanted["metric"] | undefined {
  if (type === "") return undefined;
  if (level === "gpu" && type === "gpumem") return "gpumem";
  return kept.find((metric) => metric.level === level && (metric.name === type || metric.legacy === type));
}

/** GPUs of history, one for each index of a host: the one seen last, where cards were swapped. */
export function gpusOf(known: readonly Known[], host: string): Map<number, Known> {
  const gpus = new Map<number, Known>();
  for (const device of known) {
    if (device.host !== host || device.level !== "gpu" || device.index === undefined) continue;
    const other = gpus.get(device.index);
    if (other === undefined || other.last <= device.last) gpus.set(device.index, device);
  }
  return gpus;
}

/**
 * Finds "<server>_<gpu id>" or "<server>". A server may itself be called "a_0": whether the GPU or the host is meant
 * then shows in the type, as no type is both.
 * @throws Fault host_unknown, device_unknown, metric_unknown
 */
export function find(asked: { id: string; type: string }, known: readonly Known[], present: Present): Wanted {
  const { id, type } = asked;
  const hosts = new Set([...present.keys(), ...known.map(({ host }) => host)]);
  const [, name = "", index = ""] = /^(.+)_(\d{1,9})$/.exec(id) ?? [];
  const levels = [...(hosts.has(name) ? ["gpu" as const] : []), ...(hosts.has(id) ? ["host" as const] : [])];
  if (levels.length === 0) {
    throw new Fault(
      "host_unknown",
      `There is no "${id}": ids are <server>_<gpu id> and <server>, servers are ${some([...hosts])}`,
    );
  }
  for (const level of levels) {
    const metric = metricOf(level, type);
    if (metric === undefined) continue;
    if (level === "host") return { host: id, level, key: "", metric };
    return { host: name, level, key: gpuKey(name, Number(index), { known, present }), metric };
  }
  const allowed = levels.map((level) => `of a ${level === "gpu" ? "GPU" : "host"} ${typesOf(level).join(", ")}`);
  throw new Fault("metric_unknown", `There is no type "${type}" for "${id}": types are ${allowed.join("; ")}`);
}

function gpuKey(
  host: string,
  index: number,
  { known, present }: { known: readonly Known[]; present: Present },
): string {
  const gpus = gpusOf(known, host);
  const found = gpus.get(index);
  if (found) return found.key;
  const now = present.get(host) ?? [];
  // Seen, but never measured: it has a series, and nothing is in it.
  if (now.includes(index)) return "";
  const ids = [...new Set([...gpus.keys(), ...now])].sort((a, b) => a - b).map((n) => `${host}_${n}`);
  throw new Fault("device_unknown", `There is no GPU ${index} on "${host}": its GPUs are ${some(ids)}`);
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "(none)";
  return names.length > 20 ? `${names.slice(0, 20).join(", ")} and ${names.length - 20} more` : names.join(", ");
}

/** Every sample of a series within the range. What cannot be an unsigned integer is left out: it must not wrap around. */
export function integers(history: Pick<Store, "read">, wanted: Wanted, range: Range): Integers {
  const { host, level, key, metric } = wanted;
  const read = (name: string) => history.read({ host, level, key, metric: name }, { ...range, step: 0 });
  const t: bigint[] = [];
  const v: bigint[] = [];
  const add = (at: number, value: number): void => {
    if (!Number.isSafeInteger(value) || value < 0) return;
    t.push(BigInt(at) * 1_000_000n);
    v.push(BigInt(value));
  };
  if (metric !== "gpumem") {
    const { t: times, avg } = read(metric.name);
    for (const [i, at] of times.entries()) add(at, Math.round((avg[i] ?? Number.NaN) * metric.scale));
    return { t, v };
  }
  const used = read("gpu_memory_used");
  const total = read("gpu_memory_total");
  let j = 0;
  for (const [i, at] of used.t.entries()) {
    while ((total.t[j] ?? Number.POSITIVE_INFINITY) < at) j++;
    const size = total.t[j] === at ? (total.avg[j] ?? 0) : 0;
    if (size > 0) add(at, Math.trunc(((used.avg[i] ?? Number.NaN) / size) * 10_000));
  }
  return { t, v };
}
