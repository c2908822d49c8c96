import { catalog, type Metric, value } from "../../../proto/catalog.ts";
import type { Level } from "../../../proto/device.ts";
import { byLevel } from "../../../proto/device.ts";
import { type GPUInfo, type ProcInfo, State, Throttle, Vendor } from "../../../proto/gen/host_pb.js";
import { isCounted, occupants, podOf, userOf } from "../../../proto/summary.ts";
import {
  cardFaults,
  harmfulThrottles,
  holdingProcs,
  keysOf,
  parentOf,
  selector,
  type Verdict,
  verdict,
} from "../../../proto/verdict.ts";
import type { CsvCell } from "../../csv/row.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { VendorName, v1Routes } from "../../route/v1.ts";
import { type HostFilter, inOrder, type SeenHost } from "../fleet.ts";

/** A card with its verdict, and since when it has been held without computing. */
export interface SeenCard {
  readonly seen: SeenHost;
  readonly gpu: GPUInfo;
  readonly parent: GPUInfo | undefined;
  readonly verdict: Verdict;
  /** Tells it from the other cards of its host (`keysOf`). */
  readonly key: string;
}

export interface CardFilter extends HostFilter {
  /** All where there are none. */
  readonly verdict?: readonly Verdict[];
  /** Part of the model. */
  readonly model?: string | undefined;
  readonly vendor?: VendorName | undefined;
  /** A user or pod that holds it. */
  readonly user?: string | undefined;
}

/** Cards of a host in the order of their indices, an instance behind its card. */
export function cardsOf(seen: SeenHost): SeenCard[] {
  const gpus = seen.info?.gpus ?? [];
  const keys = keysOf(gpus);
  return gpus
    .map((gpu, i) => {
      const parent = parentOf(gpus, gpu);
      return { seen, gpu, parent, verdict: verdict(gpu, seen.fresh, parent), key: keys[i] ?? "" };
    })
    .sort((a, b) => compareIndex(a, b) || inOrder(a.key, b.key));
}

/** Index of a card and number of an instance on it: 2003 is instance 3 of card 1. */
export function indexOf({ gpu: { id = 0 } }: SeenCard): readonly [number, number] {
  return id < 1000 ? [id, -1] : [Math.floor(id / 1000) - 1, id % 1000];
}

function compareIndex(a: SeenCard, b: SeenCard): number {
  const [[card, instance], [otherCard, otherInstance]] = [indexOf(a), indexOf(b)];
  return card - otherCard || instance - otherInstance;
}

/** Makes the test whether a card is one that a request is about. */
export function cardTest({ verdict: verdicts = [], model, vendor, user }: CardFilter): (card: SeenCard) => boolean {
  const part = model?.toLowerCase();
  return ({ gpu, verdict }) =>
    (verdicts.length === 0 || verdicts.includes(verdict)) &&
    (part === undefined || (gpu.name ?? "").toLowerCase().includes(part)) &&
    (vendor === undefined || vendorOf(gpu) === vendor) &&
    (user === undefined || occupants(gpu).includes(user));
}

const vendorNames: Readonly<Record<Vendor, VendorName | null>> = {
  [Vendor.UNSPECIFIED]: null,
  [Vendor.NVIDIA]: "nvidia",
  [Vendor.AMD]: "amd",
  [Vendor.INTEL]: "intel",
};

const vendorOf = ({ vendor = Vendor.UNSPECIFIED }: GPUInfo): VendorName | null => vendorNames[vendor] ?? null;

/** ISO 8601, UTC; null if it is unknown, 0, or none that a Date can hold. */
export function isoTime(ms: bigint | number | undefined): string | null {
  const date = new Date(Number(ms ?? 0));
  return !ms || Number.isNaN(date.getTime()) ? null : date.toISOString();
}

export const numberOf = (held: bigint | number | undefined): number | null =>
  held === undefined ? null : Number(held);

const metricsOf = byLevel((level): readonly Metric[] => catalog.filter((metric) => metric.level === level));

/** Every metric of a device that was measured, by its name. */
export const measured = (level: Level, message: object): Record<string, number> =>
  Object.fromEntries(
    metricsOf[level].flatMap((metric) => {
      const held = value(metric, message);
      return held === undefined ? [] : [[metric.name, held] as const];
    }),
  );

/** Reads a metric of a GPU with all its digits; null if it was not measured. */
function reader(name: string, factor = 1): (gpu: GPUInfo) => number | null {
  const metric = metricsOf.gpu.find((one) => one.name === name);
  if (metric === undefined) throw new Error(`There is no metric ${name}`);
  return (gpu) => {
    const held = value(metric, gpu);
    return held === undefined ? null : held / factor;
  };
}

export const utilizationOf = reader("gpu_utilization");
const temperatureOf = reader("gpu_temperature");
const wattsOf = reader("gpu_power", 1000);
const wattLimitOf = reader("gpu_power_limit", 1000);

/** Bytes of device memory that are free; undefined if unknown. */
export const freeMemoryOf = ({ memTotal, memUsed }: GPUInfo): number | undefined =>
  memTotal === undefined || memUsed === undefined ? undefined : Math.max(0, Number(memTotal - memUsed));

