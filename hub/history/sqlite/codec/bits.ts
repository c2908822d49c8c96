import { CorruptChunk } from "./corrupt.ts";

/** Bits, lowest first, in 32-bit words that grow. Reused for every chunk. */
export class BitWriter {
  #words = new Uint32Array(4096);
  #at = 0;
  #word = 0;
  #fill = 0;

  /** Bits written. */
  get length(): number {
    return this.#at * 32 + this.#fill;
  }

  clear(): void {
    this.#at = this.#word = this.#fill = 0;
  }

  /** Reserves memory for more bits; `put` does not check. */
  reserve(bits: number): void {
    const words = this.#at + Math.ceil(bits / 32) + 2;
    // Positions are 32-bit integers when read: 2^31 bits are 256 MiB in one chunk.
    if (words >= 2 ** 26) throw new RangeError("A chunk of the history would be over 256 MiB");
    if (words <= this.#words.length) return;
    const larger = new Uint32Array(Math.max(words, this.#words.length * 2));
    larger.set(this.#words.subarray(0, this.#at));
    this.#words = larger;
  }

  /** Writes the lowest `size` bits (0 to 32); the others of `value` must be 0. */
  put(value: number, size: number): void {
    const fill = this.#fill;
    this.#word |= value << fill;
    if (fill + size < 32) {
      this.#fill = fill + size;
      return;
    }
    this.#words[this.#at++] = this.#word;
    // A shift by 32 is a shift by 0 here, hence the case.
    this.#word = fill === 0 ? 0 : value >>> (32 - fill);
    this.#fill = fill + size - 32;
  }

  /** Fills up to a multiple of 16 bits. */
  align(): void {
    this.put(0, -this.#fill & 15);
  }

  /** The bytes that hold what was written; valid until the next write. */
  view(): Uint8Array {
    this.#words[this.#at] = this.#word;
    return new Uint8Array(this.#words.buffer, 0, Math.ceil(this.length / 8));
  }
}

/** The words of a chunk: two views of the same memory. */
export interface Words {
  readonly by32: Uint32Array;
  readonly by16: Uint16Array;
}

/** The 32 bits from bit `at` on. */
export function windowAt(words: Uint32Array, at: number): number {
  const word = at >>> 5;
  const shift = at & 31;
  return ((words[word] ?? 0) >>> shift) | (((words[word + 1] ?? 0) << 1) << (31 - shift));
}

/** @throws CorruptChunk past `end` */
export class BitReader {
  readonly #words: Uint32Array;
  readonly #end: number;
  #at: number;

  /** @param range in units of 16 bits, half-open */
  constructor(words: Uint32Array, range: { readonly from: number; readonly to: number }) {
    this.#words = words;
    this.#at = range.from * 16;
    this.#end = range.to * 16;
  }

  /** The next `size` bits, 0 to 31. */
  take(size: number): number {
    if (this.#at + size > this.#end) throw new CorruptChunk("The chunk ends within its tables");
    const value = windowAt(this.#words, this.#at) & ((1 << size) - 1);
    this.#at += size;
    return value;
  }

  /** Counts the zeros before the next one, which is read too; at most 31. */
  zeros(): number {
    const window = windowAt(this.#words, this.#at);
    // Isolates the lowest one; without any, clz32 is 32.
    const zeros = 31 - Math.clz32(window & -window);
    if (zeros < 0) throw new CorruptChunk("A number in the tables of the chunk is too long");
    this.#at += zeros + 1;
    if (this.#at > this.#end) throw new CorruptChunk("The chunk ends within its tables");
    return zeros;
  }
}
