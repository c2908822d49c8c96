import type { Batch } from "./batch.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptChunk } from "./corrupt.ts";
import { addPlane, fillPlane, type Plane, type PlaneSource, readPlane } from "./plane.ts";
import { bytes, doubles } from "./scratch.ts";
import { powerOfTen, wholesOf } from "./whole.ts";

/** A plane of a column, and which series of the chunk holds its residuals (-1 for none). */
interface EncodedPlane {
  readonly plane: Plane;
  readonly series: number;
}

/** A column as its chunk describes it. */
export interface EncodedColumn {
  /** absent: no value at all; wholes: whole numbers / 10^places; doubles: a plane of the high halves and one of the low. */
  readonly content: "absent" | "doubles" | "wholes";
  readonly places: number;
  /** A plane of 1 where there is a value and 0 where not; undefined where all are there. */
  readonly presence: EncodedPlane | undefined;
  readonly parts: readonly EncodedPlane[];
}

const CONTENTS = ["absent", "wholes", "doubles", "again"] as const;
const PRESENCES = ["all", "own", "again"] as const;
const code = (content: number, presence: number, places: number): number => content | (presence << 2) | (places << 4);

/** State of encoding across columns: the presence mask of the last column with gaps. */
export interface EncodingState {
  mask: Uint8Array | undefined;
}

export interface ColumnOutput {
  readonly head: ByteWriter;
  readonly batch: Batch;
}

const dense = doubles();
const wholes = doubles();
const flags = doubles();
const mask = bytes();

export interface ColumnInput {
  readonly column: Float64Array;
  /** The column before it in the chunk. */
  readonly before: Float64Array | undefined;
  readonly count: number;
}

/** Adds a column to a chunk. */
export function addColumn(given: ColumnInput, memory: EncodingState, to: ColumnOutput): void {
  const { column, count } = given;
  if (given.before !== undefined && isSame(column, given.before, count)) {
    to.head.byte(code(3, 0, 0));
    return;
  }
  const present = presentIn(column, count);
  if (present === 0) {
    to.head.byte(code(0, 0, 0));
    return;
  }
  const values = present === count ? column : compact(column, count);
  const presence = present === count ? 0 : sameMask(column, count, memory.mask) ? 2 : 1;
  const whole = wholes.of(present);
  const places = wholesOf(values, whole, present);
  // Planes follow their column's byte in the head: presence first, then the values.
  const at = to.head.length;
  to.head.byte(code(1, presence, places ?? 0));
  if (presence === 1) addMask(column, count, memory, to);
  if (places !== undefined && addPlane(whole, present, to)) return;
  to.head.set(at, code(2, presence, 0));
  addHalves(values, present, to);
}

/** True if two columns are equal, absent values included; 0 equals -0. */
function isSame(a: Float64Array, b: Float64Array, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) return false;
  }
  return true;
}

function presentIn(column: Float64Array, count: number): number {
  let present = 0;
  for (let i = 0; i < count; i++) if (!Number.isNaN(column[i] ?? 0)) present++;
  return present;
}

function compact(column: Float64Array, count: number): Float64Array {
  const values = dense.of(count);
  let to = 0;
  for (let i = 0; i < count; i++) {
    const value = column[i] ?? 0;
    if (!Number.isNaN(value)) values[to++] = value;
  }
  return values;
}

function sameMask(column: Float64Array, count: number, known: Uint8Array | undefined): boolean {
  if (known === undefined) return false;
  for (let i = 0; i < count; i++) if (Number.isNaN(column[i] ?? 0) !== (known[i] === 0)) return false;
  return true;
}

function addMask(column: Float64Array, count: number, memory: EncodingState, to: ColumnOutput): void {
  const known = mask.of(count);
  const ones = flags.of(count);
  for (let i = 0; i < count; i++) {
    const one = Number.isNaN(column[i] ?? 0) ? 0 : 1;
    known[i] = one;
    ones[i] = one;
  }
  memory.mask = known;
  addPlane(ones, count, to);
}

const pair = new Float64Array(1);
/** The halves of `pair`, low one first: all platforms of Node but one mainframe's are little-endian. */
const halves = new Int32Array(pair.buffer);

