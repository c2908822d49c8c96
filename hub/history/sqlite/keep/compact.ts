import { add, type Buckets, bucketsOf, emptyBuckets, rollUp } from "../bucket.ts";
import { byMetric, deviceOf, type Frame, Merger } from "../frame.ts";
import { blockMs, blocksPerDay, bucketOf, bucketsInRow, spanOf, type Tier, timesRow } from "../key.ts";
import type { HostRecord, MetricRecord, NameTable } from "../names.ts";
import { bucketsData, type Entry, type Rows, samplesData, timesData } from "../row.ts";
import type { Work } from "../turns.ts";

/** Rows of more devices than this are encoded in a step of their own. */
const wide = 64;

/** Buckets of one metric by device. */
type DeviceBuckets = Map<number, Buckets>;

/** New buckets of one metric of a host. */
interface FreshBuckets {
  readonly fresh: DeviceBuckets;
  readonly host: HostRecord;
  readonly metric: MetricRecord;
}

/** Rows of a day, and its blocks in which no hour has as many samples as the row of hours counts. */
interface DayRows {
  readonly rows: Entry[];
  readonly outdone: number[];
}

/** Compacts head chunks into rows, and rolls up 5-minute rows into hours and days. */
export class Compactor {
  readonly #rows: Rows;
  readonly #names: NameTable;

  constructor(rows: Rows, names: NameTable) {
    this.#rows = rows;
    this.#names = names;
  }

