import { cause, SourceFault } from "../cause.ts";
import { some } from "../history/series.ts";
import { type Columns, checkSignal, type HistoryReader, type KnownDevice } from "../history/store.ts";
import { gpuOf, list } from "./check.ts";
import { issue } from "./issue.ts";
import type { DataIssue, ReadNode, ReportCard, ReportDay, ReportNode, ReportRow } from "./report.ts";
import { intervalSec } from "./report.ts";

const dayMs = 86_400_000;
const intervalMs = 1000 * intervalSec;
/** The smallest summaries of history: they divide every day of a zone, as offsets are quarters of an hour. */
const summaryMs = 300_000;
/** Greatest index of a GPU that a report may have, and most cards. */
const mostIndex = 99_999;
const mostCards = 256;
/** Buckets of one series in a day of 25 hours, and some more. */
const most = 400;

const metrics = { gpu: "gpu_utilization", used: "gpu_memory_used", total: "gpu_memory_total" } as const;
type Part = keyof typeof metrics;
const parts = Object.keys(metrics) as readonly Part[];

export interface HistorySource {
  readonly history: HistoryReader;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** The host that a name means, which may be the one that is shown. */
  readonly keyOf?: (name: string) => string;
}

/** Points of one series of a device by the beginning of their bucket, with how many samples each has. */
type Points = Pick<Columns<"avg" | "count">, "t" | "avg" | "count">;
type DevicePoints = Readonly<Record<Part, Points>>;

/**
 * Reads days of hosts from history: of GPUs of any vendor the mean utilization, and the mean of used memory in percent of the
 * mean total. Means are exact as long as the summaries of five minutes are kept; after them an hour has one row.
 */
export const historyReader =
  ({ history, now, keyOf = (name) => name }: HistorySource): ReadNode =>
  async (node, day, signal) => {
    const host = keyOf(node.host ?? "");
    const known = await history.known({ host, level: "gpu" }, signal);
    checkSignal(signal);
    if (known.length === 0) throw await unknownHost(history, node, signal);
    const wanted = cardsOf(node, day, known);
    const devices = wanted.flatMap((card) => card.devices);
    const points = await pointsOf(history, devices, { day, signal });
    const issues: DataIssue[] = [];
    const until = Math.min(day.to, Math.floor(now() / 1000));
    const memoryless: ReportCard[] = [];
    const cards = wanted.map(({ index, card, devices }): ReportCard => {
      const all = devices.flatMap((device) => points.get(device.key) ?? []);
      const rows = rowsOf(all, day).filter(({ at }) => at <= until);
      const read = { index, card, rows: rows.length === 0 ? undefined : rows };
      if (rows.length > 0 && all.every(({ total }) => total.t.length === 0)) memoryless.push(read);
      return read;
    });
    if (memoryless.length > 0) {
      const count = memoryless.reduce((sum, { rows = [] }) => sum + rows.length, 0);
      issues.push(issue("values_no_vram", { gpus: list(memoryless.map(gpuOf)), count }));
    }
    if (cards.every(({ rows }) => rows === undefined)) issues.push(issue("history_empty", { host: node.host ?? "" }));
    return { node, day, cards, issues };
  };

async function unknownHost(
  history: HistoryReader,
  { host = "" }: ReportNode,
  signal: AbortSignal,
): Promise<SourceFault> {
  const all = await history.known({ level: "gpu" }, signal);
  const hosts = [...new Set(all.map((device) => device.host))].sort();
  return new SourceFault(cause("host_without_gpus", { host, hosts: some(hosts) }));
}

/** A card of the report, with the devices that had its index: after a swap those that had it before, too. */
interface WantedCard {
  readonly index: number;
  readonly card: number;
  /** The one seen last first. */
  readonly devices: readonly KnownDevice[];
}

/**
 * Cards of a day: those of the settings; else those that were there on it or since; if none was, those that the host had
 * last.
 */
function cardsOf({ cards }: ReportNode, day: ReportDay, known: readonly KnownDevice[]): WantedCard[] {
  const byIndex = new Map<number, KnownDevice[]>();
  const sorted = known.toSorted((a, b) => b.last - a.last);
  for (const device of sorted) {
    const { index } = device;
    if (index === undefined || index > mostIndex) continue;
    const others = byIndex.get(index);
    if (others === undefined) byIndex.set(index, [device]);
    else others.push(device);
  }
  if (cards !== undefined) return cards.map((card, index) => ({ index, card, devices: byIndex.get(index) ?? [] }));
  const newest = sorted[0]?.last ?? 0;
  const since = Math.min(1000 * day.from, newest - dayMs);
  return [...byIndex]
    .filter(([, devices]) => (devices[0]?.last ?? 0) >= since)
    .sort(([a], [b]) => a - b)
    .slice(0, mostCards)
    .map(([index, devices]) => ({ index, card: index, devices }));
}

/** Reads the points of devices, by their keys. */
async function pointsOf(
  history: HistoryReader,
  devices: readonly KnownDevice[],
  { day, signal }: { readonly day: ReportDay; readonly signal: AbortSignal },
): Promise<Map<string, DevicePoints>> {
  const range = { from: 1000 * day.from, to: 1000 * day.to, step: stepOf(day) };
  const found = new Map<string, DevicePoints>();
  for (const device of devices) {
    // One device at a time: a host may have had hundreds.
    if (device.last < range.from || found.has(device.key)) continue;
    const { host, level, key } = device;
    const series = parts.map((part) => ({ host, level, key, metric: metrics[part] }));
    const [gpu, used, total] = await history.read({ series, range, of: ["avg", "count"], most }, signal);
    checkSignal(signal);
    if (gpu !== undefined && used !== undefined && total !== undefined) found.set(key, { gpu, used, total });
  }
  return found;
}

/** Milliseconds of a bucket: buckets are counted from the epoch, and local days may begin at a quarter of an hour. */
const stepOf = ({ from }: ReportDay): number => (from % intervalSec === 0 ? intervalMs : summaryMs);

/** Rows of a card: of each interval the means of the first of its devices that has some. */
function rowsOf(devices: readonly DevicePoints[], day: ReportDay): ReportRow[] {
  const rows = new Map<number, ReportRow>();
  for (const { gpu, used, total } of devices) {
    const memory = meansOf(used, day);
    const size = meansOf(total, day);
    for (const [at, mean] of meansOf(gpu, day)) {
      if (rows.has(at)) continue;
      const whole = size.get(at) ?? 0;
      rows.set(at, { at, gpu: mean, vram: whole > 0 ? ((memory.get(at) ?? 0) / whole) * 100 : 0 });
    }
  }
  return [...rows.values()].sort((a, b) => a.at - b.at);
}

/** Means of the samples by the end of their interval, in Unix seconds. */
function meansOf({ t, avg, count }: Points, { from }: ReportDay): Map<number, number> {
  const sums = new Map<number, { mean: number; samples: number }>();
  for (const [i, time] of t.entries()) {
    const mean = avg[i] ?? 0;
    const samples = count[i] ?? 0;
    const at = from + (Math.floor((time / 1000 - from) / intervalSec) + 1) * intervalSec;
    const before = sums.get(at) ?? { mean, samples: 0 };
    const all = before.samples + samples;
    sums.set(at, { mean: before.mean + ((mean - before.mean) * samples) / all, samples: all });
  }
  return new Map([...sums].map(([at, { mean }]) => [at, mean]));
}
