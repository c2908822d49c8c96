import { add, type Buckets, bucketsOf, emptyBuckets, summarize } from "../bucket.ts";
import { byMetric, deviceOf, type Frame, Merger } from "../frame.ts";
import { blockMs, blocksPerDay, bucketOf, bucketsInRow, spanOf, type Tier, timesRow } from "../key.ts";
import type { Host, Metric, Names } from "../names.ts";
import { bucketsData, type Entry, type Rows, samplesData, timesData } from "../row.ts";
import type { Work } from "../turns.ts";

/** What was let go of already, where late samples come. */
export interface Expired {
  /** Samples of the block: what comes is added to its summaries. */
  readonly raw: boolean;
  /** The 5-minute summaries of the day: what comes is added to its hours and itself. */
  readonly five: boolean;
}

/** A row of more devices than this takes a step of its own to make. */
const wide = 64;

/** Buckets of one metric by device. */
type Series = Map<number, Buckets>;

/** Turns what memory holds of a block into rows, and rows of 5 minutes into those of hours and days. */
export class Compactor {
  readonly #rows: Rows;
  readonly #names: Names;

  constructor(rows: Rows, names: Names) {
    this.#rows = rows;
    this.#names = names;
  }

  /**
   * Rows of a block, which replace those that are there and have taken what they held; nothing is written yet. A metric
   * at a time: all of a host of thousands of devices take more memory, and longer, than there is for one step.
   * @param fresh what is new, oldest first
   */
  *block(host: Host, block: number, { fresh, expired }: { fresh: readonly Frame[]; expired: Expired }): Work<Entry[]> {
    const devices = namesOf(host);
    const times = expired.raw ? undefined : this.#rows.times(host.id, block);
    // Without its samples, let go or damaged, a block cannot be summed up anew: what comes is added.
    const whole = times !== undefined || !this.#summed(host, block);
    const raw = !expired.raw && whole;
    const merger = new Merger([...(times ? [times] : []), ...fresh.map((frame) => frame.times)]);
    const news = fresh.map(({ columns }) => byMetric(columns));
    yield;
    const rows: Entry[] = raw
      ? [this.#row("raw", { block, host, metric: timesRow }, timesData(merger.times, block))]
      : [];
    const places = bucketsOf(merger.times, block * blockMs, bucketOf.five);
    for (const metric of [...this.#names.metrics()].sort((a, b) => a.id - b.id)) {
      const held = times && this.#rows.frame({ host: host.id, block, metrics: [metric.id], devices })?.columns;
      const merged = merger.columns([...(times ? [held] : []), ...news.map((part) => part.get(metric.id))]);
      if (merged.size === 0) continue;
      const columns = [...merged].map(([id, values]): [number, Float64Array] => [deviceOf(id), values]);
      columns.sort(([one], [other]) => one - other);
      const at = { block, host, metric: metric.id };
      if (raw) {
        if (columns.length > wide) yield;
        rows.push(this.#row("raw", at, samplesData(columns, merger.times.length)));
        if (columns.length > wide) yield;
      }
      const five: Series = new Map();
      for (const [device, values] of columns)
        five.set(device, summarize(values, places, { length: bucketsInRow, of: metric }));
      if (expired.five) rows.push(...this.#late(five, { host, block, metric }));
      else rows.push(this.#row("five", at, dataOf(whole ? five : this.#added("five", five, { host, block, metric }))));
      yield;
    }
    return rows;
  }

  /** Rows of the hours of a day and of the day itself, from those of 5 minutes. */
  *day(host: Host, day: number): Work<Entry[]> {
    const rows: Entry[] = [];
    const start = day * bucketOf.day;
    const known = namesOf(host);
    for (const metric of this.#names.metrics()) {
      const hours: Series = new Map();
      for (let i = 0; i < blocksPerDay; i++) {
        const block = day * blocksPerDay + i;
        const five = this.#rows.buckets({ table: "five", span: block, host: host.id, metric: metric.id });
        const first = (i * blockMs) / bucketOf.hour;
        for (const [device, buckets] of five ?? []) {
          if (!known.has(device)) continue;
          const to = hours.get(device) ?? emptyBuckets(bucketOf.day / bucketOf.hour);
          hours.set(device, to);
          foldInto(to, { first, from: buckets, ratio: bucketOf.hour / bucketOf.five, of: metric });
        }
      }
      if (hours.size > wide) yield;
      if (hours.size === 0) continue;
      const at = { host, block: day * blocksPerDay, metric };
      rows.push(this.#placed("hour", start, { fresh: hours, ...at }));
      rows.push(this.#placed("day", start, { fresh: folded(hours, 24, metric), ...at }));
      yield;
    }
    return rows;
  }

  /** Whether samples of a block were summed up before. */
  #summed({ id: host, first, last }: Host, block: number): boolean {
    if (block < first || block > last) return false;
    for (const metric of this.#names.metricIds()) {
      if (this.#rows.has({ table: "five", span: block, host, metric })) return true;
    }
    return false;
  }

  #row(
    table: Entry["table"],
    { block, host, metric }: { block: number; host: Host; metric: number },
    data: Uint8Array,
  ): Entry {
    return { table, span: block, host: host.id, metric, data };
  }

  /** What came too late for the 5-minute summaries, added to the hours and the day. */
  #late(five: Series, of: { host: Host; block: number; metric: Metric }): Entry[] {
    const hours = folded(five, bucketOf.hour / bucketOf.five, of.metric);
    const day = folded(hours, blockMs / bucketOf.hour, of.metric);
    const start = of.block * blockMs;
    const row = (tier: Tier, series: Series): Entry => ({
      table: tier,
      span: spanOf(tier, start),
      host: of.host.id,
      metric: of.metric.id,
      data: dataOf(this.#added(tier, series, of)),
    });
    return [row("hour", hours), row("day", day)];
  }

  /** Buckets of a summary with others, from the start of a block on, added to them. */
  #added(tier: Tier, fresh: Series, { host, block, metric }: { host: Host; block: number; metric: Metric }): Series {
    const start = block * blockMs;
    const { series, first } = this.#held(tier, start, { host, metric });
    for (const [device, from] of fresh) {
      const to = series.get(device) ?? emptyBuckets(bucketsInRow);
      series.set(device, to);
      for (let i = 0; i < from.count.length; i++)
        add({ buckets: to, place: first + i }, { buckets: from, place: i }, metric);
    }
    return series;
  }

  /**
   * The row of a summary with other buckets, from a time on, in place of those that were there. One that tells of more
   * samples stays: what it was made from is not there any more.
   */
  #placed(tier: Tier, start: number, { fresh, host, metric }: { fresh: Series; host: Host; metric: Metric }): Entry {
    const { series, first } = this.#held(tier, start, { host, metric });
    for (const [device, from] of fresh) {
      const to = series.get(device) ?? emptyBuckets(bucketsInRow);
      series.set(device, to);
      for (let i = 0; i < from.count.length; i++) {
        if ((from.count[i] ?? 0) < (to.count[first + i] ?? 0)) continue;
        for (const name of ["count", "min", "max", "sum"] as const) to[name][first + i] = from[name][i] ?? Number.NaN;
      }
    }
    return { table: tier, span: spanOf(tier, start), host: host.id, metric: metric.id, data: dataOf(series) };
  }

  #held(
    tier: Tier,
    start: number,
    { host, metric }: { host: Host; metric: Metric },
  ): { series: Series; first: number } {
    const span = spanOf(tier, start);
    const series = this.#rows.buckets({ table: tier, span, host: host.id, metric: metric.id }) ?? new Map();
    const known = namesOf(host);
    for (const device of series.keys()) if (!known.has(device)) series.delete(device);
    return { series, first: Math.floor(start / bucketOf[tier]) - span * bucketsInRow };
  }
}

/** Ids of the devices that a host has: what is held of others, which were forgotten, is left out of what is written. */
const namesOf = (host: Host): ReadonlySet<number> => new Set(Array.from(host.devices.values(), ({ id }) => id));

const dataOf = (series: Series): Uint8Array => bucketsData([...series].sort(([a], [b]) => a - b));

/** `ratio` buckets each become one. */
function folded(series: Series, ratio: number, of: Metric): Series {
  const coarse: Series = new Map();
  for (const [device, from] of series) {
    const to = emptyBuckets(Math.ceil(from.count.length / ratio));
    foldInto(to, { first: 0, from, ratio, of });
    coarse.set(device, to);
  }
  return coarse;
}

function foldInto(
  to: Buckets,
  { first, from, ratio, of }: { first: number; from: Buckets; ratio: number; of: Metric },
): void {
  for (let i = 0; i < from.count.length; i++) {
    add({ buckets: to, place: first + Math.floor(i / ratio) }, { buckets: from, place: i }, of);
  }
}
