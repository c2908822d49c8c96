import { Block, encodeBlock } from "./codec/block.ts";
import { CorruptBlock } from "./codec/corrupt.ts";
import type { BucketColumns } from "./codec/summary.ts";
import { BucketBlock, encodeTier } from "./codec/tier.ts";

/**
 * The column codec of the history: columns of doubles to bytes and back, without loss, in well under a byte for each
 * sample of what machines measure. docs/architecture.md names the floors; nothing here knows of hosts, metrics or SQLite.
 */
export { type Block, type BucketBlock, type BucketColumns, CorruptBlock };

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

/** See `encode`. The columns of `series` are summaries of `buckets` buckets each. @throws RangeError as `encode` does */
export function encodeBuckets(series: readonly BucketColumns[], buckets: number): Uint8Array {
  return encodeTier(series, buckets);
}

/** See `open`. @throws CorruptBlock */
export function openBuckets(bytes: Uint8Array): BucketBlock {
  return new BucketBlock(bytes);
}

/**
 * Writes one series to the first `block.buckets` places of the columns of `out`.
 * @throws CorruptBlock
 * @throws RangeError as `column` does
 */
export function bucketColumns(block: BucketBlock, index: number, out: BucketColumns): void {
  block.fill(index, out);
}
