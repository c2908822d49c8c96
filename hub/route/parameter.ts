import * as v from "valibot";
import { Fault } from "../fault.ts";

/** A parameter of the path or the query. `T` is what a handler gets. */
export interface Parameter<T = unknown> {
  /** From text (of "one") or texts to the value. OpenAPI's schema is made of its output. */
  readonly schema: v.GenericSchema<string, unknown> | v.GenericSchema<string[], unknown>;
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

/** Digits: nanoseconds of today are beyond the integers that a double holds. */
export const nanoseconds = (words: ParameterText): Parameter<string | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.regex(/^[0-9]{1,22}$/)),
  form: "one",
  wanted: "a whole number of nanoseconds",
});

export const count = (words: ParameterText): Parameter<number | undefined> => ({
  ...words,
  schema: v.pipe(v.string(), v.transform(Number), v.number(), v.integer(), v.minValue(1)),
  form: "one",
  wanted: "a whole number from 1",
});

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
