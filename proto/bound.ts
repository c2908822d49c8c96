import { type DescMessage, fromBinary, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Limits of one message. */
export interface MessageLimits {
  /** Size of the whole message in bytes. */
  readonly bytes: number;
  /** Submessages and repeated elements in it, counted over all levels. */
  readonly elements: number;
}

/** Limits of a HostInfo: twice what a host with 8 GPUs and 5,000 processes on them needs. */
export const hostLimits: MessageLimits = { bytes: 1024 * 1024, elements: 20_000 };

/**
 * Decodes a message from an untrusted peer after counting its elements in the raw bytes: 4 MB of empty submessages would decode
 * to two million objects.
 * @throws Error naming the limit that was exceeded, or what the decoder could not read.
 */
export function decode<D extends DescMessage>(schema: D, bytes: Uint8Array, bound: MessageLimits): MessageShape<D> {
  if (bytes.length > bound.bytes) {
    throw new Error(`message of ${bytes.length} bytes is over the limit of ${bound.bytes}`);
  }
  // Nothing counts that takes less than a byte: what most hosts send needs no counting, which is a third of the work.
  if (bytes.length > bound.elements) {
    count(schema, new BinaryReader(bytes), bytes.length, { left: bound.elements, limit: bound.elements });
  }
  return fromBinary(schema, bytes);
}

interface Budget {
  left: number;
  readonly limit: number;
}

function count(schema: DescMessage, reader: BinaryReader, end: number, budget: Budget): void {
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    // Nothing of ours uses groups, and nested ones would make the decoder recurse as deep as the sender likes.
    if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw new Error("message holds a group");
    const field = schema.fields.find((f) => f.number === number);
    // A lone number or text replaces the one before it; everything else adds an object, unknown fields included.
    if (field === undefined || field.message !== undefined || field.fieldKind !== "scalar") spend(budget, 1);
    if (wire !== WireType.LengthDelimited) {
      reader.skip(wire, number);
      continue;
    }
    const length = reader.uint32();
    const stop = reader.pos + length;
    if (stop > end) throw new Error("message is cut short");
    if (field?.message) count(field.message, reader, stop, budget);
    else if (field?.fieldKind === "list") {
      // A packed list of varints has at most one element a byte.
      spend(budget, field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES ? 0 : length);
    }
    reader.pos = stop;
  }
}

function spend(budget: Budget, elements: number): void {
  budget.left -= elements;
  if (budget.left < 0) throw new Error(`message has more than ${budget.limit} elements`);
}
