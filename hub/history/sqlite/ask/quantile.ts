/** Samples of a buffer: a single one for all would be copied as it grows, which takes too long for one turn. */
const usual = 16_384;

/** The samples of a point: a range of a buffer. */
interface Point {
  buffer: Float64Array;
  from: number;
  to: number;
}

/** Keeps all samples of each point, for their quantiles. */
export class Quantiles {
  readonly #points: Point[] = [];
  #buffer = new Float64Array(usual);
  #length = 0;

  /** Removes all points. */
  clear(): void {
    this.#points.length = 0;
    this.#length = 0;
  }

  /** Begins a point. */
  begin(): void {
    this.#points.push({ buffer: this.#buffer, from: this.#length, to: this.#length });
  }

  /** Adds samples to the last point; absent ones (NaN) are left out. */
  add(samples: ArrayLike<number>): void {
    const point = this.#points.at(-1);
    if (point === undefined) return;
    if (this.#length + samples.length > this.#buffer.length) this.#move(point, samples.length);
    const buffer = this.#buffer;
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i] ?? Number.NaN;
      if (!Number.isNaN(sample)) buffer[this.#length++] = sample;
    }
    point.to = this.#length;
  }

  /** Returns for each point from `skip` on the least sample that 95 % do not exceed. */
  percentiles(skip: number): Float64Array {
    const all = new Float64Array(this.#points.length - skip);
    for (let i = 0; i < all.length; i++) {
      const { buffer, from, to } = this.#points[skip + i] ?? { buffer: this.#buffer, from: 0, to: 0 };
      sort(buffer, from, to);
      all[i] = to > from ? (buffer[from + Math.ceil(0.95 * (to - from)) - 1] ?? Number.NaN) : Number.NaN;
    }
    return all;
  }

  /** Moves the samples of the last point into a new buffer, with space for more. */
  #move(point: Point, more: number): void {
    const held = point.buffer.subarray(point.from, point.to);
    this.#buffer = new Float64Array(Math.max(usual, 2 * (held.length + more)));
    this.#buffer.set(held);
    this.#length = held.length;
    Object.assign(point, { buffer: this.#buffer, from: 0, to: held.length });
  }
}

/** Up to so many samples insertion sort is faster than the language's sort, which needs a view (bench/history/micro.ts). */
const few = 24;

function sort(samples: Float64Array, from: number, to: number): void {
  if (to - from > few) {
    samples.subarray(from, to).sort();
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const sample = samples[i] ?? 0;
    let place = i;
    for (; place > from && (samples[place - 1] ?? 0) > sample; place--) samples[place] = samples[place - 1] ?? 0;
    samples[place] = sample;
  }
}
