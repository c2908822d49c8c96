import { type HistoryAnswer as PackedHistory, unpackAnswer } from "../proto/history.ts";
import { fetchBytes } from "./ask.ts";

/** One series: columns of equal length, oldest first, times in Unix milliseconds. */
export interface ChartSeries {
  /** Device and metric, as `seriesId` writes them. */
  readonly id: string;
  readonly t: Float64Array;
  readonly min: Float64Array;
  readonly avg: Float64Array;
  readonly max: Float64Array;
}

export interface ChartData {
  readonly from: number;
  readonly to: number;
  /** Width of a bucket in milliseconds; 0 for single samples. */
  readonly step: number;
  /** Series by id. */
  readonly series: ReadonlyMap<string, ChartSeries>;
}

export interface ChartRequest {
  readonly host: string;
  /** Metrics of any kind of device: a name belongs to one kind only. */
  readonly metrics: readonly string[];
  /** Keys of devices: uuids of GPUs, names of interfaces. */
  readonly keys: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Width of a bucket in milliseconds; the hub chooses if undefined. */
  readonly step: number | undefined;
  /** Maximum number of buckets if the hub chooses the step. */
  readonly most?: number;
}

export const seriesId = ({ level, key, metric }: { level: string; key: string; metric: string }): string =>
  `${level} ${key} ${metric}`;

/** Maximum number of buckets if the hub chooses: a chart has no room for more. */
const room = 500;
/**
 * Maximum number of devices of one request. More keys would exceed the URL length that servers accept, and an hour of
 * samples of more devices, one a second, exceeds the hub's limit of points.
 */
const together = 32;

/** @throws Error with the hub's message if it refuses. */
export async function fetchChart(question: ChartRequest, signal: AbortSignal): Promise<ChartData> {
  const { keys } = question;
  let answer = await fetchPart({ ...question, keys: keys.slice(0, together) }, signal);
  for (let at = together; at < keys.length; at += together) {
    const { from, step } = answer;
    const more = await fetchPart({ ...question, keys: keys.slice(at, at + together), from, step }, signal);
    answer = { ...answer, series: new Map([...answer.series, ...more.series]) };
  }
  return answer;
}

async function fetchPart(question: ChartRequest, signal: AbortSignal): Promise<ChartData> {
  const { host, metrics, keys, from, to, step, most = room } = question;
  const words = new URLSearchParams({
    host,
    metric: metrics.join(","),
    from: String(Math.floor(from)),
    to: String(Math.ceil(to)),
    ...(step === undefined ? { most: String(most) } : { step: String(step) }),
  });
  for (const key of keys) words.append("key", key);
  return read(unpackAnswer(await fetchBytes(`api/history?${words}`, "application/x-protobuf", signal)));
}

function read({ from, to, step, series }: PackedHistory): ChartData {
  const none = new Float64Array();
  const all = series.map((one): [string, ChartSeries] => {
    const { min = none, avg = none, max = none } = one.columns;
    return [seriesId(one), { id: seriesId(one), t: one.t, min, avg, max }];
  });
  return { from, to, step, series: new Map(all) };
}

export type RangeName = "15m" | "1h" | "6h" | "24h" | "3d" | "10d" | "30d" | "1y" | "all";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/**
 * Length of each range and width of its buckets, which are 240 to 480, as many as a chart has room for. A range without
 * length begins with the oldest sample.
 */
export const ranges: Readonly<Record<RangeName, { readonly span?: number; readonly step?: number }>> = {
  "15m": { span: 15 * minute, step: 0 },
  "1h": { span: hour, step: 0 },
  "6h": { span: 6 * hour, step: minute },
  "24h": { span: day, step: 5 * minute },
  "3d": { span: 3 * day, step: 10 * minute },
  "10d": { span: 10 * day, step: 30 * minute },
  "30d": { span: 30 * day, step: 2 * hour },
  "1y": { span: 365 * day, step: day },
  all: {},
};

/**
 * Columns for a chart: times in Unix seconds, then average, minimum and maximum of each series. null breaks the line;
 * undefined marks a time at which only other series have a sample, which the line crosses.
 */
export type ChartTable = readonly [readonly number[], ...(readonly (number | null | undefined)[])[]];

/** A series and how it is drawn. */
export interface DrawnSeries {
  readonly series: ChartSeries | undefined;
  /** Factor for its values; a negative one draws it below the axis. */
  readonly factor: number;
}

export interface SampleSpacing {
  /** Width of a bucket in milliseconds; 0 for single samples. */
  readonly step: number;
  /** Current interval between polls in milliseconds, used if there are too few samples to derive it. */
  readonly interval: number;
}

