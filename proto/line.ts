/** Size of a drawing, in its own units. */
export interface DrawnSize {
  readonly width: number;
  readonly height: number;
}

const digits = (value: number): string => String(Math.round(value * 10) / 10);

/**
 * The path of a line in an SVG, for percentages at equal distances. It is broken where there is no value; one value without
 * neighbours is a dot, if the ends of lines are round.
 */
export function linePath(values: readonly (number | null | undefined)[], { width, height }: DrawnSize): string {
  const step = width / Math.max(1, values.length - 1);
  let path = "";
  let isOpen = false;
  for (const [i, value] of values.entries()) {
    const isThere = typeof value === "number" && Number.isFinite(value);
    if (isThere) {
      const y = height * (1 - Math.min(100, Math.max(0, value)) / 100);
      path += `${isOpen ? "L" : "M"}${digits(i * step)} ${digits(y)}${isOpen ? "" : "h0"}`;
    }
    isOpen = isThere;
  }
  return path;
}
