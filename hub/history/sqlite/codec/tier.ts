import { Block, encodeBlock } from "./block.ts";
import { CorruptBlock } from "./corrupt.ts";

/** Buckets of one series: columns of equal length. count 0: no sample fell into that bucket, and the others are NaN. */
export interface BucketColumns {
  readonly count: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Sum of a gauge's samples, the last sample of a counter. */
  readonly sum: Float64Array;
}

/**
 * How the values of a series stand in its block. plain: as they are. about: sum, and how far min and max lie from the
 * mean, rounded down, which noise moves least.
 */
const MODES = ["plain", "about"] as const;

/** Columns of a series in its block: count, sum, min, max. The counts of all series come first: they are mostly the same. */
export function encodeTier(series: readonly BucketColumns[], buckets: number): Uint8Array {
  const counts: Float64Array[] = [];
  const others: Float64Array[] = [];
  const modes = new Uint8Array(series.length);
  for (const [at, one] of series.entries()) {
    counts.push(one.count);
    const about = aboutOf(one, buckets);
    modes[at] = about === undefined ? 0 : 1;
    others.push(one.sum, about?.min ?? one.min, about?.max ?? one.max);
  }
  return encodeBlock([...counts, ...others], buckets, modes);
}

/** @returns undefined where a value is no whole number, or is present in some columns only */
function aboutOf(series: BucketColumns, buckets: number): { min: Float64Array; max: Float64Array } | undefined {
  const min = new Float64Array(buckets);
  const max = new Float64Array(buckets);
  for (let i = 0; i < buckets; i++) {
    const count = series.count[i] ?? 0;
    const sum = series.sum[i] ?? 0;
    const mean = Math.floor(sum / count);
    min[i] = mean - (series.min[i] ?? 0);
    max[i] = (series.max[i] ?? 0) - mean;
    if (!isAbout(series, i, mean)) return undefined;
  }
  return { min, max };
}

const isExact = (value: number): boolean => Number.isInteger(value) && Math.abs(value) < 2 ** 51;

function isAbout(series: BucketColumns, at: number, mean: number): boolean {
  const min = series.min[at] ?? 0;
  const max = series.max[at] ?? 0;
  if (series.count[at] === 0) return Number.isNaN(min) && Number.isNaN(max) && Number.isNaN(series.sum[at] ?? 0);
  return isExact(min) && isExact(max) && isExact(mean) && Number.isInteger(series.sum[at]);
}

/** A block of buckets, none of its series decoded yet. */
export class BucketBlock {
  readonly buckets: number;
  readonly width: number;
  readonly #block: Block;

  /** @throws CorruptBlock */
  constructor(bytes: Uint8Array) {
    this.#block = new Block(bytes);
    this.buckets = this.#block.count;
    this.width = this.#block.note.length;
    if (this.#block.width !== 4 * this.width) throw new CorruptBlock("The block does not hold buckets");
  }

  /** See `bucketColumns` of codec.ts. */
  fill(index: number, out: BucketColumns): void {
    if (!(index >= 0 && index < this.width)) {
      throw new RangeError(`Cannot read series ${index}: the block has ${this.width}`);
    }
    const at = this.width + 3 * index;
    this.#block.fill(index, out.count);
    this.#block.fill(at, out.sum);
    this.#block.fill(at + 1, out.min);
    this.#block.fill(at + 2, out.max);
    const mode = MODES[this.#block.note[index] ?? 0];
    if (mode === undefined) throw new CorruptBlock("A series of the block is described in a way that is not known");
    if (mode === "about") this.#addMean(out);
  }

  #addMean(out: BucketColumns): void {
    for (let i = 0; i < this.buckets; i++) {
      const mean = Math.floor((out.sum[i] ?? 0) / (out.count[i] ?? 0));
      out.min[i] = mean - (out.min[i] ?? 0);
      out.max[i] = mean + (out.max[i] ?? 0);
    }
  }
}
