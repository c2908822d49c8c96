import { Chunk, encodeChunk } from "./codec/chunk.ts";
import { CorruptChunk } from "./codec/corrupt.ts";

/**
 * The column codec of the history: columns of doubles to bytes and back, without loss, in well under a byte for each
 * sample of what machines measure. Nothing here knows of hosts, metrics or SQLite.
 */
export { type Chunk, CorruptChunk };

/**
 * Encodes the first `count` values of each column. NaN is an absent value. Every other double comes back as it was,
 * but for -0, which may become 0. Whole numbers, and decimals of up to four places, are stored as such, densely.
 * @throws RangeError for a count outside 1 to 2^24, or a column that is shorter
 */
export function encode(columns: readonly Float64Array[], count: number): Uint8Array {
  return encodeChunk(columns, count);
}

/** Opens a chunk without decoding a column. Any number may be open. @throws CorruptChunk */
export function open(bytes: Uint8Array): Chunk {
  return new Chunk(bytes);
}

/**
 * Decodes one column into the first `chunk.count` values of `out`, absent ones as NaN.
 * @throws CorruptChunk
 * @throws RangeError for an index that the chunk does not have, or too short an `out`
 */
export function column(chunk: Chunk, index: number, out: Float64Array): void {
  chunk.fill(index, out);
}
