import type { BitReader, BitWriter } from "./bits.ts";
import type { Cluster, Counts } from "./cluster.ts";
import { CorruptBlock } from "./corrupt.ts";
import { CLASS, CLASSES, RAW, TOKENS } from "./token.ts";

/**
 * Tables of an asymmetric numeral system (J. Duda, "Asymmetric numeral systems", arXiv:1311.2540, the tabled variant):
 * the coder's state is a number under 2^log; each of the states stands for a token, as many for each as its share.
 * A token costs as many bits, on average, as its share says, fractions of a bit included.
 */

/** Shares of tokens 0 to 127 for each cluster of classes. They sum up to 2^log in each. */
export interface Shares {
  readonly log: number;
  readonly clusters: readonly { readonly last: number; readonly low: number; readonly shares: Uint16Array }[];
}

const LEAST_LOG = 5;
const MOST_LOG = 11;

/** Larger tables follow the frequencies more closely and take longer to set up: half a place a sample at most. */
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
  for (let i = 0; i < shares.length; i++) sum += counts[base + i] ?? 0;
  let left = states;
  for (let i = 0; i < shares.length; i++) {
    const count = counts[base + i] ?? 0;
    shares[i] = count === 0 ? 0 : Math.max(1, Math.round((count * states) / sum));
    left -= shares[i] ?? 0;
  }
  // The largest share bears best what rounding left over.
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

/** @throws CorruptBlock where shares do not sum up */
export function readShares(from: BitReader): Shares {
  const log = from.take(3) + LEAST_LOG;
  const clusters: Shares["clusters"][number][] = [];
  for (let left = from.take(7) + 1; left > 0; left--) {
    const last = from.take(7);
    const low = from.take(7);
    const length = from.take(7) + 1;
    if (log > MOST_LOG || low + length > TOKENS) throw new CorruptBlock("A table of the block is too large");
    clusters.push({ last, low, shares: readOne(from, length, log) });
  }
  return { log, clusters };
}

function readOne(from: BitReader, length: number, log: number): Uint16Array {
  const shares = new Uint16Array(length);
  let left = 1 << log;
  let before = log - 3;
  for (let i = 0; i + 1 < length; i++) {
    let folded = 0;
    while (from.take(1) === 0) folded++;
    before += folded & 1 ? -((folded + 1) >> 1) : folded >> 1;
    if (before < 0 || before > log + 1) throw new CorruptBlock("A share in a table of the block is too large");
    const share = before === 0 ? 0 : (1 << (before - 1)) + from.take(before - 1);
    shares[i] = share;
    left -= share;
  }
  if (left < 1) throw new CorruptBlock("The shares of a table of the block do not sum up");
  shares[length - 1] = left;
  return shares;
}

/** Which token each state stands for; steps with an odd stride so that a token's states lie evenly apart. */
function spread(shares: Uint16Array, log: number, to: Uint8Array): void {
  const mask = (1 << log) - 1;
  const stride = (1 << (log - 1)) + (1 << (log - 3)) + 3;
  let state = 0;
  for (let token = 0; token < shares.length; token++) {
    for (let left = shares[token] ?? 0; left > 0; left--) {
      to[state] = token;
      state = (state + stride) & mask;
    }
  }
}

const tokenAt = new Uint8Array(1 << MOST_LOG);
const next = new Uint16Array(TOKENS);

/** Which table follows each class. */
function clustersByClass(shares: Shares): Uint8Array {
  const { clusters } = shares;
  let cluster = 0;
  return Uint8Array.from({ length: CLASSES }, (_, row) => {
    while (cluster + 1 < clusters.length && row > (clusters[cluster]?.last ?? 0)) cluster++;
    return cluster;
  });
}

/** What a decoder looks up. */
export interface Decoder {
  readonly log: number;
  /** By `recent`: index in `entries` of the table's state 0. */
  readonly starts: Uint32Array;
  /** token | raw bits << 7 | bits of the next state << 13 | its base << 17 */
  readonly entries: Uint32Array;
}

export function decoderOf(shares: Shares): Decoder {
  const { log, clusters } = shares;
  const entries = new Uint32Array(clusters.length << log);
  clusters.forEach(({ low, shares: of }, cluster) => {
    spread(of, log, tokenAt);
    next.set(of);
    const base = cluster << log;
    for (let state = 0; state < 1 << log; state++) {
      const at = tokenAt[state] ?? 0;
      const from = next[at] ?? 0;
      next[at] = from + 1;
      const bits = log - 31 + Math.clz32(from);
      const token = at + low;
      entries[base + state] = token | ((RAW[token] ?? 0) << 7) | (bits << 13) | (((from << bits) - (1 << log)) << 17);
    }
  });
  const byClass = clustersByClass(shares);
  const starts = Uint32Array.from(CLASS, (row) => (byClass[row] ?? 0) << log);
  return { log, starts, entries };
}

/** What an encoder looks up, by table × 128 + token. */
export interface Encoder {
  readonly log: number;
  /** The table of each class. */
  readonly tables: Uint8Array;
  /** (state + lift) >> 16 is the number of bits that leave the state. */
  readonly lift: Int32Array;
  /** The next state is states[(state >> bits) + shift]. */
  readonly shift: Int32Array;
  readonly states: Uint16Array;
}

const lift = new Int32Array(CLASSES * TOKENS);
const shift = new Int32Array(CLASSES * TOKENS);
let states = new Uint16Array(1 << MOST_LOG);

/** The encoder is overwritten by the next one: only one is at work at a time. */
export function encoderOf(shares: Shares): Encoder {
  const { log, clusters } = shares;
  if (states.length < clusters.length << log) states = new Uint16Array(clusters.length << log);
  clusters.forEach(({ low, shares: of }, table) => {
    setUp(of, { log, base: table << log, at: table * TOKENS + low });
  });
  return { log, tables: clustersByClass(shares), lift, shift, states };
}

/** @param to base: index of the table in `states`; at: index of its first token in `lift` and `shift` */
function setUp(shares: Uint16Array, to: { log: number; base: number; at: number }): void {
  const { log, base, at } = to;
  let sum = 0;
  for (let i = 0; i < shares.length; i++) {
    const share = shares[i] ?? 0;
    const bits = log - bitLength(Math.max(share - 1, 1)) + 1;
    lift[at + i] = (bits << 16) - (share << bits);
    shift[at + i] = base + sum - share;
    next[i] = base + sum;
    sum += share;
  }
  spread(shares, log, tokenAt);
  for (let state = 0; state < sum; state++) {
    const token = tokenAt[state] ?? 0;
    const place = next[token] ?? 0;
    states[place] = (1 << log) + state;
    next[token] = place + 1;
  }
}
