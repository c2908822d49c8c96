/** One series as the hub's /api/history gives it: columns of equal length, oldest first, times in Unix milliseconds. */
export interface Series {
  readonly metric: string;
  readonly t: readonly number[];
  readonly min: readonly (number | null)[];
  readonly avg: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

export interface Answer {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly series: readonly Series[];
}

export interface Question {
  readonly host: string;
  readonly level: "host" | "gpu" | "nic" | "disk";
  readonly key: string;
  readonly metrics: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Milliseconds of one bucket; 0 gives every sample. */
  readonly step: number;
}

/** @throws Error with the hub's own words when it refuses. */
export async function ask(question: Question, signal: AbortSignal): Promise<Answer> {
  const { host, level, key, metrics, from, to, step } = question;
  const words = new URLSearchParams({
    host,
    level,
    key,
    metric: metrics.join(","),
    from: String(Math.floor(from)),
    to: String(Math.ceil(to)),
    step: String(step),
  });
  const answer = await fetch(`api/history?${words}`, { signal });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  return (await answer.json()) as Answer;
}

export type Range = "15m" | "1h" | "6h" | "24h" | "3d" | "10d";

const minute = 60_000;
const hour = 60 * minute;

/** How long each range is, and how wide its buckets are: 240 to 480 of them, as many as a chart has room for. */
export const ranges: Readonly<Record<Range, { readonly span: number; readonly step: number }>> = {
  "15m": { span: 15 * minute, step: 0 },
  "1h": { span: hour, step: 0 },
  "6h": { span: 6 * hour, step: minute },
  "24h": { span: 24 * hour, step: 5 * minute },
  "3d": { span: 72 * hour, step: 10 * minute },
  "10d": { span: 240 * hour, step: 30 * minute },
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
        if (target !== undefined) target[row] = value === null || value === undefined ? null : value * factor;
      });
    });
    return three;
  });
  return [times.map((at) => at / 1000), ...columns];
}

/** What is held, with its end replaced by what was asked for later; samples before `from` fall out. */
export function extend(held: Answer, tail: Answer, from: number): Answer {
  const series = tail.series.map((late): Series => {
    const early = held.series.find((one) => one.metric === late.metric);
    if (early === undefined) return late;
    const first = early.t.findIndex((at) => at >= from);
    const cut = early.t.findIndex((at) => at >= tail.from);
    const range = [first === -1 ? early.t.length : first, cut === -1 ? early.t.length : cut] as const;
    return {
      metric: late.metric,
      t: [...early.t.slice(...range), ...late.t],
      min: [...early.min.slice(...range), ...late.min],
      avg: [...early.avg.slice(...range), ...late.avg],
      max: [...early.max.slice(...range), ...late.max],
    };
  });
  return { from, to: tail.to, step: tail.step, series };
}

/** Time of the newest sample of any series, or undefined when there is none. */
export function newest(answer: Answer): number | undefined {
  const last = answer.series.flatMap((one) => one.t.at(-1) ?? []);
  return last.length === 0 ? undefined : Math.min(...last);
}
