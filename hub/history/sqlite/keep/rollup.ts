import { add, type Buckets, emptyBuckets } from "../bucket.ts";
import { Cursor, type Run } from "../chunk.ts";
import type { Metric } from "../names.ts";
import { deviceOf } from "../sheet.ts";
import { bucketOf, bucketsInRow, windowLength } from "../span.ts";

/** One metric of a run, summed up by 5 minutes as far as the run goes. */
export class Rolled {
  readonly #cursor: Cursor;
  readonly #metric: Metric;
  readonly #start: number;
  readonly #buckets = new Map<number, Buckets>();
  readonly #one: Buckets = emptyBuckets(1);

  constructor(run: Run, metric: Metric) {
    this.#cursor = new Cursor(run, (column) => column.metric === metric);
    this.#metric = metric;
    this.#start = run.window * windowLength;
  }

  /** By device. */
  buckets(): ReadonlyMap<number, Buckets> {
    const { times, columns } = this.#cursor.take();
    for (const [id, values] of columns) {
      const device = deviceOf(id);
      const buckets = this.#buckets.get(device) ?? emptyBuckets(bucketsInRow);
      this.#buckets.set(device, buckets);
      for (let i = 0; i < values.length; i++) this.#sample(buckets, times[i] ?? 0, values[i] ?? Number.NaN);
    }
    return this.#buckets;
  }

  #sample(buckets: Buckets, t: number, value: number): void {
    if (Number.isNaN(value)) return;
    const one = this.#one;
    one.count[0] = 1;
    one.min[0] = value;
    one.max[0] = value;
    one.sum[0] = value;
    const place = Math.floor((t - this.#start) / bucketOf.five);
    add({ buckets, place }, { buckets: one, place: 0 }, this.#metric);
  }
}
