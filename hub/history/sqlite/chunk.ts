import type { Measured } from "../store.ts";
import { putNumber, Reader, unzigzag, zigzag } from "./bytes.ts";
import { columnId, type Frame } from "./frame.ts";
import type { Device, Host, Metric } from "./names.ts";

/** What one column of a chunk is of. */
export interface Column {
  readonly device: Device;
  readonly metric: Metric;
  /** The metric's scale when the chunk was begun: another version of the hub may have another one. */
  readonly scale: number;
}

/** A device as the polls of a chunk name it, with the column of each of its metrics, by place in `kept`; -1 for none. */
export interface Slot {
  readonly device: Device;
  readonly index: number | undefined;
  readonly columns: Int32Array;
}

/** A value in a row: absent, a double as it is, or (from 2 on) how far a whole number is from the one before. */
const absent = 0;
const double = 1;
const whole = 2;
/** Differences of whole numbers below this are exact, with room for the two tokens above. */
const largest = 2 ** 51;

/** ArrayPool that a row takes at most: time, one bit a column, and for each column a token and a double. */
const roomFor = (columns: number): number => 16 + Math.ceil(columns / 8) + columns * 9;

const doubles = new DataView(new ArrayBuffer(8));

const fits = ({ device, index }: Slot, measured: Measured): boolean =>
  device.key === measured.key && device.level === measured.level && index === measured.index;

/**
 * Polls of one host within one block, one row each, ever later: the time as its difference from the difference before,
 * one bit for each column that changed, and what it changed to. A poll of eight GPUs takes about 40 bytes. What the
 * journal writes and what memory holds are the same bytes.
 */
export class HeadChunk {
  /** Unique over the life of the file; names the chunk in the journal. */
  readonly id: number;
  readonly host: Host;
  readonly block: number;
  readonly slots: readonly Slot[];
  readonly columns: readonly Column[];
  /** Takes no more polls: it was read back from the journal, or is being sealed. */
  frozen = false;
  /** Oldest and newest part of the journal that it has rows in. */
  segments: [first: number, last: number] = [0, 0];
  rows = 0;
  first = Number.NaN;
  last = Number.NEGATIVE_INFINITY;
  length = 0;
  /** Where the newest row begins. */
  rowStart = 0;
  #bytes: Uint8Array;
  #step = 0;
  /** Columns that had a value in some row. */
  readonly seen: Uint8Array;
  /** The value of each column in the last row, NaN while absent, and the last whole number it had. */
  readonly #now: Float64Array;
  readonly #base: Float64Array;
  readonly #next: Float64Array;
  /** Devices that the newest poll has values of. */
  readonly #measured: Slot[] = [];

  constructor(of: {
    id: number;
    host: Host;
    block: number;
    slots: readonly Slot[];
    columns: readonly Column[];
    bytes?: Uint8Array;
  }) {
    this.id = of.id;
    this.host = of.host;
    this.block = of.block;
    this.slots = of.slots;
    this.columns = of.columns;
    const width = of.columns.length;
    this.#bytes = of.bytes ?? new Uint8Array(1024);
    this.seen = new Uint8Array(width);
    this.#now = new Float64Array(width).fill(Number.NaN);
    this.#base = new Float64Array(width);
    this.#next = new Float64Array(width);
  }

  /** Copies the bytes from a place on. A row is short: a loop is faster than a view of it. */
  copy(from: number, to: Uint8Array, at: number): void {
    const bytes = this.#bytes;
    for (let i = from, place = at; i < this.length; i++) to[place++] = bytes[i] ?? 0;
  }

  /** The bytes from a place on. */
  from(place: number): Uint8Array {
    return this.#bytes.subarray(place, this.length);
  }

