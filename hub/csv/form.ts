// gpu_metrics_YYYYMMDD.csv, the daily file of the NVIDIA GPU Metrics Logger v2.
import { defused, quoted } from "../../program/csv.ts";
import { round } from "../../proto/round.ts";

/** Its columns, in their order. */
export const columns = [
  "timestamp",
  "gpu_id",
  "gpu_name",
  "utilization_gpu",
  "utilization_memory",
  "memory_total",
  "memory_used",
  "memory_free",
  "temperature",
  "power_draw",
  "power_limit",
  "fan_speed",
  "client_name",
] as const;

export type Column = (typeof columns)[number];

/** The first line of a file, with its line end. */
export const heading = `${columns.join(",")}\r\n`;

/** Bytes of the file's "MB". */
export const mebibyte = 1_048_576;
/** What a used amount has beyond its MB if used and free MB lack one of the total, so that both come back (docs/logger.md). */
export const halfMebibyte = mebibyte / 2;

/** The metrics of a card that the file has. */
export const metrics = [
  "gpu_utilization",
  "gpu_memory_utilization",
  "gpu_memory_total",
  "gpu_memory_used",
  "gpu_temperature",
  "gpu_power",
  "gpu_power_limit",
  "gpu_fan",
] as const;

/** A row of the file, with values as history has them; NaN if unknown. */
export interface LoggerRow {
  /** Local time: "YYYY-MM-DD HH:MM:SS". */
  readonly time: string;
  readonly gpu: number;
  /** Model of the card, or "". */
  readonly name: string;
  readonly client: string;
  /** In the order of `metrics`. */
  readonly values: ArrayLike<number>;
}

/** Name of the file of a day. @param day "YYYY-MM-DD" */
export const fileOf = (day: string): string => `gpu_metrics_${day.replaceAll("-", "")}.csv`;

/** The day of a file, "YYYY-MM-DD"; undefined for files of other names. */
export function dayOfFile(name: string): string | undefined {
  const [, year, month, day] = /^gpu_metrics_(\d{4})(\d\d)(\d\d)\.csv$/.exec(name) ?? [];
  return day === undefined ? undefined : `${year}-${month}-${day}`;
}

/** A text as a cell. A spreadsheet does not calculate it. */
const textCell = (text: string): string => quoted(defused(text));

/** A row as a line of the file, with its line end. */
export function lineOf({ time, gpu, name, client, values }: LoggerRow): string {
  const at = (place: number): number => values[place] ?? Number.NaN;
  const [total, used] = [at(2), at(3)];
  return `${time},${gpu},${textCell(name)},${float(at(0))},${float(at(1))},${megabytes(total)},${megabytes(used)},${megabytes(total - used)},${integer(at(4))},${float(at(5) / 1000)},${float(at(6) / 1000)},${integer(at(7))},${textCell(client)}\r\n`;
}

/** As Python prints a float: 75 is "75.0". */
function float(value: number): string {
  if (!Number.isFinite(value)) return "";
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

const integer = (value: number): string => (Number.isFinite(value) ? String(round(value) + 0) : "");

const megabytes = (bytes: number): string => (Number.isFinite(bytes) ? String(Math.floor(bytes / mebibyte)) : "");
