/**
 * Buckets of one series of a rollup. `sum` is the sum of the samples of a gauge, but the newest sample of a counter: the
 * increase of a counter follows from its values, never from their mean.
 */
export interface Buckets {
  /** 0 for a bucket without samples, whose other values are NaN. */
  readonly count: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly sum: Float64Array;
}

/** Allocates buckets; their values are not defined. */
export const allocateBuckets = (length: number): Buckets => ({
  count: new Float64Array(length),
  min: new Float64Array(length),
  max: new Float64Array(length),
  sum: new Float64Array(length),
});

/** Reuses buckets and columns: allocating them takes longer than filling them (bench/history/micro.ts). */
export class BufferPool {
  readonly #length: number;
  readonly #held: Buckets[] = [];
  readonly #columns: Float64Array[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  at(place: number): Buckets {
    const held = this.#held[place] ?? allocateBuckets(this.#length);
    this.#held[place] = held;
    return held;
  }

  /** Returns a column of some length; its values are not defined. */
  column(place: number, length: number): Float64Array {
    const held = this.#columns[place];
    if (held !== undefined && held.length >= length) return held.subarray(0, length);
    const made = new Float64Array(length);
    this.#columns[place] = made;
    return made;
  }
}

export function emptyBuckets(length: number): Buckets {
  const absent = (): Float64Array => new Float64Array(length).fill(Number.NaN);
  return { count: new Float64Array(length), min: absent(), max: absent(), sum: absent() };
}

/** Properties of a series that decide how it is aggregated. */
export interface SeriesKind {
  readonly counter: boolean;
  /** Values times this are usually whole numbers. */
  readonly scale: number;
}

/** Rounds a sum of decimals to their scale: rounding errors in the last digits would cost bytes. */
export function tidy(sum: number, scale: number): number {
  const near = Math.round(sum * scale) / scale;
  return Math.abs(near - sum) <= 1e-11 * Math.abs(sum) ? near : sum;
}

/** Returns the bucket of each time, counted from `start`. */
export function bucketsOf(times: Float64Array, start: number, bucket: number): Int32Array {
  return Int32Array.from(times, (t) => Math.floor((t - start) / bucket));
}

/** Aggregates one column of a frame. @param places the bucket of each row of the frame */
export function rollUp(
  values: Float64Array,
  places: Int32Array,
  { length, of }: { length: number; of: SeriesKind },
): Buckets {
  const buckets = emptyBuckets(length);
  const { count, min, max, sum } = buckets;
  for (let i = 0; i < values.length; ) {
    const place = places[i] ?? 0;
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    let total = 0;
    let held = 0;
    let last = 0;
    for (; i < values.length && places[i] === place; i++) {
      const value = values[i] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      held++;
      total += value;
      last = value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (held === 0) continue;
    count[place] = held;
    min[place] = low;
    max[place] = high;
    sum[place] = of.counter ? last : tidy(total, of.scale);
  }
  return buckets;
}

/** Adds one bucket to another. */
export function add(
  to: { buckets: Buckets; place: number },
  from: { buckets: Buckets; place: number },
  of: SeriesKind,
): void {
  const held = from.buckets.count[from.place] ?? 0;
  if (held === 0) return;
  const { count, min, max, sum } = to.buckets;
  const low = from.buckets.min[from.place] ?? Number.NaN;
  const high = from.buckets.max[from.place] ?? Number.NaN;
  const total = from.buckets.sum[from.place] ?? Number.NaN;
  const before = count[to.place] ?? 0;
  count[to.place] = before + held;
  min[to.place] = before === 0 ? low : Math.min(min[to.place] ?? low, low);
  max[to.place] = before === 0 ? high : Math.max(max[to.place] ?? high, high);
  sum[to.place] = before === 0 || of.counter ? total : tidy((sum[to.place] ?? 0) + total, of.scale);
}
