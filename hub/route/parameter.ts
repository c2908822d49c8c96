import * as v from "valibot";
import { dayNumber, type Zone } from "../../program/zone.ts";
import { Fault } from "../fault.ts";

/** A parameter of the path or the query. `T` is what a handler gets. */
export interface Parameter<T = unknown> {
  /** From text (of "one") or texts to the value. OpenAPI's schema is made of its output, or, with `isText`, of its input. */
  readonly schema: v.GenericSchema<string, unknown> | v.GenericSchema<string[], unknown>;
  /** True if clients write a text that is no number, though the value is one. */
  readonly isText?: boolean;
  /** One value; one value that is a list separated by commas; or the parameter repeated. */
  readonly form: "one" | "list" | "repeated";
  /** Follows "must be" in messages. */
  readonly wanted: string;
  /** Follows "it must" where the parameter is missing; only a required parameter has it. */
  readonly required?: string;
  readonly help: string;
  readonly example: string;
  /** Only in the type. */
  readonly "~value"?: T;
}

export type Parameters = Readonly<Record<string, Parameter>>;

/** What a handler gets of each parameter. */
export type ParameterValues<P> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

interface Required {
  readonly required: string;
}

interface ParameterText {
  readonly help: string;
  readonly example: string;
}

/** The latest time a Date can hold, in Unix milliseconds. */
const latest = 8.64e15;

export const text = (words: ParameterText): Parameter<string | undefined> => ({
  ...words,
  schema: v.string(),
  form: "one",
  wanted: "text",
});

export const milliseconds = (words: ParameterText): Parameter<number | undefined> => ({
  ...words,
  schema: v.pipe(
    v.string(),
    v.regex(/^[0-9]+$/),
    v.transform(Number),
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(latest),
  ),
  form: "one",
  wanted: "a whole number of milliseconds",
});

const unitMs: Readonly<Record<string, number>> = {
  "": 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of "30s", "5m", "6h", "1d" or "2w", or of whole milliseconds. NaN for other texts. */
function durationOf(text: string): number {
  const [, count, unit = ""] = /^([0-9]{1,16})([smhdw]?)$/.exec(text) ?? [];
  return Number(count) * (unitMs[unit] ?? Number.NaN);
}

/** A length of time in milliseconds. */
export const duration = (words: ParameterText): Parameter<number | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.transform(durationOf), v.number(), v.integer(), v.minValue(0), v.maxValue(latest)),
  isText: true,
  form: "one",
  wanted: "whole milliseconds, or a length such as 30s, 5m, 6h, 1d or 1w",
});

/** Digits: nanoseconds of today are beyond the integers that a double holds. */
export const nanoseconds = (words: ParameterText): Parameter<string | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.regex(/^[0-9]{1,22}$/)),
  form: "one",
  wanted: "a whole number of nanoseconds",
});

/** @param most the greatest value; none if absent */
export const count = (words: ParameterText, most = Number.MAX_SAFE_INTEGER): Parameter<number | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.transform(Number), v.number(), v.integer(), v.minValue(1), v.maxValue(most)),
  form: "one",
  wanted: `a whole number from 1${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ""}`,
});

const powers: Readonly<Record<string, number>> = { "": 0, K: 1, M: 2, G: 3, T: 4, P: 5 };
const written = /^([0-9]{1,16}(?:\.[0-9]{1,6})?) ?([KMGTP]?)(i?)B?$/i;
/** A smaller number without a unit was meant in another one. */
const leastBytes = 1_000_000;

/** Bytes of a size: K, M, G, T and P are powers of 1000, with an "i" of 1024; without a unit they are bytes. NaN for other texts. */
function bytesOf(text: string): number {
  const [, count, unit = "", binary] = written.exec(text) ?? [];
  if (count === undefined || (unit === "" && binary)) return Number.NaN;
  const value = Number(count) * (binary ? 1024 : 1000) ** (powers[unit.toUpperCase()] ?? Number.NaN);
  return unit === "" && value < leastBytes ? Number.NaN : value;
}

/** A size in bytes. */
export const size = (words: ParameterText): Parameter<number | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.transform(bytesOf), v.number(), v.finite(), v.minValue(0)),
  isText: true,
  form: "one",
  wanted: `a size such as 40G (10^9 bytes) or 40Gi (2^30 bytes), or whole bytes from ${leastBytes}`,
});

/** A name that a client makes up, to be recognized by it. */
export const key = (words: ParameterText): Parameter<string | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/)),
  form: "one",
  wanted: "1 to 64 letters, digits, _ or -",
});

