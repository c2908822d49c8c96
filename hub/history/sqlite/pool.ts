/** Maximum arrays that are kept for the next block: 25 MB. */
const mostKept = 2048;

/** Reuses large arrays: allocating them for each block takes longer than filling them (bench/history/micro.ts). */
export class ArrayPool {
  readonly #held: Float64Array[] = [];
  #next = 0;

  /** Takes all arrays back. */
  clear(): void {
    this.#next = 0;
  }

  /** Lends an array; its values are not defined. */
  take(length: number): Float64Array {
    const place = this.#next++;
    // A host with thousands of network interfaces must not occupy its memory for ever.
    if (place >= mostKept) return new Float64Array(length);
    let held = this.#held[place];
    if (held === undefined || held.length < length) {
      held = new Float64Array(Math.max(length, 1536));
      this.#held[place] = held;
    }
    return held.subarray(0, length);
  }
}
