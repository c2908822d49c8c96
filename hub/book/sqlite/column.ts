// Values of columns: texts within bounds, whole numbers, hashes, and JSON that is checked when it is written and when it is read.
import * as v from "valibot";
import { quoted } from "../../../program/setting.ts";
import { Fault } from "../../fault.ts";

/** Most bytes of a name, an address or the hash of a password. */
const textLimit = 1024;
const hashBytes = 32;

/** A text of 1 to 1024 bytes. @param what names it in messages @throws Fault bad_request */
export function text(value: string, what: string): string {
  const bytes = Buffer.byteLength(value);
  // Half a surrogate pair would be stored as another character.
  if (bytes > 0 && bytes <= textLimit && value.isWellFormed()) return value;
  throw new Fault(
    "bad_request",
    `The ${what} must have 1 to ${textLimit} bytes of valid Unicode: it has ${bytes}, ${quoted(value)}`,
  );
}

/** A text, or null for none. @throws Fault bad_request */
export const optionalText = (value: string | undefined, what: string): string | null =>
  value === undefined ? null : text(value, what);

/** The hash of a password, or null for none. No message shows it. @throws RangeError */
export function passwordHash(value: string | undefined): string | null {
  if (value === undefined) return null;
  const bytes = Buffer.byteLength(value);
  if (bytes > 0 && bytes <= textLimit && value.isWellFormed()) return value;
  throw new RangeError(`The hash of a password must have 1 to ${textLimit} bytes: it has ${bytes}`);
}

/** A whole number. SQLite stores NaN as null, which means "never" for a time. @throws RangeError */
export function whole(value: number, what: string): number {
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`The ${what} must be a whole number: it is ${value}`);
}

/** A whole number, or null for none. @throws RangeError */
export const optionalWhole = (value: number | undefined, what: string): number | null =>
  value === undefined ? null : whole(value, what);

/** A SHA-256 for a column. @throws RangeError */
export function sha256(hash: Uint8Array): Uint8Array {
  if (hash.length === hashBytes) return hash;
  throw new RangeError(`A SHA-256 has ${hashBytes} bytes: this has ${hash.length}`);
}

/** A column with JSON of one form. */
interface JsonColumn<T> {
  /** @param owner names the row in messages @throws Fault bad_request */
  write(value: T, owner: string): string;
  /** @throws Fault book_unusable if the column is damaged */
  read(text: string, owner: string): T;
}

/** @param what names the content in messages @param limit most bytes */
export function jsonColumn<T>(what: string, schema: v.GenericSchema<unknown, T>, limit: number): JsonColumn<T> {
  return {
    write(value, owner) {
      const json = JSON.stringify(value);
      const bytes = Buffer.byteLength(json);
      if (bytes > limit) {
        throw new Fault("bad_request", `The ${what} of ${quoted(owner)} must have at most ${limit} bytes: ${bytes}`);
      }
      // What is written can be read again: JSON has no NaN, and makes null of it.
      const { problem } = parse(schema, json);
      if (problem === undefined) return json;
      throw new Fault("bad_request", `The ${what} of ${quoted(owner)} cannot be stored: ${problem}`);
    },
    read(json, owner) {
      const { problem, value } = parse(schema, json);
      if (problem === undefined) return value;
      throw new Fault(
        "book_unusable",
        `Administration data is damaged: the ${what} of ${quoted(owner)} cannot be read: ${problem}`,
      );
    },
  };
}

type Parsed<T> = { readonly problem?: undefined; readonly value: T } | { readonly problem: string; readonly value?: T };

function parse<T>(schema: v.GenericSchema<unknown, T>, json: string): Parsed<T> {
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch (error) {
    return { problem: (error as Error).message };
  }
  const { success, output, issues } = v.safeParse(schema, content, { abortEarly: true });
  if (success) return { value: output };
  const [issue] = issues;
  return { problem: [v.getDotPath(issue), issue.message].filter(Boolean).join(": ") };
}

/** An object whose values all pass a test. valibot's own drops keys such as "constructor", which a label may have. */
export const recordOf = <T>(
  test: (value: unknown) => value is T,
): v.GenericSchema<unknown, Readonly<Record<string, T>>> =>
  v.custom<Readonly<Record<string, T>>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(test),
    "a value has a wrong type",
  );

/** Called with the fault of a row that is damaged. */
export type DamageReport = (fault: Fault) => void;

/** Reads rows of a list. One that is damaged is reported and left out: it must not cost the others. */
export function readable<Row, T>(rows: readonly Row[], read: (row: Row) => T, report: DamageReport): T[] {
  return rows.flatMap((row) => {
    const found = attempt(() => read(row), report);
    return found === undefined ? [] : [found];
  });
}

/** What is read; undefined if it is damaged, which is reported. */
export function attempt<T>(read: () => T, report: DamageReport): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    report(error);
    return undefined;
  }
}
