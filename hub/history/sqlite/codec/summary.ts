import { costOf } from "./token.ts";
import { powerOfTen, wholesOf } from "./whole.ts";

/** Buckets of one series: columns of equal length. count 0: no sample fell into that bucket, and the others are NaN. */
export interface BucketColumns {
  readonly count: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Sum of a gauge's samples, the last sample of a counter. */
  readonly sum: Float64Array;
}

/** How the numbers of a summary stand in its quantities. */
export interface SummaryFrame {
  /** `sum` is the last sample, not a sum. */
  readonly last: boolean;
  /** All are whole numbers / 10^places, */
  readonly places: number;
  /** and samples are origin + unit × a whole number. */
  readonly origin: number;
  readonly unit: number;
}

/**
 * Sum, mean less min and max less mean, in units from the origin, of the buckets that are not empty: three quantities
 * that have little to do with each other. The mean is rounded down; for a counter its last sample stands for it.
 */
export interface Summary extends SummaryFrame, Quantities {}

export interface Quantities {
  readonly sum: Float64Array;
  /** Never negative. */
  readonly below: Float64Array;
  readonly above: Float64Array;
}

/** Above this, differences and sums of them might not be exact. */
const EXACT = 2 ** 49;

/** @returns undefined for columns that are no summary of whole numbers or of decimals of few places */
export function summaryOf(series: BucketColumns, buckets: number): Summary | undefined {
  const kept = keptOf(series, buckets);
  if (kept === undefined) return undefined;
  const sum = wholesIn(kept.sum);
  const min = wholesIn(kept.min);
  const max = wholesIn(kept.max);
  if (sum === undefined || min === undefined || max === undefined) return undefined;
  const places = Math.max(sum.places, min.places, max.places);
  for (const column of [sum, min, max]) if (!isRaised(column, places)) return undefined;
  const samples = { sum: sum.wholes, min: min.wholes, max: max.wholes, count: kept.count };
  const last = spread({ ...samples, last: true }) < spread({ ...samples, last: false });
  const origin = min.wholes[0] ?? 0;
  if (!isShifted({ ...samples, last }, origin)) return undefined;
  const quantities = inUnits({ ...samples, last });
  return quantities && { last, places, origin, ...quantities };
}

/** Takes the origin away. @returns false where not all is exact */
function isShifted({ sum, min, max, count, last }: Samples, origin: number): boolean {
  for (let i = 0; i < count.length; i++) {
    const times = last ? origin : origin * (count[i] ?? 0);
    const s = (sum[i] ?? 0) - times;
    const least = (min[i] ?? 0) - origin;
    const most = (max[i] ?? 0) - origin;
    const bound = Math.max(Math.abs(s), Math.abs(least), Math.abs(most));
    if (bound > EXACT || Math.abs(times) > 2 ** 53) return false;
    sum[i] = s;
    min[i] = least;
    max[i] = most;
  }
  return true;
}

interface Samples {
  readonly sum: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly count: Float64Array;
  readonly last: boolean;
}

/** The buckets that are not empty. @returns undefined where counts are none, or where a bucket is neither empty nor full */
function keptOf(series: BucketColumns, buckets: number): BucketColumns | undefined {
  const { count, min, max, sum } = series;
  let full = 0;
  for (let i = 0; i < buckets; i++) {
    const n = count[i] ?? 0;
    if (!Number.isInteger(n) || n < 0 || n > 2 ** 32) return undefined;
    const empty = n === 0;
    if (Number.isNaN(min[i] ?? 0) !== empty || Number.isNaN(max[i] ?? 0) !== empty) return undefined;
    if (Number.isNaN(sum[i] ?? 0) !== empty) return undefined;
    if (!empty) full++;
  }
  if (full === buckets) return cut(series, buckets);
  const is = (_: number, i: number): boolean => i < buckets && (count[i] ?? 0) > 0;
  return { count: count.filter(is), min: min.filter(is), max: max.filter(is), sum: sum.filter(is) };
}

