/** A place for intermediate columns that is used again and grows as needed: nothing is allocated for each chunk. */
export class Scratch<A extends Float64Array | Int32Array | Uint8Array> {
  readonly #make: (length: number) => A;
  #array: A;

  constructor(make: (length: number) => A) {
    this.#make = make;
    this.#array = make(2048);
  }

  /** At least `length` places, with anything in them. */
  of(length: number): A {
    if (this.#array.length < length) this.#array = this.#make(Math.max(length, 2 * this.#array.length));
    return this.#array;
  }
}

export const doubles = (): Scratch<Float64Array> => new Scratch((length) => new Float64Array(length));
export const integers = (): Scratch<Int32Array> => new Scratch((length) => new Int32Array(length));
export const bytes = (): Scratch<Uint8Array> => new Scratch((length) => new Uint8Array(length));
