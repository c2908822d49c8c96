/**
 * Buckets of one series, as a summary holds them. `sum` is the sum of the samples of a gauge, and the newest sample of
 * a counter: what a counter rose by is told by its values, never by their mean.
 */
export interface Buckets {
  /** 0 where there is no sample; the others are NaN then. */
  readonly count: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly sum: Float64Array;
}

/** Buckets to be written to. */
export const roomFor = (length: number): Buckets => ({
  count: new Float64Array(length),
  min: new Float64Array(length),
  max: new Float64Array(length),
  sum: new Float64Array(length),
});

/** Buckets and columns that are written to again and again: fresh memory costs more than what is written into it. */
export class BufferPool {
  readonly #length: number;
  readonly #held: Buckets[] = [];
  readonly #columns: Float64Array[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  at(place: number): Buckets {
    const held = this.#held[place] ?? roomFor(this.#length);
    this.#held[place] = held;
    return held;
  }

  /** So many values, with anything in them. */
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

/** The kind of series that is summed up. */
export interface SeriesKind {
  readonly counter: boolean;
  /** Values times this are whole numbers, as a rule. */
  readonly scale: number;
}

/** GroupSums of decimals gather errors in their last digits, which would cost bytes and tell nothing. */
export function tidy(sum: number, scale: number): number {
  const near = Math.round(sum * scale) / scale;
  return Math.abs(near - sum) <= 1e-11 * Math.abs(sum) ? near : sum;
}

/** The bucket of each time, counted from `start`. */
export function bucketsOf(times: Float64Array, start: number, bucket: number): Int32Array {
  return Int32Array.from(times, (t) => Math.floor((t - start) / bucket));
}

/** GroupSums up one column of a frame. @param places the bucket of each row of the frame */
export function summarize(
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

/** Adds one bucket of some to another of others. */
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
