/** Greatest integer that a double holds exactly: most readers get larger ones as another number. */
const most = BigInt(Number.MAX_SAFE_INTEGER);

/** Parses an integer; undefined for anything else, and for one that a double does not hold exactly. */
export function whole(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? "";
  const number = /^-?\d{1,19}$/.test(trimmed) ? Number(trimmed) : undefined;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Returns the number if it is within two bounds, both included; a reading outside of them is garbage. */
export function within(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}

/** Rounds an amount for a field of 64 bits; undefined if it is negative, NaN, or 2^53 and more. */
export function amount(value: number | bigint | undefined): bigint | undefined {
  if (typeof value === "bigint") return value >= 0n && value <= most ? value : undefined;
  const rounded = Math.round(value ?? Number.NaN);
  return Number.isSafeInteger(rounded) && rounded >= 0 ? BigInt(rounded) : undefined;
}

/** Makes an object with the field if there is a value, else an empty one: absent is not 0. */
export function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };
}
