/** Decimals of at most this many places count as whole numbers of a smaller unit. */
const PLACES = 4;

/** Exact: powers of ten to 10^22 are doubles. */
export const powerOfTen = (places: number): number => [1, 10, 100, 1000, 10_000][places] ?? 1;

/**
 * Writes values × 10^places to `wholes`, with the fewest places that make all of them whole numbers within ±2^53 from
 * which a division by 10^places gives back the very same doubles.
 * @returns places; undefined if no number of places fits
 */
export function wholesOf(values: Float64Array, wholes: Float64Array, count: number): number | undefined {
  let places = 0;
  while (places <= PLACES) {
    const failed = places === 0 ? copyWholes(values, wholes, count) : scaleWholes(values, wholes, { count, places });
    if (failed < 0) return places;
    // A value that is no whole number of this unit rules out all places up to the one it needs.
    const own = placesOf(values[failed] ?? 0, places + 1);
    if (own === undefined) return undefined;
    places = own;
  }
  return undefined;
}

function placesOf(value: number, least: number): number | undefined {
  for (let places = least; places <= PLACES; places++) if (isWholeAt(value, powerOfTen(places))) return places;
  return undefined;
}

function isWholeAt(value: number, power: number): boolean {
  const whole = Math.round(value * power);
  return Math.abs(whole) <= 2 ** 53 && whole / power === value;
}

/** Finds the first value that is no whole number. @returns its index, or -1 */
function copyWholes(values: Float64Array, wholes: Float64Array, count: number): number {
  for (let i = 0; i < count; i++) {
    const value = values[i] ?? 0;
    if (Math.floor(value) !== value || value > 2 ** 53 || value < -(2 ** 53)) return i;
    wholes[i] = value;
  }
  return -1;
}

function scaleWholes(values: Float64Array, wholes: Float64Array, of: { count: number; places: number }): number {
  const power = powerOfTen(of.places);
  for (let i = 0; i < of.count; i++) {
    const value = values[i] ?? 0;
    if (!isWholeAt(value, power)) return i;
    wholes[i] = Math.round(value * power);
  }
  return -1;
}
