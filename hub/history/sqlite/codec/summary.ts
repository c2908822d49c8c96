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
export interface Summary extends SummaryFrame {
  readonly quantities: readonly [Float64Array, Float64Array, Float64Array];
}

/** Above this, differences and sums of them might not be exact. */
const EXACT = 2 ** 49;

/** @returns undefined for columns that are no summary of whole numbers or of decimals of few places */
export function summaryOf(series: BucketColumns, buckets: number): Summary | undefined {
  const kept = keptOf(series, buckets);
  if (kept === undefined) return undefined;
  const columns = [kept.sum, kept.min, kept.max] as const;
  const places = placesOf(columns);
  if (places === undefined) return undefined;
  const [sum, min, max] = columns.map((column) => scaled(column, places));
  if (sum === undefined || min === undefined || max === undefined) return undefined;
  const { count } = kept;
  const origin = min[0] ?? 0;
  const last = spread({ sum, min, max, count, last: true }) < spread({ sum, min, max, count, last: false });
  for (let i = 0; i < count.length; i++) {
    const times = last ? origin : origin * (count[i] ?? 0);
    sum[i] = (sum[i] ?? 0) - times;
    min[i] = (min[i] ?? 0) - origin;
    max[i] = (max[i] ?? 0) - origin;
    const most = Math.max(Math.abs(sum[i] ?? 0), Math.abs(min[i] ?? 0), Math.abs(max[i] ?? 0));
    if (most > EXACT || Math.abs(times) > 2 ** 53) return undefined;
  }
  return { last, places, origin, ...inUnits({ sum, min, max, count, last }) };
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
  const full: number[] = [];
  for (let i = 0; i < buckets; i++) {
    const n = count[i] ?? 0;
    if (!Number.isInteger(n) || n < 0 || n > 2 ** 32) return undefined;
    const absent = [min[i], max[i], sum[i]].filter((value) => Number.isNaN(value)).length;
    if (absent !== (n === 0 ? 3 : 0)) return undefined;
    if (n > 0) full.push(i);
  }
  const pick = (column: Float64Array): Float64Array => Float64Array.from(full, (i) => column[i] ?? 0);
  return { count: pick(count), min: pick(min), max: pick(max), sum: pick(sum) };
}

function placesOf(columns: readonly Float64Array[]): number | undefined {
  let most = 0;
  for (const column of columns) {
    const places = wholesOf(column, new Float64Array(column.length), column.length);
    if (places === undefined) return undefined;
    most = Math.max(most, places);
  }
  return most;
}

/** Whole numbers that a division by 10^places turns back. @returns undefined where one would not come back */
function scaled(column: Float64Array, places: number): Float64Array | undefined {
  const power = powerOfTen(places);
  const wholes = column.map((value) => Math.round(value * power));
  return wholes.every((whole, i) => whole / power === column[i] && Math.abs(whole) <= 2 ** 53) ? wholes : undefined;
}

const meanOf = ({ sum, count, last }: Pick<Samples, "count" | "last" | "sum">, i: number): number =>
  last ? (sum[i] ?? 0) : Math.floor((sum[i] ?? 0) / (count[i] ?? 1));

/** How far min and max lie from the mean, in bits. */
function spread(samples: Samples): number {
  let bits = 0;
  for (let i = 0; i < samples.count.length; i++) {
    const mean = meanOf(samples, i);
    bits +=
      Math.log2(1 + Math.abs(mean - (samples.min[i] ?? 0))) + Math.log2(1 + Math.abs((samples.max[i] ?? 0) - mean));
  }
  return bits;
}

function inUnits(samples: Samples): Pick<Summary, "quantities" | "unit"> {
  const unit = divisorOf([samples.sum, samples.min, samples.max]);
  const [sum, min, max] = [samples.sum, samples.min, samples.max].map((column) => column.map((value) => value / unit));
  if (sum === undefined || min === undefined || max === undefined)
    return { unit, quantities: [samples.sum, samples.min, samples.max] };
  const of = { sum, count: samples.count, last: samples.last };
  return {
    unit,
    quantities: [sum, min.map((value, i) => meanOf(of, i) - value), max.map((value, i) => value - meanOf(of, i))],
  };
}

/** Greatest common divisor; 1 of zeros. */
function divisorOf(columns: readonly Float64Array[]): number {
  let unit = 0;
  for (const column of columns) {
    for (const value of column) {
      let rest = Math.abs(value);
      while (rest !== 0) [unit, rest] = [rest, unit % rest];
      if (unit === 1) return 1;
    }
  }
  return unit === 0 ? 1 : unit;
}

/** The columns of a summary again. @param counts of all buckets */
export function unfold(frame: SummaryFrame, counts: Float64Array, quantities: readonly Float64Array[]): BucketColumns {
  const { last, places, origin, unit } = frame;
  const power = powerOfTen(places);
  const [sums, below, above] = quantities;
  const columns = { count: counts, min: blank(counts), max: blank(counts), sum: blank(counts) };
  let from = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    if (count === 0) continue;
    const sum = sums?.[from] ?? 0;
    const mean = last ? sum : Math.floor(sum / count);
    columns.sum[i] = (sum * unit + (last ? origin : origin * count)) / power;
    columns.min[i] = ((mean - (below?.[from] ?? 0)) * unit + origin) / power;
    columns.max[i] = ((mean + (above?.[from] ?? 0)) * unit + origin) / power;
    from++;
  }
  return columns;
}

const blank = (counts: Float64Array): Float64Array => new Float64Array(counts.length).fill(Number.NaN);
