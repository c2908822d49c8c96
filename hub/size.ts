const units = ["KB", "MB", "GB", "TB"] as const;

/** Bytes for people to read: "17.4 KB". */
export function sizeText(bytes: number): string {
  let shown = bytes / 1000;
  let unit = 0;
  // What would be rounded to 1000.0 is shown in the next unit.
  for (; shown >= 999.95 && unit + 1 < units.length; unit++) shown /= 1000;
  return `${shown.toFixed(1)} ${units[unit]}`;
}
