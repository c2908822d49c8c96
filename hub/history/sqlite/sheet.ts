import { mostMetrics } from "./span.ts";

/** Samples of one host: ever later times, and for each series its value at each of them, NaN where it has none. */
export interface Sheet {
  readonly times: Float64Array;
  /** By `columnId`. */
  readonly columns: ReadonlyMap<number, Float64Array>;
}

/** Names a series of a host: its device's id and its metric's. */
export const columnId = (device: number, metric: number): number => device * mostMetrics + metric;
export const deviceOf = (column: number): number => Math.floor(column / mostMetrics);
export const metricOf = (column: number): number => column % mostMetrics;

/** Several sheets as one. Of two values of a series at one time, that of the later sheet counts. */
export function merge(sheets: readonly Sheet[]): Sheet {
  const held = sheets.filter(({ times }) => times.length > 0);
  const [only] = held;
  if (only === undefined) return { times: new Float64Array(0), columns: new Map() };
  if (held.length === 1) return only;
  const times = union(held);
  const columns = new Map<number, Float64Array>();
  for (const sheet of held) {
    const places = placesOf(sheet.times, times);
    for (const [id, values] of sheet.columns) {
      const out = columns.get(id) ?? new Float64Array(times.length).fill(Number.NaN);
      columns.set(id, out);
      for (let i = 0; i < values.length; i++) {
        const value = values[i] ?? Number.NaN;
        if (!Number.isNaN(value)) out[places[i] ?? 0] = value;
      }
    }
  }
  return { times, columns };
}

function union(sheets: readonly Sheet[]): Float64Array {
  const all = new Float64Array(sheets.reduce((sum, { times }) => sum + times.length, 0));
  let length = 0;
  for (const { times } of sheets) {
    all.set(times, length);
    length += times.length;
  }
  all.sort();
  let last = 0;
  for (let i = 1; i < all.length; i++) {
    const at = all[i] ?? 0;
    if (at !== all[last]) all[++last] = at;
  }
  return all.slice(0, last + 1);
}

/** Where each of some times stands among all; both ascend. */
function placesOf(some: Float64Array, all: Float64Array): Int32Array {
  const places = new Int32Array(some.length);
  let place = 0;
  for (let i = 0; i < some.length; i++) {
    while ((all[place] ?? Number.POSITIVE_INFINITY) < (some[i] ?? 0)) place++;
    places[i] = place;
  }
  return places;
}

/** The places [low, high) of the times with from ≤ t < to. */
export function within(times: Float64Array, from: number, to: number): [low: number, high: number] {
  const low = lowerBound(times, from);
  return [low, Math.max(low, lowerBound(times, to))];
}

function lowerBound(times: Float64Array, least: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
