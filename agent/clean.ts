import { type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** Bytes of the longest name that leaves this machine; error texts may say a little more. */
const nameLimit = 256;
const errorLimit = 1024;

// Control characters, line and paragraph separators, and marks that turn the writing direction of what follows.
const unwanted = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const plain = /^[\x20-\x7e]*$/;

/** Text without what could upset a terminal or a page, valid UTF-8, at most `limit` bytes of it. */
export function clean(text: string, limit = nameLimit): string {
  if (text.length <= limit && plain.test(text)) return text;
  // Encoding turns lone surrogates into U+FFFD.
  const bytes = Buffer.from(text.replace(unwanted, ""), "utf8");
  if (bytes.length <= limit) return bytes.toString("utf8");
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

interface Strings {
  readonly single: readonly { name: string; limit: number }[];
  readonly lists: readonly string[];
  readonly messages: readonly { name: string; schema: DescMessage; list: boolean }[];
}

const known = new Map<DescMessage, Strings>();

function stringsOf(schema: DescMessage): Strings {
  const held = known.get(schema);
  if (held !== undefined) return held;
  const single: { name: string; limit: number }[] = [];
  const lists: string[] = [];
  const messages: { name: string; schema: DescMessage; list: boolean }[] = [];
  for (const field of schema.fields) {
    const name = field.localName;
    const text = field.scalar === ScalarType.STRING;
    if (field.message) messages.push({ name, schema: field.message, list: field.fieldKind === "list" });
    else if (text && field.fieldKind === "list") lists.push(name);
    else if (text) single.push({ name, limit: name === "err" ? errorLimit : nameLimit });
  }
  const strings = { single, lists, messages };
  known.set(schema, strings);
  return strings;
}

/** Cleans every string of a message, in place, at any depth. */
export function cleanAll(schema: DescMessage, message: object): void {
  const at = message as Record<string, unknown>;
  const { single, lists, messages } = stringsOf(schema);
  for (const { name, limit } of single) {
    const text = at[name];
    if (typeof text === "string") at[name] = clean(text, limit);
  }
  for (const name of lists) at[name] = (at[name] as string[]).map((text) => clean(text));
  for (const { name, schema: inner, list } of messages) {
    const held = at[name];
    if (held === undefined) continue;
    for (const one of list ? (held as object[]) : [held as object]) cleanAll(inner, one);
  }
}
