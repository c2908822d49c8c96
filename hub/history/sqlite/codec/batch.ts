import type { BitWriter } from "./bits.ts";
import { type Counts, clustersOf } from "./cluster.ts";
import {
  type EncoderTables,
  encoderOf,
  encoderOfStandard,
  LEAST_STATE,
  sharesBits,
  sharesOf,
  standardCost,
  writeShares,
} from "./table.ts";
import { CLASS, CLASSES, RAW, TOKENS, tokenOf, tokenOf32 } from "./token.ts";

/** With more residuals than this, tables of their own always pay. */
const FEW = 4096;

/** Encodes series of residuals that share tables. Reused for every batch; grows as needed. */
export class Batch {
  /** Residuals of each series. */
  readonly #sizes: number[] = [];
  #length = 0;
  #tokens = new Uint8Array(0);
  #classes = new Uint8Array(0);
  /** Folded residuals: the low 32 bits, and the bits above. */
  #low = new Uint32Array(0);
  #high = new Uint32Array(0);
  #leaving = new Uint16Array(0);
  readonly #counts: Counts = { cells: new Uint32Array(CLASSES * TOKENS), classes: 0, tokens: 0 };

  get length(): number {
    return this.#length;
  }

  /** Adds residuals of 32 bits, from place 1 to `count` - 1. */
  addNarrow(residuals: Int32Array, count: number): void {
    let to = this.#grow(count - 1);
    const tokens = this.#tokens;
    const classes = this.#classes;
    const low = this.#low;
    const { cells } = this.#counts;
    let seen = 0;
    let recent = 0;
    for (let i = 1; i < count; i++, to++) {
      const residual = residuals[i] ?? 0;
      const folded = (residual << 1) ^ (residual >> 31);
      const token = tokenOf32(folded);
      const row = CLASS[recent] ?? 0;
      low[to] = folded;
      tokens[to] = token;
      classes[to] = row;
      const cell = row * TOKENS + token;
      cells[cell] = (cells[cell] ?? 0) + 1;
      seen |= cell;
      recent += token - (recent >> 2);
    }
    this.#widen(seen);
  }

  /** Adds whole residuals within ±2^52, from place 1 to `count` - 1. */
  addWide(residuals: Float64Array, count: number): void {
    let to = this.#grow(count - 1);
    if (this.#high.length < this.#tokens.length) this.#high = enlarged(this.#high, this.#tokens.length);
    const { cells } = this.#counts;
    let seen = 0;
    let recent = 0;
    for (let i = 1; i < count; i++, to++) {
      const residual = residuals[i] ?? 0;
      const folded = residual < 0 ? -2 * residual - 1 : 2 * residual;
      const token = tokenOf(folded);
      const row = CLASS[recent] ?? 0;
      this.#low[to] = folded;
      this.#high[to] = Math.floor(folded / 2 ** 32);
      this.#tokens[to] = token;
      this.#classes[to] = row;
      const cell = row * TOKENS + token;
      cells[cell] = (cells[cell] ?? 0) + 1;
      seen |= cell;
      recent += token - (recent >> 2);
    }
    this.#widen(seen);
  }

  /** @param seen all counted cells, or-ed: each is less than the next power of two */
  #widen(seen: number): void {
    const counts = this.#counts;
    counts.classes = Math.max(counts.classes, 1 << (32 - Math.clz32(seen >> 7)));
    counts.tokens = Math.max(counts.tokens, 1 << (32 - Math.clz32(seen & 127)));
  }

