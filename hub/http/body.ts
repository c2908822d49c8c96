import type { Context } from "hono";
import { type BaseIssue, type GenericSchema, getDotPath, type InferOutput, safeParse } from "valibot";
import { nearest } from "../../program/hint.ts";
import { clean } from "../../proto/clean.ts";
import { type BodyError, Fault } from "../fault.ts";

/** What a JSON body must be. */
export interface BodyFormat<S extends GenericSchema> {
  readonly schema: S;
  /** Most bytes. */
  readonly limit: number;
  /** True if the header Content-Type may say anything, or be missing. */
  readonly anyType?: boolean;
  /** True if an error names every wrong place, not only the first. */
  readonly everyPlace?: boolean;
}

/**
 * Reads a JSON body and checks it against a schema.
 * @throws Fault media_type_refused, body_too_large, canceled, bad_request
 */
export async function readBody<S extends GenericSchema>(
  c: Context,
  { schema, limit, anyType = false, everyPlace = false }: BodyFormat<S>,
): Promise<InferOutput<S>> {
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !anyType) {
    const message = `The body must have the type application/json: it has ${type === "" ? "none" : JSON.stringify(clean(type))}.`;
    throw new Fault("media_type_refused", message);
  }
  const text = await textOf(c.req.raw, { length: Number(c.req.header("content-length") ?? 0), limit });
  const value = parse(text);
  // A schema of an object takes a list for one without fields.
  if (Array.isArray(value)) throw wrong("The body must be an object.", { type: "object" });
  const { success, output, issues } = safeParse(schema, value, { abortEarly: !everyPlace });
  if (success) return output;
  const errors = issues.map((issue) => errorOf(issue, schema));
  throw new Fault("bad_request", errors[0]?.msg ?? "The body is not valid.", { errors });
}

/** What is wrong with one place. The value is not repeated: it may be as long as the body. */
function errorOf(issue: BaseIssue<unknown>, schema: GenericSchema): BodyError {
  const keys = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : clean(String(key), 64)));
  const loc = ["body", ...keys];
  if (issue.type === "strict_object" && issue.expected === "never") {
    return { loc, msg: unknownKey(String(issue.input), schema), type: "extra_forbidden" };
  }
  const place = clean(getDotPath(issue) ?? "");
  const isMissing = issue.received === "undefined" && issue.message.startsWith("Invalid key:");
  if (isMissing) return { loc, msg: `The body must have the key "${place}".`, type: "missing" };
  const subject = place === "" ? "The body" : `The body's "${place}"`;
  return { loc, msg: `${subject} must be ${wantedOf(issue)}.`, type: issue.type };
}

/** The fault of a body that is wrong as a whole. */
function wrong(message: string, { type }: Pick<BodyError, "type">, options?: ErrorOptions): Fault {
  return new Fault("bad_request", message, { ...options, errors: [{ loc: ["body"], msg: message, type }] });
}

/** Says that an object must not have a key: a mistyped one would change nothing, without a word. */
function unknownKey(given: string, schema: GenericSchema): string {
  const known = "entries" in schema ? Object.keys(schema.entries as object) : [];
  const key = clean(given, 64);
  const hint = nearest(key, known);
  const more = hint === undefined ? `it may have ${known.join(", ")}.` : `did you mean "${hint}"?`;
  return `The body must not have a key ${JSON.stringify(key)}: ${more}`;
}

/** What a value must be: as its schema says, where that has words of its own. */
function wantedOf({ type, input, message, requirement, expected }: BaseIssue<unknown>): string {
  if (!message.startsWith("Invalid ")) return message;
  if (type === "min_value" || type === "max_value") {
    // A number is short enough to be repeated.
    return `at ${type === "min_value" ? "least" : "most"} ${requirement}: it is ${input}`;
  }
  return expected === "Object" ? "an object" : (expected ?? "valid");
}

/** @param length what the client says it is, or 0 @throws Fault body_too_large, canceled */
async function textOf(
  request: Request,
  { length, limit }: { readonly length: number; readonly limit: number },
): Promise<string> {
  const tooLarge = (): Fault => new Fault("body_too_large", `The body must not be larger than ${limit} bytes.`);
  if (length > limit) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of request.body ?? []) {
      size += piece.length;
      if (size > limit) throw tooLarge();
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("canceled", "The client went away before its request was read.", { cause: error });
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** Keys that valibot leaves out of an object, where a client would not notice. */
const unusable: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

function parse(text: string): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (unusable.has(key)) throw wrong(`The body must not have a key "${key}".`, { type: "extra_forbidden" });
      return value;
    });
  } catch (error) {
    if (error instanceof Fault) throw error;
    // JavaScript's message quotes the body.
    throw wrong("The body is not valid JSON.", { type: "json_invalid" }, { cause: error });
  }
}