type CardRow = JsonAnswer<typeof v1Routes.listGpus>["gpus"][number];

/** What names a card in every answer. */
export const placeOf = ({
  seen,
  gpu,
}: SeenCard): Pick<CardRow, "host" | "shown_name" | "index" | "uuid" | "model"> => ({
  host: seen.host.name,
  shown_name: seen.shown,
  index: gpu.id ?? null,
  uuid: gpu.uuid || null,
  model: gpu.name || null,
});

/** A card as /api/v1/gpus has it. */
export function cardRow(card: SeenCard): CardRow {
  const { seen, gpu, parent, verdict, key } = card;
  const idle = seen.fresh ? seen.host.idle?.get(key) : undefined;
  const holding = new Set(holdingProcs(gpu));
  return {
    ...placeOf(card),
    group: seen.host.profile?.group ?? null,
    vendor: vendorOf(gpu),
    verdict,
    counted: isCounted(gpu),
    fresh: seen.fresh,
    sampled: isoTime(gpu.sampled ?? seen.info?.sampled ?? seen.host.seen),
    utilization_percent: utilizationOf(gpu),
    memory_total_bytes: numberOf(gpu.memTotal),
    memory_used_bytes: numberOf(gpu.memUsed),
    memory_free_bytes: numberOf(freeMemoryOf(gpu)),
    memory_shared: gpu.memoryShared === true,
    temperature_celsius: temperatureOf(gpu),
    power_watts: wattsOf(gpu),
    power_limit_watts: wattLimitOf(gpu),
    users: occupants(gpu),
    idle_since: isoTime(idle?.since),
    idle_or_longer: idle?.orLonger === true,
    faults: cardFaults(gpu, parent).map((fault) => ({
      kind: fault.kind,
      count: fault.count,
      of: "of" in fault ? fault.of : null,
      code: "code" in fault ? fault.code : null,
      time: isoTime("at" in fault ? fault.at : undefined),
    })),
    slowed_by: gpu.throttle.filter((reason) => harmfulThrottles.has(reason)).map((reason) => nameOf(Throttle, reason)),
    parent: gpu.parent ?? null,
    selector: selector(gpu),
    processes: gpu.procs.map((proc) => processRow(proc, holding.has(proc))),
    processes_unknown: gpu.procsUnknown === true,
    error: gpu.err || null,
  };
}

/** Pod that a process runs in: "namespace/pod". */
export function podOfProcess({ podName: pod, podNamespace: namespace }: ProcInfo): string | undefined {
  return pod ? podOf({ pod, ...(namespace === undefined ? {} : { namespace }) }) : undefined;
}

function processRow(proc: ProcInfo, holds: boolean): CardRow["processes"][number] {
  return {
    pid: proc.pid ?? null,
    user: userOf(proc),
    command: proc.basename || null,
    memory_bytes: numberOf(proc.mem),
    utilization_percent: proc.utilization ?? null,
    started: isoTime(proc.started),
    container: proc.container || null,
    pod: podOfProcess(proc) ?? null,
    job: proc.job || null,
    holds,
  };
}

/** Name of an enum's value in lower case: "hw_thermal". */
const nameOf = (names: Readonly<Record<number, string>>, at: number): string => (names[at] ?? String(at)).toLowerCase();

const readings = {
  [State.UNSPECIFIED]: null,
  [State.OK]: "ok",
  [State.STALE]: "stale",
  [State.HUNG]: "hung",
  [State.LOST]: "lost",
  [State.UNSUPPORTED]: "unsupported",
} as const;

/** State of a reading; null if the agent does not say. */
export const readingOf = (state: State | undefined): (typeof readings)[State] =>
  readings[state ?? State.UNSPECIFIED] ?? null;

/** Columns of cards in CSV. */
export const cardColumns: readonly (keyof CardRow)[] = [
  ...([
    "host",
    "shown_name",
    "group",
    "index",
    "uuid",
    "model",
    "vendor",
    "verdict",
    "counted",
    "fresh",
    "sampled",
  ] as const),
  ...([
    "utilization_percent",
    "memory_total_bytes",
    "memory_used_bytes",
    "memory_free_bytes",
    "memory_shared",
  ] as const),
  ...(["temperature_celsius", "power_watts", "power_limit_watts", "users", "idle_since", "idle_or_longer"] as const),
  ...(["faults", "slowed_by", "parent", "selector", "processes", "processes_unknown", "error"] as const),
];

/** A cell of a card in CSV: of faults their kinds, of processes how many there are. */
export function cardCell(row: CardRow, column: keyof CardRow): CsvCell {
  if (column === "faults") return row.faults.map(({ kind }) => kind);
  return column === "processes" ? row.processes.length : row[column];
}

/** Counts cards to compute on by verdict. */
export function countVerdicts(cards: readonly SeenCard[]): Record<Verdict, number> {
  const count = { free: 0, held: 0, busy: 0, broken: 0, unknown: 0 };
  for (const { gpu, verdict } of cards) if (isCounted(gpu)) count[verdict]++;
  return count;
}
