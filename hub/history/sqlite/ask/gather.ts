import type { Aggregate, Columns } from "../../store.ts";
import { type Buckets, type SeriesKind, tidy } from "../bucket.ts";
import { Quantiles } from "./quantile.ts";

/** Data of a series within one block or day, to be aggregated into points. */
export type Piece = SamplePiece | RollupPiece;

/** Samples [low, high) of a frame. */
export interface SamplePiece {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly low: number;
  readonly high: number;
}

/** Buckets [low, high) of a rollup. */
export interface RollupPiece {
  readonly buckets: Buckets;
  /** Start of the first bucket, Unix ms, and length of each. */
  readonly start: number;
  readonly bucket: number;
  readonly low: number;
  readonly high: number;
}

/** Receives the pieces of some devices, those of each in the order of their times. */
export interface PieceSink {
  /** @param device its index in the query @param piece valid only until the call returns */
  put(device: number, piece: Piece): void;
}

const none: Float64Array = new Float64Array(0);

/** Counts the points that a piece adds at least: those that it begins itself. */
export function pointsOf(piece: Piece, step: number): number {
  if ("buckets" in piece) return bucketsIn(piece, step);
  return step > 0 ? pointsIn(piece, step) : samplesIn(piece);
}

/** Counts the samples of a piece. */
export function samplesOf(piece: Piece): number {
  if (!("buckets" in piece)) return samplesIn(piece);
  let samples = 0;
  for (let i = piece.low; i < piece.high; i++) samples += piece.buckets.count[i] ?? 0;
  return samples;
}

function samplesIn({ values, low, high }: SamplePiece): number {
  let points = 0;
  for (let i = low; i < high; i++) if (!Number.isNaN(values[i] ?? Number.NaN)) points++;
  return points;
}

/** Leaves out the first point, which the piece before may have begun. */
function pointsIn({ times, values, low, high }: SamplePiece, step: number): number {
  let points = 0;
  let before = Number.NaN;
  for (let i = low; i < high; i++) {
    if (Number.isNaN(values[i] ?? Number.NaN)) continue;
    const point = Math.floor((times[i] ?? 0) / step);
    if (point !== before) points++;
    before = point;
  }
  return Math.max(0, points - 1);
}

function bucketsIn({ buckets, start, bucket, low, high }: RollupPiece, step: number): number {
  let points = 0;
  let before = Number.NaN;
  for (let i = low; i < high; i++) {
    if (buckets.count[i] === 0) continue;
    const point = step > 0 ? Math.floor((start + i * bucket) / step) : i;
    if (point !== before) points++;
    before = point;
  }
  return step > 0 ? Math.max(0, points - 1) : points;
}

/** Aggregates the pieces of a series, given in the order of their times, into points. */
export class SeriesPoints {
  readonly #step: number;
  readonly #of: SeriesKind;
  length = 0;
  /** Time, sum, count, least, greatest and newest value of each point. */
  #t = none;
  #sum = none;
  #count = none;
  #min = none;
  #max = none;
  #last = none;
  /** True while every point is one sample: only time and sum are kept. */
  #plain: boolean;
  /** All samples of each point, if p95 is asked for. */
  readonly #all: Quantiles | undefined;

  /** @param step milliseconds of a point, counted from the epoch; 0 makes each sample and bucket a point */
  constructor(step: number, of: SeriesKind, wantsAll: boolean) {
    this.#step = step;
    this.#of = of;
    this.#plain = step === 0;
    this.#all = wantsAll && step > 0 ? new Quantiles() : undefined;
  }

