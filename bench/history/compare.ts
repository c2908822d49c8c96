// Compares the answers of programs by the number of values and their sum: a faster answer counts only if it is the same.
import type { Shape } from "./question.ts";

export interface Total {
  readonly count: number;
  readonly sum: number;
}

interface Ours {
  readonly series?: readonly Readonly<Record<string, readonly number[]>>[];
  readonly groups?: readonly Readonly<Record<string, readonly number[]>>[];
}

interface Matrix {
  readonly data: { readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[] };
}

/**
 * Columns of our answer that the peers return too. "series" is not compared: our points are means, theirs are single
 * samples.
 */
const columns: Readonly<Record<Exclude<Shape, "series">, readonly string[]>> = {
  raw: ["last"],
  week: ["avg", "min", "max"],
  fleet: ["avg"],
};

function numbers(shape: Exclude<Shape, "series">, body: string): readonly number[] {
  if (body.startsWith('{"metric":{')) {
    // VictoriaMetrics' export: one JSON object in each line.
    const lines = body.trim().split("\n");
    return lines.flatMap((line) => (JSON.parse(line) as { values: readonly number[] }).values);
  }
  const held = JSON.parse(body) as Ours | Matrix;
  if ("data" in held) return held.data.result.flatMap(({ values }) => values.map(([, value]) => Number(value)));
  const parts = held.series ?? held.groups ?? [];
  return parts.flatMap((part) => columns[shape].flatMap((name) => part[name] ?? []));
}

/** Counts and sums the values of an answer. @param bodies JSON bodies of all its requests */
export function total(shape: Exclude<Shape, "series">, bodies: readonly Buffer[]): Total {
  const all = bodies.flatMap((body) => numbers(shape, body.toString()));
  return { count: all.length, sum: all.reduce((sum, value) => sum + value, 0) };
}

/**
 * True if two totals are equal but for rounding: VictoriaMetrics keeps about 15 digits, and the last sample of a window may
 * be exactly at its end.
 */
export const same = (a: Total, b: Total): boolean =>
  a.count > 0 && a.count === b.count && Math.abs(a.sum - b.sum) <= 1e-5 * Math.abs(a.sum);
