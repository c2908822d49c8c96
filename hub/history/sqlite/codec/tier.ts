import { Batch } from "./batch.ts";
import { BitWriter, type Words } from "./bits.ts";
import { Block, encodeBlock, MOST_VALUES } from "./block.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptBlock } from "./corrupt.ts";
import { readWide } from "./residual.ts";
import { CHECK, checkSeal, seal, wordsOf } from "./seal.ts";
import { type BucketColumns, type Summary, type SummaryFrame, summaryOf, unfold } from "./summary.ts";
import { readDecoder } from "./table.ts";
import { costOf } from "./token.ts";
import { predictWide, restoreWide, type WidePredictor, widePredictors } from "./wide.ts";

/**
 * A block of buckets is: CRC-32, version, buckets, width, the frame of each series, predictors; then one strand of
 * residuals for all series, since a few buckets do not pay for a strand each. Series that are no summaries of whole
 * numbers stand as columns in a block of their own behind.
 */
const VERSION = 2;

const head = new ByteWriter();
const bits = new BitWriter();
const batch = new Batch();

/** See `encodeBuckets` of codec.ts. */
export function encodeTier(series: readonly BucketColumns[], buckets: number): Uint8Array {
  if (!(Number.isInteger(buckets) && buckets >= 1 && buckets * series.length <= MOST_VALUES)) {
    throw new RangeError(
      `Cannot encode ${buckets} buckets of ${series.length} series: must be from 1 to ${MOST_VALUES}`,
    );
  }
  for (const [at, { count, min, max, sum }] of series.entries()) {
    const length = Math.min(count.length, min.length, max.length, sum.length);
    if (length < buckets) throw new RangeError(`Series ${at} has ${length} buckets: must have ${buckets}`);
  }
  head.clear();
  bits.clear();
  batch.clear();
  head.byte(VERSION);
  head.whole(buckets);
  head.whole(series.length);
  const summaries = series.map((one) => summaryOf(one, buckets));
  for (const one of summaries) writeSummary(one);
  const strand = strandOf(series, summaries, buckets);
  if (strand.length > 1) batch.addWide(strand, strand.length);
  for (const units of batch.write(bits)) head.whole(units);
  const plain = series.filter((_, at) => summaries[at] === undefined);
  const columns = plain.flatMap(({ count, min, max, sum }) => [count, min, max, sum]);
  return seal([head.view(), bits.view(), plain.length > 0 ? encodeBlock(columns, buckets) : new Uint8Array(0)]);
}

/** Kind 0 is a series that is none. */
function writeSummary(summary: Summary | undefined): void {
  if (summary === undefined) {
    head.byte(0);
    return;
  }
  const { last, places, origin, unit } = summary;
  head.byte(1 | (last ? 2 : 0) | (places << 2));
  head.unit(unit);
  head.signed(origin);
}

/** Residuals from place 1 on. Names the predictors in the head. */
function strandOf(
  series: readonly BucketColumns[],
  summaries: readonly (Summary | undefined)[],
  buckets: number,
): Float64Array {
  const counts = series.filter((_, at) => summaries[at] !== undefined).map(({ count }) => count);
  const first = counts[0]?.[0] ?? 0;
  const even = counts.every((count) => isEven(count, first, buckets));
  const kept = summaries.filter((one) => one !== undefined);
  const own = kept.reduce((all, { sum }) => all + sum.length, 0);
  const strand = new Float64Array(1 + (even ? 0 : counts.length * buckets) + 3 * own);
  head.whole(even ? first + 1 : 0);
  head.whole(counts.length * buckets - own);
  const to = { strand, at: 1 };
  if (!even) {
    for (const [row, count] of counts.entries()) {
      for (let i = 0; i < buckets; i++) strand[to.at++] = (count[i] ?? 0) - countBefore(counts, row, i);
    }
  }
  const sums = kept.map(({ sum }) => sum);
  head.byte(widePredictors.indexOf(addSums(sums, to)));
  for (const { below, above } of kept) addSpread(below, above, to);
  return strand;
}

/** What is never negative is as good as a folded residual. */
const unfolded = (folded: number): number => (folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2);
const folded = (residual: number): number => (residual < 0 ? -2 * residual - 1 : 2 * residual);

