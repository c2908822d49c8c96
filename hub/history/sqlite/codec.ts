import { Block, encodeBlock } from "./codec/chunk.ts";
import { CorruptBlock } from "./codec/corrupt.ts";

/**
 * The column codec of the history: columns of doubles to bytes and back, without loss, in well under a byte for each
 * sample of what machines measure. Nothing here knows of hosts, metrics or SQLite.
 */
export { type Block, CorruptBlock };

/**
 * Encodes the first `count` values of each column. NaN is an absent value. Every other double comes back as it was,
 * but for -0, which may become 0. Whole numbers, and decimals of up to four places, are stored as such, densely.
 * @throws RangeError for a count outside 1 to 2^24, or a column that is shorter
 */
export function encode(columns: readonly Float64Array[], count: number): Uint8Array {
  return encodeBlock(columns, count);
}

/** Looks into a block; no column is decoded yet. Any number may be open. @throws CorruptBlock */
export function open(bytes: Uint8Array): Block {
  return new Block(bytes);
}

/**
 * Writes one column to the first `block.count` places of `out`, absent values as NaN. The others are not decoded.
 * @throws CorruptBlock
 * @throws RangeError for an index that the block does not have, or too short an `out`
 */
export function column(block: Block, index: number, out: Float64Array): void {
  block.fill(index, out);
}