function addHalves(values: Float64Array, count: number, to: ColumnOutput): void {
  const plane = wholes.of(count);
  for (let i = 0; i < count; i++) {
    pair[0] = values[i] ?? 0;
    plane[i] = halves[1] ?? 0;
  }
  addPlane(plane, count, to);
  for (let i = 0; i < count; i++) {
    pair[0] = values[i] ?? 0;
    plane[i] = (halves[0] ?? 0) >>> 0;
  }
  addPlane(plane, count, to);
}

/** State of decoding across columns. */
export interface Progress {
  presence: EncodedPlane | undefined;
  /** Series used so far. */
  series: number;
}

/** @param before the column before it in the chunk; @throws CorruptChunk if it cannot be read */
export function readColumn(head: ByteReader, before: EncodedColumn | undefined, progress: Progress): EncodedColumn {
  const byte = head.byte();
  const content = CONTENTS[byte & 3];
  const presence = PRESENCES[(byte >> 2) & 3];
  const places = byte >> 4;
  if (content === "again" && before !== undefined) return before;
  if (content === "absent") return { content, places: 0, presence: undefined, parts: [] };
  if (content === undefined || content === "again" || presence === undefined || places > 4) throw unknown();
  if (presence === "own") progress.presence = readPart(head, progress);
  const shared = presence === "all" ? undefined : progress.presence;
  if (presence === "again" && shared === undefined) throw unknown();
  const parts = [readPart(head, progress)];
  if (content === "doubles") parts.push(readPart(head, progress));
  return { content, places, presence: shared, parts };
}

const unknown = (): CorruptChunk => new CorruptChunk("A column of the chunk is described in a way that is not known");

function readPart(head: ByteReader, progress: Progress): EncodedPlane {
  const plane = readPlane(head);
  return { plane, series: plane.shape === "flat" ? -1 : progress.series++ };
}

/** Finds the residuals of a series. */
export type PlaneSources = (series: number) => PlaneSource | undefined;

const present = doubles();
const high = doubles();

/** Decodes a column into the first `count` values, absent ones as NaN. */
export function fillColumn(
  column: EncodedColumn,
  sources: PlaneSources,
  to: { out: Float64Array; count: number },
): void {
  const { out, count } = to;
  if (column.content === "absent") {
    out.fill(Number.NaN, 0, count);
    return;
  }
  if (column.presence === undefined) fillValues(column, sources, to);
  else fillGappy({ ...column, presence: column.presence }, sources, to);
}

function fillGappy(
  column: EncodedColumn & { readonly presence: EncodedPlane },
  sources: PlaneSources,
  to: { out: Float64Array; count: number },
): void {
  const { out, count } = to;
  const flag = present.of(count);
  fillPart(column.presence, sources, { out: flag, count, power: 1 });
  let left = 0;
  for (let i = 0; i < count; i++) if (flag[i] !== 0) left++;
  if (left === 0) throw unknown();
  const values = dense.of(count);
  fillValues(column, sources, { out: values, count: left });
  let from = 0;
  for (let i = 0; i < count; i++) out[i] = flag[i] === 0 ? Number.NaN : (values[from++] ?? Number.NaN);
}

function fillValues(column: EncodedColumn, sources: PlaneSources, to: { out: Float64Array; count: number }): void {
  const [first, second] = column.parts;
  if (first === undefined) throw unknown();
  if (column.content === "wholes") {
    fillPart(first, sources, { ...to, power: powerOfTen(column.places) });
    return;
  }
  if (second === undefined) throw unknown();
  const upper = high.of(to.count);
  fillPart(first, sources, { out: upper, count: to.count, power: 1 });
  fillPart(second, sources, { ...to, power: 1 });
  for (let i = 0; i < to.count; i++) {
    halves[1] = upper[i] ?? 0;
    halves[0] = to.out[i] ?? 0;
    to.out[i] = pair[0] ?? 0;
  }
}

function fillPart(
  part: EncodedPlane,
  sources: PlaneSources,
  to: { out: Float64Array; count: number; power: number },
): void {
  fillPlane(part.plane, part.series < 0 ? undefined : sources(part.series), to);
}
