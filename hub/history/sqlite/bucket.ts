import type { Columns } from "../store.ts";

/** Gathers samples, given in the order of their times, into columns. */
export class Buckets {
  readonly #step: number;
  readonly #t: number[] = [];
  readonly #min: number[] = [];
  readonly #sum: number[] = [];
  readonly #max: number[] = [];
  readonly #count: number[] = [];

  /** @param step milliseconds of one bucket, counted from the epoch; 0 keeps every sample */
  constructor(step: number) {
    this.#step = step;
  }

  add(t: number, value: number): void {
    const start = this.#step > 0 ? Math.floor(t / this.#step) * this.#step : t;
    const last = this.#t.length - 1;
    if (last < 0 || this.#t[last] !== start) {
      this.#t.push(start);
      this.#min.push(value);
      this.#sum.push(value);
      this.#max.push(value);
      this.#count.push(1);
      return;
    }
    this.#min[last] = Math.min(this.#min[last] ?? value, value);
    this.#max[last] = Math.max(this.#max[last] ?? value, value);
    this.#sum[last] = (this.#sum[last] ?? 0) + value;
    this.#count[last] = (this.#count[last] ?? 0) + 1;
  }

  columns(): Columns {
    return {
      t: Float64Array.from(this.#t),
      min: Float64Array.from(this.#min),
      avg: Float64Array.from(this.#sum, (sum, i) => sum / (this.#count[i] ?? 1)),
      max: Float64Array.from(this.#max),
    };
  }
}
