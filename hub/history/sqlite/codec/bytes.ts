import { CorruptChunk } from "./corrupt.ts";

/** Writes whole numbers of variable length into a buffer that grows. Reused for every chunk. */
export class ByteWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = value;
  }

  /** Overwrites a byte. */
  set(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  /** A whole number from 0 to 2^53. Seven bits a byte, lowest first. */
  whole(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** A whole number from -2^53 to 2^53: a byte with its sign and lowest bits, and a whole number with the others. */
  signed(value: number): void {
    const size = Math.abs(value);
    const more = size > 63 ? 128 : 0;
    this.byte((size % 64) | (value < 0 ? 64 : 0) | more);
    if (more !== 0) this.whole(Math.floor(size / 64));
  }

  /** A whole number from 1 to 2^53 that is often a power of two: a byte with how many twos it holds, and what is left. */
  unit(value: number): void {
    const twos = (value | 0) === 0 ? 0 : 31 - Math.clz32(value & -value);
    const rest = value / 2 ** twos;
    this.byte(twos | (rest === 1 ? 0 : 128));
    if (rest !== 1) this.whole(rest);
  }

  /** What was written; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** @throws CorruptChunk where a number is cut short or larger than 2^53 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new CorruptChunk("The chunk ends within its header");
    return value;
  }

  whole(): number {
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 127) * unit;
      if (byte < 128) break;
      unit *= 128;
      if (unit > 2 ** 49) throw new CorruptChunk("A number in the chunk's header is too long");
    }
    if (value > 2 ** 53) throw new CorruptChunk("A number in the chunk's header is over 2^53");
    return value;
  }

  signed(): number {
    const byte = this.byte();
    const size = (byte & 63) + (byte > 127 ? this.whole() * 64 : 0);
    if (size > 2 ** 53) throw new CorruptChunk("A number in the chunk's header is over 2^53");
    return (byte & 64) === 0 ? size : -size;
  }

  unit(): number {
    const byte = this.byte();
    const value = 2 ** (byte & 127) * (byte > 127 ? this.whole() : 1);
    if (value < 1 || value > 2 ** 53) throw new CorruptChunk("A unit in the chunk's header is not from 1 to 2^53");
    return value;
  }
}
