import { parseObject } from "../../upload/answer.ts";

/** Devices that the hub's administrator selected. An undefined set means all. */
export interface ReportConfig {
  readonly gpus: ReadonlySet<number> | undefined;
  readonly disks: ReadonlySet<string> | undefined;
  readonly nics: ReadonlySet<string> | undefined;
  /** Seconds between two reports. */
  readonly interval: number;
}

/** Seconds between reports if the hub does not say. */
const defaultInterval = 5;

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value);
const isName = (value: unknown): value is string => typeof value === "string";

function chosen<T>(value: unknown, is: (one: unknown) => one is T, wanted: string): ReadonlySet<T> | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every(is)) return new Set(value);
  throw new Error(`it must hold ${wanted}, or null for everything`);
}

/**
 * Parses the answer to GET /api/monitoring/config.
 * @throws Error saying what is wrong with it.
 */
export function parseConfig(text: string): ReportConfig {
  const body = parseObject(text);
  if (body === undefined) throw new Error("it is not a JSON object");
  const { reportIntervalSec: interval } = body;
  const sane = typeof interval === "number" && interval > 0;
  return {
    gpus: chosen(body.gpuIndices, isIndex, "a list of numbers as gpuIndices"),
    disks: chosen(body.diskMounts, isName, "a list of texts as diskMounts"),
    nics: chosen(body.nicNames, isName, "a list of texts as nicNames"),
    interval: sane ? Math.min(3600, Math.max(1, interval)) : defaultInterval,
  };
}
