import { BitReader, type BitWriter, type Words } from "./bits.ts";
import type { Cluster, Counts } from "./cluster.ts";
import { CorruptChunk } from "./corrupt.ts";
import { type Shares, STANDARD_TOKENS, standardShares } from "./standard.ts";
import { CLASS, CLASSES, RAW, RECENTS, TOKENS } from "./token.ts";

/**
 * Tables of an asymmetric numeral system (J. Duda, "Asymmetric numeral systems", arXiv:1311.2540, the range variant):
 * the coder's state is one number, into which a token goes as one of the slots 0 to 2^log - 1 that are its share. It
 * costs as many bits as its share says, fractions of a bit included.
 */

/** The coder's state is from this to 2^31 - 1: 16 bits leave it, or come to it, at a time. */
export const LEAST_STATE = 1 << 15;

const NONE = new Uint16Array(0);
const LEAST_LOG = 5;
const MOST_LOG = 11;

/** Larger tables follow the frequencies more closely, but take longer to set up: at most half a slot for each sample. */
function logFor(samples: number, clusters: readonly Cluster[]): number {
  let widest = 0;
  for (const { low, high } of clusters) widest = Math.max(widest, high - low + 1);
  const forTokens = 33 - Math.clz32(widest);
  const forSamples = 30 - Math.clz32(samples);
  return Math.min(MOST_LOG, Math.max(LEAST_LOG, forTokens, forSamples));
}

export function sharesOf(counts: Counts, clusters: readonly Cluster[], samples: number): Shares {
  const log = logFor(samples, clusters);
  return { log, clusters: clusters.map((cluster) => shareOut(counts, cluster, 1 << log)) };
}

function shareOut(counts: Counts, cluster: Cluster, states: number): Shares["clusters"][number] {
  const { first, last, low, high } = cluster;
  const shares = new Uint16Array(high - low + 1);
  const base = first * TOKENS + low;
  let sum = 0;
  for (let i = 0; i < shares.length; i++) sum += counts.cells[base + i] ?? 0;
  let left = states;
  for (let i = 0; i < shares.length; i++) {
    const count = counts.cells[base + i] ?? 0;
    shares[i] = count === 0 ? 0 : Math.max(1, Math.round((count * states) / sum));
    left -= shares[i] ?? 0;
  }
  // The largest share absorbs the rounding error.
  while (left !== 0) {
    let largest = 0;
    for (let i = 1; i < shares.length; i++) if ((shares[i] ?? 0) > (shares[largest] ?? 0)) largest = i;
    const share = shares[largest] ?? 0;
    const change = left > 0 ? left : -Math.min(-left, share >> 2 || 1);
    shares[largest] = share + change;
    left -= change;
  }
  return { last, low, shares };
}

const bitLength = (value: number): number => 32 - Math.clz32(value);

/** A share as the change of its length in bits against the one before, in unary, and the bits below the highest. */
export function writeShares(shares: Shares, to: BitWriter): void {
  const { log, clusters } = shares;
  to.put(log - LEAST_LOG, 3);
  to.put(clusters.length - 1, 7);
  for (const { last, low, shares: of } of clusters) {
    to.put(last, 7);
    to.put(low, 7);
    to.put(of.length - 1, 7);
    let before = log - 3;
    // The last share is what the others leave.
    for (const share of of.subarray(0, -1)) {
      const length = bitLength(share);
      const change = length - before;
      const folded = change < 0 ? -2 * change - 1 : 2 * change;
      to.put(2 ** folded, folded + 1);
      if (length > 1) to.put(share - 2 ** (length - 1), length - 1);
      before = length;
    }
  }
}

export const sharesBits = (shares: Shares): number =>
  shares.clusters.reduce((sum, { shares: of }) => sum + 21 + of.length * 48, 10);

/** @throws CorruptChunk where shares do not sum up */
function readShares(from: BitReader): Shares {
  const log = from.take(3) + LEAST_LOG;
  const clusters: Shares["clusters"][number][] = [];
  for (let left = from.take(7) + 1; left > 0; left--) {
    const last = from.take(7);
    const low = from.take(7);
    const length = from.take(7) + 1;
    if (log > MOST_LOG || low + length > TOKENS) throw new CorruptChunk("A table of the chunk is too large");
    clusters.push({ last, low, shares: readOne(from, length, log) });
  }
  return { log, clusters };
}

function readOne(from: BitReader, length: number, log: number): Uint16Array {
  const shares = new Uint16Array(length);
  let left = 1 << log;
  let before = log - 3;
  for (let i = 0; i + 1 < length; i++) {
    const folded = from.zeros();
    before += folded & 1 ? -((folded + 1) >> 1) : folded >> 1;
    if (before < 0 || before > log + 1) throw new CorruptChunk("A share in a table of the chunk is too large");
    const share = before === 0 ? 0 : (1 << (before - 1)) + from.take(before - 1);
    shares[i] = share;
    left -= share;
  }
  if (left < 1) throw new CorruptChunk("The shares of a table of the chunk do not sum up");
  shares[length - 1] = left;
  return shares;
}

/** Returns the table of each class. */
function tablesByClass(shares: Shares): Uint8Array {
  const { clusters } = shares;
  const tables = new Uint8Array(CLASSES);
  let row = 0;
  for (let table = 0; table < clusters.length; table++) {
    const last = table + 1 < clusters.length ? (clusters[table]?.last ?? 0) : CLASSES - 1;
    while (row <= last) tables[row++] = table;
  }
  return tables;
}

