/** The most that a double holds to the last digit: what is larger arrives as another number at most readers. */
const most = BigInt(Number.MAX_SAFE_INTEGER);

/** The whole number that a text is; undefined for anything else, and for one beyond what a double holds exactly. */
export function whole(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? "";
  const number = /^-?\d{1,19}$/.test(trimmed) ? Number(trimmed) : undefined;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** The same number where it lies between two bounds: a reading beyond what such a thing can be is garbage. */
export function within(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}

/** An amount for the wire, rounded to a whole; undefined where it is none: negative, no number, or 2^53 and more. */
export function amount(value: number | bigint | undefined): bigint | undefined {
  if (typeof value === "bigint") return value >= 0n && value <= most ? value : undefined;
  const rounded = Math.round(value ?? Number.NaN);
  return Number.isSafeInteger(rounded) && rounded >= 0 ? BigInt(rounded) : undefined;
}

/** A field only where there is a value: absent is not 0. */
export function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };
}
