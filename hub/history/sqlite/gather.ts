import type { Aggregate, Columns } from "../store.ts";
import { type Buckets, type Summed, tidy } from "./bucket.ts";

interface Point {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly last: number;
}

/** Samples of a sheet: those at the places [low, high). */
interface Samples {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly low: number;
  readonly high: number;
}

const none = new Float64Array(0);

/** Gathers samples and buckets of summaries, given in the order of their times, into the points of an answer. */
export class Gather {
  readonly #step: number;
  readonly #of: Summed;
  length = 0;
  #t: Float64Array = none;
  #sum: Float64Array = none;
  /** Left out while every point is one sample, which is its own least, greatest and newest. */
  #wide: { count: Float64Array; min: Float64Array; max: Float64Array; last: Float64Array } | undefined;
  /** Every sample of each point, where they are asked for. */
  readonly #all: number[][] | undefined;

  /** @param step milliseconds of one bucket, counted from the epoch; 0 makes a point of whatever is added */
  constructor(step: number, of: Summed, wantsAll: boolean) {
    this.#step = step;
    this.#of = of;
    this.#all = wantsAll && step > 0 ? [] : undefined;
  }

  samples({ times, values, low, high }: Samples): void {
    if (this.#step === 0 && this.#wide === undefined) this.#plain({ times, values, low, high });
    else if (this.#step === 0) {
      for (let i = low; i < high; i++) this.#one(times[i] ?? 0, values[i] ?? Number.NaN);
    } else this.#stepped({ times, values, low, high });
  }

  /** A bucket of a summary that begins at `t`. */
  bucket(t: number, buckets: Buckets, place: number): void {
    const count = buckets.count[place] ?? 0;
    if (count === 0) return;
    const min = buckets.min[place] ?? Number.NaN;
    const max = buckets.max[place] ?? Number.NaN;
    const held = buckets.sum[place] ?? Number.NaN;
    const { counter } = this.#of;
    const mean = counter ? held : held / count;
    this.#merge(t, { count, min, max, sum: counter ? held * count : held, last: mean }, [mean]);
  }

  /** What another one gathered after this one. */
  add(other: Gather): void {
    if (this.#step === 0 && this.#wide === undefined && other.#wide === undefined) {
      this.#plain({ times: other.#t, values: other.#sum, low: 0, high: other.length });
      return;
    }
    for (let i = 0; i < other.length; i++) {
      this.#merge(other.t(i), other.#point(i), other.#all?.[i] ?? []);
    }
  }

  /** The newest points. */
  columns<A extends Aggregate>(of: readonly A[], most: number): Columns<A> {
    const skip = Math.max(0, this.length - most);
    const columns = of.map((aggregate) => [aggregate, this.#column(aggregate, skip)] as const);
    return { t: this.#t.slice(skip, this.length), cut: skip > 0, ...Object.fromEntries(columns) } as Columns<A>;
  }

  t(i: number): number {
    return this.#t[i] ?? Number.NaN;
  }

  /** Mean of the samples of a point. */
  mean(i: number): number {
    const sum = this.#sum[i] ?? Number.NaN;
    const count = this.#wide?.count[i] ?? 1;
    return count === 1 ? sum : tidy(sum, this.#of.scale) / count;
  }

  min(i: number): number {
    return (this.#wide?.min ?? this.#sum)[i] ?? Number.NaN;
  }

  max(i: number): number {
    return (this.#wide?.max ?? this.#sum)[i] ?? Number.NaN;
  }

  /** Points of one sample each. */
  #plain({ times, values, low, high }: Samples): void {
    this.#reserve(high - low);
    const t = this.#t;
    const sum = this.#sum;
    let length = this.length;
    for (let i = low; i < high; i++) {
      const value = values[i] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      t[length] = times[i] ?? 0;
      sum[length++] = value;
    }
    this.length = length;
  }

  /** Samples gathered into points, each point written once. */
  #stepped({ times, values, low, high }: Samples): void {
    for (let i = low; i < high; ) {
      const end = Math.floor((times[i] ?? 0) / this.#step) * this.#step + this.#step;
      const first = i;
      let count = 0;
      let sum = 0;
      let min = Number.POSITIVE_INFINITY;
      let max = Number.NEGATIVE_INFINITY;
      let last = 0;
      for (; i < high && (times[i] ?? 0) < end; i++) {
        const value = values[i] ?? Number.NaN;
        if (Number.isNaN(value)) continue;
        count++;
        sum += value;
        last = value;
        if (value < min) min = value;
        if (value > max) max = value;
      }
      if (count === 0) continue;
      const all = this.#all ? Array.from(values.subarray(first, i)).filter((value) => !Number.isNaN(value)) : [];
      this.#merge(end - this.#step, { count, min, max, sum, last }, all);
    }
  }

  #one(t: number, value: number): void {
    if (!Number.isNaN(value)) this.#merge(t, { count: 1, min: value, max: value, sum: value, last: value }, [value]);
  }

  #point(i: number): Point {
    const sum = this.#sum[i] ?? Number.NaN;
    if (this.#wide === undefined) return { count: 1, min: sum, max: sum, sum, last: sum };
    const { count, min, max, last } = this.#wide;
    return {
      count: count[i] ?? 0,
      min: min[i] ?? Number.NaN,
      max: max[i] ?? Number.NaN,
      sum,
      last: last[i] ?? Number.NaN,
    };
  }

  #merge(t: number, point: Point, all: number[]): void {
    const wide = this.#widened();
    const last = this.length - 1;
    if (last < 0 || this.#step === 0 || this.t(last) + this.#step <= t) {
      this.#reserve(1);
      const at = this.length++;
      this.#t[at] = this.#step > 0 ? Math.floor(t / this.#step) * this.#step : t;
      this.#sum[at] = point.sum;
      const { count, min, max, last: newest } = this.#widened();
      count[at] = point.count;
      min[at] = point.min;
      max[at] = point.max;
      newest[at] = point.last;
      this.#all?.push(all);
      return;
    }
    wide.count[last] = (wide.count[last] ?? 0) + point.count;
    wide.min[last] = Math.min(wide.min[last] ?? point.min, point.min);
    wide.max[last] = Math.max(wide.max[last] ?? point.max, point.max);
    wide.last[last] = point.last;
    this.#sum[last] = (this.#sum[last] ?? 0) + point.sum;
    const held = this.#all?.[last];
    for (const value of all) held?.push(value);
  }

  #widened(): { count: Float64Array; min: Float64Array; max: Float64Array; last: Float64Array } {
    this.#wide ??= {
      count: new Float64Array(this.#t.length).fill(1),
      min: this.#sum.slice(),
      max: this.#sum.slice(),
      last: this.#sum.slice(),
    };
    return this.#wide;
  }

  #reserve(points: number): void {
    const wanted = this.length + points;
    if (wanted <= this.#t.length) return;
    const room = Math.max(wanted, 64, this.#t.length * 2);
    const larger = (held: Float64Array): Float64Array => {
      const made = new Float64Array(room);
      made.set(held);
      return made;
    };
    this.#t = larger(this.#t);
    this.#sum = larger(this.#sum);
    if (this.#wide === undefined) return;
    const { count, min, max, last } = this.#wide;
    this.#wide = { count: larger(count), min: larger(min), max: larger(max), last: larger(last) };
  }

  #column(aggregate: Aggregate, skip: number): Float64Array {
    const from = (held: Float64Array): Float64Array => held.slice(skip, this.length);
    switch (aggregate) {
      case "count":
        return this.#wide ? from(this.#wide.count) : new Float64Array(this.length - skip).fill(1);
      case "min":
        return from(this.#wide?.min ?? this.#sum);
      case "max":
        return from(this.#wide?.max ?? this.#sum);
      case "last":
        return from(this.#wide?.last ?? this.#sum);
      case "avg":
        return this.#wide ? from(this.#t).map((_, i) => this.mean(skip + i)) : from(this.#sum);
      case "p95":
        if (this.#all === undefined) return from(this.#wide?.last ?? this.#sum);
        return Float64Array.from(this.#all.slice(skip), percentile);
    }
    return aggregate satisfies never;
  }
}

/** The least sample that 95 % do not exceed. */
function percentile(samples: number[]): number {
  samples.sort((a, b) => a - b);
  return samples[Math.max(0, Math.ceil(0.95 * samples.length) - 1)] ?? Number.NaN;
}
