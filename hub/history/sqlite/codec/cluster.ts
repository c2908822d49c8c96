import { TOKENS } from "./token.ts";

/** Frequency of each token after each class of recent sizes, at class × 128 + token. */
export interface Counts {
  readonly cells: Uint32Array;
  /** Upper bounds, exclusive, of the classes and tokens that occurred. */
  classes: number;
  tokens: number;
}

/** Neighbouring classes, first to last, that share a table; their counts are summed in the row of the first. */
export interface Cluster {
  readonly first: number;
  last: number;
  /** Range of tokens that occur. */
  low: number;
  high: number;
  /** Bits of the tokens coded with this table, and of the table. */
  cost: number;
}

// Approximate bits of a table in the chunk: its head, and one token's count.
const HEAD_COST = 24;
const COUNT_COST = 5.5;
const ZERO_COST = 1.5;

/** Cached n × log2 n; larger ones are computed on demand. */
const N_LOG_N = Float64Array.from({ length: 4096 }, (_, n) => (n === 0 ? 0 : n * Math.log2(n)));
const nLogN = (n: number): number => (n < 4096 ? (N_LOG_N[n] ?? 0) : n * Math.log2(n));

/** Merges tables of neighbouring classes as long as that makes the whole smaller. Sums counts in place. */
export function clustersOf(counts: Counts): Cluster[] {
  const clusters = singles(counts);
  const joint: number[] = [];
  for (let i = 0; i + 1 < clusters.length; i++) joint.push(jointCost(counts, clusters, i));
  for (;;) {
    let best = -1;
    let gain = 0;
    for (let i = 0; i < joint.length; i++) {
      const here = (clusters[i]?.cost ?? 0) + (clusters[i + 1]?.cost ?? 0) - (joint[i] ?? 0);
      if (here > gain) {
        gain = here;
        best = i;
      }
    }
    if (best < 0) return clusters;
    merge(counts, clusters, best);
    joint.splice(best, 1);
    if (best > 0) joint[best - 1] = jointCost(counts, clusters, best - 1);
    if (best < joint.length) joint[best] = jointCost(counts, clusters, best);
  }
}

function singles(counts: Counts): Cluster[] {
  const clusters: Cluster[] = [];
  for (let row = 0; row < counts.classes; row++) {
    const base = row * TOKENS;
    let low = -1;
    let high = 0;
    for (let token = 0; token < counts.tokens; token++) {
      if (counts.cells[base + token] === 0) continue;
      if (low < 0) low = token;
      high = token;
    }
    if (low < 0) continue;
    const cost = costOf(counts, { a: row, b: -1, low, high });
    clusters.push({ first: row, last: row, low, high, cost });
  }
  return clusters;
}

function jointCost(counts: Counts, clusters: readonly Cluster[], at: number): number {
  const a = clusters[at];
  const b = clusters[at + 1];
  if (a === undefined || b === undefined) return Number.POSITIVE_INFINITY;
  const range = { low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) };
  return costOf(counts, { a: a.first, b: b.first, ...range });
}

/** Returns the cost of one row, or of the sum of two if b is not negative. */
function costOf(counts: Counts, of: { a: number; b: number; low: number; high: number }): number {
  const a = of.a * TOKENS;
  const b = of.b * TOKENS;
  let sum = 0;
  let bits = HEAD_COST;
  for (let token = of.low; token <= of.high; token++) {
    const n = (counts.cells[a + token] ?? 0) + (b < 0 ? 0 : (counts.cells[b + token] ?? 0));
    sum += n;
    bits += n === 0 ? ZERO_COST : COUNT_COST - nLogN(n);
  }
  return bits + nLogN(sum);
}

function merge(counts: Counts, clusters: Cluster[], at: number): void {
  const a = clusters[at];
  const b = clusters[at + 1];
  if (a === undefined || b === undefined) return;
  a.cost = jointCost(counts, clusters, at);
  for (let token = b.low; token <= b.high; token++) {
    const to = a.first * TOKENS + token;
    counts.cells[to] = (counts.cells[to] ?? 0) + (counts.cells[b.first * TOKENS + token] ?? 0);
  }
  a.last = b.last;
  a.low = Math.min(a.low, b.low);
  a.high = Math.max(a.high, b.high);
  clusters.splice(at + 1, 1);
}
