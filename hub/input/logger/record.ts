import type { Zone } from "../../../program/zone.ts";
import { hostNameOf, nameWanted } from "../../csv/name.ts";
import type { BodyError } from "../../fault.ts";

/** Readings of one GPU at one time. An absent one is not known. */
export interface LoggerRecord {
  /** Name of the host. */
  readonly client: string;
  readonly gpu: number;
  /** Unix milliseconds, by the clock of the client. */
  readonly at: number;
  /** The time as it was sent. */
  readonly timestamp: string;
  readonly name: string | undefined;
  readonly readings: Readings;
}

/** In the units of the logger: percent, MiB, °C, watts. */
export interface Readings {
  readonly utilization: number | undefined;
  readonly memUtilization: number | undefined;
  readonly total: number | undefined;
  readonly used: number | undefined;
  readonly free: number | undefined;
  readonly temperature: number | undefined;
  readonly power: number | undefined;
  readonly powerLimit: number | undefined;
  readonly fan: number | undefined;
}

/** A record that cannot be taken; each error has the place and the words that a server of FastAPI would give. */
export interface BadRecord {
  readonly errors: readonly BodyError[];
  /** The name of the client, if that is one. */
  readonly client: string | undefined;
}

export type ParsedRecord = { readonly record: LoggerRecord } | { readonly bad: BadRecord };

/** Greatest index of a GPU, as ingest takes it. */
const mostIndex = 999_999;
/** A longer text is no number or time. */
const longestText = 64;

const numeral = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

const missing = ["missing", "Field required"] as const;
const notText = ["string_type", "Input should be a valid string"] as const;
const notNumber = ["float_type", "Input should be a valid number"] as const;
const notNumeral = ["float_parsing", "Input should be a valid number, unable to parse string as a number"] as const;
const infinite = ["finite_number", "Input should be a finite number"] as const;
const notInteger = ["int_type", "Input should be a valid integer"] as const;
const notIntegral = ["int_parsing", "Input should be a valid integer, unable to parse string as an integer"] as const;
const fractional = ["int_from_float", "Input should be a valid integer, got a number with a fractional part"] as const;
const negative = ["greater_than_equal", "Input should be greater than or equal to 0"] as const;
const tooGreat = ["less_than_equal", `Input should be less than or equal to ${mostIndex}`] as const;
const badName = ["string_pattern_mismatch", `Input should be ${nameWanted}`] as const;
const badTime = ["datetime_parsing", 'Input should be a valid time like "2026-11-28 08:30:05"'] as const;
const notObject = [
  "model_attributes_type",
  "Input should be a valid dictionary or object to extract fields from",
] as const;

type Problem = readonly [type: string, msg: string];

/** Reads records. One reader serves one request: the time zone must not change meanwhile. */
export class RecordReader {
  readonly #zone: Zone;
  /** The last time that was read: the records of all GPUs have it. */
  #time: { readonly text: string; readonly at: number } | undefined;
  /** The last name that was read. */
  #name: { readonly text: string; readonly name: string } | undefined;

  constructor(zone: Zone) {
    this.#zone = zone;
  }

  /**
   * Reads one record, as a server with pydantic does: numbers may be texts, unknown fields are ignored. In addition every
   * reading may be null or absent.
   */
  parse(value: unknown): ParsedRecord {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return { bad: { errors: [errorOf([], notObject)], client: undefined } };
    }
    const fields = value as Readonly<Record<string, unknown>>;
    const errors: BodyError[] = [];
    const take = <T>(field: string, read: T | Problem): T | undefined => {
      if (!isProblem(read)) return read;
      errors.push(errorOf([field], read));
      return undefined;
    };
    const at = take("timestamp", this.#timeOf(fields.timestamp));
    const gpu = take("gpu_id", indexOf(fields.gpu_id));
    const name = take("gpu_name", nameOf(fields.gpu_name));
    const reading = (field: string): number | undefined => take(field, readingOf(fields[field]));
    const readings: Readings = {
      utilization: reading("utilization_gpu"),
      memUtilization: reading("utilization_memory"),
      total: reading("memory_total"),
      used: reading("memory_used"),
      free: reading("memory_free"),
      temperature: reading("temperature"),
      power: reading("power_draw"),
      powerLimit: reading("power_limit"),
      fan: reading("fan_speed"),
    };
    const client = take("client_name", this.#clientOf(fields.client_name));
    if (errors.length > 0 || at === undefined || gpu === undefined || client === undefined) {
      return { bad: { errors, client } };
    }
    return { record: { client, gpu, at, timestamp: fields.timestamp as string, name, readings } };
  }

  #timeOf(value: unknown): number | Problem {
    if (value === undefined) return missing;
    if (typeof value !== "string") return notText;
    if (this.#time?.text === value) return this.#time.at;
    const at = value.length > longestText ? undefined : this.#zone.parse(value.trim());
    if (at === undefined) return badTime;
    this.#time = { text: value, at };
    return at;
  }

  #clientOf(value: unknown): string | Problem {
    if (value === undefined) return missing;
    if (typeof value !== "string") return notText;
    if (this.#name?.text === value) return this.#name.name;
    const name = hostNameOf(value);
    if (name === undefined) return badName;
    this.#name = { text: value, name };
    return name;
  }
}

const isProblem = (value: unknown): value is Problem => Array.isArray(value);

const errorOf = (place: readonly string[], [type, msg]: Problem): BodyError => ({ loc: ["body", ...place], msg, type });

function indexOf(value: unknown): number | Problem {
  if (value === undefined) return missing;
  if (typeof value !== "number" && typeof value !== "string") return notInteger;
  const index = typeof value === "number" ? value : numberIn(value);
  if (index === undefined) return notIntegral;
  if (!Number.isInteger(index)) return typeof value === "string" ? notIntegral : fractional;
  if (index < 0) return negative;
  return index > mostIndex ? tooGreat : index + 0;
}

/** A name of a card; null, or absent, is not known. */
function nameOf(value: unknown): string | undefined | Problem {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : notText;
}

function readingOf(value: unknown): number | undefined | Problem {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" && typeof value !== "string") return notNumber;
  const number = typeof value === "number" ? value : numberIn(value);
  if (number === undefined) return notNumeral;
  // Never -0, which is not equal to 0 everywhere.
  return Number.isFinite(number) ? number + 0 : infinite;
}

const numberIn = (text: string): number | undefined =>
  text.length <= longestText && numeral.test(text) ? Number(text) : undefined;
