// Protobuf's wire format, written and read by hand for messages that are mostly long columns of numbers: a general
// encoder makes an object or a bigint of every number, which costs more than fetching the column did.

/** Wire types, the low three bits of a tag. */
const varint = 0;
const bits64 = 1;
const lengthDelimited = 2;
const bits32 = 5;

/** The difference of two integers up to this can still be doubled without loss, as zigzag does. */
const widest = 2 ** 51;
/** Unix milliseconds whose nanoseconds fit into 64 bits: until the year 2554. */
export const lastNanosecond = 18_446_744_073_709;

/** True if `deltas` can write a column. */
export function isWhole(values: Float64Array): boolean {
  // By index, here and below: V8 takes twice to seven times as long to step through a typed array with for…of.
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    // Integers of 32 bits are recognized in half the time.
    if ((value | 0) === value) continue;
    if (!Number.isInteger(value) || value > widest || value < -widest) return false;
  }
  return true;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Buffer that is reused: fresh pages of memory cost more than writing into them. */
let spare = new Uint8Array(65_536);
const mostSpare = 4_194_304;

/** Encodes one message, field by field. */
export function pack(write: (packer: Packer) => void): Uint8Array<ArrayBuffer> {
  const bytes = spare;
  // A message that is packed while another one is gets bytes of its own.
  spare = new Uint8Array(0);
  const packer = new Packer(bytes);
  try {
    write(packer);
    return packer.copy();
  } finally {
    if (packer.bytes.length > spare.length && packer.bytes.length <= mostSpare) spare = packer.bytes;
  }
}

export class Packer {
  bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.#at);
  }

  /** An integer from 0 to 2^53. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.#room(20);
    this.#tag(field, varint);
    this.#varint(value);
  }

  text(field: number, value: string): void {
    if (value !== "") this.blob(field, encoder.encode(value));
  }

  blob(field: number, value: Uint8Array): void {
    this.#room(20 + value.length);
    this.#tag(field, lengthDelimited);
    this.#varint(value.length);
    this.bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Adds everything that `write` adds as one length-delimited field. */
  inside(field: number, write: () => void): void {
    this.#room(20);
    this.#tag(field, lengthDelimited);
    const start = this.#at;
    // The length precedes its content: it is written when known, and the content moves up.
    this.#at += 1;
    write();
    const length = this.#at - start - 1;
    if (length < 0x80) {
      this.bytes[start] = length;
      return;
    }
    const size = Math.floor(Math.log2(length) / 7) + 1;
    this.#room(size);
    this.bytes.copyWithin(start + size, start + 1, this.#at);
    this.#at = start;
    this.#varint(length);
    this.#at += length;
  }

  /** Integers from 0 to 2^53 that never fall, each as what it adds to the one before: `repeated uint64`. */
  steps(field: number, values: Float64Array): void {
    this.#column(field, values, (bytes, at) => putChanges(values, 1, { bytes, at }));
  }

  /** A whole column (`isWhole`), each value as its difference from the one before: `repeated sint64`. */
  deltas(field: number, values: Float64Array): void {
    this.#column(field, values, (bytes, at) => putChanges(values, 2, { bytes, at }));
  }

  /** `repeated double`. */
  doubles(field: number, values: Float64Array): void {
    this.#column(field, values, (bytes, start) => {
      const view = new DataView(bytes.buffer);
      let at = start;
      for (let i = 0; i < values.length; i++) {
        view.setFloat64(at, values[i] as number, true);
        at += 8;
      }
      return at;
    });
  }

  /** Integers from 0 to 2^53 as they are: `repeated uint64`. */
  uints(field: number, values: Float64Array): void {
    this.#column(field, values, (bytes, start) => {
      let at = start;
      for (let i = 0; i < values.length; i++) at = put(bytes, at, values[i] as number);
      return at;
    });
  }

  /** Milliseconds from 0 to `lastNanosecond`, as nanoseconds: `repeated uint64`. */
  nanoseconds(field: number, milliseconds: Float64Array): void {
    this.#column(field, milliseconds, (bytes, start) => {
      let at = start;
      for (let i = 0; i < milliseconds.length; i++) at = putNanoseconds(bytes, at, milliseconds[i] as number);
      return at;
    });
  }

  /** Ten bytes of room for each value; `write` says where it ended. */
  #column(field: number, values: Float64Array, write: (bytes: Uint8Array, at: number) => number): void {
    if (values.length === 0) return;
    this.inside(field, () => {
      this.#room(10 * values.length);
      this.#at = write(this.bytes, this.#at);
    });
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  #varint(value: number): void {
    this.#at = put(this.bytes, this.#at, value);
  }

  #room(more: number): void {
    const wanted = this.#at + more + 10;
    if (wanted <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, 2 * this.bytes.length));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