const truths: Readonly<Record<string, boolean>> = { true: true, "1": true, false: false, "0": false };

export const flag = (words: ParameterText): Parameter<boolean | undefined> => ({
  ...words,
  schema: v.pipe(
    v.string(),
    v.transform((text) => truths[text]),
    v.boolean(),
  ),
  form: "one",
  wanted: "true or false",
});

/** A time as `timeOf` reads it. */
export const time = (words: ParameterText): Parameter<string | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.regex(/^([0-9]{1,16}|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}.{0,24})?)$/)),
  form: "one",
  wanted: wantedTime,
});

/** A day: "YYYY-MM-DD". */
export const day = (words: ParameterText): Parameter<string | undefined> => ({
  ...words,
  schema: v.pipe(
    v.string(),
    v.regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/),
    v.check((date) => dayNumber(date) !== undefined),
  ),
  form: "one",
  wanted: "a day such as 2026-11-27",
});

const wantedTime = "Unix milliseconds, or a time such as 2026-11-28T08:30:00Z, 2026-11-28T08:30 or 2026-11-28";

/**
 * Unix milliseconds of the text of a time: these, or a time or day of ISO 8601, which is one of the hub's time zone if it has
 * no offset from UTC. A "+" that was not encoded reaches the hub as a space.
 * @throws Fault bad_request
 */
export function timeOf(name: string, text: string | undefined, zone: Zone): number | undefined {
  if (text === undefined) return undefined;
  const digits = /^[0-9]+$/.test(text) ? Number(text) : undefined;
  const iso = text
    .replace(/^(.{10}[T ][0-9:.]+) ([0-9]{2}:?[0-9]{2})$/, "$1+$2")
    .replace(/^(.{10}[T ][0-9]{2}:[0-9]{2})(?!:)/, "$1:00");
  const found = digits ?? (iso.length === 10 ? zone.startOfDay(iso) : zone.parse(iso));
  if (found !== undefined && found <= latest) return found;
  throw new Fault("bad_request", `The parameter "${name}" must be ${wantedTime}: it is "${text}".`);
}

export const choice = <const T extends string>(
  allowed: readonly T[],
  words: ParameterText,
): Parameter<T | undefined> => ({
  ...words,
  schema: v.picklist(allowed),
  form: "one",
  wanted: `one of ${allowed.join(", ")}`,
});

/** Names, each once. */
export const list = (words: ParameterText): Parameter<readonly string[]> => ({
  ...words,
  schema: v.array(v.string()),
  form: "list",
  wanted: "names with commas between",
});

/** Chooses the form of an answer where a browser cannot choose the header Accept. */
export const format = choice(["json", "csv"], {
  help: "Form of the answer, where the header Accept cannot be chosen, as in a browser: `csv` is a file with a byte order mark, by which spreadsheets read it as UTF-8. Default: CSV without that mark for `Accept: text/csv`, else JSON.",
  example: "json",
});

export const choices = <const T extends string>(
  allowed: readonly T[],
  words: ParameterText,
): Parameter<readonly T[]> => ({
  ...words,
  schema: v.array(v.picklist(allowed)),
  form: "list",
  wanted: `names out of ${allowed.join(",")}`,
});

export const repeated = (words: ParameterText): Parameter<readonly string[]> => ({
  ...words,
  schema: v.array(v.string()),
  form: "repeated",
  wanted: "text",
});

/** @param must follows "it must" in the message of a missing parameter */
export const required = <T>(must: string, parameter: Parameter<T | undefined>): Parameter<T> & Required => ({
  ...(parameter as Parameter<T>),
  required: must,
});

/**
 * The value of a parameter, of its texts in a request. Empty is missing.
 * @throws Fault bad_request, which names the parameter, its value and what was wanted
 */
export function read(
  name: string,
  { schema, form, wanted, required: must }: Parameter,
  texts: readonly string[],
): unknown {
  if (form === "repeated") return texts.filter((one) => one !== "");
  const [first, ...more] = new Set(texts);
  if (more.length > 0) {
    throw new Fault("bad_request", `The parameter "${name}" may have one value: it has ${more.length + 1}.`);
  }
  const names = form === "list" ? [...new Set((first ?? "").split(",").filter((one) => one !== ""))] : undefined;
  if (!first || names?.length === 0) {
    if (must === undefined) return names;
    throw new Fault("bad_request", `The parameter "${name}" is missing: it must ${must}.`);
  }
  const { success, output } = v.safeParse(schema, names ?? first, { abortEarly: true });
  if (success) return output;
  throw new Fault("bad_request", `The parameter "${name}" must be ${wanted}: it is "${first}".`);
}
