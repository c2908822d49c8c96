// Numbers as Python prints them, and means as pandas calculates them: those who read the files compare them with files that a
// program in Python wrote.

/** A number as Python prints a float: 75 is "75.0", 0.00001 is "1e-05". Both write the fewest digits that give the number back. */
export function pythonFloat(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  if (size >= 1e-4 && size < 1e16) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits}e${exponent.slice(0, 1)}${exponent.slice(1).padStart(2, "0")}`;
}

/** A number of JSON. */
export interface JsonNumber {
  readonly value: number;
  /** As Python prints it, if that is not as it prints a float. */
  readonly text: string | undefined;
}

/**
 * Reads a number of JSON as Python's json module does, which makes an int of one without fraction and exponent, of any size.
 * @param source its text in the JSON
 * @returns undefined if it is not finite
 */
export function jsonNumber(source: string): JsonNumber | undefined {
  const value = Number(source);
  if (!Number.isFinite(value)) return undefined;
  const isWhole = !/[.eE]/.test(source);
  // An int has no -0.
  return isWhole ? { value: value + 0, text: source === "-0" ? "0" : source } : { value, text: undefined };
}

/** Most numbers that numpy adds without dividing them into halves. */
const block = 128;
/** Sums that it has of a block. */
const lanes = 8;

/**
 * The mean as pandas calculates it. One mean of 144 numbers with two decimals in 144 is half-way between two others with two
 * decimals: its last digit depends on the order of the additions, which is that of numpy's pairwise sum (decision 68).
 * @param values at least one
 */
export const mean = (values: readonly number[]): number => sumOf(values, 0, values.length) / values.length;

function sumOf(values: readonly number[], from: number, to: number): number {
  const count = to - from;
  if (count > block) {
    const half = Math.floor(count / 2);
    const middle = from + half - (half % lanes);
    return sumOf(values, from, middle) + sumOf(values, middle, to);
  }
  const at = (place: number): number => values[place] ?? 0;
  const whole = from + count - (count % lanes);
  let sum = 0;
  if (whole > from) {
    const sums = Array.from({ length: lanes }, (_, lane) => at(from + lane));
    for (let start = from + lanes; start < whole; start += lanes) {
      for (let lane = 0; lane < lanes; lane++) sums[lane] = (sums[lane] ?? 0) + at(start + lane);
    }
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = sums;
    sum = a + b + (c + d) + (e + f + (g + h));
  }
  for (let place = whole; place < to; place++) sum += at(place);
  return sum;
}
