import { crc32 } from "node:zlib";
import type { Buckets } from "../bucket.ts";
import { longest, NumberReader, putNumber, unzigzag, zigzag } from "../bytes.ts";
import { CorruptChunk } from "../codec.ts";

// Codec of buckets. They are few beside samples, and queries on the fleet read thousands of them: whole numbers of variable
// length, which decode fast, serve better here than the dense codec.

/** Values times one of these are usually whole numbers. */
const scales = [1, 10, 100, 1000, 10_000] as const;
/** Memory is measured in pages: its numbers are multiples of this. */
const page = 4096;
/** First byte of a series: doubles, or an index in `scales` plus these flags. */
const doubles = 255;
const inPages = 16;
const againstMax = 32;
/** Forms of a column of whole numbers. */
const constant = 0;
const plain = 1;
const stepped = 2;
/** Beyond it, sums and differences of whole numbers are not exact. */
const largest = 2 ** 52;
const check = 4;

let scratch = new Uint8Array(4096);

/** Encodes the first `length` buckets of some series. Lossless, but for -0, which may become 0. */
export function encodeBuckets(series: readonly Buckets[], length: number): Uint8Array {
  reserve(check + 2 * longest + series.length * (longest + 4 + 4 * length * (longest + 1)));
  let place = putNumber(scratch, check, length);
  place = putNumber(scratch, place, series.length);
  for (const buckets of series) {
    // The length comes first: a series can be skipped without being read.
    const start = place + 3;
    const end = putSeries(buckets, length, start);
    if (end - start >= 2 ** 21) throw new RangeError(`a series of ${length} buckets does not fit into a row`);
    scratch[place] = ((end - start) & 127) | 128;
    scratch[place + 1] = (((end - start) >> 7) & 127) | 128;
    scratch[place + 2] = (end - start) >> 14;
    place = end;
  }
  const bytes = scratch.slice(0, place);
  const sum = crc32(bytes.subarray(check));
  for (let i = 0; i < check; i++) bytes[i] = sum >>> (8 * i);
  return bytes;
}

/** Verifies the checksum. @throws CorruptChunk */
export function checkBuckets(bytes: Uint8Array): void {
  let sum = 0;
  for (let i = 0; i < check; i++) sum += (bytes[i] ?? 0) * 256 ** i;
  if (bytes.length < check + 2 || sum !== crc32(bytes.subarray(check))) {
    throw new CorruptChunk("its bytes do not match their checksum");
  }
}

/** Decodes what `encodeBuckets` wrote, one series after the other; does not verify the checksum. */
export class BucketReader {
  readonly buckets: number;
  readonly width: number;
  readonly #reader: NumberReader;
  #left: number;

