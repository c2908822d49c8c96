import { mostMetrics } from "./key.ts";

/** Samples of one host: ascending times, and for each series a column of its values, NaN if absent. */
export interface Frame {
  readonly times: Float64Array;
  /** By `columnId`. */
  readonly columns: ColumnsById;
}

/** Identifies a series of a host by the ids of its device and metric. */
export const columnId = (device: number, metric: number): number => device * mostMetrics + metric;
export const deviceOf = (column: number): number => Math.floor(column / mostMetrics);
const metricOf = (column: number): number => column % mostMetrics;

/** Columns by id. */
export type ColumnsById = ReadonlyMap<number, Float64Array>;

/** Merges frames. Of two values of a series at one time, that of the later frame counts. */
export function merge(frames: readonly Frame[]): Frame {
  const merger = new Merger(frames.map(({ times }) => times));
  return { times: merger.times, columns: merger.columns(frames.map(({ columns }) => columns)) };
}

/** Merges frames, some columns at a time: all columns of a host with thousands of devices take gigabytes. */
export class Merger {
  readonly times: Float64Array;
  /** Target row of each row of each frame; undefined if only one frame has rows. */
  readonly #places: readonly Int32Array[] | undefined;

  /** @param times of each frame, oldest frame first */
  constructor(times: readonly Float64Array[]) {
    const held = times.filter(({ length }) => length > 0);
    this.times = held.length > 1 ? union(held) : (held[0] ?? new Float64Array(0));
    this.#places = held.length > 1 ? times.map((some) => placesOf(some, this.times)) : undefined;
  }

  /** Merges columns. @param parts some columns of each frame */
  columns(parts: readonly (ColumnsById | undefined)[]): ColumnsById {
    if (this.#places === undefined) return parts.find((part) => part !== undefined && part.size > 0) ?? new Map();
    const columns = new Map<number, Float64Array>();
    for (const [i, places] of this.#places.entries()) {
      for (const [id, values] of parts[i] ?? []) {
        const out = columns.get(id) ?? new Float64Array(this.times.length).fill(Number.NaN);
        columns.set(id, out);
        for (let row = 0; row < values.length; row++) {
          const value = values[row] ?? Number.NaN;
          if (!Number.isNaN(value)) out[places[row] ?? 0] = value;
        }
      }
    }
    return columns;
  }
}

/** Groups columns by metric. */
export function byMetric(columns: ColumnsById): Map<number, Map<number, Float64Array>> {
  const metrics = new Map<number, Map<number, Float64Array>>();
  for (const [id, values] of columns) {
    const metric = metricOf(id);
    const held = metrics.get(metric) ?? new Map<number, Float64Array>();
    metrics.set(metric, held.set(id, values));
  }
  return metrics;
}

function union(all: readonly Float64Array[]): Float64Array {
  const times = new Float64Array(all.reduce((sum, { length }) => sum + length, 0));
  let length = 0;
  for (const some of all) {
    times.set(some, length);
    length += some.length;
  }
  times.sort();
  let last = 0;
  for (let i = 1; i < times.length; i++) {
    const at = times[i] ?? 0;
    if (at !== times[last]) times[++last] = at;
  }
  return times.slice(0, last + 1);
}

/** Finds the index of each of some times among all; both ascend. */
function placesOf(some: Float64Array, all: Float64Array): Int32Array {
  const places = new Int32Array(some.length);
  let place = 0;
  for (let i = 0; i < some.length; i++) {
    while ((all[place] ?? Number.POSITIVE_INFINITY) < (some[i] ?? 0)) place++;
    places[i] = place;
  }
  return places;
}

/** Finds the range [low, high) of the times with from ≤ t < to. */
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
