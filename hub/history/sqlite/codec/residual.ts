import { type Words, windowAt } from "./bits.ts";
import { CorruptChunk } from "./corrupt.ts";
import { type DecoderTables, LEAST_STATE } from "./table.ts";
import { LEAST, LEAST32, RAW } from "./token.ts";

/** The range of a series in the words of a chunk. */
export interface SeriesRange {
  readonly words: Words;
  /** In units of 16 bits, half-open. Raw bits are read from the beginning, the coder's from the end. */
  readonly from: number;
  readonly to: number;
}

/** Reads residuals of 32 bits to places 1 to `count` - 1. @throws CorruptChunk if the series does not end with them */
export function readNarrow(
  place: SeriesRange,
  decoder: DecoderTables,
  to: { residuals: Int32Array; count: number },
): void {
  const { by32, by16 } = place.words;
  const { log, starts, slots, entries } = decoder;
  const { residuals, count } = to;
  const mask = (1 << log) - 1;
  let end = place.to - 2;
  let state = firstState(by16, end);
  let at = place.from * 16;
  let recent = 0;
  for (let i = 1; i < count; i++) {
    const slot = state & mask;
    const cell = slots[(starts[recent] ?? 0) + slot] ?? 0;
    const entry = entries[cell] ?? 0;
    state = (Math.imul(entry & 0x1fff, state >>> log) + slot - ((entry >>> 13) & 0xfff)) | 0;
    if (state < LEAST_STATE) state = (state << 16) | (by16[--end] ?? 0);
    const token = cell & 127;
    recent += token - (recent >> 2);
    const raw = entry >>> 25;
    const word = at >>> 5;
    const offset = at & 31;
    const window = ((by32[word] ?? 0) >>> offset) | (((by32[word + 1] ?? 0) << 1) << (31 - offset));
    const folded = (LEAST32[token] ?? 0) | (window & ((1 << raw) - 1));
    at += raw;
    residuals[i] = (folded >>> 1) ^ -(folded & 1);
  }
  check(state, at, end);
}

/** Reads whole residuals to places 1 to `count` - 1. @throws CorruptChunk if the series does not end with them */
export function readWide(
  place: SeriesRange,
  decoder: DecoderTables,
  to: { residuals: Float64Array; count: number },
): void {
  const { by32, by16 } = place.words;
  const { log, starts, slots, entries } = decoder;
  const mask = (1 << log) - 1;
  let end = place.to - 2;
  let state = firstState(by16, end);
  let at = place.from * 16;
  let recent = 0;
  for (let i = 1; i < to.count; i++) {
    const slot = state & mask;
    const cell = slots[(starts[recent] ?? 0) + slot] ?? 0;
    const entry = entries[cell] ?? 0;
    state = (Math.imul(entry & 0x1fff, state >>> log) + slot - ((entry >>> 13) & 0xfff)) | 0;
    if (state < LEAST_STATE) state = (state << 16) | (by16[--end] ?? 0);
    const token = cell & 127;
    recent += token - (recent >> 2);
    const raw = RAW[token] ?? 0;
    const folded = (LEAST[token] ?? 0) + takeLong(by32, at, raw);
    at += raw;
    to.residuals[i] = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }
  check(state, at, end);
}

function firstState(words: Uint16Array, at: number): number {
  const state = (words[at] ?? 0) | ((words[at + 1] ?? 0) << 16);
  if (state < LEAST_STATE) throw new CorruptChunk("A series of the chunk does not begin as one");
  return state;
}

/** Checks that the coder is in its first state, and that raw bits and its own meet, but for the padding to 16. */
function check(state: number, at: number, end: number): void {
  if (state !== LEAST_STATE || at > end * 16 || at <= (end - 1) * 16) {
    throw new CorruptChunk("A series of the chunk does not end where it should");
  }
}

/** Up to 58 bits from bit `at` on, as a number. */
function takeLong(words: Uint32Array, at: number, size: number): number {
  const low = windowAt(words, at) >>> 0;
  if (size < 32) return low & ((1 << size) - 1);
  return low + (windowAt(words, at + 32) & (2 ** (size - 32) - 1)) * 2 ** 32;
}