  /** @throws CorruptChunk */
  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#reader = new NumberReader(bytes, at, end);
    try {
      this.#reader.skip(check);
      this.buckets = this.#reader.number();
      this.width = this.#reader.number();
    } catch (error) {
      throw told(error);
    }
    this.#left = this.width;
  }

  /**
   * Decodes the next series into `out`, or skips it if that is undefined.
   * @throws CorruptChunk
   * @throws RangeError behind the last series
   */
  next(out: Buckets | undefined): void {
    if (this.#left-- <= 0) throw new RangeError(`there are ${this.width} series`);
    const reader = this.#reader;
    try {
      const length = reader.number();
      const start = reader.skip(length);
      if (out !== undefined) takeSeries({ bytes: reader.bytes, at: start, end: reader.at }, this.buckets, out);
    } catch (error) {
      throw told(error);
    }
    if (this.#left === 0 && !reader.done) throw new CorruptChunk("it is longer than its series");
  }
}

const told = (error: unknown): unknown => (error instanceof RangeError ? new CorruptChunk(error.message) : error);

function reserve(bytes: number): void {
  if (scratch.length < bytes) scratch = new Uint8Array(bytes * 2);
}

let ints = {
  count: new Float64Array(64),
  min: new Float64Array(64),
  range: new Float64Array(64),
  rest: new Float64Array(64),
};

/** @returns the offset behind it */
function putSeries(buckets: Buckets, length: number, start: number): number {
  const form = whole(buckets, length);
  if (form === undefined) return putDoubles(buckets, length, start);
  scratch[start] = form.mark;
  let place = putColumn(ints.count, length, start + 1);
  place = putColumn(ints.min, form.held, place);
  place = putColumn(ints.range, form.held, place);
  return putColumn(ints.rest, form.held, place);
}

function putDoubles({ count, min, max, sum }: Buckets, length: number, start: number): number {
  scratch[start] = doubles;
  const view = new DataView(scratch.buffer, start + 1);
  let place = 0;
  for (const column of [count, min, max, sum]) {
    for (let i = 0; i < length; i++, place += 8) view.setFloat64(place, column[i] ?? Number.NaN, true);
  }
  return start + 1 + place;
}

/** Converts a series into `ints`: counts, and of buckets with samples min, max - min, and the rest of the sum. */
function whole(buckets: Buckets, length: number): { mark: number; held: number } | undefined {
  if (ints.count.length < length) {
    const room = () => new Float64Array(2 * length);
    ints = { count: room(), min: room(), range: room(), rest: room() };
  }
  for (const [at, scale] of scales.entries()) {
    const found = scaled(buckets, length, scale);
    if (found) return { mark: at + found.mark, held: found.held };
    if (found === null) return undefined;
  }
  return undefined;
}

/** @returns null if no scale fits, undefined if another one may */
function scaled(buckets: Buckets, length: number, scale: number): { mark: number; held: number } | null | undefined {
  let held = 0;
  let paged = true;
  let byMin = 0;
  let byMax = 0;
  for (let i = 0; i < length; i++) {
    const count = buckets.count[i] ?? Number.NaN;
    const low = buckets.min[i] ?? Number.NaN;
    const high = buckets.max[i] ?? Number.NaN;
    const sum = buckets.sum[i] ?? Number.NaN;
    if (!(Number.isInteger(count) && count >= 0 && count < 2 ** 30)) return null;
    ints.count[i] = count;
    if (count === 0) {
      if (Number.isNaN(low) && Number.isNaN(high) && Number.isNaN(sum)) continue;
      return null;
    }
    const min = Math.round(low * scale);
    const max = Math.round(high * scale);
    const total = Math.round(sum * scale);
    if (!(Math.abs(min * count) < largest && Math.abs(max) < largest && Math.abs(total) < largest)) return null;
    if (min / scale !== low || max / scale !== high || total / scale !== sum) return undefined;
    paged &&= min % page === 0 && max % page === 0 && total % page === 0;
    ints.min[held] = min;
    ints.range[held] = max - min;
    ints.rest[held] = total;
    byMin += Math.abs(total - min * count);
    byMax += Math.abs(total - max);
    held++;
  }
  settle({ length, paged, byMax: byMax < byMin });
  return { mark: (paged ? inPages : 0) + (byMax < byMin ? againstMax : 0), held };
}

/** Replaces sums by their difference from count × min or, of a counter, from max; divides all by the page size if possible. */
function settle({ length, paged, byMax }: { length: number; paged: boolean; byMax: boolean }): void {
  const unit = paged ? page : 1;
  let at = 0;
  for (let i = 0; i < length; i++) {
    const count = ints.count[i] ?? 0;
    if (count === 0) continue;
    const min = ints.min[at] ?? 0;
    const range = ints.range[at] ?? 0;
    ints.rest[at] = ((ints.rest[at] ?? 0) - (byMax ? min + range : min * count)) / unit;
    ints.min[at] = min / unit;
    ints.range[at] = range / unit;
    at++;
  }
}

function putColumn(values: Float64Array, length: number, start: number): number {
  const first = values[0] ?? 0;
  let same = true;
  let itself = 0;
  let steps = Math.abs(first);
  for (let i = 0; i < length; i++) {
    const value = values[i] ?? 0;
    same &&= value === first;
    itself += Math.abs(value);
    if (i > 0) steps += Math.abs(value - (values[i - 1] ?? 0));
  }
  if (same) {
    scratch[start] = constant;
    return putNumber(scratch, start + 1, zigzag(first));
  }
  const how = steps < itself ? stepped : plain;
  scratch[start] = how;
  let place = start + 1;
  let before = 0;
  for (let i = 0; i < length; i++) {
    const value = values[i] ?? 0;
    place = putNumber(scratch, place, zigzag(value - before));
    if (how === stepped) before = value;
  }
  return place;
}

/** Bytes to read, from `at`, which advances, up to `end`. */
interface Bytes {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

function takeSeries(from: Bytes, length: number, out: Buckets): void {
  if (from.at >= from.end) throw new CorruptChunk("its series is empty");
  const mark = from.bytes[from.at++] ?? 0;
  if (mark === doubles) {
    takeDoubles(from, length, out);
    return;
  }
  const scale = scales[mark & 15];
  if (scale === undefined || mark >= 64) throw new CorruptChunk("its numbers are of no known form");
  const { count, min, max, sum } = out;
  takeColumn(from, count, length);
  let held = 0;
  for (let i = 0; i < length; i++) if (count[i] !== 0) held++;
  takeColumn(from, min, held);
  takeColumn(from, max, held);
  takeColumn(from, sum, held);
  if (held < length) space(out, length, held);
  const unit = (mark & inPages) !== 0 ? page : 1;
  const againstHigh = (mark & againstMax) !== 0;
  for (let i = 0; i < length; i++) {
    // The NaN of an empty bucket stays NaN.
    const low = (min[i] ?? 0) * unit;
    const high = low + (max[i] ?? 0) * unit;
    sum[i] = ((sum[i] ?? 0) * unit + (againstHigh ? high : low * (count[i] ?? 0))) / scale;
    min[i] = low / scale;
    max[i] = high / scale;
  }
}

/** Moves the decoded values, which lie at the front without empty buckets, to their buckets, from the end. */
function space({ count, min, max, sum }: Buckets, length: number, held: number): void {
  for (let i = length - 1, at = held - 1; i >= 0; i--) {
    const absent = count[i] === 0;
    min[i] = absent ? Number.NaN : (min[at] ?? 0);
    max[i] = absent ? Number.NaN : (max[at] ?? 0);
    sum[i] = absent ? Number.NaN : (sum[at] ?? 0);
    if (!absent) at--;
  }
}

function takeDoubles(from: Bytes, length: number, { count, min, max, sum }: Buckets): void {
  if (from.end - from.at < 4 * 8 * length) throw new CorruptChunk("its bytes end too early");
  const view = new DataView(from.bytes.buffer, from.bytes.byteOffset + from.at, 4 * 8 * length);
  let place = 0;
  for (const column of [count, min, max, sum]) {
    for (let i = 0; i < length; i++, place += 8) column[i] = view.getFloat64(place, true);
  }
}

/**
 * Decodes a column. Queries on the fleet read a million numbers, most of them of few bytes: those are decoded inline. Damaged
 * bytes may give any number, but decoding ends.
 */
function takeColumn(from: Bytes, out: Float64Array, length: number): void {
  const { bytes } = from;
  const how = bytes[from.at++];
  if (how === constant) {
    out.fill(takeNumber(from), 0, length);
    return;
  }
  if (how !== plain && how !== stepped) throw new CorruptChunk("its numbers are of no known form");
  let { at } = from;
  let before = 0;
  for (let i = 0; i < length; i++) {
    const start = at;
    let byte = bytes[at++] ?? 0;
    let code = byte & 127;
    for (let shift = 7; byte > 127 && shift < 28; shift += 7) {
      byte = bytes[at++] ?? 0;
      code |= (byte & 127) << shift;
    }
    let value = before + signed(code);
    if (byte > 127) {
      from.at = start;
      value = before + takeNumber(from);
      at = from.at;
    }
    out[i] = value;
    if (how === stepped) before = value;
  }
  if (at > from.end) throw new CorruptChunk("its bytes end too early");
  from.at = at;
}

/** As `unzigzag`, for numbers of at most 31 bits. */
const signed = (value: number): number => (value >>> 1) ^ -(value & 1);

/** Decodes a signed number of any size. @throws RangeError */
function takeNumber(from: Bytes): number {
  const reader = new NumberReader(from.bytes, from.at, from.end);
  const value = unzigzag(reader.number());
  from.at = reader.at;
  return value;
}
