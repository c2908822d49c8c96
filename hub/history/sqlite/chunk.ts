import type { DeviceSample } from "../store.ts";
import { NumberReader, putNumber, unzigzag, zigzag } from "./bytes.ts";
import { columnId, type Frame } from "./frame.ts";
import { type DeviceRecord, type HostRecord, type MetricRecord, nameDevice } from "./names.ts";
import type { ArrayPool } from "./pool.ts";

/** The series of one column of a chunk. */
export interface ChunkColumn {
  device: DeviceRecord;
  readonly metric: MetricRecord;
  /** The metric's scale when the chunk was begun; another version of the hub may use another one. */
  readonly scale: number;
}

/** A device of a chunk, with the column of each of its metrics by its index in `kept`; -1 for none. */
export interface ChunkDevice {
  device: DeviceRecord;
  readonly index: number | undefined;
  /** The model name that its polls give, if they give one. */
  readonly name: string | undefined;
  readonly columns: Int32Array;
}

/** Tokens of a value in a row: absent, a double, or (from 2 on) the difference of a whole number from the one before. */
const absent = 0;
const double = 1;
const whole = 2;
/** Differences of whole numbers below this are exact, and leave room for the two tokens above. */
const largest = 2 ** 51;

/** Maximum bytes of a row: time, one bit a column, and for each column a token and a double. */
const roomFor = (columns: number): number => 16 + Math.ceil(columns / 8) + columns * 9;

/** Bytes of memory of a chunk, and of each of its columns, beside its values. */
const chunkBytes = 5000;
const columnBytes = 80;

const doubles = new DataView(new ArrayBuffer(8));

const fits = ({ device, index, name }: ChunkDevice, measured: DeviceSample): boolean =>
  device.key === measured.key &&
  device.level === measured.level &&
  index === measured.index &&
  (measured.name === undefined || measured.name === name);

/**
 * Appends the polls of one host within one block, one row each, in the order of their times: the time as a delta of deltas,
 * one bit for each column that changed, and the values it changed to. A poll of eight GPUs takes about 40 bytes. The journal
 * writes the same bytes.
 */
export class HeadChunk {
  /** Unique over the life of the file; identifies the chunk in the journal. */
  readonly id: number;
  readonly host: HostRecord;
  readonly block: number;
  readonly slots: readonly ChunkDevice[];
  readonly columns: readonly ChunkColumn[];
  /** True if it takes no more polls: it was read from the journal, or is being compacted. */
  frozen = false;
  /** Oldest and newest segment of the journal with rows of it. */
  segments: [first: number, last: number] = [0, 0];
  rows = 0;
  first = Number.NaN;
  last = Number.NEGATIVE_INFINITY;
  length = 0;
  /** Offset of the newest row. */
  rowStart = 0;
  #bytes: Uint8Array;
  #step = 0;
  /** 1 for each column that had a value in some row. */
  readonly seen: Uint8Array;
  /** The value of each column in the last row, NaN if absent, and its last whole number. */
  readonly #now: Float64Array;
  readonly #base: Float64Array;
  readonly #next: Float64Array;
  /** Devices with values in the newest poll, and those of them whose name it gives. */
  readonly #measured: ChunkDevice[] = [];
  readonly #named: ChunkDevice[] = [];

