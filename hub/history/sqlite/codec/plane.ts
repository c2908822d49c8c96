import type { Batch } from "./batch.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptChunk } from "./corrupt.ts";
import { flatten, frameOf, isNarrow, type ReferenceFrame } from "./frame.ts";
import { fraction, type Predictor, predict, predictors, restore } from "./predict.ts";
import { readNarrow, readWide, type SeriesRange } from "./residual.ts";
import { doubles, integers } from "./scratch.ts";
import type { DecoderTables } from "./table.ts";
import { costOf } from "./token.ts";
import { predictWide, restoreWide, type WidePredictor, widePredictors } from "./wide.ts";

/** A series of whole numbers in a chunk: its frame, and how the values of the frame are predicted. */
export type Plane =
  | (ReferenceFrame & { readonly shape: "flat" })
  | (ReferenceFrame & { readonly shape: "narrow"; readonly predictor: Predictor; readonly fraction: number })
  | (ReferenceFrame & { readonly shape: "wide"; readonly predictor: WidePredictor });

const narrowValues = integers();
const wideValues = doubles();
const residuals = integers();
const wideResiduals = [doubles(), doubles()] as const;

const SHAPES = ["flat", "narrow", "wide"] as const;
const HAS_UNIT = 4;
const HAS_SLOPE = 8;

/**
 * Adds a plane: its description to `head`, its residuals to `batch`.
 * @returns false, without adding anything, if the range of the numbers is too large
 */
export function addPlane(wholes: Float64Array, count: number, to: { head: ByteWriter; batch: Batch }): boolean {
  const frame = frameOf(wholes, count);
  if (frame === undefined) return false;
  if (frame.unit === 0) {
    writeFrame(frame, to.head, 0);
    return true;
  }
  const narrow = narrowValues.of(count);
  const wide = wideValues.of(count);
  const largest = flatten(wholes, frame, { count, narrow, wide });
  if (largest === 0) writeFrame(frame, to.head, 0);
  else if (isNarrow(largest)) addNarrow(narrow, count, { ...to, frame, largest });
  else addWide(wide, count, { ...to, frame });
  return true;
}

function writeFrame({ first, unit, slope }: ReferenceFrame, head: ByteWriter, kind: number): void {
  head.byte(kind | (unit > 1 ? HAS_UNIT : 0) | (slope !== 0 ? HAS_SLOPE : 0));
  head.signed(first);
  if (unit > 1) head.unit(unit);
  if (slope !== 0) head.signed(slope);
}

/** Sixteenths of a bit per value; below it a column hardly moves, and only the predictor `previous` is tried. */
const STILL = 16;

/** Predictors are chosen by this many stretches of this many values: trying them on all values takes time and saves little. */
const STRETCHES = 4;
const STRETCH = 96;
const some = new Int32Array(STRETCHES * STRETCH);
const tried = new Int32Array(STRETCHES * STRETCH);

function addNarrow(
  values: Int32Array,
  count: number,
  to: { head: ByteWriter; batch: Batch; frame: ReferenceFrame; largest: number },
): void {
  const residual = residuals.of(count);
  const point = fraction(to.largest);
  predict(values, residual, { predictor: predictors[0], count, fraction: point });
  const chosen = sumOf(residual, count) < STILL * count ? 0 : bestFor(values, count, point);
  const predictor = predictors[chosen] ?? predictors[0];
  if (chosen > 0) predict(values, residual, { predictor, count, fraction: point });
  writeFrame(to.frame, to.head, 1 | (chosen << 4));
  if (hasPoint(predictor)) to.head.byte(point);
  to.batch.addNarrow(residual, count);
}

/** Returns the index of the predictor with the least residuals in some stretches. */
function bestFor(values: Int32Array, count: number, point: number): number {
  const some = sampled(values, count);
  let chosen = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let place = 0; place < predictors.length; place++) {
    const predictor = predictors[place] ?? predictors[0];
    predict(some.values, tried, { predictor, count: some.count, fraction: point });
    const cost = sumOf(tried, some.count);
    if (cost < least) {
      least = cost;
      chosen = place;
    }
  }
  return chosen;
}

/** Samples evenly spread stretches of a column, each continuing the one before; all of a short column. */
function sampled(values: Int32Array, count: number): { values: Int32Array; count: number } {
  const all = STRETCHES * STRETCH;
  if (count <= all) return { values, count };
  const apart = Math.floor((count - STRETCH) / (STRETCHES - 1));
  let at = 0;
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    const from = stretch * apart;
    const shift = (stretch === 0 ? 0 : (some[at - 1] ?? 0)) - (values[from] ?? 0);
    for (let i = from; i < from + STRETCH; i++) some[at++] = (values[i] ?? 0) + shift;
  }
  return { values: some, count: all };
}

