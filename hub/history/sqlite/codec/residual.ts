import { windowAt } from "./bits.ts";
import { CorruptBlock } from "./corrupt.ts";
import type { Decoder } from "./table.ts";
import { LEAST, LEAST32, RAW } from "./token.ts";

/** Where a series stands in the words of a block. */
export interface Place {
  readonly words: Uint32Array;
  /** Bits, half-open. */
  readonly from: number;
  readonly to: number;
}

/** Reads residuals of 32 bits to places 1 to `count` - 1. @throws CorruptBlock past the end of the series */
export function readNarrow(place: Place, decoder: Decoder, to: { residuals: Int32Array; count: number }): void {
  const { words } = place;
  const { log, starts, entries } = decoder;
  const { residuals, count } = to;
  let at = place.from + log;
  let state = windowAt(words, place.from) & ((1 << log) - 1);
  let recent = 0;
  for (let i = 1; i < count; i++) {
    const entry = entries[(starts[recent] ?? 0) + state] ?? 0;
    const token = entry & 127;
    const raw = (entry >>> 7) & 63;
    const bits = (entry >>> 13) & 15;
    const word = at >>> 5;
    const offset = at & 31;
    const window = ((words[word] ?? 0) >>> offset) | (((words[word + 1] ?? 0) << 1) << (31 - offset));
    state = (entry >>> 17) + (window & ((1 << bits) - 1));
    const below = bits + raw <= 32 ? window >>> bits : windowAt(words, at + bits);
    const folded = (LEAST32[token] ?? 0) | (below & ((1 << raw) - 1));
    at += bits + raw;
    recent += token - (recent >> 2);
    residuals[i] = (folded >>> 1) ^ -(folded & 1);
  }
  if (at !== place.to) throw new CorruptBlock("A series of the block does not end where it should");
}

/** Reads whole residuals to places 1 to `count` - 1. @throws CorruptBlock past the end of the series */
export function readWide(place: Place, decoder: Decoder, to: { residuals: Float64Array; count: number }): void {
  const { words } = place;
  const { log, starts, entries } = decoder;
  let at = place.from + log;
  let state = windowAt(words, place.from) & ((1 << log) - 1);
  let recent = 0;
  for (let i = 1; i < to.count; i++) {
    const entry = entries[(starts[recent] ?? 0) + state] ?? 0;
    const token = entry & 127;
    const bits = (entry >>> 13) & 15;
    state = (entry >>> 17) + (windowAt(words, at) & ((1 << bits) - 1));
    at += bits;
    const raw = RAW[token] ?? 0;
    const folded = (LEAST[token] ?? 0) + takeLong(words, at, raw);
    at += raw;
    recent += token - (recent >> 2);
    to.residuals[i] = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }
  if (at !== place.to) throw new CorruptBlock("A series of the block does not end where it should");
}

/** Up to 58 bits from bit `at` on, as a number. */
function takeLong(words: Uint32Array, at: number, size: number): number {
  const low = windowAt(words, at) >>> 0;
  if (size < 32) return low & ((1 << size) - 1);
  return low + (windowAt(words, at + 32) & (2 ** (size - 32) - 1)) * 2 ** 32;
}
