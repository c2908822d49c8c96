import { type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { clean, limitOf } from "../proto/clean.ts";
import { Kind, metric } from "../proto/gen/metric_pb.js";

/** True if a number may be sent unchanged. */
type Check = (value: unknown) => boolean;

/** Greatest integer that a double holds exactly. Counters may be larger, because only their differences are used. */
const exact = BigInt(Number.MAX_SAFE_INTEGER);
const longest = 2n ** 63n - 1n;

/** Returns the check of a field's values; undefined if all are valid. The encoder throws at a value out of range, for the whole answer. */
function checkOf(field: DescField & { fieldKind: "scalar" }): Check | undefined {
  const most = getOption(field, metric).kind === Kind.COUNTER ? longest : exact;
  switch (field.scalar) {
    case ScalarType.UINT32:
      return (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
    case ScalarType.INT32:
      return (value) => Number.isInteger(value) && value === ((value as number) | 0);
    case ScalarType.UINT64:
      return (value) => (value as bigint) >= 0n && (value as bigint) <= most;
    case ScalarType.DOUBLE:
      return Number.isFinite;
    default:
      return undefined;
  }
}

interface Fields {
  readonly texts: readonly { name: string; limit: number }[];
  readonly lists: readonly string[];
  readonly numbers: readonly { name: string; check: Check; optional: boolean }[];
  readonly messages: readonly { name: string; schema: DescMessage; list: boolean }[];
}

const known = new Map<DescMessage, Fields>();

function fieldsOf(schema: DescMessage): Fields {
  const cached = known.get(schema);
  if (cached !== undefined) return cached;
  const texts: { name: string; limit: number }[] = [];
  const lists: string[] = [];
  const numbers: { name: string; check: Check; optional: boolean }[] = [];
  const messages: { name: string; schema: DescMessage; list: boolean }[] = [];
  for (const field of schema.fields) {
    const name = field.localName;
    const text = field.scalar === ScalarType.STRING;
    const check = field.fieldKind === "scalar" ? checkOf(field) : undefined;
    if (field.message) messages.push({ name, schema: field.message, list: field.fieldKind === "list" });
    else if (text && field.fieldKind === "list") lists.push(name);
    else if (text) texts.push({ name, limit: limitOf(name) });
    else if (check !== undefined) numbers.push({ name, check, optional: field.presence !== implicit });
  }
  const fields = { texts, lists, numbers, messages };
  known.set(schema, fields);
  return fields;
}

const implicit = FeatureSet_FieldPresence.IMPLICIT;

/**
 * Sanitizes a message in place, at any depth: cleans texts and removes numbers that their fields cannot carry or that are not
 * readings (negative, NaN, 2^53 and more except in counters). A message that requires such a number is removed as a whole.
 * @returns False if a required number is missing.
 */
export function cleanAll(schema: DescMessage, message: object): boolean {
  const at = message as Record<string, unknown>;
  const { texts, lists, numbers, messages } = fieldsOf(schema);
  for (const { name, limit } of texts) {
    const text = at[name];
    if (typeof text === "string") at[name] = clean(text, limit);
  }
  for (const name of lists) at[name] = (at[name] as string[]).map((text) => clean(text));
  for (const { name, check, optional } of numbers) {
    const value = at[name];
    if (value === undefined || check(value)) continue;
    if (!optional) return false;
    delete at[name];
  }
  for (const { name, schema: inner, list } of messages) {
    const value = at[name];
    if (value === undefined) continue;
    if (list) at[name] = (value as object[]).filter((one) => cleanAll(inner, one));
    else if (!cleanAll(inner, value as object)) delete at[name];
  }
  return true;
}