/** Both sides in turns: where one is wide, the other mostly is. */
function addSpread(below: Float64Array, above: Float64Array, to: Cursor): void {
  for (let i = 0; i < below.length; i++) {
    to.strand[to.at++] = unfolded(below[i] ?? 0);
    to.strand[to.at++] = unfolded(above[i] ?? 0);
  }
}

function isEven(count: Float64Array, first: number, buckets: number): boolean {
  for (let i = 0; i < buckets; i++) if (count[i] !== first) return false;
  return true;
}

/** Devices of a host mostly miss the same polls. */
const countBefore = (counts: readonly Float64Array[], row: number, i: number): number =>
  (row > 0 ? counts[row - 1]?.[i] : counts[0]?.[i - 1]) ?? 0;

/** Writes the sums of all series with the predictor that leaves least. @returns the predictor */
function addSums(columns: readonly Float64Array[], to: Cursor): WidePredictor {
  let best: WidePredictor = "previous";
  let least = Number.POSITIVE_INFINITY;
  for (const kind of widePredictors) {
    const cost = predictAll(columns, kind, to);
    if (cost >= least) continue;
    least = cost;
    best = kind;
  }
  predictAll(columns, best, to);
  for (const column of columns) to.at += column.length;
  return best;
}

/** The first value of a series against that of the series before, the others against their prediction. @returns what they cost */
function predictAll(columns: readonly Float64Array[], kind: WidePredictor, to: Cursor): number {
  const { strand } = to;
  let { at } = to;
  let before = 0;
  for (const column of columns) {
    if (column.length === 0) continue;
    const first = column[0] ?? 0;
    predictWide(column, strand, { kind, count: column.length, first, at });
    strand[at] = first - before;
    before = first;
    at += column.length;
  }
  let cost = 0;
  for (let i = to.at; i < at; i++) cost += costOf(Math.abs(strand[i] ?? 0));
  return cost;
}

/** A place in a strand. */
interface Cursor {
  readonly strand: Float64Array;
  at: number;
}

/** A block of buckets. All its summaries are decoded when the first series is asked for: they share a strand. */
export class BucketBlock {
  readonly buckets: number;
  readonly width: number;
  readonly #frames: readonly (SummaryFrame | undefined)[];
  readonly #strand: Strand;
  readonly #plain: Block | undefined;
  #summaries: readonly BucketColumns[] | undefined;

