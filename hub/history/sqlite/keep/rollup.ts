import { add, type Buckets, emptyBuckets } from "../bucket.ts";
import { Cursor, type HeadChunk } from "../chunk.ts";
import { deviceOf } from "../frame.ts";
import { blockMs, bucketOf, bucketsInRow } from "../key.ts";
import type { MetricRecord } from "../names.ts";

/** 5-minute rollup of one metric of a head chunk, continued as the chunk grows. */
export class ChunkRollup {
  readonly #cursor: Cursor;
  readonly #metric: MetricRecord;
  readonly #start: number;
  readonly #buckets = new Map<number, Buckets>();
  readonly #one: Buckets = emptyBuckets(1);

  constructor(chunk: HeadChunk, metric: MetricRecord) {
    this.#cursor = new Cursor(chunk, (column) => column.metric === metric);
    this.#metric = metric;
    this.#start = chunk.block * blockMs;
  }

  /** Returns the buckets up to the newest row, by device. */
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