/** Lookup tables of a decoder. */
export interface DecoderTables {
  readonly log: number;
  /** By `recent`: where the slots of its table begin. */
  readonly starts: Uint32Array;
  /** By slot: table × 128 + token. */
  readonly slots: Uint16Array;
  /** By that: share | sum of the shares before it << 13 | raw bits << 25. */
  readonly entries: Uint32Array;
}

/** Memory for the tables of a decoder. */
interface LookupArrays {
  readonly starts: Uint32Array;
  slots: Uint16Array;
  entries: Uint32Array;
}

const roomOf = (): LookupArrays => ({
  starts: new Uint32Array(RECENTS),
  slots: new Uint16Array(0),
  entries: new Uint32Array(0),
});

/** Shares up to this are written slot by slot, larger ones by `fill`. */
const FEW_SLOTS = 24;

/** Builds a decoder. Remains of earlier tables are never looked up: the slots of a table name only its own tokens. */
function decoderOf(shares: Shares, room: LookupArrays): DecoderTables {
  const { log, clusters } = shares;
  if (room.slots.length < clusters.length << log) room.slots = new Uint16Array(clusters.length << log);
  if (room.entries.length < clusters.length * TOKENS) room.entries = new Uint32Array(clusters.length * TOKENS);
  const { starts, slots, entries } = room;
  for (let table = 0; table < clusters.length; table++) {
    const low = clusters[table]?.low ?? 0;
    const of = clusters[table]?.shares ?? NONE;
    const first = table << log;
    let sum = 0;
    for (let i = 0; i < of.length; i++) {
      const share = of[i] ?? 0;
      const token = table * TOKENS + low + i;
      entries[token] = share | (sum << 13) | ((RAW[low + i] ?? 0) << 25);
      const end = first + sum + share;
      if (share > FEW_SLOTS) slots.fill(token, first + sum, end);
      else for (let slot = first + sum; slot < end; slot++) slots[slot] = token;
      sum += share;
    }
  }
  const tables = tablesByClass(shares);
  for (let recent = 0; recent < RECENTS; recent++) starts[recent] = (tables[CLASS[recent] ?? 0] ?? 0) << log;
  return { log, starts, slots, entries };
}

/** Lookup tables of an encoder. */
export interface EncoderTables {
  readonly log: number;
  /** Table of each class. */
  readonly tables: Uint8Array;
  /** By table × 128 + token: share, the sum of the shares before it, and 1 / share. */
  readonly shares: Uint16Array;
  readonly sums: Uint16Array;
  readonly parts: Float64Array;
}

/** By share in slots of 2^12: bits that a token with it costs. */
const BITS = Float64Array.from({ length: 4097 }, (_, share) => 12 - Math.log2(Math.max(share, 1)));

/** Bits of all tokens with the standard tables. */
export function standardCost(counts: Counts): number {
  const { clusters } = standardShares();
  let bits = 0;
  for (let row = 0; row < counts.classes; row++) {
    const of = (clusters[row] ?? clusters.at(-1))?.shares;
    for (let token = 0; token < counts.tokens; token++) {
      const count = counts.cells[row * TOKENS + token] ?? 0;
      if (count !== 0)
        bits += count * (BITS[of?.[token] ?? 0] ?? 0) + (token < STANDARD_TOKENS ? 0 : Number.POSITIVE_INFINITY);
    }
  }
  return bits;
}

const decoderRoom = roomOf();
let standardDecoder: DecoderTables | undefined;
let standardEncoder: EncoderTables | undefined;

/**
 * Reads the tables of a batch; the standard ones if they have no bytes. The next call overwrites them: only one decoder is in
 * use at a time. @throws CorruptChunk
 */
export function readDecoder(words: Words, range: { readonly from: number; readonly to: number }): DecoderTables {
  if (range.from !== range.to) return decoderOf(readShares(new BitReader(words.by32, range)), decoderRoom);
  standardDecoder ??= decoderOf(standardShares(), roomOf());
  return standardDecoder;
}

export function encoderOfStandard(): EncoderTables {
  standardEncoder ??= makeEncoder(standardShares(), {
    shares: new Uint16Array(CLASSES * TOKENS),
    sums: new Uint16Array(CLASSES * TOKENS),
    parts: new Float64Array(CLASSES * TOKENS),
  });
  return standardEncoder;
}

const encoderShares = new Uint16Array(CLASSES * TOKENS);
const encoderSums = new Uint16Array(CLASSES * TOKENS);
const encoderParts = new Float64Array(CLASSES * TOKENS);

/** Builds an encoder. The next call overwrites it: only one is in use at a time. */
export function encoderOf(shares: Shares): EncoderTables {
  return makeEncoder(shares, { shares: encoderShares, sums: encoderSums, parts: encoderParts });
}

function makeEncoder(shares: Shares, to: Omit<EncoderTables, "log" | "tables">): EncoderTables {
  for (const [table, { low, shares: of }] of shares.clusters.entries()) {
    let sum = 0;
    for (let i = 0; i < of.length; i++) {
      const at = table * TOKENS + low + i;
      to.shares[at] = of[i] ?? 0;
      to.sums[at] = sum;
      to.parts[at] = 1 / (of[i] ?? 1);
      sum += of[i] ?? 0;
    }
  }
  return { log: shares.log, tables: tablesByClass(shares), ...to };
}
