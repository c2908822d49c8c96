import { CLASS, CLASSES, LEAST, TOKENS } from "./token.ts";

/**
 * Tables that a chunk may use without containing them, for chunks too small to pay for their own. For each class of
 * recent sizes: tokens as they follow from residuals about a scale that would give tokens of that size, with heavy
 * tails. Part of the format: only operations that IEEE 754 rounds the same way everywhere make them.
 */

/** Shares of tokens for each cluster of classes, from token `low` on. They sum up to 2^log in each. */
export interface Shares {
  readonly log: number;
  /** last: the last class that the table is for. */
  readonly clusters: readonly { readonly last: number; readonly low: number; readonly shares: Uint16Array }[];
}

const LOG = 12;

/** Tokens of residuals under 2^41 / 2; larger ones need tables of their own. */
export const STANDARD_TOKENS = 90;

/** Chance that a folded residual of this scale is at least this large. */
function beyond(folded: number, scale: number): number {
  const base = 1 / (1 + folded / scale / 8);
  const square = base * base;
  const fourth = square * square;
  return fourth * fourth;
}

const chanceOf = (token: number, scale: number): number =>
  beyond(LEAST[token] ?? 0, scale) - (token + 1 < STANDARD_TOKENS ? beyond(LEAST[token + 1] ?? 0, scale) : 0);

function meanToken(scale: number): number {
  let mean = 0;
  for (let token = 0; token < STANDARD_TOKENS; token++) mean += token * chanceOf(token, scale);
  return mean;
}

/** Assigns at least one slot to each token, and the others by probability. */
function shareOut(scale: number): Uint16Array {
  const shares = new Uint16Array(STANDARD_TOKENS);
  const free = (1 << LOG) - STANDARD_TOKENS;
  let left = 1 << LOG;
  let largest = 0;
  for (let token = 0; token < STANDARD_TOKENS; token++) {
    const share = 1 + Math.floor(free * chanceOf(token, scale));
    shares[token] = share;
    left -= share;
    if (share > (shares[largest] ?? 0)) largest = token;
  }
  shares[largest] = (shares[largest] ?? 0) + left;
  return shares;
}

/** Mean token that a class stands for: `recent` is about four times it. */
function centreOf(row: number): number {
  const first = CLASS.indexOf(row);
  return first < 0 ? TOKENS : (first + CLASS.lastIndexOf(row)) / 8;
}

function make(): Shares {
  const clusters: Shares["clusters"][number][] = [];
  let scale = 1 / 16;
  let mean = meanToken(scale);
  for (let row = 0; row < CLASSES && centreOf(row) < STANDARD_TOKENS - 10; row++) {
    while (mean < centreOf(row)) {
      scale *= 1.0625;
      mean = meanToken(scale);
    }
    clusters.push({ last: row, low: 0, shares: shareOut(scale) });
  }
  return { log: LOG, clusters };
}

let made: Shares | undefined;

export function standardShares(): Shares {
  made ??= make();
  return made;
}