/** Sum of log2(1 + folded residual) in sixteenths of a bit, by straight lines between powers of two. */
function sumOf(residuals: Int32Array, count: number): number {
  let cost = 0;
  for (let i = 1; i < count; i++) {
    const residual = residuals[i] ?? 0;
    const size = ((residual << 1) ^ (residual >> 31)) + 1;
    const zeros = Math.clz32(size);
    cost += ((31 - zeros) << 4) + (((size << zeros) >>> 27) & 15);
  }
  return cost;
}

/** Returns the fractional bits of a predictor; only averages have some. */
const hasPoint = (predictor: Predictor | undefined): boolean =>
  predictor?.kind === "average" || predictor?.kind === "steady";

function addWide(
  values: Float64Array,
  count: number,
  to: { head: ByteWriter; batch: Batch; frame: ReferenceFrame },
): void {
  let [tried, best] = [wideResiduals[0].of(count), wideResiduals[1].of(count)];
  let chosen = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [place, kind] of widePredictors.entries()) {
    predictWide(values, tried, { kind, count, first: 0, at: 0 });
    let cost = 0;
    for (let i = 1; i < count; i++) cost += costOf(Math.abs(tried[i] ?? 0));
    if (cost < least) {
      least = cost;
      chosen = place;
      [tried, best] = [best, tried];
    }
  }
  writeFrame(to.frame, to.head, 2 | (chosen << 4));
  to.batch.addWide(best, count);
}

/** @throws CorruptChunk if it cannot be read */
export function readPlane(head: ByteReader): Plane {
  const kind = head.byte();
  const shape = SHAPES[kind & 3];
  const first = head.signed();
  const unit = (kind & HAS_UNIT) === 0 ? 1 : head.unit();
  const slope = (kind & HAS_SLOPE) === 0 ? 0 : head.signed();
  const frame = { first, unit, slope };
  if (shape === "flat") return { ...frame, shape };
  if (shape === "narrow") {
    const predictor = predictors[kind >> 4];
    const point = hasPoint(predictor) ? head.byte() : 1;
    if (predictor !== undefined && point > 0 && point < 9) return { ...frame, shape, predictor, fraction: point };
  }
  const predictor = widePredictors[kind >> 4];
  if (shape === "wide" && predictor !== undefined) return { ...frame, shape, predictor };
  throw new CorruptChunk("A column of the chunk is described in a way that is not known");
}

export interface PlaneSource {
  readonly place: SeriesRange;
  readonly decoder: DecoderTables;
}

/** Decodes the whole numbers of a plane, divided by `power`, into the first `count` values. @param source not for a flat plane */
export function fillPlane(plane: Plane, source: PlaneSource | undefined, to: PlaneTarget): void {
  const { out, count } = to;
  if (plane.shape === "flat") fillLine(plane, to);
  else if (source === undefined) throw new CorruptChunk("A series of the chunk is missing");
  else if (plane.shape === "wide") {
    readWide(source.place, source.decoder, { residuals: out, count });
    restoreWide(out, { kind: plane.predictor, count });
    unframe(out, plane, to);
  } else {
    const values = narrowValues.of(count);
    readNarrow(source.place, source.decoder, { residuals: values, count });
    restore(values, { predictor: plane.predictor, count, fraction: plane.fraction });
    unframe(values, plane, to);
  }
}

export interface PlaneTarget {
  readonly out: Float64Array;
  readonly count: number;
  readonly power: number;
}

function fillLine({ first, unit, slope }: ReferenceFrame, { out, count, power }: PlaneTarget): void {
  if (slope === 0) {
    out.fill(first / power, 0, count);
    return;
  }
  for (let i = 0; i < count; i++) out[i] = (first + unit * (slope * i)) / power;
}

function unframe(values: Float64Array | Int32Array, frame: ReferenceFrame, { out, count, power }: PlaneTarget): void {
  const { first, unit, slope } = frame;
  if (slope !== 0 || power !== 1) {
    for (let i = 0; i < count; i++) out[i] = (first + unit * ((values[i] ?? 0) + slope * i)) / power;
  } else {
    for (let i = 0; i < count; i++) out[i] = first + unit * (values[i] ?? 0);
  }
}