  /**
   * Writes the tables, then each series, and empties the batch.
   * @returns how many times 16 bits the tables take, then each series
   */
  write(to: BitWriter): number[] {
    if (this.#sizes.length === 0) return [];
    let at = to.length;
    const encoder = this.#tables(to);
    to.align();
    const units = [(to.length - at) / 16];
    let from = 0;
    for (const size of this.#sizes) {
      at = to.length;
      this.#writeOne(to, encoder, { from, to: from + size });
      units.push((to.length - at) / 16);
      from += size;
    }
    this.clear();
    return units;
  }

  /** Writes tables, or none if the standard ones make the whole smaller. */
  #tables(to: BitWriter): EncoderTables {
    const counts = this.#counts;
    const standard = this.#length > FEW ? Number.POSITIVE_INFINITY : standardCost(counts);
    const clusters = clustersOf(counts);
    if (standard <= clusters.reduce((sum, { cost }) => sum + cost, 0)) return encoderOfStandard();
    const shares = sharesOf(counts, clusters, this.#length);
    to.reserve(sharesBits(shares));
    writeShares(shares, to);
    return encoderOf(shares);
  }

  /** Removes everything that was added. */
  clear(): void {
    const counts = this.#counts;
    counts.cells.fill(0, 0, counts.classes * TOKENS);
    counts.classes = counts.tokens = 0;
    this.#sizes.length = 0;
    this.#length = 0;
  }

  /** Writes a series: raw bits, padded to 16, then the coder's output, which the decoder reads from the end. */
  #writeOne(to: BitWriter, encoder: EncoderTables, range: { from: number; to: number }): void {
    to.reserve(96 + (range.to - range.from) * 72);
    this.#writeRaw(to, range);
    to.align();
    const left = this.#leave(encoder, range);
    const leaving = this.#leaving;
    for (let i = 0; i < left; i++) to.put(leaving[i] ?? 0, 16);
  }

  #writeRaw(to: BitWriter, range: { from: number; to: number }): void {
    const tokens = this.#tokens;
    const low = this.#low;
    for (let i = range.from; i < range.to; i++) {
      const raw = RAW[tokens[i] ?? 0] ?? 0;
      if (raw === 0) continue;
      const bits = low[i] ?? 0;
      if (raw < 32) {
        to.put(bits & ((1 << raw) - 1), raw);
      } else {
        to.put(bits, 32);
        to.put((this.#high[i] ?? 0) & (2 ** (raw - 32) - 1), raw - 32);
      }
    }
  }

  /** Runs the coder backwards, as an asymmetric numeral system requires. @returns its output in units of 16 bits, with its last state */
  #leave(encoder: EncoderTables, range: { from: number; to: number }): number {
    const { log, tables, shares, sums, parts } = encoder;
    const tokens = this.#tokens;
    const classes = this.#classes;
    const leaving = this.#leaving;
    const room = 31 - log;
    let state = LEAST_STATE;
    let left = 0;
    for (let i = range.to - 1; i >= range.from; i--) {
      const cell = (tables[classes[i] ?? 0] ?? 0) * TOKENS + (tokens[i] ?? 0);
      const share = shares[cell] ?? 1;
      if (state >>> room >= share) {
        leaving[left++] = state;
        state >>>= 16;
      }
      // Half a slot keeps the quotient exact: the error of 1 / share, under 2^-53 of it, cannot cross a whole number.
      const turns = ((state + 0.5) * (parts[cell] ?? 0)) | 0;
      state = (turns << log) + (state - Math.imul(turns, share)) + (sums[cell] ?? 0);
    }
    leaving[left++] = state;
    leaving[left++] = state >>> 16;
    return left;
  }

  /** @returns where the new series begins */
  #grow(size: number): number {
    const from = this.#length;
    this.#sizes.push(size);
    this.#length += size;
    if (this.#length > this.#tokens.length) {
      const length = Math.max(this.#length, 2 * this.#tokens.length, 16_384);
      this.#tokens = enlarged(this.#tokens, length);
      this.#classes = enlarged(this.#classes, length);
      this.#low = enlarged(this.#low, length);
      this.#leaving = new Uint16Array(length + 2);
    }
    return from;
  }
}

function enlarged<A extends Uint8Array | Uint32Array>(old: A, length: number): A {
  const Kind = old.constructor as new (length: number) => A;
  const larger = new Kind(length);
  larger.set(old);
  return larger;
}
