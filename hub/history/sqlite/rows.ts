import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import type { Log } from "../../log.ts";
import { type Buckets, roomFor } from "./bucket.ts";
import { longest, putNumber, Reader } from "./bytes.ts";
import { CorruptBlock, column, encode, open } from "./codec.ts";
import type { File } from "./database.ts";
import { columnId, type Sheet } from "./sheet.ts";
import { bucketsInRow, groupSize, rowKey, spanOfKey, type Tier, tiers, timesRow, windowLength } from "./span.ts";
import { bucketColumns, encodeBuckets, openBuckets } from "./summary.ts";

/** A table of rows: samples as they are, or one of the summaries. */
export type Table = "raw" | Tier;
export const tables: readonly Table[] = ["raw", ...tiers];

/** Names what is held of one metric of one host: within a window (raw) or span (summaries). */
export interface Place {
  readonly table: Table;
  readonly span: number;
  readonly host: number;
  readonly metric: number;
}

/** What is to be held in a place, instead of what is there. */
export interface Entry extends Place {
  readonly data: Uint8Array;
}

/** Samples of a host within a window: those of some metrics, and of some devices only where these are given. */
export interface Wanted {
  readonly host: number;
  readonly window: number;
  readonly metrics: Iterable<number>;
  readonly devices?: ReadonlySet<number>;
}

/** Rows of summaries that are remembered: a day of one metric for a thousand hosts. */
const remembered = 512;
/** Times of windows that are remembered: 3 MB. */
const timesRemembered = 256;
/** Damaged rows are told of until there were so many; one bad disk must not fill another. */
const told = 20;

/** Reads and makes rows. What cannot be understood any more is left out, and the log says so. */
export class Rows {
  readonly #log: Log;
  readonly #get;
  readonly #put;
  readonly #before;
  /** Rows of summaries that were read last, by table and key: hosts of a group share them. */
  readonly #recent = new Map<string, Map<number, Uint8Array>>();
  /** Times of polls by key: every series of a host asks for them. */
  readonly #times = new Map<number, Float64Array>();
  #damaged = 0;

