import type { Level } from "../../proto/device.ts";
import type { Aggregate, SeriesId, Store } from "../history/store.ts";
import { partsOf, type SheetPart, slicesOf } from "./sheet/part.ts";

/** A device, of which each time is a row. */
export interface SheetDevice {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  /** Time of its newest sample when the rows are asked for. Of a later one some metrics may come too late to be read. Unix ms. */
  readonly last: number;
  /** Metrics of its row, with the aggregate of each; those that it has not are unknown. */
  readonly series: readonly { readonly metric: string; readonly of: Aggregate; readonly place: number }[];
}

export interface SheetQuery<D extends SheetDevice> {
  readonly history: Pick<Store, "read">;
  /** In the order of rows of one time. */
  readonly devices: readonly D[];
  /** Unix milliseconds, half-open. */
  readonly from: number;
  readonly to: number;
  /** Milliseconds of a bucket; 0 for every sample. */
  readonly step: number;
  /** Milliseconds that make one time for the order of rows. */
  readonly grain: number;
  /** Milliseconds between two samples, if all is as usual. */
  readonly intervalMs: number;
  /** Columns of values. */
  readonly width: number;
  /** Makes the line of a row, with its line end; "" leaves it out. The array of values is reused: NaN is unknown. */
  line(device: D, at: number, values: Float64Array): string;
}

/** Points that are read at a time, over all series, and their bytes: of each its time and value. */
const mostPoints = 1_000_000;
export const sheetBytes = 16 * mostPoints;
/** Series of one call of the history: if they have too many points, the others are not read in vain. */
const mostSeries = 1024;
/** Milliseconds that history keeps together: reading a part of them costs as much as reading all. */
const blockMs = 14_400_000;
/** Characters of a piece. */
const pieceLength = 65_536;

/**
 * Makes the lines of devices, ordered by time, then by device. History is read in windows, so that memory stays bounded; of each
 * only the devices that have samples then, so that few samples cost little, however many devices and years there are.
 * @throws Fault canceled
 */
export async function* sheet<D extends SheetDevice>(query: SheetQuery<D>): AsyncGenerator<Uint8Array> {
  const devices = query.devices.map((device, order): OrderedDevice<D> => ({ device, order }));
  for await (const part of partsOf({ ...query, devices }, mostPoints)) yield* linesOfPart(query, part);
}

async function* linesOfPart<D extends SheetDevice>(
  query: SheetQuery<D>,
  { devices, from, to, samples }: SheetPart<OrderedDevice<D>>,
): AsyncGenerator<Uint8Array> {
  const { history, step, intervalMs } = query;
  const groups = groupsOf(devices);
  const count = groups.reduce((sum, { members }) => sum + members.length, 0);
  const each = Math.max(4, Math.floor(mostPoints / count));
  let width = widthOf(samples <= mostPoints ? to - from : each * Math.max(step, intervalMs), step);
  for (let start = from; start < to; ) {
    const end = Math.min(to, (Math.floor(start / width) + 1) * width);
    const range = { from: start, to: end, step };
    const cursors = new Map<number, Cursor<D>>();
    let points = 0;
    let isCut = false;
    for (const { of, members } of groups) {
      const ids = members.map(({ id }) => id);
      const read = await history.read({ series: ids, range, of: [of], most: Math.ceil((2 * mostPoints) / ids.length) });
      for (const [i, { device, order, place }] of members.entries()) {
        const columns = read[i];
        if (columns === undefined || columns.t.length === 0) continue;
        isCut ||= columns.cut;
        points += columns.t.length;
        const cursor = cursors.get(order) ?? new Cursor(device, order);
        cursors.set(order, cursor);
        cursor.add(place, columns.t, columns[of]);
      }
      isCut ||= points > 2 * mostPoints;
      if (isCut) break;
    }
    if (isCut && width > Math.max(step, 1)) {
      width = widthOf(width / 2, step);
      continue;
    }
    yield* linesOf(query, [...cursors.values()]);
    start = end;
    if (points > mostPoints) width = widthOf(width / 2, step);
    else if (points < mostPoints / 4) width = widthOf(width * 2, step);
  }
}

/** Milliseconds of a window: whole buckets, and whole blocks of the history or equal parts of one. */
function widthOf(ms: number, step: number): number {
  const unit = Math.max(step, 1);
  if (blockMs % unit > 0) return Math.max(1, Math.floor(ms / unit)) * unit;
  if (ms >= blockMs) return Math.floor(ms / blockMs) * blockMs;
  return Math.max(unit, Math.floor(blockMs / Math.ceil(blockMs / ms) / unit) * unit);
}

