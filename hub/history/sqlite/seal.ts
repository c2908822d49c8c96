import { add, type Buckets, bucketsOf, byMetric, clear, emptyBuckets, summarize } from "./bucket.ts";
import type { Host, Metric, Names } from "./names.ts";
import { bucketsData, type Row, type Rows, samplesData, timesData } from "./rows.ts";
import { deviceOf, merge, metricOf, type Sheet } from "./sheet.ts";
import { bucketOf, bucketsInRow, rowKey, spanOf, type Tier, timesRow, windowLength } from "./span.ts";

/** Buckets of one metric by device. */
type Series = Map<number, Buckets>;

/** Turns what memory holds of a window into rows. */
export class Sealer {
  readonly #rows: Rows;
  readonly #names: Names;
  readonly #metrics = new Map<number, Metric>();

  constructor(rows: Rows, names: Names) {
    this.#rows = rows;
    this.#names = names;
  }

  /**
   * Rows of a window, which replace those that are there and have taken what they held; nothing is written yet.
   * @param fresh what is new, oldest first
   * @param gone samples of that window have been let go of already: what comes now is added to the summaries only
   */
  seal(host: Host, window: number, { fresh, gone }: { fresh: readonly Sheet[]; gone: boolean }): Row[] {
    for (const metric of this.#names.metrics()) this.#metrics.set(metric.id, metric);
    const held = gone ? undefined : this.#rows.sheet(host.id, window, this.#metrics.keys());
    const sheet = merge(held ? [held, ...fresh] : fresh);
    // Without its samples a window cannot be summed up anew.
    const whole = held !== undefined || !this.#summed(host.id, window);
    const rows: Row[] = [];
    if (!gone) {
      rows.push({ table: "raw", key: rowKey(window, host.id, timesRow), data: timesData(sheet.times, window) });
    }
    const places = bucketsOf(sheet.times, window * windowLength, bucketOf.five);
    for (const [id, columns] of byMetric(sheet, { metricOf, deviceOf })) {
      const metric = this.#metrics.get(id);
      if (metric === undefined) continue;
      if (!gone) {
        rows.push({ table: "raw", key: rowKey(window, host.id, id), data: samplesData(columns, sheet.times.length) });
      }
      const five = new Map(
        columns.map(([device, values]) => [device, summarize(values, places, { length: bucketsInRow, of: metric })]),
      );
      rows.push(...this.#summaries(five, { host: host.id, window, metric, whole }));
    }
    return rows;
  }

  /** Whether samples of a window were summed up before. */
  #summed(host: number, window: number): boolean {
    for (const metric of this.#metrics.keys()) {
      if (this.#rows.has({ table: "five", span: window, host, metric })) return true;
    }
    return false;
  }

  /** The rows of each summary, `five` holding what is new. */
  #summaries(five: Series, of: { host: number; window: number; metric: Metric; whole: boolean }): Row[] {
    const { host, window, metric, whole } = of;
    const start = window * windowLength;
    const hours = fold(five, { from: "five", to: "hour", first: 0, length: bucketsInRow, of: metric });
    const hour = this.#placed("hour", hours, { ...of, length: windowLength / bucketOf.hour });
    const day = whole
      ? fullDay(hour, start, metric)
      : fold(hours, { from: "hour", to: "day", first: 0, length: 4, of: metric });
    const days = this.#placed("day", day, { ...of, length: 1 });
    const fives = whole ? five : this.#placed("five", five, { ...of, length: bucketsInRow });
    const row = (tier: Tier, series: Series): Row => ({
      table: tier,
      key: rowKey(spanOf(tier, start), host, metric.id),
      data: bucketsData([...series].sort(([a], [b]) => a - b)),
    });
    return [row("five", fives), row("hour", hour), row("day", days)];
  }

  /** The row of a window in a summary, with new buckets in it: in place of those that were there, or added to them. */
  #placed(
    tier: Tier,
    fresh: Series,
    {
      host,
      window,
      metric,
      whole,
      length,
    }: { host: number; window: number; metric: Metric; whole: boolean; length: number },
  ): Series {
    const start = window * windowLength;
    const span = spanOf(tier, start);
    const series: Series = this.#rows.buckets({ table: tier, span, host, metric: metric.id }) ?? new Map();
    const first = Math.floor(start / bucketOf[tier]) - span * bucketsInRow;
    for (const [device, buckets] of fresh) {
      const to = series.get(device) ?? emptyBuckets(bucketsInRow);
      series.set(device, to);
      for (let i = 0; i < length; i++) {
        if (whole) clear(to, first + i);
        add({ buckets: to, place: first + i }, { buckets, place: i }, metric);
      }
    }
    return series;
  }
}

/** Buckets of one summary as those of a coarser one. */
function fold(series: Series, how: { from: Tier; to: Tier; first: number; length: number; of: Metric }): Series {
  const ratio = bucketOf[how.to] / bucketOf[how.from];
  const folded: Series = new Map();
  for (const [device, buckets] of series) {
    const coarse = emptyBuckets(Math.ceil(how.length / ratio));
    for (let i = 0; i < how.length; i++) {
      add({ buckets: coarse, place: Math.floor(i / ratio) }, { buckets, place: how.first + i }, how.of);
    }
    folded.set(device, coarse);
  }
  return folded;
}

/** The day that a window lies in, from its hours. */
function fullDay(hour: Series, start: number, of: Metric): Series {
  const day = Math.floor(start / bucketOf.day) * bucketOf.day;
  const first = day / bucketOf.hour - spanOf("hour", start) * bucketsInRow;
  return fold(hour, { from: "hour", to: "day", first, length: 24, of });
}