  constructor(file: File, log: Log) {
    this.#log = log;
    const each = <T>(make: (table: Table) => T): Record<Table, T> => ({
      raw: make("raw"),
      five: make("five"),
      hour: make("hour"),
      day: make("day"),
    });
    this.#get = each((table) => file.prepare(`SELECT data FROM ${table} WHERE id = ?`).pluck());
    this.#put = each((table) => file.prepare(`INSERT OR REPLACE INTO ${table} (id, data) VALUES (?, ?)`));
    this.#before = each((table) =>
      file.prepare(`SELECT id FROM ${table} WHERE id < ? ORDER BY id DESC LIMIT 1`).pluck(),
    );
  }

  /** Writes entries, in the order of their keys; to be called within a transaction. */
  write(entries: readonly Entry[]): void {
    this.forget();
    for (const table of tables) {
      const veil = (entry: Entry): Entry => ({ ...entry, data: veiled(entry.data.slice(), entry) });
      const rows = Map.groupBy(entries.filter((entry) => entry.table === table).map(veil), keyOf);
      for (const [key, group] of [...rows].sort(([a], [b]) => a - b)) {
        const [only] = group;
        if (table === "raw") this.#put.raw.run(key, only?.data);
        else this.#put[table].run(key, this.#joined(table, key, group));
      }
    }
  }

  /** Rows may have changed or gone: what was remembered of them does not hold any more. */
  forget(): void {
    this.#recent.clear();
    this.#times.clear();
  }

  /** Sections of a row, those of some hosts replaced. */
  #joined(table: Tier, key: number, group: readonly Entry[]): Uint8Array {
    const held = this.#sure(`${table} ${spanOfKey(key)}`, () => {
      const data = this.#bytes(table, key);
      return data && sectionsOf(data);
    });
    const sections = held ?? new Map<number, Uint8Array>();
    for (const { host, data } of group) sections.set(host % groupSize, data);
    return joined(sections);
  }

  /** The greatest key of a table that is less than `key`. */
  before(table: Table, key: number): number | undefined {
    return this.#sure(`${table} before ${spanOfKey(key)}`, () => this.#before[table].get(key) as number | undefined);
  }

  has(place: Place): boolean {
    return this.#guard(place, () => true) === true;
  }

  /** Times of the polls of a host within a window, Unix ms; undefined where nothing is held. */
  times(host: number, window: number): Float64Array | undefined {
    const key = rowKey(window, host, timesRow);
    const remembered = this.#times.get(key);
    if (remembered) return remembered;
    const times = this.#readTimes(host, window);
    if (this.#times.size >= timesRemembered) this.#times.clear();
    if (times) this.#times.set(key, times);
    return times;
  }

  #readTimes(host: number, window: number): Float64Array | undefined {
    return this.#guard({ table: "raw", span: window, host, metric: timesRow }, (data) => {
      const block = open(data);
      const times = new Float64Array(block.count);
      column(block, 0, times);
      const start = window * windowLength;
      for (let i = 0; i < times.length; i++) times[i] = (times[i] ?? 0) + start;
      return times;
    });
  }

  /** Samples that are held; undefined where there are none. */
  sheet({ host, window, metrics, devices: wanted }: Wanted): Sheet | undefined {
    const times = this.times(host, window);
    if (times === undefined) return undefined;
    const columns = new Map<number, Float64Array>();
    for (const metric of metrics) {
      const place = { table: "raw", span: window, host, metric } as const;
      const found = this.#guard(place, (data) => {
        const { devices, block } = unpack(data);
        const opened = open(block);
        if (opened.count !== times.length || opened.width !== devices.length)
          throw new CorruptBlock("its counts differ");
        return devices.flatMap((device, i): [number, Float64Array][] => {
          if (wanted && !wanted.has(device)) return [];
          const values = new Float64Array(times.length);
          column(opened, i, values);
          return [[device, values]];
        });
      });
      for (const [device, values] of found ?? []) columns.set(columnId(device, metric), values);
    }
    return { times, columns };
  }

  /** Buckets of a summary's row by device. @param wanted those of some devices only */
  buckets(place: Place, wanted?: ReadonlySet<number>): Map<number, Buckets> | undefined {
    return this.#guard(place, (data) => {
      const { devices, block } = unpack(data);
      const opened = openBuckets(block);
      if (opened.width !== devices.length || opened.buckets !== bucketsInRow)
        throw new CorruptBlock("its counts differ");
      const found = new Map<number, Buckets>();
      for (const [i, device] of devices.entries()) {
        if (wanted && !wanted.has(device)) continue;
        const buckets = roomFor(bucketsInRow);
        bucketColumns(opened, i, buckets);
        found.set(device, buckets);
      }
      return found;
    });
  }

  /** @throws CorruptBlock: one bit makes a text of what SQLite holds as bytes */
  #bytes(table: Table, key: number): Uint8Array | undefined {
    const data = this.#get[table].get(key);
    if (data === undefined || data instanceof Uint8Array) return data;
    throw new CorruptBlock("it is no bytes");
  }

  #data(place: Place): Uint8Array | undefined {
    const { table, host } = place;
    const key = keyOf(place);
    if (table === "raw") {
      const data = this.#bytes("raw", key);
      return data && veiled(data, place);
    }
    const name = `${table} ${key}`;
    let sections = this.#recent.get(name);
    if (sections === undefined) {
      const data = this.#bytes(table, key);
      sections = data === undefined ? new Map() : sectionsOf(data);
      if (this.#recent.size >= remembered) this.#recent.clear();
      this.#recent.set(name, sections);
    }
    const section = sections.get(host % groupSize);
    return section && veiled(Uint8Array.from(section), place);
  }

  #guard<T>(place: Place, read: (data: Uint8Array) => T): T | undefined {
    const { table, span, host, metric } = place;
    return this.#sure(`${table} ${span}, host ${host}, metric ${metric}`, () => {
      const data = this.#data(place);
      return data === undefined ? undefined : read(data);
    });
  }

  /** Reads what may be damaged; undefined where it is. */
  #sure<T>(what: string, read: () => T | undefined): T | undefined {
    try {
      return read();
    } catch (error) {
      const corrupt = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_CORRUPT");
      if (!corrupt && !(error instanceof CorruptBlock) && !(error instanceof RangeError)) throw error;
      if (this.#damaged++ < told) {
        this.#log.error(`history is damaged in one place and shows a gap there (${what}): ${(error as Error).message}`);
      }
      return undefined;
    }
  }
}