  /**
   * Makes the rows of a block out of new samples and those of its present rows, which they replace; writes nothing. One
   * metric at a time: all of a host with thousands of devices take too much memory and time for one step.
   *
   * A block older than samples are kept is no exception: its rows are deleted once its day is rolled up, so that whatever
   * comes until then in several pieces is merged.
   * @param fresh new samples, oldest first
   */
  *block(host: HostRecord, block: number, fresh: readonly Frame[]): Work<Entry[]> {
    const devices = namesOf(host);
    const times = this.#rows.times(host.id, block);
    // A block whose samples are deleted or damaged cannot be rolled up again.
    const whole = times !== undefined || !this.#has("five", host, block);
    const damaged = !whole && this.#has("raw", host, block);
    const merger = new Merger([...(times ? [times] : []), ...fresh.map((frame) => frame.times)]);
    const news = fresh.map(({ columns }) => byMetric(columns));
    yield;
    const rows: Entry[] = whole
      ? [this.#row("raw", { span: block, host, metric: timesRow }, timesData(merger.times, block))]
      : [];
    const places = bucketsOf(merger.times, block * blockMs, bucketOf.five);
    for (const metric of [...this.#names.metrics()].sort((a, b) => a.id - b.id)) {
      const held = times && this.#rows.frame({ host: host.id, block, metrics: [metric.id], devices })?.columns;
      const merged = merger.columns([...(times ? [held] : []), ...news.map((part) => part.get(metric.id))]);
      if (merged.size === 0) continue;
      const columns = [...merged].map(([id, values]): [number, Float64Array] => [deviceOf(id), values]);
      columns.sort(([one], [other]) => one - other);
      const at = { span: block, host, metric: metric.id };
      if (whole) {
        if (columns.length > wide) yield;
        rows.push(this.#row("raw", at, samplesData(columns, merger.times.length)));
        if (columns.length > wide) yield;
      }
      const five: DeviceBuckets = new Map();
      for (const [device, values] of columns)
        five.set(device, rollUp(values, places, { length: bucketsInRow, of: metric }));
      const joined = (): DeviceBuckets => {
        const merge = { fresh: five, host, metric };
        // Of deleted samples, those that come may be the same once more; of damaged ones, they are others.
        return damaged ? this.#added("five", block * blockMs, merge) : this.#placed("five", block * blockMs, merge);
      };
      rows.push(this.#row("five", at, dataOf(whole ? five : joined())));
      yield;
    }
    return rows;
  }

  /** Rolls up the 5-minute rows of a day into hours and the day. An hour of more samples stays, and so does a day. */
  *day(host: HostRecord, day: number): Work<DayRows> {
    const rows: Entry[] = [];
    const blocks = Array.from({ length: blocksPerDay }, () => ({ counts: false, outdone: false }));
    const start = day * bucketOf.day;
    const known = namesOf(host);
    for (const metric of this.#names.metrics()) {
      const hours: DeviceBuckets = new Map();
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
      const of = { host, metric };
      const all = this.#placed("hour", start, { fresh: hours, ...of });
      // Hours whose 5-minute buckets have expired are in the row already.
      const ofDay = hoursOfDay(all, hours, Math.floor(start / bucketOf.hour) % bucketsInRow);
      for (const [device, { count }] of hours) {
        for (const [i, fresh] of count.entries()) {
          const block = blocks[Math.floor((i * bucketOf.hour) / blockMs)];
          if (fresh === 0 || block === undefined) continue;
          if (fresh < (ofDay.get(device)?.count[i] ?? 0)) block.outdone = true;
          else block.counts = true;
        }
      }
      const days = this.#placed("day", start, { fresh: folded(ofDay, 24, metric), ...of });
      for (const [tier, series] of [["hour", all] as const, ["day", days] as const]) {
        const place = { span: spanOf(tier, start), host, metric: metric.id };
        rows.push(this.#row(tier, place, dataOf(series)));
      }
      yield;
    }
    const outdone = blocks.flatMap((block, i) => (block.outdone && !block.counts ? [day * blocksPerDay + i] : []));
    return { rows, outdone };
  }

  /** True if a table has something of a host in a block. */
  #has(table: "raw" | "five", { id: host, first, last }: HostRecord, block: number): boolean {
    if (block < first || block > last) return false;
    for (const metric of [timesRow, ...this.#names.metricIds()]) {
      if (this.#rows.has({ table, span: block, host, metric })) return true;
    }
    return false;
  }

  #row(
    table: Entry["table"],
    { span, host, metric }: { span: number; host: HostRecord; metric: number },
    data: Uint8Array,
  ): Entry {
    return { table, span, host: host.id, metric, data };
  }

  /** Adds buckets, from a time on, to those of a rollup. */
  #added(tier: Tier, start: number, { fresh, host, metric }: FreshBuckets): DeviceBuckets {
    const { series, first } = this.#held(tier, start, { host, metric });
    for (const [device, from] of fresh) {
      const to = seriesOf(series, device);
      for (let i = 0; i < from.count.length; i++)
        add({ buckets: to, place: first + i }, { buckets: from, place: i }, metric);
    }
    return series;
  }

  /**
   * Replaces buckets of a rollup from a time on. A bucket of more samples stays: the samples it was made of have expired.
   */
  #placed(tier: Tier, start: number, { fresh, host, metric }: FreshBuckets): DeviceBuckets {
    const { series, first } = this.#held(tier, start, { host, metric });
    for (const [device, from] of fresh) {
      const to = seriesOf(series, device);
      for (let i = 0; i < from.count.length; i++) {
        if ((from.count[i] ?? 0) < (to.count[first + i] ?? 0)) continue;
        for (const name of ["count", "min", "max", "sum"] as const) to[name][first + i] = from[name][i] ?? Number.NaN;
      }
    }
    return series;
  }

  #held(
    tier: Tier,
    start: number,
    { host, metric }: { host: HostRecord; metric: MetricRecord },
  ): { series: DeviceBuckets; first: number } {
    const span = spanOf(tier, start);
    const series = this.#rows.buckets({ table: tier, span, host: host.id, metric: metric.id }) ?? new Map();
    const known = namesOf(host);
    for (const device of series.keys()) if (!known.has(device)) series.delete(device);
    return { series, first: Math.floor(start / bucketOf[tier]) - span * bucketsInRow };
  }
}

/** Returns the ids of a host's devices: columns of others, which were forgotten, are not written again. */
const namesOf = (host: HostRecord): ReadonlySet<number> => new Set(Array.from(host.devices.values(), ({ id }) => id));

const dataOf = (series: DeviceBuckets): Uint8Array => bucketsData([...series].sort(([a], [b]) => a - b));

function seriesOf(series: DeviceBuckets, device: number): Buckets {
  const held = series.get(device) ?? emptyBuckets(bucketsInRow);
  series.set(device, held);
  return held;
}

/** Returns the buckets of a day out of those of a row of hours, of the devices that some others have. */
function hoursOfDay(all: DeviceBuckets, devices: DeviceBuckets, first: number): DeviceBuckets {
  const cut = (held: Float64Array): Float64Array => held.subarray(first, first + bucketOf.day / bucketOf.hour);
  return new Map(
    [...devices.keys()].map((device) => {
      const { count, min, max, sum } = seriesOf(all, device);
      return [device, { count: cut(count), min: cut(min), max: cut(max), sum: cut(sum) }];
    }),
  );
}

/** Merges each `ratio` buckets into one. */
function folded(series: DeviceBuckets, ratio: number, of: MetricRecord): DeviceBuckets {
  const coarse: DeviceBuckets = new Map();
  for (const [device, from] of series) {
    const to = emptyBuckets(Math.ceil(from.count.length / ratio));
    foldInto(to, { first: 0, from, ratio, of });
    coarse.set(device, to);
  }
  return coarse;
}

function foldInto(
  to: Buckets,
  { first, from, ratio, of }: { first: number; from: Buckets; ratio: number; of: MetricRecord },
): void {
  for (let i = 0; i < from.count.length; i++) {
    add({ buckets: to, place: first + Math.floor(i / ratio) }, { buckets: from, place: i }, of);
  }
}