/** Writes an integer from 0 to 2^53 where there is room for ten bytes; the place after it is returned. */
function put(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7fff_ffff) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/**
 * Writes each value as what it adds to the one before: as it is (unit 1), or doubled, so that what it takes away goes in
 * between (unit 2). Most of that fits into two bytes, which are written here, without a call for each value.
 */
function putChanges(values: Float64Array, unit: 1 | 2, to: { bytes: Uint8Array; at: number }): number {
  const { bytes } = to;
  let { at } = to;
  let before = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const more = value - before;
    before = value;
    const folded = more < 0 ? -2 * more - 1 : unit * more;
    if (folded >= 0x4000) {
      at = put(bytes, at, folded);
      continue;
    }
    const short = folded | 0;
    if (short >= 0x80) bytes[at++] = short | 0x80;
    bytes[at++] = short < 0x80 ? short : short >>> 7;
  }
  return at;
}

/** Beyond 2^53 a double has no digits left: the product is made in two halves of 32 bits. */
function putNanoseconds(bytes: Uint8Array, start: number, milliseconds: number): number {
  const product = (milliseconds % 2 ** 32) * 1e6;
  let low = (product % 2 ** 32) >>> 0;
  let high = Math.floor(milliseconds / 2 ** 32) * 1e6 + Math.floor(product / 2 ** 32);
  let at = start;
  while (high > 0) {
    bytes[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high = Math.floor(high / 128);
  }
  return put(bytes, at, low);
}

/** Reads one message that a Packer wrote, field by field. */
export class Unpacker {
  readonly #bytes: Uint8Array;
  #at = 0;
  #wire = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Number of the next field, or 0 at the end. @throws Error where the message is cut short */
  next(): number {
    if (this.#at >= this.#bytes.length) return 0;
    const tag = this.uint();
    this.#wire = tag & 7;
    return tag >>> 3;
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error("The message is cut short");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  bytes(): Uint8Array {
    const length = this.uint();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error("The message is cut short");
    const held = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return held;
  }

  text(): string {
    return decoder.decode(this.bytes());
  }

  steps(): Float64Array<ArrayBuffer> {
    return this.#integers((value) => value);
  }

  deltas(): Float64Array<ArrayBuffer> {
    return this.#integers((value) => (value % 2 === 0 ? value / 2 : -(value + 1) / 2));
  }

  doubles(): Float64Array<ArrayBuffer> {
    const held = this.bytes();
    const view = new DataView(held.buffer, held.byteOffset, held.byteLength);
    return Float64Array.from({ length: Math.floor(held.length / 8) }, (_, i) => view.getFloat64(8 * i, true));
  }

  /** Skips a field that the reader does not know. */
  skip(): void {
    if (this.#wire === varint) this.uint();
    else if (this.#wire === lengthDelimited) this.bytes();
    else if (this.#wire === bits64) this.#at += 8;
    else if (this.#wire === bits32) this.#at += 4;
    else throw new Error(`The message holds a field of wire type ${this.#wire}`);
  }

  #integers(change: (value: number) => number): Float64Array<ArrayBuffer> {
    const bytes = this.bytes();
    // The last byte of each has its highest bit clear.
    let count = 0;
    for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) < 0x80) count++;
    const inner = new Unpacker(bytes);
    const values = new Float64Array(count);
    let value = 0;
    for (let i = 0; i < count; i++) {
      value += change(inner.uint());
      values[i] = value;
    }
    return values;
  }
}
