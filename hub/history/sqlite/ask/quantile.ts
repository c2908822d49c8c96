/** Samples of a buffer, as a rule: one for all would be copied as it grows, and hold others up. */
const usual = 16_384;

/** Where the samples of a point stand. */
interface Point {
  buffer: Float64Array;
  from: number;
  to: number;
}

/** How the samples of each point are spread: all of them, point after point. */
export class Quantiles {
  readonly #points: Point[] = [];
  #buffer = new Float64Array(usual);
  #length = 0;

  /** Forgets all points. */
  clear(): void {
    this.#points.length = 0;
    this.#length = 0;
  }

  /** The next point begins. */
  begin(): void {
    this.#points.push({ buffer: this.#buffer, from: this.#length, to: this.#length });
  }

  /** Adds samples to the last point, but absent ones. */
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

  /** Of each point from `skip` on: the least sample that 95 % do not exceed. */
  percentiles(skip: number): Float64Array {
    const all = new Float64Array(this.#points.length - skip);
    for (let i = 0; i < all.length; i++) {
      const { buffer, from, to } = this.#points[skip + i] ?? { buffer: this.#buffer, from: 0, to: 0 };
      sort(buffer, from, to);
      all[i] = to > from ? (buffer[from + Math.ceil(0.95 * (to - from)) - 1] ?? Number.NaN) : Number.NaN;
    }
    return all;
  }

  /** Into a new buffer goes what a point has already, with room for more. */
  #move(point: Point, more: number): void {
    const held = point.buffer.subarray(point.from, point.to);
    this.#buffer = new Float64Array(Math.max(usual, 2 * (held.length + more)));
    this.#buffer.set(held);
    this.#length = held.length;
    Object.assign(point, { buffer: this.#buffer, from: 0, to: held.length });
  }
}

/** Up to so many samples are sorted in place: a view of them, as the sort of the language needs, takes longer. */
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
