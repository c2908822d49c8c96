import type { Aggregate, Columns } from "../store.ts";
import { type Buckets, type Summed, tidy } from "./bucket.ts";

/** Gathers samples and buckets of summaries, given in the order of their times, into the points of an answer. */
export class Gather {
  readonly #step: number;
  readonly #of: Summed;
  readonly t: number[] = [];
  readonly #count: number[] = [];
  readonly #min: number[] = [];
  readonly #max: number[] = [];
  readonly #sum: number[] = [];
  readonly #last: number[] = [];
  /** Every sample of each point, where they are asked for. */
  readonly #all: number[][] | undefined;

  /** @param step milliseconds of one bucket, counted from the epoch; 0 makes a point of whatever is added */
  constructor(step: number, of: Summed, wantsAll: boolean) {
    this.#step = step;
    this.#of = of;
    this.#all = wantsAll ? [] : undefined;
  }

  get length(): number {
    return this.t.length;
  }

  sample(t: number, value: number): void {
    const at = this.#place(t);
    if (at < 0) return this.#begin(t, { count: 1, min: value, max: value, sum: value, last: value }, [value]);
    this.#count[at] = (this.#count[at] ?? 0) + 1;
    if (value < (this.#min[at] ?? value)) this.#min[at] = value;
    if (value > (this.#max[at] ?? value)) this.#max[at] = value;
    this.#sum[at] = (this.#sum[at] ?? 0) + value;
    this.#last[at] = value;
    this.#all?.[at]?.push(value);
  }

  /** The values at the times [low, high). */
  samples({
    times,
    values,
    low,
    high,
  }: {
    times: Float64Array;
    values: Float64Array;
    low: number;
    high: number;
  }): void {
    for (let i = low; i < high; i++) {
      const value = values[i] ?? Number.NaN;
      if (value === value) this.sample(times[i] ?? 0, value);
    }
  }

  /** A bucket of a summary that begins at `t`. */
  bucket(t: number, buckets: Buckets, place: number): void {
    const count = buckets.count[place] ?? 0;
    if (count === 0) return;
    const min = buckets.min[place] ?? Number.NaN;
    const max = buckets.max[place] ?? Number.NaN;
    const held = buckets.sum[place] ?? Number.NaN;
    const mean = this.#of.counter ? (min + max) / 2 : held / count;
    this.#merge(t, { count, min, max, sum: mean * count, last: this.#of.counter ? held : mean }, [mean]);
  }

  /** What another one gathered after this one. */
  add(other: Gather): void {
    for (let i = 0; i < other.length; i++) {
      const point = {
        count: other.#count[i] ?? 0,
        min: other.#min[i] ?? Number.NaN,
        max: other.#max[i] ?? Number.NaN,
        sum: other.#sum[i] ?? Number.NaN,
        last: other.#last[i] ?? Number.NaN,
      };
      this.#merge(other.t[i] ?? 0, point, other.#all?.[i] ?? []);
    }
  }

  /** The newest points. */
  columns<A extends Aggregate>(of: readonly A[], most: number): Columns<A> {
    const skip = Math.max(0, this.length - most);
    const columns = of.map((aggregate) => [aggregate, this.#column(aggregate, skip)] as const);
    const t = Float64Array.from(skip > 0 ? this.t.slice(skip) : this.t);
    return { t, cut: skip > 0, ...Object.fromEntries(columns) } as Columns<A>;
  }

  /** Mean of a point. */
  mean(i: number): number {
    const count = this.#count[i] ?? 1;
    const sum = this.#sum[i] ?? Number.NaN;
    return count === 1 ? sum : tidy(sum, this.#of.scale) / count;
  }

  min(i: number): number {
    return this.#min[i] ?? Number.NaN;
  }

  max(i: number): number {
    return this.#max[i] ?? Number.NaN;
  }

  #column(aggregate: Aggregate, skip: number): Float64Array {
    const from = (held: number[]): Float64Array => Float64Array.from(skip > 0 ? held.slice(skip) : held);
    switch (aggregate) {
      case "count":
        return from(this.#count);
      case "min":
        return from(this.#min);
      case "max":
        return from(this.#max);
      case "last":
        return from(this.#last);
      case "avg":
        return Float64Array.from({ length: this.length - skip }, (_, i) => this.mean(skip + i));
      case "p95":
        return Float64Array.from({ length: this.length - skip }, (_, i) => percentile(this.#all?.[skip + i] ?? []));
    }
    return aggregate satisfies never;
  }

  /** The point that a time belongs to, or -1 where a new one begins. */
  #place(t: number): number {
    const last = this.t.length - 1;
    if (last < 0 || this.#step === 0) return -1;
    return (this.t[last] ?? 0) + this.#step > t ? last : -1;
  }

  #begin(t: number, point: Point, all: number[]): void {
    this.t.push(this.#step > 0 ? Math.floor(t / this.#step) * this.#step : t);
    this.#count.push(point.count);
    this.#min.push(point.min);
    this.#max.push(point.max);
    this.#sum.push(point.sum);
    this.#last.push(point.last);
    this.#all?.push(all);
  }

  #merge(t: number, point: Point, all: number[]): void {
    const at = this.#place(t);
    if (at < 0) return this.#begin(t, point, all);
    this.#count[at] = (this.#count[at] ?? 0) + point.count;
    this.#min[at] = Math.min(this.#min[at] ?? point.min, point.min);
    this.#max[at] = Math.max(this.#max[at] ?? point.max, point.max);
    this.#sum[at] = (this.#sum[at] ?? 0) + point.sum;
    this.#last[at] = point.last;
    const held = this.#all?.[at];
    for (const value of all) held?.push(value);
  }
}

interface Point {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly last: number;
}

/** The least sample that 95 % do not exceed. */
function percentile(samples: number[]): number {
  samples.sort((a, b) => a - b);
  return samples[Math.max(0, Math.ceil(0.95 * samples.length) - 1)] ?? Number.NaN;
}
