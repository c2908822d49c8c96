import type { GroupColumns } from "../../store.ts";
import type { MetricRecord } from "../names.ts";
import { type Piece, type PieceSink, type RollupPiece, SeriesPoints } from "./gather.ts";

/** Aggregates of a group of series. */
export class GroupSums {
  readonly #step: number;
  /** Index of the first point, in steps from the epoch. */
  readonly #first: number;
  readonly #sum: Float64Array;
  readonly #count: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;

  /** @param first steps from the epoch to the first of `length` points */
  constructor(step: number, { first, length }: { first: number; length: number }) {
    this.#step = step;
    this.#first = first;
    this.#sum = new Float64Array(length);
    this.#count = new Float64Array(length);
    this.#min = new Float64Array(length).fill(Number.POSITIVE_INFINITY);
    this.#max = new Float64Array(length).fill(Number.NEGATIVE_INFINITY);
  }

  /** Adds the points of a series. */
  add(series: SeriesPoints): void {
    for (let i = 0; i < series.length; i++) {
      const place = Math.round(series.t(i) / this.#step) - this.#first;
      this.#sum[place] = (this.#sum[place] ?? 0) + series.mean(i);
      this.#count[place] = (this.#count[place] ?? 0) + 1;
      this.#min[place] = Math.min(this.#min[place] ?? Number.NaN, series.min(i));
      this.#max[place] = Math.max(this.#max[place] ?? Number.NaN, series.max(i));
    }
  }

  /** Adds buckets of a series that are whole points. */
  addWhole({ buckets, start, low, high }: RollupPiece, { counter }: MetricRecord): void {
    const { count, min, max, sum } = buckets;
    const first = Math.round(start / this.#step) - this.#first;
    for (let i = low; i < high; i++) {
      const held = count[i] ?? 0;
      if (held === 0) continue;
      const place = first + i;
      const total = sum[i] ?? Number.NaN;
      const least = min[i] ?? Number.NaN;
      const greatest = max[i] ?? Number.NaN;
      this.#sum[place] = (this.#sum[place] ?? 0) + (counter ? total : total / held);
      this.#count[place] = (this.#count[place] ?? 0) + 1;
      if (least < (this.#min[place] ?? Number.NaN)) this.#min[place] = least;
      if (greatest > (this.#max[place] ?? Number.NaN)) this.#max[place] = greatest;
    }
  }

  /** Returns the points that any series has. */
  columns(): GroupColumns {
    const counts = this.#count;
    const places: number[] = [];
    for (let place = 0; place < counts.length; place++) if ((counts[place] ?? 0) > 0) places.push(place);
    const from = (held: Float64Array): Float64Array => {
      const out = new Float64Array(places.length);
      for (let i = 0; i < out.length; i++) out[i] = held[places[i] ?? 0] ?? Number.NaN;
      return out;
    };
    const count = from(this.#count);
    const sum = from(this.#sum);
    return {
      t: Float64Array.from(places, (place) => (this.#first + place) * this.#step),
      avg: sum.map((total, i) => total / (count[i] ?? 1)),
      count,
      sum,
      min: from(this.#min),
      max: from(this.#max),
    };
  }
}

/** Adds the series of one metric of one host to the aggregates of their groups. */
export class GroupFold implements PieceSink {
  readonly #step: number;
  #metric: MetricRecord | undefined;
  #sums: readonly (readonly GroupSums[])[] = [];
  /** Points of devices that do not come as whole buckets. */
  #gathers: SeriesPoints[] = [];

  constructor(step: number) {
    this.#step = step;
  }

  /** @param sums the aggregates to which each device belongs */
  begin(metric: MetricRecord, sums: readonly (readonly GroupSums[])[]): void {
    if (metric !== this.#metric) this.#gathers = [];
    this.#metric = metric;
    this.#sums = sums;
  }

  put(device: number, piece: Piece): void {
    const metric = this.#metric;
    if (metric === undefined) return;
    // Buckets as long as a step are whole points.
    if ("buckets" in piece && piece.bucket === this.#step) {
      for (const sums of this.#sums[device] ?? []) sums.addWhole(piece, metric);
      return;
    }
    const gather = this.#gathers[device] ?? new SeriesPoints(this.#step, metric, false);
    this.#gathers[device] = gather;
    gather.put(piece);
  }

  end(): void {
    for (const [device, gather] of this.#gathers.entries()) {
      if (gather === undefined) continue;
      for (const sums of this.#sums[device] ?? []) sums.add(gather);
      gather.clear();
    }
  }
}
