import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type Delta, DeltaSchema } from "./gen/feed_pb.js";
import { HostInfoSchema } from "./gen/host_pb.js";
import type { Glance } from "./glance.ts";

/** A host's numbers in descriptor order, and all of its other fields as one string. */
interface Flat {
  readonly shape: string;
  readonly slots: readonly Slot[];
}

interface Slot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly kind: "integer" | "big" | "fraction" | "bool";
  readonly value: number | undefined;
}

function kindOf(field: DescField): Slot["kind"] | "text" {
  if (field.enum) return "integer";
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "text";
    case ScalarType.BOOL:
      return "bool";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return "fraction";
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return "big";
    default:
      return "integer";
  }
}

function flatten(info: Glance): Flat {
  const slots: Slot[] = [];
  const shape: unknown[] = [];
  const scalar = (holder: Record<string, unknown>, key: string, kind: Slot["kind"] | "text"): void => {
    const raw = holder[key];
    if (kind === "text") shape.push(raw ?? null);
    else slots.push({ holder, key, kind, value: raw === undefined ? undefined : Number(raw) });
  };
  const visit = (schema: DescMessage, message: Record<string, unknown>): void => {
    for (const field of schema.fields) {
      const held = message[field.localName];
      if (field.fieldKind === "list") {
        const list = held as unknown[];
        shape.push(list.length);
        list.forEach((item, i) => {
          if (field.listKind === "message") visit(field.message, item as Record<string, unknown>);
          else scalar(list as unknown as Record<string, unknown>, String(i), kindOf(field));
        });
      } else if (field.fieldKind === "message") {
        shape.push(held !== undefined);
        if (held !== undefined) visit(field.message, held as Record<string, unknown>);
      } else scalar(message, field.localName, kindOf(field));
    }
  };
  visit(HostInfoSchema, info as unknown as Record<string, unknown>);
  return { shape: JSON.stringify(shape), slots };
}

/**
 * Computes the difference between two answers of one host: a Delta without number and time; undefined if the shape changed
 * (a card, process or disk appeared, vanished or was renamed) or a number is too large. Then the whole host is sent.
 */
export function diff(before: Glance, after: Glance): Delta | undefined {
  const was = flatten(before);
  const is = flatten(after);
  if (was.shape !== is.shape) return undefined;
  const delta = create(DeltaSchema);
  let lastSet = 0;
  let lastCleared = 0;
  for (let i = 0; i < is.slots.length; i++) {
    const from = was.slots[i]?.value;
    const slot = is.slots[i];
    const to = slot?.value;
    if (slot === undefined || Object.is(from, to)) continue;
    if (to === undefined) {
      delta.cleared.push(i - lastCleared);
      lastCleared = i;
      continue;
    }
    delta.slots.push(i - lastSet);
    lastSet = i;
    if (slot.kind === "fraction") delta.fractions.push(to);
    else {
      const base = from ?? 0;
      if (!Number.isSafeInteger(to) || !Number.isSafeInteger(base) || !Number.isSafeInteger(to - base))
        return undefined;
      delta.integers.push(BigInt(to - base));
    }
  }
  return delta;
}

/**
 * Applies a delta to `info` in place.
 * @throws Error if the delta does not fit this host's shape: the feed must be requested anew.
 */
export function apply(info: Glance, delta: Delta): void {
  const { slots } = flatten(info);
  const at = (i: number): Slot => {
    const slot = slots[i];
    if (slot === undefined) throw new Error(`delta names slot ${i} of ${slots.length}`);
    return slot;
  };
  let i = 0;
  for (const step of delta.cleared) {
    i += step;
    const slot = at(i);
    delete slot.holder[slot.key];
  }
  i = 0;
  let integer = 0;
  let fraction = 0;
  for (const step of delta.slots) {
    i += step;
    const slot = at(i);
    if (slot.kind === "fraction") slot.holder[slot.key] = delta.fractions[fraction++];
    else {
      const next = (slot.value ?? 0) + Number(delta.integers[integer++]);
      slot.holder[slot.key] = slot.kind === "big" ? BigInt(next) : slot.kind === "bool" ? next !== 0 : next;
    }
  }
}
