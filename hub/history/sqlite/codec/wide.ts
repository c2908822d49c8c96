/**
 * Predictors of series of whole doubles that begin with 0, for what does not fit into 32 bits: byte counters over hours,
 * fast networks. Every step is exact or rounded the same way on every machine.
 */
export const widePredictors = ["previous", "line", "average"] as const;
export type WidePredictor = (typeof widePredictors)[number];

/** The average moves by an eighth of the difference. */
const SPEED = 1 / 8;

export interface WidePrediction {
  readonly kind: WidePredictor;
  readonly count: number;
  /** Taken from all values, so that they begin with 0. */
  readonly first: number;
  /** Place of the first residual. */
  readonly at: number;
}

/** Writes values[i] less its prediction to residuals[at + i], from i = 1 on. */
export function predictWide(values: Float64Array, residuals: Float64Array, job: WidePrediction): void {
  const { kind, count, first, at } = job;
  let last = 0;
  let before = 0;
  let level = 0;
  for (let i = 1; i < count; i++) {
    const value = (values[i] ?? 0) - first;
    const guess = kind === "previous" ? last : kind === "line" ? 2 * last - before : Math.round(level);
    residuals[at + i] = value - guess;
    before = last;
    last = value;
    level += (value - level) * SPEED;
  }
}

/** Turns residuals, from 1 on, into the values; values[0] becomes 0. */
export function restoreWide(values: Float64Array, by: { kind: WidePredictor; count: number }): void {
  let last = 0;
  let before = 0;
  let level = 0;
  values[0] = 0;
  for (let i = 1; i < by.count; i++) {
    const guess = by.kind === "previous" ? last : by.kind === "line" ? 2 * last - before : Math.round(level);
    const value = guess + (values[i] ?? 0);
    values[i] = value;
    before = last;
    last = value;
    level += (value - level) * SPEED;
  }
}
