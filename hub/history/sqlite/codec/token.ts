/**
 * A residual is coded as a token, which the entropy coder packs, and the raw bits below, which are noise. Residuals are first folded, sign into the lowest bit: 0, -1, 1, -2, … become 0, 1, 2, 3, …. Folded ones under 16
 * are tokens of their own; above, a token is the place of the highest bit and the bit after it.
 */

/** More than any token of a folded residual under 2^53: 16 + 2 × 49. */
export const TOKENS = 128;

const DIRECT = 16;

/** Raw bits, by token. */
export const RAW = Uint8Array.from({ length: TOKENS }, (_, token) =>
  token < DIRECT ? 0 : ((token - DIRECT) >> 1) + 3,
);

/** Least folded residual of a token. */
export const LEAST = Float64Array.from({ length: TOKENS }, (_, token) =>
  token < DIRECT ? token : (2 + (token & 1)) * 2 ** (RAW[token] ?? 0),
);

/** Those of a folded residual under 2^32, as the low 32 bits. */
export const LEAST32 = Int32Array.from(LEAST, (least) => (least < 2 ** 32 ? least | 0 : 0));

/** Token of a folded residual under 2^32, given as an integer of 32 bits. */
export function tokenOf32(folded: number): number {
  const size = 31 - Math.clz32(folded);
  return folded >>> 0 < DIRECT ? folded : DIRECT + ((size - 4) << 1) + ((folded >>> (size - 1)) & 1);
}

/** Token of a folded residual under 2^53. */
export function tokenOf(folded: number): number {
  if (folded < 2 ** 32) return tokenOf32(folded | 0);
  // At most 21 bits are left, and the highest two are among them where there are two.
  const high = Math.floor(folded / 2 ** 31);
  const size = 31 - Math.clz32(high);
  return DIRECT + ((size + 27) << 1) + ((high >>> (size - 1)) & 1);
}

/**
 * The coder's tables depend on the size of the preceding tokens: `recent` is their running sum, each counting three
 * quarters of the next. Its greatest value, for tokens of 127 only, is 511.
 */
export const RECENTS = 512;

/** Classes of `recent`, fine where tokens are small. */
export const CLASSES = 128;
export const CLASS = Uint8Array.from({ length: RECENTS }, (_, recent) =>
  recent < 40 ? recent >> 1 : Math.min(20 + ((recent - 40) >> 2), CLASSES - 1),
);

/** About log2(1 + size) in sixteenths of a bit, by straight lines between powers of two: what a residual of this size costs. */
export function costOf(size: number): number {
  if (size >= 2 ** 31 - 1) return 16 * Math.log2(size);
  const above = (size | 0) + 1;
  const zeros = Math.clz32(above);
  return ((31 - zeros) << 4) + (((above << zeros) >>> 27) & 15);
}
