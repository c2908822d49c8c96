import { clean } from "../../proto/clean.ts";
import { Fault } from "../fault.ts";

/** Most levels of nesting, and most values, of a JSON text. */
export interface JsonLimits {
  readonly depth: number;
  readonly values: number;
}

const [quote, backslash, comma, capitalI, capitalN] = [0x22, 0x5c, 0x2c, 0x49, 0x4e];
const [openBracket, closeBracket, openBrace, closeBrace, minus] = [0x5b, 0x5d, 0x7b, 0x7d, 0x2d];
const nothing = Buffer.from("null");

/**
 * Parses JSON of an untrusted sender, after counting its values in the bytes: a megabyte of "[[[…" or "{},{},…" would become
 * a million objects. NaN and infinite numbers, which Python writes into JSON, become null.
 * @throws Fault bad_request
 */
export function parseJson(bytes: Buffer, limits: JsonLimits): unknown {
  const text = withoutNaN(bytes, limits).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    // JavaScript's message quotes the body.
    throw new Fault("bad_request", "The body is not valid JSON.", { cause: error });
  }
}

/** Checks the limits, and replaces what is no JSON number by null. @throws Fault bad_request */
function withoutNaN(bytes: Buffer, limits: JsonLimits): Buffer {
  const pieces: Buffer[] = [];
  let done = 0;
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case quote:
        at = endOfString(bytes, at);
        break;
      case openBracket:
      case openBrace:
        values++;
        if (++depth > limits.depth) throw tooMuch(`nested deeper than ${limits.depth} levels`);
        break;
      case closeBracket:
      case closeBrace:
        depth--;
        break;
      case comma:
        values++;
        break;
      case capitalN:
      case capitalI: {
        const word = bytes[at] === capitalN ? "NaN" : "Infinity";
        if (bytes.toString("latin1", at, at + word.length) !== word) break;
        const start = bytes[at - 1] === minus ? at - 1 : at;
        pieces.push(bytes.subarray(done, start), nothing);
        done = at + word.length;
        at = done - 1;
        break;
      }
    }
    if (values > limits.values) throw tooMuch(`of more than ${limits.values} values`);
  }
  return pieces.length === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(done)]);
}

/** Place of the quote that ends a string; the last byte if there is none. */
function endOfString(bytes: Buffer, start: number): number {
  for (let end = bytes.indexOf(quote, start + 1); end >= 0; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}

const tooMuch = (what: string): Fault => new Fault("bad_request", `The body must not be JSON ${what}.`);

export type JsonObject = Readonly<Record<string, unknown>>;

export const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;

/** Objects of a list, the first ones of at most `most` entries; none if it is no list. */
export const objectsIn = (value: unknown, most: number): JsonObject[] =>
  Array.isArray(value)
    ? value
        .slice(0, most)
        .map(objectOf)
        .filter((item) => item !== undefined)
    : [];

/** A text without hidden characters, cut to `limit` bytes; undefined if nothing is left, or it is no text. */
export const textOf = (value: unknown, limit?: number): string | undefined =>
  typeof value === "string" ? clean(value, limit) || undefined : undefined;

/** A number from 0 to `most`; undefined for anything else. */
export const numberOf = (value: unknown, most: number): number | undefined =>
  // Never -0, which is not equal to 0 everywhere.
  typeof value === "number" && value >= 0 && value <= most ? value + 0 : undefined;

/** A whole number from 0 to `most`, rounded; undefined for anything else. */
export function wholeOf(value: unknown, most: number): number | undefined {
  const number = numberOf(value, most);
  return number === undefined ? undefined : Math.round(number);
}

/** An object with a field that is known; `{}` if it is not. */
export const given = <K extends string, T>(name: K, value: T | undefined): { readonly [N in K]?: T } =>
  (value === undefined ? {} : { [name]: value }) as { readonly [N in K]?: T };
