/** How the samples of each point are spread: all of them, point after point. */
export class Spread {
  #samples = new Float64Array(1024);
  #length = 0;
  /** Where the samples of each point begin. */
  readonly #starts: number[] = [];

  /** There are no points any more. */
  clear(): void {
    this.#length = 0;
    this.#starts.length = 0;
  }

  /** The next point begins. */
  begin(): void {
    this.#starts.push(this.#length);
  }

  /** Adds samples to the last point, but absent ones. */
  add(samples: ArrayLike<number>): void {
    if (this.#length + samples.length > this.#samples.length) this.#grow(samples.length);
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i] ?? Number.NaN;
      if (!Number.isNaN(sample)) this.#samples[this.#length++] = sample;
    }
  }

  /** Of each point from `skip` on: the least sample that 95 % do not exceed. */
  percentiles(skip: number): Float64Array {
    const all = new Float64Array(this.#starts.length - skip);
    for (let i = 0; i < all.length; i++) {
      const from = this.#starts[skip + i] ?? 0;
      const to = this.#starts[skip + i + 1] ?? this.#length;
      sort(this.#samples, from, to);
      all[i] = to > from ? (this.#samples[from + Math.ceil(0.95 * (to - from)) - 1] ?? Number.NaN) : Number.NaN;
    }
    return all;
  }

  #grow(more: number): void {
    const larger = new Float64Array(Math.max(2 * this.#samples.length, this.#length + more));
    larger.set(this.#samples.subarray(0, this.#length));
    this.#samples = larger;
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