  /** Takes a poll, or says that this chunk cannot: it is not later, or has a device or metric of which there is no column. */
  append(at: number, devices: readonly Measured[]): boolean {
    if (this.frozen || at <= this.last || !this.#gather(devices)) return false;
    this.#reserve();
    this.rowStart = this.length;
    this.length = this.#write(at);
    this.rows++;
    if (this.rows === 1) this.first = at;
    this.last = at;
    this.#note(at);
    return true;
  }

  /** Takes a row as the journal holds it; the chunk is frozen then, and what it took is looked at when it is read. */
  replay(row: Uint8Array): void {
    this.frozen = true;
    while (this.#bytes.length < this.length + row.length) this.#grow();
    this.#bytes.set(row, this.length);
    this.length += row.length;
    const reader = new Reader(row);
    const step = this.#step + unzigzag(reader.number());
    const at = (this.rows === 0 ? 0 : this.last) + step;
    // The first time is no step: the one after it would be taken for a jump back.
    this.#step = this.rows === 0 ? 0 : step;
    if (this.rows === 0) this.first = at;
    this.last = at;
    this.rows++;
  }

  /**
   * Every row, with the columns that are wanted (all where it is left out).
   * @param room gives out arrays to be written to, for a frame that is done with before the next one is made
   */
  frame(wanted?: (column: Column) => boolean, room?: ArrayPool): Frame {
    return new Cursor(this, wanted).take(room);
  }

  /** Puts a poll's values into the places of their columns. */
  #gather(devices: readonly Measured[]): boolean {
    const next = this.#next.fill(Number.NaN);
    this.#measured.length = 0;
    for (let i = 0; i < devices.length; i++) {
      const measured = devices[i];
      if (measured === undefined) continue;
      const { values } = measured;
      const slot = this.#slot(measured, i);
      // Forgotten since this chunk was begun: it is a new device now.
      if (slot?.device.forgotten) return false;
      let any = false;
      for (let k = 0; k < values.length; k++) {
        const value = values[k];
        if (value === undefined || !Number.isFinite(value)) continue;
        const column = slot?.columns[k] ?? -1;
        if (column < 0) return false;
        next[column] = value;
        any = true;
      }
      if (any && slot !== undefined) this.#measured.push(slot);
    }
    return true;
  }

  /** What is known of the devices of the newest row. */
  #note(at: number): void {
    for (const { device, index } of this.#measured) {
      if (at < device.last) continue;
      device.last = at;
      if (index !== undefined) device.index = index;
    }
  }

