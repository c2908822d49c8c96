import { type Answer as Packed, unpackAnswer } from "../proto/history.ts";
import { bytes } from "./ask.ts";

/** One series: columns of equal length, oldest first, times in Unix milliseconds. */
export interface Series {
  /** What it is measured on, and which metric it is (`idOf`). */
  readonly id: string;
  readonly t: Float64Array;
  readonly min: Float64Array;
  readonly avg: Float64Array;
  readonly max: Float64Array;
}

export interface Answer {
  readonly from: number;
  readonly to: number;
  /** Milliseconds of one bucket; 0: every sample. */
  readonly step: number;
  /** By their ids. */
  readonly series: ReadonlyMap<string, Series>;
}

export interface Question {
  readonly host: string;
  /** Of any kind of device: a name belongs to one kind only. */
  readonly metrics: readonly string[];
  /** Uuids of GPUs, names of interfaces. */
  readonly keys: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Undefined lets the hub choose. */
  readonly step: number | undefined;
  /** Buckets at most where the hub chooses. */
  readonly most?: number;
}

export const idOf = ({ level, key, metric }: { level: string; key: string; metric: string }): string =>
  `${level} ${key} ${metric}`;

/** Buckets that the hub may choose at most: more than a chart has room for are not seen. */
const room = 500;
/**
 * Devices of one request: names of more would be longer than servers take, and an hour of samples of more of them, one a
 * second, is more points than the hub gives at once.
 */
const together = 32;

/** @throws Error with the hub's own words when it refuses. */
export async function ask(question: Question, signal: AbortSignal): Promise<Answer> {
  const { keys } = question;
  let answer = await askOnce({ ...question, keys: keys.slice(0, together) }, signal);
  for (let at = together; at < keys.length; at += together) {
    const { from, step } = answer;
    const more = await askOnce({ ...question, keys: keys.slice(at, at + together), from, step }, signal);
    answer = { ...answer, series: new Map([...answer.series, ...more.series]) };
  }
  return answer;
}

async function askOnce(question: Question, signal: AbortSignal): Promise<Answer> {
  const { host, metrics, keys, from, to, step, most = room } = question;
  const words = new URLSearchParams({
    host,
    metric: metrics.join(","),
    from: String(Math.floor(from)),
    to: String(Math.ceil(to)),
    ...(step === undefined ? { most: String(most) } : { step: String(step) }),
  });
  for (const key of keys) words.append("key", key);
  return read(unpackAnswer(await bytes(`api/history?${words}`, "application/x-protobuf", signal)));
}

function read({ from, to, step, series }: Packed): Answer {
  const none = new Float64Array();
  const all = series.map((one): [string, Series] => {
    const { min = none, avg = none, max = none } = one.columns;
    return [idOf(one), { id: idOf(one), t: one.t, min, avg, max }];
  });
  return { from, to, step, series: new Map(all) };
}

export type Range = "15m" | "1h" | "6h" | "24h" | "3d" | "10d" | "30d" | "1y" | "all";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/**
 * How long each range is, and how wide its buckets are: 240 to 480 of them, as many as a chart has room for. What has
 * neither begins with the first sample there is.
 */
export const ranges: Readonly<Record<Range, { readonly span?: number; readonly step?: number }>> = {
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
 * Columns that a chart takes: times in Unix seconds, then for each series average, least and greatest. null breaks the
 * line; undefined is a time at which only other series have a sample, over which the line goes on.
 */
export type Table = readonly [readonly number[], ...(readonly (number | null | undefined)[])[]];

/** What is drawn of a series. */
export interface Drawn {
  readonly series: Series | undefined;
  /** From the wire's unit to the chart's; negative draws it below the axis. */
  readonly factor: number;
}

export interface Pace {
  /** Milliseconds of one bucket; 0: every sample. */
  readonly step: number;
  /** Milliseconds between polls today: used only where the samples themselves do not tell. */
  readonly interval: number;
}

/** Puts series on one axis of times. The line of each breaks where the series was silent (`silences`). */
export function align(drawn: readonly Drawn[], pace: Pace): Table {
  const all = new Set<number>();
  const found: (readonly Silence[])[] = [];
  let before: { t: Float64Array; silences: readonly Silence[] } | undefined;
  for (const { series } of drawn) {
    const t = series?.t ?? new Float64Array();
    // One poll measures all devices: most series have the same times.
    if (before === undefined || !same(before.t, t)) {
      before = { t, silences: silences(t, pace) };
      for (const at of t) all.add(at);
      for (const { at } of before.silences) all.add(at);
    }
    found.push(before.silences);
  }
  const times = [...all].sort((a, b) => a - b);
  const place = new Map(times.map((at, i) => [at, i]));
  const columns = drawn.flatMap(({ series, factor }, i) => {
    const three = [0, 1, 2].map(() => new Array<number | null | undefined>(times.length).fill(undefined));
    if (series === undefined) return three;
    const rows = Array.from(series.t, (at) => place.get(at) ?? 0);
    // Below the axis the greatest is the lowest.
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

interface Silence {
  /** Place of the last sample before it. */
  readonly after: number;
  /** A time within it. */
  readonly at: number;
}

/** Spacings on each side that say how often samples came there. */
const near = 6;

/**
 * Where samples stayed away for longer than those around lead to expect: the interval of polls may have been another
 * one then, and a host may answer only every few polls. Of the spacings next to it, on the side where they are wider,
 * the third quartile counts: single samples that were missed do not make a silence, nor does an outage hide another.
 */
export function silences(t: Float64Array, { step, interval }: Pace): Silence[] {
  const spacings = t.subarray(1).map((at, i) => at - (t[i] ?? 0));
  const usual = (side: Float64Array): number => side.sort()[Math.floor((side.length - 1) * 0.75)] ?? 0;
  const found: Silence[] = [];
  for (const [after, spacing] of spacings.entries()) {
    const sides = [spacings.slice(Math.max(0, after - near), after), spacings.slice(after + 1, after + 1 + near)];
    // A single spacing may be a silence itself.
    const telling = sides.filter(({ length }) => length > 1);
    const around = Math.max(...(telling.length > 0 ? telling : sides).map(usual)) || interval;
    // Buckets are evenly apart, samples are not.
    const most = step > 0 ? 1.5 * Math.max(step, around) : 2.5 * around;
    if (spacing > most) found.push({ after, at: (t[after] ?? 0) + most / 2 });
  }
  return found;
}

/** What is held, with its end replaced by what was asked for later; samples before `from` fall out. */
export function extend(held: Answer, tail: Answer, from: number): Answer {
  const series = [...tail.series.values()].map((late): [string, Series] => {
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

/** How many of the times are before `at`. */
function count(t: Float64Array, at: number): number {
  const first = t.findIndex((one) => one >= at);
  return first === -1 ? t.length : first;
}

/** Time of the newest sample of all, or undefined when there is none: one poll measures all devices of a host at once. */
export function newest(answer: Answer): number | undefined {
  const last = [...answer.series.values()].flatMap(({ t }) => t.at(-1) ?? []);
  return last.length === 0 ? undefined : Math.max(...last);
}