  constructor(of: {
    id: number;
    host: HostRecord;
    block: number;
    slots: readonly ChunkDevice[];
    columns: readonly ChunkColumn[];
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

  /** Approximate bytes of memory. */
  get size(): number {
    return this.#bytes.length + chunkBytes + this.columns.length * columnBytes;
  }

  /** Copies the bytes from an offset on. Rows are short: a loop is faster than a view (bench/history/micro.ts). */
  copy(from: number, to: Uint8Array, at: number): void {
    const bytes = this.#bytes;
    for (let i = from, place = at; i < this.length; i++) to[place++] = bytes[i] ?? 0;
  }

  /** Returns the bytes from an offset on. */
  from(place: number): Uint8Array {
    return this.#bytes.subarray(place, this.length);
  }

  /** Appends a poll. @returns false if it is not later than the last one, or has a device or metric without a column */
  append(at: number, devices: readonly DeviceSample[]): boolean {
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

  /** Appends a row as the journal holds it, and freezes the chunk; the row is checked when it is read. */
  replay(row: Uint8Array): void {
    this.frozen = true;
    while (this.#bytes.length < this.length + row.length) this.#grow();
    this.#bytes.set(row, this.length);
    this.length += row.length;
    const reader = new NumberReader(row);
    const step = this.#step + unzigzag(reader.number());
    const at = (this.rows === 0 ? 0 : this.last) + step;
    // The first time is not a step: the second would be read as a jump back.
    this.#step = this.rows === 0 ? 0 : step;
    if (this.rows === 0) this.first = at;
    this.last = at;
    this.rows++;
  }

  /**
   * Decodes all rows.
   * @param wanted selects columns; all by default
   * @param room lends the arrays, for a frame that is used up before the next one is made
   */
  frame(wanted?: (column: ChunkColumn) => boolean, room?: ArrayPool): Frame {
    return new Cursor(this, wanted).take(room);
  }

  /** Collects a poll's values by column. @returns false if one has no column */
  #gather(devices: readonly DeviceSample[]): boolean {
    const next = this.#next.fill(Number.NaN);
    this.#measured.length = 0;
    this.#named.length = 0;
    for (let i = 0; i < devices.length; i++) {
      const measured = devices[i];
      if (measured === undefined) continue;
      const { values } = measured;
      const slot = this.#slot(measured, i);
      // Forgotten since the chunk was begun: the same key is a new device now.
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
      if (!any || slot === undefined) continue;
      this.#measured.push(slot);
      if (measured.name !== undefined) this.#named.push(slot);
    }
    return true;
  }

  /** Updates time, index and name of the devices of the newest row. */
  #note(at: number): void {
    for (const { device, index } of this.#measured) {
      if (at < device.last) continue;
      device.last = at;
      if (index !== undefined) device.index = index;
    }
    for (const { device, name } of this.#named) nameDevice(device, name, at);
  }

  /** Finds the slot of a device, which usually has the same place in every poll. */
  #slot(measured: DeviceSample, expected: number): ChunkDevice | undefined {
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
      // NaN after NaN is no change.
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

/** Values of all columns in the row that was read last, and the last whole number of each. */
interface State {
  readonly now: Float64Array;
  readonly base: Float64Array;
  readonly scales: Float64Array;
}

/** Reads a chunk to its end, and later the rows that were appended since. */
export class Cursor {
  readonly #chunk: HeadChunk;
  readonly #wanted: ((column: ChunkColumn) => boolean) | undefined;
  readonly #state: State;
  #place = 0;
  #rows = 0;
  #at = 0;
  #step = 0;

  constructor(chunk: HeadChunk, wanted?: (column: ChunkColumn) => boolean) {
    const width = chunk.columns.length;
    this.#chunk = chunk;
    this.#wanted = wanted;
    this.#state = {
      now: new Float64Array(width).fill(Number.NaN),
      base: new Float64Array(width),
      scales: Float64Array.from(chunk.columns, ({ scale }) => scale),
    };
  }

  /** Decodes the rows that were appended since the last call. */
  take(room?: ArrayPool): Frame {
    const { columns, rows: all } = this.#chunk;
    const rows = all - this.#rows;
    const array = (): Float64Array => room?.take(rows) ?? new Float64Array(rows);
    const times = array();
    const filler = new Filler(this.#state, (c) => {
      const column = columns[c];
      return column && (this.#wanted?.(column) ?? true) ? array() : undefined;
    });
    const reader = new NumberReader(this.#chunk.from(this.#place));
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
 * Turns rows of changes into columns: a value is written from its row up to the next change at once. A column without values
 * gets no array: a chunk of a host that renames its devices has thousands of those.
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

  /** @param array gives the array of a column; undefined for one that is not wanted */
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

  row(row: number, reader: NumberReader): void {
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

  /** Lists columns with values, by index. */
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

  #change(c: number, row: number, reader: NumberReader): void {
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

  #value(c: number, reader: NumberReader): number {
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