/** Samples have a row for each host. Of summaries, which are small, hosts of a group share one: little is left empty in pages then. */
function keyOf({ table, span, host, metric }: Place): number {
  return rowKey(span, table === "raw" ? host : host - (host % groupSize), metric);
}

/** What each host of a group has in a row: its place in the group, a length, and that many bytes. */
function sectionsOf(data: Uint8Array): Map<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  for (const reader = new Reader(data); !reader.done; ) sections.set(reader.byte(), reader.take(reader.number()));
  return sections;
}

function joined(sections: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const length = [...sections.values()].reduce((sum, section) => sum + section.length + 1 + longest, 0);
  const data = new Uint8Array(length);
  let place = 0;
  for (const [slot, section] of [...sections].sort(([a], [b]) => a - b)) {
    data[place++] = slot;
    place = putNumber(data, place, section.length);
    data.set(section, place);
    place += section.length;
  }
  return data.subarray(0, place);
}

/**
 * Mixes a place into the last bytes of what is held there, which are under the checksum of its block, or back out of them: what a damaged
 * page shows at the key of another series, or another time, is then not taken for that.
 */
function veiled(data: Uint8Array, { table, span, host, metric }: Place): Uint8Array {
  const key = rowKey(span, host, metric);
  let veil = (key % 2 ** 32) ^ Math.imul(Math.floor(key / 2 ** 32) + 1, 0x9e3779b1) ^ (tables.indexOf(table) << 30);
  for (let i = Math.max(0, data.length - 4); i < data.length; i++, veil >>>= 8) data[i] = (data[i] ?? 0) ^ (veil & 255);
  return data;
}

export function timesData(times: Float64Array, window: number): Uint8Array {
  const start = window * windowLength;
  return encode([times.map((t) => t - start)], times.length);
}

export function samplesData(
  columns: readonly (readonly [device: number, values: Float64Array])[],
  count: number,
): Uint8Array {
  return pack(
    columns.map(([device]) => device),
    encode(
      columns.map(([, values]) => values),
      count,
    ),
  );
}

export function bucketsData(series: readonly (readonly [device: number, buckets: Buckets])[]): Uint8Array {
  return pack(
    series.map(([device]) => device),
    encodeBuckets(
      series.map(([, buckets]) => buckets),
      bucketsInRow,
    ),
  );
}

/** Devices, each as its distance from the one before, two bytes of checksum over them, and the block with its own. */
function pack(devices: readonly number[], block: Uint8Array): Uint8Array {
  const data = new Uint8Array(block.length + 8 * (devices.length + 1) + 2);
  let place = putNumber(data, 0, devices.length);
  let before = 0;
  for (const device of devices) {
    place = putNumber(data, place, device - before);
    before = device;
  }
  const sum = crc32(data.subarray(0, place));
  data[place++] = sum;
  data[place++] = sum >>> 8;
  data.set(block, place);
  return data.subarray(0, place + block.length);
}

/** @throws CorruptBlock, RangeError */
function unpack(data: Uint8Array): { devices: number[]; block: Uint8Array } {
  const reader = new Reader(data);
  const length = reader.number();
  if (length > data.length) throw new CorruptBlock("it names more devices than it has bytes");
  const devices: number[] = [];
  let device = 0;
  for (let i = 0; i < length; i++) {
    device += reader.number();
    devices.push(device);
  }
  const sum = crc32(data.subarray(0, reader.at));
  if (reader.byte() !== (sum & 255) || reader.byte() !== ((sum >>> 8) & 255))
    throw new CorruptBlock("its devices do not match their checksum");
  return { devices, block: data.subarray(reader.at) };
}
