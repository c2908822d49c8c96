import { NARROW } from "./predict.ts";

/** Whole numbers as first + unit × (value + slope × place), with values that begin with 0 and are as small as can be. */
export interface ReferenceFrame {
  readonly first: number;
  /** Greatest common divisor of all differences; 0 where there are none. */
  readonly unit: number;
  /** Mean step of clocks and counters, in units; 0 for what goes up and down. */
  readonly slope: number;
}

/**
 * Greater ranges are not coded as whole numbers. With values within three times this, a line through two of them stays
 * within 2^52 of the third, and its folded residual within 2^53, where doubles are exact.
 */
const RANGE = 2 ** 48;

/** Maximum number of samples for the estimate of a slope. */
const PROBES = 15;

/** Fits a frame. @returns undefined if the range of the numbers is too large */
export function frameOf(wholes: Float64Array, count: number): ReferenceFrame | undefined {
  const first = wholes[0] ?? 0;
  let least = first;
  let most = first;
  let bits = 0;
  for (let i = 1; i < count; i++) {
    const whole = wholes[i] ?? 0;
    if (whole < least) least = whole;
    else if (whole > most) most = whole;
    bits |= whole - first;
  }
  if (most - least > RANGE) return undefined;
  if (most === least) return { first, unit: 0, slope: 0 };
  const unit = unitOf(wholes, { count, first, bits });
  return { first, unit, slope: slopeOf(wholes, count, unit) };
}

/** @param of bits: the low 32 bits of all differences, or-ed */
function unitOf(wholes: Float64Array, of: { count: number; first: number; bits: number }): number {
  const { count, first, bits } = of;
  // With noise the unit is a power of two after a few values: the rest need not be divided.
  const least = bits === 0 ? 2 ** 32 : (bits & -bits) >>> 0;
  let unit = 0;
  for (let i = 1; i < count; i++) {
    const away = Math.abs((wholes[i] ?? 0) - first);
    if (away === 0 || away === unit || (unit !== 0 && away % unit === 0)) continue;
    unit = divisor(away, unit);
    if (unit === least) break;
  }
  return unit;
}

function divisor(a: number, b: number): number {
  let large = a;
  let small = b;
  while (small !== 0) [large, small] = [small, large % small];
  return large;
}

/** Median of the mean steps over short stretches, which is robust against jitter and gaps. */
function slopeOf(wholes: Float64Array, count: number, unit: number): number {
  const span = Math.max(1, count >> 4);
  const last = count - 1 - span;
  if (last < 2) return 0;
  const steps: number[] = [];
  let up = 0;
  for (let probe = 0; probe < PROBES; probe++) {
    const at = Math.floor((last * probe) / (PROBES - 1));
    const step = ((wholes[at + span] ?? 0) - (wholes[at] ?? 0)) / unit / span;
    up += Math.sign(step);
    // A series that decreases has no slope, unless it is a counter that was reset.
    if (Math.abs(up) < probe - 1) return 0;
    steps.push(step);
  }
  steps.sort((a, b) => a - b);
  const slope = Math.round(steps[PROBES >> 1] ?? 0);
  if (Math.abs(slope) * count > 2 * RANGE) return 0;
  return slope !== 0 && isSteadier(wholes, { count, unit, slope }) ? slope : 0;
}

/** True if the steps differ less from the slope than from 0: by half on average, in the logarithm. */
function isSteadier(wholes: Float64Array, of: { count: number; unit: number; slope: number }): boolean {
  const stride = Math.max(1, (of.count - 1) >> 6);
  let gain = 0;
  let seen = 0;
  for (let i = 1; i < of.count; i += stride) {
    const step = ((wholes[i] ?? 0) - (wholes[i - 1] ?? 0)) / of.unit;
    gain += Math.log2((1 + Math.abs(step)) / (1 + Math.abs(step - of.slope)));
    seen++;
  }
  return gain > seen / 2;
}

/**
 * Writes the values of a frame.
 * @returns the largest distance from 0; at most `NARROW` - 1 where `narrow` could take them all
 */
export function flatten(
  wholes: Float64Array,
  frame: ReferenceFrame,
  to: { count: number; narrow: Int32Array; wide: Float64Array },
): number {
  const { first, unit, slope } = frame;
  const { narrow, wide, count } = to;
  let largest = 0;
  for (let i = 0; i < count; i++) {
    const value = ((wholes[i] ?? 0) - first) / unit - slope * i;
    wide[i] = value;
    narrow[i] = value;
    const size = Math.abs(value);
    if (size > largest) largest = size;
  }
  return largest;
}

export const isNarrow = (largest: number): boolean => largest < NARROW;
