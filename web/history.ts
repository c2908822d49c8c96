import { type Answer as Packed, unpackAnswer } from "../proto/history.ts";

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
}

export const idOf = ({ level, key, metric }: { level: string; key: string; metric: string }): string =>
  `${level} ${key} ${metric}`;

/** Buckets that the hub may choose at most: more than a chart has room for are not seen. */
const most = 500;
/** A request with the names of more devices than this would be longer than servers take: then all are asked for. */
const named = 100;

/** @throws Error with the hub's own words when it refuses. */
export async function ask(question: Question, signal: AbortSignal): Promise<Answer> {
  const { host, metrics, keys, from, to, step } = question;
  const words = new URLSearchParams({
    host,
    metric: metrics.join(","),
    from: String(Math.floor(from)),
    to: String(Math.ceil(to)),
    ...(step === undefined ? { most: String(most) } : { step: String(step) }),
  });
  if (keys.length <= named) for (const key of keys) words.append("key", key);
  const answer = await fetch(`api/history?${words}`, { signal, headers: { Accept: "application/x-protobuf" } });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  return read(unpackAnswer(new Uint8Array(await answer.arrayBuffer())));
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

/** Columns that a chart takes: times in Unix seconds, then for each series average, least and greatest; null is a gap. */
export type Table = readonly [readonly number[], ...(readonly (number | null)[])[]];

/**
 * Puts series on one axis of times. Where all are silent for longer than `apart` milliseconds a row of nulls is put in,
 * so that the line breaks instead of bridging what nobody measured. `factor` goes from the wire's unit to the chart's.
 */
export function align(series: readonly (Series | undefined)[], apart: number, factor = 1): Table {
  const all = new Set<number>();
  for (const one of series) for (const at of one?.t ?? []) all.add(at);
  const times: number[] = [];
  for (const at of [...all].sort((a, b) => a - b)) {
    const last = times.at(-1);
    if (last !== undefined && at - last > apart) times.push(last + apart / 2);
    times.push(at);
  }
  const place = new Map(times.map((at, i) => [at, i]));
  const columns = series.flatMap((one) => {
    const three = [0, 1, 2].map(() => new Array<number | null>(times.length).fill(null));
    one?.t.forEach((at, i) => {
      const row = place.get(at) ?? 0;
      [one.avg, one.min, one.max].forEach((column, c) => {
        const value = column[i];
        const target = three[c];
        if (target !== undefined && value !== undefined && !Number.isNaN(value)) target[row] = value * factor;
      });
    });
    return three;
  });
  return [times.map((at) => at / 1000), ...columns];
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
