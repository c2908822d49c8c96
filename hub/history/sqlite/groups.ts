import type { GroupColumns } from "../store.ts";
import type { Gather } from "./gather.ts";

/** What is told of a group of series, point by point. */
export class Sums {
  readonly #sum: Float64Array;
  readonly #count: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;

  constructor(points: number) {
    this.#sum = new Float64Array(points);
    this.#count = new Float64Array(points);
    this.#min = new Float64Array(points).fill(Number.POSITIVE_INFINITY);
    this.#max = new Float64Array(points).fill(Number.NEGATIVE_INFINITY);
  }

  /** Counts a series in. @param placeOf the point of a time */
  add(series: Gather, placeOf: (t: number) => number): void {
    for (let i = 0; i < series.length; i++) {
      const place = placeOf(series.t(i));
      this.#sum[place] = (this.#sum[place] ?? 0) + series.mean(i);
      this.#count[place] = (this.#count[place] ?? 0) + 1;
      this.#min[place] = Math.min(this.#min[place] ?? Number.NaN, series.min(i));
      this.#max[place] = Math.max(this.#max[place] ?? Number.NaN, series.max(i));
    }
  }

  /** Points that some series has. @param timeOf the time of a point */
  columns(timeOf: (place: number) => number): GroupColumns {
    const places: number[] = [];
    for (const [place, count] of this.#count.entries()) if (count > 0) places.push(place);
    const from = (held: Float64Array): Float64Array => {
      const out = new Float64Array(places.length);
      for (const [i, place] of places.entries()) out[i] = held[place] ?? Number.NaN;
      return out;
    };
    const count = from(this.#count);
    const sum = from(this.#sum);
    return {
      t: Float64Array.from(places, timeOf),
      avg: sum.map((total, i) => total / (count[i] ?? 1)),
      count,
      sum,
      min: from(this.#min),
      max: from(this.#max),
    };
  }
}