  /** @throws CorruptBlock */
  constructor(bytes: Uint8Array) {
    checkSeal(bytes);
    const from = new ByteReader(bytes, CHECK);
    if (from.byte() !== VERSION) throw new CorruptBlock("The block does not hold buckets");
    this.buckets = from.whole();
    this.width = from.whole();
    // Every series takes a byte at least.
    if (this.buckets < 1 || this.width > bytes.length || this.width * this.buckets > MOST_VALUES) {
      throw new CorruptBlock("The counts of the block do not fit its length");
    }
    this.#frames = Array.from({ length: this.width }, () => readFrame(from));
    const summaries = this.#frames.filter((frame) => frame !== undefined).length;
    this.#strand = readStrand(from, bytes, summaries * this.buckets);
    const rest = bytes.subarray(this.#strand.end);
    this.#plain = summaries < this.width ? new Block(rest) : undefined;
    const columns = 4 * (this.width - summaries);
    if ((this.#plain?.width ?? rest.length) !== columns || (this.#plain?.count ?? this.buckets) !== this.buckets) {
      throw new CorruptBlock("The block does not hold its columns");
    }
  }

  /** See `bucketColumns` of codec.ts. */
  fill(index: number, out: BucketColumns): void {
    if (!(Number.isInteger(index) && index >= 0 && index < this.width)) {
      throw new RangeError(`Cannot read series ${index}: the block has ${this.width}`);
    }
    const before = this.#frames.slice(0, index).filter((frame) => frame !== undefined).length;
    if (this.#frames[index] === undefined) this.#fillPlain(index - before, out);
    else this.#fillSummary(before, out);
  }

  #fillPlain(at: number, out: BucketColumns): void {
    for (const [i, column] of [out.count, out.min, out.max, out.sum].entries()) this.#plain?.fill(4 * at + i, column);
  }

  #fillSummary(at: number, out: BucketColumns): void {
    const frames = this.#frames.filter((frame) => frame !== undefined);
    this.#summaries ??= readSummaries(this.#strand, frames, this.buckets);
    const from = this.#summaries[at];
    if (from === undefined) throw new CorruptBlock("The block does not hold its columns");
    for (const name of ["count", "min", "max", "sum"] as const) out[name].set(from[name]);
  }
}

function readFrame(head: ByteReader): SummaryFrame | undefined {
  const kind = head.byte();
  if (kind === 0) return undefined;
  const places = kind >> 2;
  if ((kind & 1) === 0 || places > 4) {
    throw new CorruptBlock("A series of the block is described in a way that is not known");
  }
  return { last: (kind & 2) !== 0, places, unit: head.unit(), origin: head.signed() };
}

/** Residuals that all summaries of a block share. */
interface Strand {
  /** The count of all buckets; undefined where they differ, and stand in the strand. */
  readonly even: number | undefined;
  readonly kind: WidePredictor;
  /** Residuals in the strand. */
  readonly length: number;
  readonly words: Words;
  /** In units of 16 bits: where the tables end and the residuals begin, and where they end. */
  readonly tables: number;
  readonly units: number;
  /** Bytes of the block up to the strand's end. */
  readonly end: number;
}

/** @param cells buckets of all summaries together */
function readStrand(head: ByteReader, bytes: Uint8Array, cells: number): Strand {
  const counts = head.whole();
  const empty = head.whole();
  const kind = widePredictors[head.byte()];
  const length = (counts === 0 ? cells : 0) + 3 * (cells - empty);
  const [tables, own] = length === 0 ? [0, 0] : [head.whole(), head.whole()];
  const end = head.at + 2 * (tables + own);
  if (empty > cells || end > bytes.length || kind === undefined) {
    throw new CorruptBlock("The block's series do not fit its length");
  }
  const words = wordsOf(bytes.subarray(head.at, end), tables + own);
  const even = counts === 0 ? undefined : counts - 1;
  return { even, kind, length, words, tables, units: tables + own, end };
}

function readSummaries(strand: Strand, frames: readonly SummaryFrame[], buckets: number): BucketColumns[] {
  const residuals = new Float64Array(1 + strand.length);
  if (strand.length > 0) {
    const place = { words: strand.words, from: strand.tables, to: strand.units };
    const decoder = readDecoder(strand.words, { from: 0, to: strand.tables });
    readWide(place, decoder, { residuals, count: residuals.length });
  }
  const of = { strand: residuals, at: 1 };
  const counts = takeCounts(strand, of, { rows: frames.length, buckets });
  const sizes = counts.map((count) => count.reduce((sum, one) => sum + (one === 0 ? 0 : 1), 0));
  const sums = takeSums(sizes, strand.kind, of);
  const columns = frames.map((frame, row) => {
    const sum = sums[row] ?? residuals;
    return unfold(frame, counts[row] ?? residuals, { sum, ...takeSpread(sum.length, of) });
  });
  if (of.at !== residuals.length) throw new CorruptBlock("The block's buckets are not as many as it says");
  return columns;
}

function takeSpread(size: number, from: Cursor): { below: Float64Array; above: Float64Array } {
  const below = new Float64Array(size);
  const above = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    below[i] = folded(from.strand[from.at++] ?? 0);
    above[i] = folded(from.strand[from.at++] ?? 0);
  }
  return { below, above };
}

function takeCounts(strand: Strand, from: Cursor, size: { rows: number; buckets: number }): Float64Array[] {
  const counts = Array.from({ length: size.rows }, () => new Float64Array(size.buckets).fill(strand.even ?? 0));
  if (strand.even !== undefined) return counts;
  for (const [row, count] of counts.entries()) {
    for (let i = 0; i < size.buckets; i++) {
      count[i] = (from.strand[from.at++] ?? 0) + countBefore(counts, row, i);
    }
  }
  return counts;
}

function takeSums(sizes: readonly number[], kind: WidePredictor, from: Cursor): Float64Array[] {
  let before = 0;
  return sizes.map((size) => {
    const column = from.strand.slice(from.at, from.at + size);
    from.at += size;
    const first = before + (column[0] ?? 0);
    restoreWide(column, { kind, count: column.length });
    if (column.length > 0) before = first;
    return column.map((value) => value + first);
  });
}