/** Aligns series to one time axis. A line breaks at the gaps of its series. */
export function align(drawn: readonly DrawnSeries[], pace: SampleSpacing): ChartTable {
  const all = new Set<number>();
  const found: (readonly Gap[])[] = [];
  let before: { t: Float64Array; gaps: readonly Gap[] } | undefined;
  for (const { series } of drawn) {
    const t = series?.t ?? new Float64Array();
    // One poll reads all devices: most series have the same times.
    if (before === undefined || !same(before.t, t)) {
      before = { t, gaps: gaps(t, pace) };
      for (const at of t) all.add(at);
      for (const { at } of before.gaps) all.add(at);
    }
    found.push(before.gaps);
  }
  const times = [...all].sort((a, b) => a - b);
  const place = new Map(times.map((at, i) => [at, i]));
  const columns = drawn.flatMap(({ series, factor }, i) => {
    const three = [0, 1, 2].map(() => new Array<number | null | undefined>(times.length).fill(undefined));
    if (series === undefined) return three;
    const rows = Array.from(series.t, (at) => place.get(at) ?? 0);
    // Below the axis the maximum is the lower edge.
    const edges = factor < 0 ? [series.max, series.min] : [series.min, series.max];
    for (const [c, column] of [series.avg, ...edges].entries()) {
      const target = three[c];
      if (target === undefined) continue;
      for (const [n, row] of rows.entries()) {
        const value = column[n];
        target[row] = value === undefined || Number.isNaN(value) ? null : value * factor;
      }
      for (const { after } of found[i] ?? []) target.fill(null, (rows[after] ?? 0) + 1, rows[after + 1]);
    }
    return three;
  });
  return [times.map((at) => at / 1000), ...columns];
}

const same = (one: Float64Array, other: Float64Array): boolean =>
  one.length === other.length && one.every((at, i) => at === other[i]);

interface Gap {
  /** Index of the last sample before it. */
  readonly after: number;
  /** A time within it. */
  readonly at: number;
}

/** Number of spacings on each side from which the usual one is derived. */
const near = 6;

/**
 * Finds gaps: spacings much wider than usual nearby. The interval of polls may have changed, and a host may answer only
 * every few polls, so the usual spacing is the third quartile of those next to the gap, on the side where they are wider:
 * single missed samples make no gap, and one outage does not hide another.
 */
export function gaps(t: Float64Array, { step, interval }: SampleSpacing): Gap[] {
  const spacings = t.subarray(1).map((at, i) => at - (t[i] ?? 0));
  const usual = (side: Float64Array): number => side.sort()[Math.floor((side.length - 1) * 0.75)] ?? 0;
  const found: Gap[] = [];
  for (const [after, spacing] of spacings.entries()) {
    const sides = [spacings.slice(Math.max(0, after - near), after), spacings.slice(after + 1, after + 1 + near)];
    // A single spacing may be a gap itself.
    const telling = sides.filter(({ length }) => length > 1);
    const around = Math.max(...(telling.length > 0 ? telling : sides).map(usual)) || interval;
    // Buckets are evenly spaced, samples are not.
    const most = step > 0 ? 1.5 * Math.max(step, around) : 2.5 * around;
    if (spacing > most) found.push({ after, at: (t[after] ?? 0) + most / 2 });
  }
  return found;
}

/** Replaces the end of loaded data by newer data, and drops samples before `from`. */
export function extend(held: ChartData, tail: ChartData, from: number): ChartData {
  const series = [...tail.series.values()].map((late): [string, ChartSeries] => {
    const early = held.series.get(late.id);
    if (early === undefined) return [late.id, late];
    const begin = count(early.t, from);
    const end = Math.max(begin, count(early.t, tail.from));
    const joined = (column: "t" | "min" | "avg" | "max"): Float64Array => {
      const kept = early[column].subarray(begin, end);
      const made = new Float64Array(kept.length + late[column].length);
      made.set(kept);
      made.set(late[column], kept.length);
      return made;
    };
    return [late.id, { id: late.id, t: joined("t"), min: joined("min"), avg: joined("avg"), max: joined("max") }];
  });
  return { from, to: tail.to, step: tail.step, series: new Map(series) };
}

/** Number of times before `at`. */
function count(t: Float64Array, at: number): number {
  const first = t.findIndex((one) => one >= at);
  return first === -1 ? t.length : first;
}

/** Time of the newest sample of any series; undefined if there is none. One poll reads all devices of a host. */
export function newestSample(answer: ChartData): number | undefined {
  const last = [...answer.series.values()].flatMap(({ t }) => t.at(-1) ?? []);
  return last.length === 0 ? undefined : Math.max(...last);
}
