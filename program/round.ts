/**
 * Rounds to a number of decimals as Python's round() does: the float's exact value counts, and a tie goes to the even digit
 * (0.125 is 0.12, 2.675 is 2.67, 2.5 is 2).
 */
export function round(value: number, decimals = 0): number {
  if (Number.isInteger(value)) return value;
  // toFixed() is exact, and gives a tie to the digit that is further from 0.
  const rounded = Number(value.toFixed(decimals));
  // Only fractions of a power of two can be ties, and multiplying by one is exact.
  const tie = Math.abs((value * 2 ** (decimals + 1)) % 2) === 1;
  const scale = 10 ** decimals;
  const units = Math.round(Math.abs(rounded) * scale);
  return tie && units % 2 === 1 ? (Math.sign(value) * (units - 1)) / scale : rounded;
}
