/**
 * Predictors of series of 32-bit integers that begin with 0. All arithmetic is on 32-bit integers and may wrap: what is
 * taken away when coding is added back when decoding, so that only the size of the residuals suffers.
 *
 * - previous: the value before. States, memory in steps, slow temperatures.
 * - line: the last two carried on.
 * - average: a moving average. Noise about a level.
 * - steady: a moving average that leaves out single outliers, and moves at once to a new level when two outliers
 *   follow each other; `lean` leans it halfway to the value before, for noise that lasts. Utilization and power of a job.
 */
export interface Predictor {
  readonly kind: "average" | "line" | "previous" | "steady";
  /** The average moves by 2^-speed of the difference. */
  readonly speed: number;
  readonly lean: boolean;
}

const of = (kind: Predictor["kind"], speed = 0, lean = false): Predictor => ({ kind, speed, lean });

/** Chunks name a predictor by its place: add at the end only. */
export const predictors: readonly [Predictor, ...Predictor[]] = [
  of("previous"),
  of("line"),
  of("average", 4),
  of("steady", 3),
  of("steady", 2, true),
  of("steady", 3, true),
];

/** Values lie within ±2^29, so that averages keep at least one bit after the point. */
export const NARROW = 2 ** 29;

/** Bits after the point of an average over values of at most this size. */
export const fraction = (size: number): number => Math.min(8, Math.clz32(size) - 2);

export interface Prediction {
  readonly predictor: Predictor;
  /** Values in the series; those of the arrays behind it are not touched. */
  readonly count: number;
  /** See `fraction`. */
  readonly fraction: number;
}

/** Writes values[i] less its prediction to residuals[i], from 1 on. */
export function predict(values: Int32Array, residuals: Int32Array, job: Prediction): void {
  const { kind } = job.predictor;
  if (kind === "previous") predictPrevious(values, residuals, job.count);
  else if (kind === "line") predictLine(values, residuals, job.count);
  else if (kind === "average") predictAverage(values, residuals, job);
  else predictSteady(values, residuals, job);
}

/** Turns residuals, from 1 on, into the values; values[0] becomes 0. */
export function restore(values: Int32Array, job: Prediction): void {
  const { kind } = job.predictor;
  values[0] = 0;
  if (kind === "previous") restorePrevious(values, job.count);
  else if (kind === "line") restoreLine(values, job.count);
  else if (kind === "average") restoreAverage(values, job);
  else restoreSteady(values, job);
}

function predictPrevious(values: Int32Array, residuals: Int32Array, count: number): void {
  let last = 0;
  for (let i = 1; i < count; i++) {
    const value = values[i] ?? 0;
    residuals[i] = value - last;
    last = value;
  }
}

function restorePrevious(values: Int32Array, count: number): void {
  let last = 0;
  for (let i = 1; i < count; i++) {
    last = (last + (values[i] ?? 0)) | 0;
    values[i] = last;
  }
}

function predictLine(values: Int32Array, residuals: Int32Array, count: number): void {
  let last = 0;
  let slope = 0;
  for (let i = 1; i < count; i++) {
    const value = values[i] ?? 0;
    residuals[i] = value - last - slope;
    slope = (value - last) | 0;
    last = value;
  }
}

function restoreLine(values: Int32Array, count: number): void {
  let last = 0;
  let slope = 0;
  for (let i = 1; i < count; i++) {
    slope = (slope + (values[i] ?? 0)) | 0;
    last = (last + slope) | 0;
    values[i] = last;
  }
}

function predictAverage(values: Int32Array, residuals: Int32Array, job: Prediction): void {
  const { fraction, count } = job;
  const { speed } = job.predictor;
  const half = 1 << (fraction - 1);
  let level = 0;
  for (let i = 1; i < count; i++) {
    const value = values[i] ?? 0;
    residuals[i] = value - ((level + half) >> fraction);
    level = (level + (((value << fraction) - level) >> speed)) | 0;
  }
}

function restoreAverage(values: Int32Array, job: Prediction): void {
  const { fraction, count } = job;
  const { speed } = job.predictor;
  const half = 1 << (fraction - 1);
  let level = 0;
  for (let i = 1; i < count; i++) {
    const value = (((level + half) >> fraction) + (values[i] ?? 0)) | 0;
    values[i] = value;
    level = (level + (((value << fraction) - level) >> speed)) | 0;
  }
}

/** A residual counts as an outlier over four times the running mean, which is kept as its sixteenfold; it is bounded so that this cannot wrap. */
const SIZE_BOUND = 1 << 26;

function predictSteady(values: Int32Array, residuals: Int32Array, job: Prediction): void {
  const { fraction, count } = job;
  const { speed } = job.predictor;
  const half = 1 << (fraction - 1);
  const lean = job.predictor.lean ? -1 : 0;
  let level = 0;
  let last = 0;
  let mean16 = 0;
  let out = false;
  for (let i = 1; i < count; i++) {
    const away = out ? 0 : ((last - level) >> 1) & lean;
    const value = values[i] ?? 0;
    const residual = (value - ((level + away + half) >> fraction)) | 0;
    residuals[i] = residual;
    last = value << fraction;
    const size = Math.min(Math.abs(residual), SIZE_BOUND);
    if (size > (mean16 >> 2) + 2) {
      if (out) level = last;
      out = !out;
      mean16 += Math.min(size, (mean16 >> 1) + 8) - (mean16 >> 4);
    } else {
      out = false;
      level = (level + ((last - level) >> speed)) | 0;
      mean16 += size - (mean16 >> 4);
    }
  }
}

function restoreSteady(values: Int32Array, job: Prediction): void {
  const { fraction, count } = job;
  const { speed } = job.predictor;
  const half = 1 << (fraction - 1);
  const lean = job.predictor.lean ? -1 : 0;
  let level = 0;
  let last = 0;
  let mean16 = 0;
  let out = false;
  for (let i = 1; i < count; i++) {
    const away = out ? 0 : ((last - level) >> 1) & lean;
    const residual = values[i] ?? 0;
    const value = (((level + away + half) >> fraction) + residual) | 0;
    values[i] = value;
    last = value << fraction;
    const size = Math.min(Math.abs(residual), SIZE_BOUND);
    if (size > (mean16 >> 2) + 2) {
      if (out) level = last;
      out = !out;
      mean16 += Math.min(size, (mean16 >> 1) + 8) - (mean16 >> 4);
    } else {
      out = false;
      level = (level + ((last - level) >> speed)) | 0;
      mean16 += size - (mean16 >> 4);
    }
  }
}
