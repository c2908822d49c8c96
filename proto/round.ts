/**
 * Text of a number with so many decimals, as Python's format() writes it: the float's exact value counts, and a tie goes to the
 * even digit (0.125 is "0.12", 2.675 is "2.67"). What is not finite is "inf", "-inf" or "nan".
 */
export function fixed(value: number, decimals: number): string {
  if (Number.isNaN(value)) return "nan";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return `${sign}inf`;
  // Beyond it, toFixed() writes an exponent; every number is whole there.
  if (size >= 1e21) return `${sign}${BigInt(size)}${decimals > 0 ? `.${"0".repeat(decimals)}` : ""}`;
  // Only fractions of a power of two can be ties, and multiplying by one is exact.
  const isTie = (size * 2 ** (decimals + 1)) % 2 === 1;
  if (!isTie) return sign + size.toFixed(decimals);
  // toFixed() is exact, and gives a tie to the digit that is further from 0. With one more decimal a tie ends in 5.
  const exact = size.toFixed(decimals + 1);
  const isEven = Number(exact.at(decimals === 0 ? -3 : -2)) % 2 === 0;
  return sign + (isEven ? exact.slice(0, decimals === 0 ? -2 : -1) : size.toFixed(decimals));
}

/** Rounds to a number of decimals as Python's round() does: as `fixed`, to a number. */
export const round = (value: number, decimals = 0): number =>
  Number.isInteger(value) || !Number.isFinite(value) ? value : Number(fixed(value, decimals));