  /** The slot of a device: as a rule it stands where it stood in the poll before. */
  #slot(measured: Measured, expected: number): Slot | undefined {
    const slot = this.slots[expected];
    return slot !== undefined && fits(slot, measured) ? slot : this.slots.find((other) => fits(other, measured));
  }

  #write(at: number): number {
    const bytes = this.#bytes;
    const width = this.columns.length;
    const step = this.rows === 0 ? at : at - this.last;
    let place = putNumber(bytes, this.length, zigzag(step - this.#step));
    this.#step = this.rows === 0 ? 0 : step;
    const bits = place;
    place += (width + 7) >> 3;
    bytes.fill(0, bits, place);
    for (let c = 0; c < width; c++) {
      const value = this.#next[c] ?? Number.NaN;
      const before = this.#now[c] ?? Number.NaN;
      // Absent (NaN) as before is no change either.
      if (value === before || (Number.isNaN(value) && Number.isNaN(before))) continue;
      bytes[bits + (c >> 3)] = (bytes[bits + (c >> 3)] ?? 0) | (1 << (c & 7));
      this.#now[c] = value;
      place = this.#put(c, value, place);
    }
    return place;
  }

  #put(c: number, value: number, place: number): number {
    const bytes = this.#bytes;
    if (Number.isNaN(value)) {
      bytes[place] = absent;
      return place + 1;
    }
    this.seen[c] = 1;
    const scale = this.columns[c]?.scale ?? 1;
    const scaled = scale === 1 ? value : Math.round(value * scale);
    if (scaled > -largest && scaled < largest && Number.isInteger(scaled) && scaled / scale === value) {
      const token = zigzag(scaled - (this.#base[c] ?? 0)) + whole;
      this.#base[c] = scaled;
      return putNumber(bytes, place, token);
    }
    bytes[place] = double;
    doubles.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) bytes[place + 1 + i] = doubles.getUint8(i);
    return place + 9;
  }

  #reserve(): void {
    const wanted = this.length + roomFor(this.columns.length);
    while (this.#bytes.length < wanted) this.#grow();
  }

  #grow(): void {
    const larger = new Uint8Array(Math.ceil(this.#bytes.length * 1.5));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}

/** Arrays that are kept for the next block: 25 MB. */
const mostKept = 2048;

/** Large arrays that are used again and again: to make them anew for each block costs more than to fill them. */
export class ArrayPool {
  readonly #held: Float64Array[] = [];
  #next = 0;

  /** Takes all arrays back. */
  clear(): void {
    this.#next = 0;
  }

  /** An array of some length; what is in it is not defined. */
  take(length: number): Float64Array {
    const place = this.#next++;
    // A machine with thousands of network cards must not have taken its room for good.
    if (place >= mostKept) return new Float64Array(length);
    let held = this.#held[place];
    if (held === undefined || held.length < length) {
      held = new Float64Array(Math.max(length, 1536));
      this.#held[place] = held;
    }
    return held.subarray(0, length);
  }
}

/** Values of all columns in the row that was read last, and the last whole number each had. */
interface State {
  readonly now: Float64Array;
  readonly base: Float64Array;
  readonly scales: Float64Array;
}

/** Reads a chunk as far as it goes, and goes on from there when it has grown. */
export class Cursor {
  readonly #chunk: HeadChunk;
  readonly #wanted: ((column: Column) => boolean) | undefined;
  readonly #state: State;
  #place = 0;
  #rows = 0;
  #at = 0;
  #step = 0;

  constructor(chunk: HeadChunk, wanted?: (column: Column) => boolean) {
    const width = chunk.columns.length;
    this.#chunk = chunk;
    this.#wanted = wanted;
    this.#state = {
      now: new Float64Array(width).fill(Number.NaN),
      base: new Float64Array(width),
      scales: Float64Array.from(chunk.columns, ({ scale }) => scale),
    };
  }

  /** The rows that came since the last time. */
  take(room?: ArrayPool): Frame {
    const { columns, rows: all } = this.#chunk;
    const rows = all - this.#rows;
    const array = (): Float64Array => room?.take(rows) ?? new Float64Array(rows);
    const times = array();
    const filler = new Filler(this.#state, (c) => {
      const column = columns[c];
      return column && (this.#wanted?.(column) ?? true) ? array() : undefined;
    });
    const reader = new Reader(this.#chunk.from(this.#place));
    for (let row = 0; row < rows; row++) {
      this.#step += unzigzag(reader.number());
      this.#at += this.#step;
      if (this.#rows + row === 0) this.#step = 0;
      times[row] = this.#at;
      filler.row(row, reader);
    }
    filler.end(rows);
    this.#place += reader.at;
    this.#rows = all;
    const held = new Map<number, Float64Array>();
    for (const [c, values] of filler.columns()) {
      const column = columns[c];
      if (column) held.set(columnId(column.device.id, column.metric.id), values);
    }
    return { times, columns: held };
  }
}

/**
 * Turns rows of changes into columns: a value is written from its row up to the next change at once. A column without any
 * value gets no array: a chunk of a host that renames its devices has thousands of them.
 */
class Filler {
  readonly #seen: Uint8Array;
  readonly #out: (Float64Array | undefined)[];
  readonly #scales: Float64Array;
  readonly #now: Float64Array;
  readonly #base: Float64Array;
  readonly #since: Int32Array;
  readonly #width: number;
  readonly #array: (column: number) => Float64Array | undefined;

  /** @param array where a column goes to; undefined for one that is not wanted */
  constructor(state: State, array: (column: number) => Float64Array | undefined) {
    this.#width = state.now.length;
    this.#array = array;
    this.#out = new Array<Float64Array | undefined>(this.#width);
    this.#seen = new Uint8Array(this.#width);
    this.#scales = state.scales;
    this.#now = state.now;
    this.#base = state.base;
    this.#since = new Int32Array(this.#width);
    for (let c = 0; c < this.#width; c++) if (!Number.isNaN(state.now[c])) this.#see(c);
  }

  row(row: number, reader: Reader): void {
    const { bytes } = reader;
    const first = reader.skip((this.#width + 7) >> 3);
    const end = reader.at;
    for (let at = first; at < end; at++) {
      for (let rest = bytes[at] ?? 0; rest !== 0; rest &= rest - 1) {
        this.#change((at - first) * 8 + 31 - Math.clz32(rest & -rest), row, reader);
      }
    }
  }

  end(rows: number): void {
    for (const [c, out] of this.columns()) out.fill(this.#now[c] ?? Number.NaN, this.#since[c] ?? 0, rows);
  }

  /** Columns that had a value, with their places. */
  *columns(): Generator<[place: number, values: Float64Array]> {
    for (let c = 0; c < this.#width; c++) {
      const out = this.#out[c];
      if (out !== undefined) yield [c, out];
    }
  }

  #see(c: number): void {
    this.#seen[c] = 1;
    this.#out[c] = this.#array(c)?.fill(Number.NaN, 0, this.#since[c]);
  }

  #change(c: number, row: number, reader: Reader): void {
    if (c >= this.#width) throw new RangeError("a row has more columns than its chunk");
    const value = this.#value(c, reader);
    if (this.#seen[c] === 0 && !Number.isNaN(value)) this.#see(c);
    const out = this.#out[c];
    const since = this.#since[c] ?? 0;
    if (out !== undefined && row > since) {
      if (row === since + 1) out[since] = this.#now[c] ?? Number.NaN;
      else out.fill(this.#now[c] ?? Number.NaN, since, row);
    }
    this.#since[c] = row;
    this.#now[c] = value;
  }

  #value(c: number, reader: Reader): number {
    const token = reader.number();
    if (token === absent) return Number.NaN;
    if (token === double) {
      const bytes = reader.take(8);
      for (let i = 0; i < 8; i++) doubles.setUint8(i, bytes[i] ?? 0);
      return doubles.getFloat64(0, true);
    }
    const scaled = (this.#base[c] ?? 0) + unzigzag(token - whole);
    this.#base[c] = scaled;
    return scaled / (this.#scales[c] ?? 1);
  }
}