interface OrderedDevice<D> {
  readonly device: D;
  readonly order: number;
}

interface Member<D> extends OrderedDevice<D> {
  readonly id: SeriesId;
  readonly place: number;
}

/** All series, by the aggregate that is read of them, so many at a time. */
function groupsOf<D extends SheetDevice>(
  devices: readonly OrderedDevice<D>[],
): { readonly of: Aggregate; readonly members: readonly Member<D>[] }[] {
  const groups = new Map<Aggregate, Member<D>[]>();
  for (const { device, order } of devices) {
    const { host, level, key, series } = device;
    for (const { metric, of, place } of series) {
      const members = groups.get(of) ?? [];
      groups.set(of, members);
      members.push({ id: { host, level, key, metric }, device, order, place });
    }
  }
  return [...groups].flatMap(([of, members]) => slicesOf(members, mostSeries).map((slice) => ({ of, members: slice })));
}

function* linesOf<D extends SheetDevice>(
  { grain, width, line }: SheetQuery<D>,
  cursors: readonly Cursor<D>[],
): Generator<Uint8Array> {
  const values = new Float64Array(width);
  let text = "";
  for (const heap = new Heap(cursors, grain); heap.size > 0; heap.advance()) {
    const cursor = heap.first;
    const at = cursor.at;
    cursor.take(values);
    if (at > cursor.device.last) continue;
    text += line(cursor.device, at, values);
    if (text.length < pieceLength) continue;
    yield Buffer.from(text);
    text = "";
  }
  if (text !== "") yield Buffer.from(text);
}

/** Points of one device in a window, in the order of their times. */
class Cursor<D> {
  readonly device: D;
  readonly order: number;
  readonly #columns: { readonly place: number; readonly t: Float64Array; readonly v: Float64Array; at: number }[] = [];
  /** Time of the next row; Infinity after the last one. */
  at = Number.POSITIVE_INFINITY;

  constructor(device: D, order: number) {
    this.device = device;
    this.order = order;
  }

  add(place: number, t: Float64Array, v: Float64Array): void {
    this.#columns.push({ place, t, v, at: 0 });
    this.at = Math.min(this.at, t[0] ?? Number.POSITIVE_INFINITY);
  }

  /** Writes the values of the next row, and goes on to the one after it. */
  take(values: Float64Array): void {
    values.fill(Number.NaN);
    let next = Number.POSITIVE_INFINITY;
    for (const column of this.#columns) {
      if (column.t[column.at] === this.at) values[column.place] = column.v[column.at++] as number;
      const time = column.t[column.at];
      if (time !== undefined && time < next) next = time;
    }
    this.at = next;
  }
}

/** The cursors by their next rows. */
class Heap<D> {
  readonly #cursors: Cursor<D>[];
  readonly #grain: number;

  constructor(cursors: readonly Cursor<D>[], grain: number) {
    this.#grain = grain;
    this.#cursors = [...cursors];
    for (let i = this.#cursors.length >> 1; i >= 0; i--) this.#sink(i);
  }

  get size(): number {
    return this.#cursors.length;
  }

  get first(): Cursor<D> {
    return this.#cursors[0] as Cursor<D>;
  }

  /** Restores the order after the first cursor went on, and drops it after its last row. */
  advance(): void {
    if (this.first.at === Number.POSITIVE_INFINITY) {
      const last = this.#cursors.pop();
      if (last === undefined || this.#cursors.length === 0) return;
      this.#cursors[0] = last;
    }
    this.#sink(0);
  }

  #isBefore(a: Cursor<D>, b: Cursor<D>): boolean {
    const [first, second] = [Math.floor(a.at / this.#grain), Math.floor(b.at / this.#grain)];
    return first < second || (first === second && a.order < b.order);
  }

  #sink(start: number): void {
    const all = this.#cursors;
    for (let at = start; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        const other = all[child];
        if (other !== undefined && this.#isBefore(other, all[least] as Cursor<D>)) least = child;
      }
      if (least === at) return;
      const moved = all[at] as Cursor<D>;
      all[at] = all[least] as Cursor<D>;
      all[least] = moved;
      at = least;
    }
  }
}
