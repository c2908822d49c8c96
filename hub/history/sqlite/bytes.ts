// Variable-length whole numbers (LEB128): seven bits a byte, lowest first; the highest bit says that more bytes follow.

/** Maximum bytes of a number below 2^53. */
export const longest = 8;

/** Writes a whole number from 0 to 2^53 - 1. @returns the offset behind it */
export function putNumber(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let place = at;
  while (rest > 0x7fffffff) {
    bytes[place++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  while (rest > 127) {
    bytes[place++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[place++] = rest;
  return place;
}

/** Reads what `putNumber` wrote; never reads beyond the bytes, whatever they are. */
export class NumberReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  /** @throws RangeError if the bytes end within a number, or it is too large */
  number(): number {
    let byte = this.byte();
    if (byte < 128) return byte;
    let value = byte & 127;
    let place = 128;
    do {
      byte = this.byte();
      value += (byte & 127) * place;
      place *= 128;
      if (place > 2 ** 56) throw new RangeError("a number is too large");
    } while (byte > 127);
    return value;
  }

  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined || this.at >= this.end) throw new RangeError("the bytes end too early");
    this.at++;
    return byte;
  }

  take(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, this.at);
  }

  /** Skips bytes. @returns where they begin */
  skip(length: number): number {
    const { at } = this;
    if (length > this.end - at) throw new RangeError("the bytes end too early");
    this.at = at + length;
    return at;
  }
}

/** Maps signed numbers to unsigned ones; small ones stay small. */
export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
export const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
