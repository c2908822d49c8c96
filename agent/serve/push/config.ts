/** What the hub's administrator wants reported. A set that is undefined means everything. */
export interface ReportConfig {
  readonly gpus: ReadonlySet<number> | undefined;
  readonly disks: ReadonlySet<string> | undefined;
  readonly nics: ReadonlySet<string> | undefined;
  /** Seconds between two reports. */
  readonly interval: number;
}

/** Seconds between reports where the hub does not say. */
const usual = 5;

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value);
const isName = (value: unknown): value is string => typeof value === "string";

function chosen<T>(value: unknown, is: (one: unknown) => one is T, wanted: string): ReadonlySet<T> | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every(is)) return new Set(value);
  throw new Error(`it must hold ${wanted}, or null for everything`);
}

/**
 * Reads what GET /api/monitoring/config answered.
 * @throws Error that says what is wrong with it.
 */
export function parseConfig(text: string): ReportConfig {
  const held = parseObject(text);
  if (held === undefined) throw new Error("it is no JSON object");
  const { reportIntervalSec: interval } = held;
  const sane = typeof interval === "number" && interval > 0;
  return {
    gpus: chosen(held.gpuIndices, isIndex, "a list of numbers as gpuIndices"),
    disks: chosen(held.diskMounts, isName, "a list of texts as diskMounts"),
    nics: chosen(held.nicNames, isName, "a list of texts as nicNames"),
    interval: sane ? Math.min(3600, Math.max(1, interval)) : usual,
  };
}

/** A JSON object, or undefined when the text is something else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const held: unknown = JSON.parse(text);
    return typeof held === "object" && held !== null && !Array.isArray(held)
      ? (held as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON
  }
}