  /** Adds pieces. */
  add(pieces: readonly Piece[]): void {
    if (pieces.some((piece) => "buckets" in piece)) this.#widen();
    this.reserve(this.#most(pieces));
    for (const piece of pieces) this.#take(piece);
  }

  put(piece: Piece): void {
    if ("buckets" in piece) this.#widen();
    this.reserve(this.#most([piece]));
    this.#take(piece);
  }

  /** Removes all points, to begin another series of the same kind. */
  clear(): void {
    this.length = 0;
    this.#all?.clear();
  }

  #take(piece: Piece): void {
    if ("buckets" in piece) {
      if (piece.bucket === this.#step && this.t(this.length - 1) !== beginOf(piece)) this.#wholeBuckets(piece);
      else this.#buckets(piece);
    } else if (this.#step === 0) this.#single(piece);
    else this.#samples(piece);
  }

  /** Returns the newest points. */
  columns<A extends Aggregate>(of: readonly A[], most: number): Columns<A> {
    const skip = Math.max(0, this.length - most);
    const columns = of.map((aggregate) => [aggregate, this.#column(aggregate, skip)] as const);
    return { t: this.#t.subarray(skip, this.length), cut: skip > 0, ...Object.fromEntries(columns) } as Columns<A>;
  }

  t(i: number): number {
    return this.#t[i] ?? Number.NaN;
  }

  /** Returns the mean of the samples of a point. */
  mean(i: number): number {
    const sum = this.#sum[i] ?? Number.NaN;
    const count = this.#plain ? 1 : (this.#count[i] ?? 1);
    return count === 1 ? sum : tidy(sum, this.#of.scale) / count;
  }

  min(i: number): number {
    return (this.#plain ? this.#sum : this.#min)[i] ?? Number.NaN;
  }

  max(i: number): number {
    return (this.#plain ? this.#sum : this.#max)[i] ?? Number.NaN;
  }

  /** Adds samples as points of their own. */
  #single({ times, values, low, high }: SamplePiece): void {
    let at = this.length;
    for (let i = low; i < high; i++) {
      const value = values[i] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      this.#t[at] = times[i] ?? 0;
      this.#sum[at] = value;
      if (!this.#plain) this.#begin(at, value);
      at++;
    }
    this.length = at;
  }

  #begin(at: number, value: number): void {
    this.#count[at] = 1;
    this.#min[at] = value;
    this.#max[at] = value;
    this.#last[at] = value;
  }

  /** Aggregates samples into points, each of which is written once. */
  #samples({ times, values, low, high }: SamplePiece): void {
    const step = this.#step;
    for (let i = low; i < high; ) {
      const start = Math.floor((times[i] ?? 0) / step) * step;
      const first = i;
      let count = 0;
      let sum = 0;
      let min = Number.POSITIVE_INFINITY;
      let max = Number.NEGATIVE_INFINITY;
      let last = 0;
      const end = start + step;
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
      const at = this.#place(start);
      this.#count[at] = (this.#count[at] ?? 0) + count;
      this.#sum[at] = (this.#sum[at] ?? 0) + sum;
      if (min < (this.#min[at] ?? 0)) this.#min[at] = min;
      if (max > (this.#max[at] ?? 0)) this.#max[at] = max;
      this.#last[at] = last;
      this.#all?.add(values.subarray(first, i));
    }
  }

  #buckets({ buckets, start, bucket, low, high }: RollupPiece): void {
    const step = this.#step;
    const { counter } = this.#of;
    for (let i = low; i < high; i++) {
      const count = buckets.count[i] ?? 0;
      if (count === 0) continue;
      const t = start + i * bucket;
      const at = this.#place(step > 0 ? Math.floor(t / step) * step : t);
      const held = buckets.sum[i] ?? Number.NaN;
      const min = buckets.min[i] ?? Number.NaN;
      const max = buckets.max[i] ?? Number.NaN;
      this.#count[at] = (this.#count[at] ?? 0) + count;
      // A counter's newest value takes the place of its mean.
      this.#sum[at] = (this.#sum[at] ?? 0) + (counter ? held * count : held);
      if (min < (this.#min[at] ?? 0)) this.#min[at] = min;
      if (max > (this.#max[at] ?? 0)) this.#max[at] = max;
      this.#last[at] = counter ? held : held / count;
      this.#all?.add([counter ? held : held / count]);
    }
  }

  /** Adds buckets that are as long as a step, and have nothing beside them in their points. */
  #wholeBuckets({ buckets, start, bucket, low, high }: RollupPiece): void {
    const { count, min, max, sum } = buckets;
    const { counter } = this.#of;
    const [t, counts, mins, maxs, sums, last] = [this.#t, this.#count, this.#min, this.#max, this.#sum, this.#last];
    let at = this.length;
    for (let i = low; i < high; i++) {
      const held = count[i] ?? 0;
      if (held === 0) continue;
      const total = sum[i] ?? Number.NaN;
      t[at] = start + i * bucket;
      counts[at] = held;
      sums[at] = counter ? total * held : total;
      mins[at] = min[i] ?? Number.NaN;
      maxs[at] = max[i] ?? Number.NaN;
      last[at] = counter ? total : total / held;
      this.#all?.begin();
      this.#all?.add([counter ? total : total / held]);
      at++;
    }
    this.length = at;
  }

  /** Returns the index of the point that begins at a time: the last one, or a new empty one. */
  #place(start: number): number {
    const last = this.length - 1;
    if (last >= 0 && this.#t[last] === start && this.#step > 0) return last;
    const at = this.length++;
    this.#t[at] = start;
    this.#count[at] = 0;
    this.#sum[at] = 0;
    this.#min[at] = Number.POSITIVE_INFINITY;
    this.#max[at] = Number.NEGATIVE_INFINITY;
    this.#all?.begin();
    return at;
  }

  /** Prepares for points of several samples. */
  #widen(): void {
    if (!this.#plain) return;
    this.#plain = false;
    this.#count = new Float64Array(this.#t.length).fill(1);
    this.#min = this.#sum.slice();
    this.#max = this.#sum.slice();
    this.#last = this.#sum.slice();
  }

  /** Returns the maximum number of points of some pieces. */
  #most(pieces: readonly Piece[]): number {
    const held = pieces.reduce((sum, { low, high }) => sum + high - low, 0);
    const [first] = pieces;
    const last = pieces.at(-1);
    if (this.#step === 0 || first === undefined || last === undefined) return held;
    return Math.min(held, Math.max(0, Math.ceil((endOf(last) - beginOf(first)) / this.#step)) + 2);
  }

  /** Reserves memory for more points. */
  reserve(points: number): void {
    if (this.length + points <= this.#t.length) return;
    const room = Math.max(this.length + points, 2 * this.#t.length);
    const memory = new Float64Array((this.#plain ? 2 : 6) * room);
    let at = 0;
    const larger = (held: Float64Array): Float64Array => {
      const made = memory.subarray(at, at + room);
      at += room;
      made.set(held);
      return made;
    };
    this.#t = larger(this.#t);
    this.#sum = larger(this.#sum);
    if (this.#plain) return;
    this.#count = larger(this.#count);
    this.#min = larger(this.#min);
    this.#max = larger(this.#max);
    this.#last = larger(this.#last);
  }

  #column(aggregate: Aggregate, skip: number): Float64Array {
    const from = (held: Float64Array): Float64Array => (this.#plain ? this.#sum : held).subarray(skip, this.length);
    switch (aggregate) {
      case "count":
        return this.#plain ? new Float64Array(this.length - skip).fill(1) : from(this.#count);
      case "min":
        return from(this.#min);
      case "max":
        return from(this.#max);
      case "last":
        return from(this.#last);
      case "avg":
        return this.#plain ? from(this.#sum) : this.#means(skip);
      case "p95":
        return this.#all?.percentiles(skip) ?? from(this.#last);
    }
    return aggregate satisfies never;
  }

  #means(skip: number): Float64Array {
    const [sum, count] = [this.#sum, this.#count];
    const { scale } = this.#of;
    const out = new Float64Array(this.length - skip);
    for (let i = 0; i < out.length; i++) {
      const total = sum[skip + i] ?? Number.NaN;
      const held = count[skip + i] ?? 1;
      out[i] = held === 1 ? total : tidy(total, scale) / held;
    }
    return out;
  }
}

const beginOf = (piece: Piece): number =>
  "buckets" in piece ? piece.start + piece.low * piece.bucket : (piece.times[piece.low] ?? 0);
const endOf = (piece: Piece): number =>
  "buckets" in piece ? piece.start + piece.high * piece.bucket : (piece.times[piece.high - 1] ?? 0) + 1;