const cut = ({ count, min, max, sum }: BucketColumns, length: number): BucketColumns => ({
  count: count.subarray(0, length),
  min: min.subarray(0, length),
  max: max.subarray(0, length),
  sum: sum.subarray(0, length),
});

interface Wholes {
  readonly wholes: Float64Array;
  readonly places: number;
}

function wholesIn(column: Float64Array): Wholes | undefined {
  const wholes = new Float64Array(column.length);
  const places = wholesOf(column, wholes, column.length);
  return places === undefined ? undefined : { wholes, places };
}

/** Brings whole numbers to more places. @returns false where one would leave what doubles hold exactly */
function isRaised({ wholes, places }: Wholes, to: number): boolean {
  if (places === to) return true;
  const times = powerOfTen(to - places);
  for (let i = 0; i < wholes.length; i++) {
    const whole = (wholes[i] ?? 0) * times;
    if (Math.abs(whole) > 2 ** 53) return false;
    wholes[i] = whole;
  }
  return true;
}

const meanOf = ({ sum, count, last }: Pick<Samples, "count" | "last" | "sum">, i: number): number =>
  last ? (sum[i] ?? 0) : Math.floor((sum[i] ?? 0) / (count[i] ?? 1));

/** How far min and max lie from the mean, in sixteenths of a bit. */
function spread(samples: Samples): number {
  let bits = 0;
  for (let i = 0; i < samples.count.length; i++) {
    const mean = meanOf(samples, i);
    bits += costOf(Math.abs(mean - (samples.min[i] ?? 0))) + costOf(Math.abs((samples.max[i] ?? 0) - mean));
  }
  return bits;
}

/** Turns the samples into quantities, in place. @returns undefined where a mean is not between min and max */
function inUnits(samples: Samples): Pick<Summary, "above" | "below" | "sum" | "unit"> | undefined {
  const { sum, min, max } = samples;
  const unit = divisorOf([sum, min, max]);
  for (let i = 0; i < sum.length; i++) {
    sum[i] = (sum[i] ?? 0) / unit;
    const mean = meanOf(samples, i);
    min[i] = mean - (min[i] ?? 0) / unit;
    max[i] = (max[i] ?? 0) / unit - mean;
    if ((min[i] ?? 0) < 0 || (max[i] ?? 0) < 0) return undefined;
  }
  return { unit, sum, below: min, above: max };
}

/** Greatest common divisor; 1 of zeros. */
function divisorOf(columns: readonly Float64Array[]): number {
  let unit = 0;
  for (const column of columns) {
    for (let i = 0; i < column.length; i++) {
      let rest = Math.abs(column[i] ?? 0);
      while (rest !== 0) [unit, rest] = [rest, unit % rest];
      if (unit === 1) return 1;
    }
  }
  return unit === 0 ? 1 : unit;
}

/** The columns of a summary again. @param counts of all buckets */
export function unfold(frame: SummaryFrame, counts: Float64Array, quantities: Quantities): BucketColumns {
  const { last, places, origin, unit } = frame;
  const power = powerOfTen(places);
  const { sum: sums, below, above } = quantities;
  const columns = { count: counts, min: blank(counts), max: blank(counts), sum: blank(counts) };
  let from = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    if (count === 0) continue;
    const sum = sums[from] ?? 0;
    const mean = last ? sum : Math.floor(sum / count);
    columns.sum[i] = (sum * unit + (last ? origin : origin * count)) / power;
    columns.min[i] = ((mean - (below[from] ?? 0)) * unit + origin) / power;
    columns.max[i] = ((mean + (above[from] ?? 0)) * unit + origin) / power;
    from++;
  }
  return columns;
}

const blank = (counts: Float64Array): Float64Array => new Float64Array(counts.length).fill(Number.NaN);
