// Text of plain quantities, apart from unit.ts: the page loads these at first, and the units of metrics only with charts.

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const decimal = ["KB", "MB", "GB", "TB"] as const;

/** Memory, disk space or traffic in bytes, with two or more digits: "512 MiB", "1.4 GiB". */
export function size(bytes: number): string {
  let shown = bytes;
  let step = 0;
  for (; shown >= 1000 && step + 1 < binary.length; step++) shown /= 1024;
  return `${step === 0 || shown >= 10 ? Math.round(shown) : shown.toFixed(1)} ${binary[step]}`;
}

/** Size of a file in bytes, in powers of 1000 as `history.max_size` takes them: "17.4 KB". */
export function fileSize(bytes: number): string {
  let shown = bytes / 1000;
  let step = 0;
  // 999.95 would be rounded to 1000.0.
  for (; shown >= 999.95 && step + 1 < decimal.length; step++) shown /= 1000;
  return `${shown.toFixed(1)} ${decimal[step]}`;
}

/** Used and total bytes in the unit of the total: ["45.2", "80", "GiB"]. */
export function sizePair(
  used: number | undefined,
  total: number,
): { used: string | undefined; total: string; unit: string } {
  let base = 1;
  let step = 0;
  for (; total / base >= 1024 && step + 1 < binary.length; step++) base *= 1024;
  const write = (value: number): string => {
    const shown = value / base;
    return shown >= 100 || Number.isInteger(shown) ? String(Math.round(shown)) : shown.toFixed(1);
  };
  return {
    used: used === undefined ? undefined : write(used),
    total: write(total).replace(/\.0$/, ""),
    unit: binary[step] ?? "B",
  };
}

const english = { d: " d", h: " h", min: " min", s: " s" };

/** A duration in its two largest units: "3 d 4 h", "12 min", "8 s". `units` holds the units of another language. */
export function span(seconds: number, units: Readonly<typeof english> = english): string {
  const s = Math.max(0, Math.round(seconds));
  const join = (a: number, ua: string, b: number, ub: string): string => (b > 0 ? `${a}${ua} ${b}${ub}` : `${a}${ua}`);
  if (s < 60) return `${s}${units.s}`;
  if (s < 3600) return `${Math.floor(s / 60)}${units.min}`;
  if (s < 86_400) return join(Math.floor(s / 3600), units.h, Math.floor((s % 3600) / 60), units.min);
  return join(Math.floor(s / 86_400), units.d, Math.floor((s % 86_400) / 3600), units.h);
}
