/** Reuses an array for intermediate columns; it grows as needed. */
export class Scratch<A extends Float64Array | Int32Array | Uint8Array> {
  readonly #make: (length: number) => A;
  #array: A;

  constructor(make: (length: number) => A) {
    this.#make = make;
    this.#array = make(2048);
  }

  /** Returns an array of at least `length` values, which are not defined. */
  of(length: number): A {
    if (this.#array.length < length) this.#array = this.#make(Math.max(length, 2 * this.#array.length));
    return this.#array;
  }
}

export const doubles = (): Scratch<Float64Array> => new Scratch((length) => new Float64Array(length));
export const integers = (): Scratch<Int32Array> => new Scratch((length) => new Int32Array(length));
export const bytes = (): Scratch<Uint8Array> => new Scratch((length) => new Uint8Array(length));
