import Database from "better-sqlite3";
import type { Log } from "../../log.ts";
import { type Buckets, roomFor } from "./bucket.ts";
import { CorruptChunk, column, encode, open } from "./codec.ts";
import type { File } from "./database.ts";
import { columnId, type Frame } from "./frame.ts";
import { blockMs, bucketsInRow, groupEnd, groupSize, rowKey, spanOfKey, type Tier, tiers, timesRow } from "./key.ts";
import { LruCache } from "./lru.ts";
import { encodeBuckets } from "./row/rollup.ts";
import { joined, mix, pack, Sections, unpack } from "./row/section.ts";

/** A table of rows: samples as they are, or one of the summaries. */
export type Table = "raw" | Tier;
export const tables: readonly Table[] = ["raw", ...tiers];

/** Names what is held of one metric of one host: within a block (raw) or span (summaries). */
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

/** Samples of a host within a block: those of some metrics, and of some devices only where these are given. */
export interface Wanted {
  readonly host: number;
  readonly block: number;
  readonly metrics: Iterable<number>;
  readonly devices?: Pick<ReadonlySet<number>, "has">;
  /** Where the columns of a device are written to, that are kept for a moment only. */
  readonly spare?: ((device: number, count: number) => Float64Array) | undefined;
}

/** Bytes that are remembered of rows of summaries: a day of one metric of every GPU of a thousand hosts. */
const summariesRemembered = 16 * 2 ** 20;
/** Of times: a week of 17 hosts that are polled every 10 seconds. */
const timesRemembered = 8 * 2 ** 20;
/** Damaged rows are told of until there were so many; one bad disk must not fill another. */
const told = 20;
const nothing = new Uint8Array(0);

/** Reads and makes rows. What cannot be understood any more is left out, and the log says so. */
export class Rows {
  readonly #log: Log;
  readonly #get;
  readonly #put;
  readonly #before;
  readonly #after;
  readonly #drop;
  readonly #group;
  readonly #eraseRaw;
  /** Rows of summaries that were read last, by key and table, and their bytes: hosts of a group share them. */
  readonly #cache = new LruCache<Sections>(summariesRemembered);
  /** Times of polls by key: every series of a host asks for them. */
  readonly #timesCache = new LruCache<Float64Array>(timesRemembered);
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
    this.#drop = each((table) => file.prepare(`DELETE FROM ${table} WHERE id = ?`));
    this.#group = each((table) => file.prepare(`SELECT id, data FROM ${table} WHERE id >= ? AND id < ?`).raw());
    this.#eraseRaw = file.prepare("DELETE FROM raw WHERE id >= ? AND id < ? AND id % ? = ?");
    this.#after = each((table) => file.prepare(`SELECT id FROM ${table} WHERE id >= ? ORDER BY id LIMIT 1`).pluck());
  }

  /** Writes entries, in the order of their keys; to be called within a transaction. */
  write(entries: readonly Entry[]): void {
    this.forget();
    for (const table of tables) {
      const veiled = (entry: Entry): Entry => {
        const data = entry.data.slice();
        mix(veilOf(entry), data);
        return { ...entry, data };
      };
      const rows = Map.groupBy(entries.filter((entry) => entry.table === table).map(veiled), keyOf);
      for (const [key, group] of [...rows].sort(([a], [b]) => a - b)) {
        const [only] = group;
        if (table === "raw") this.#put.raw.run(key, only?.data);
        else this.#put[table].run(key, this.#joined(table, key, group));
      }
    }
  }

  /** Rows may have changed or gone: what was remembered of them does not hold any more. */
  forget(): void {
    this.#cache.clear();
    this.#timesCache.clear();
  }

  /** Deletes what the rows of a block or span hold of a host; to be called within a transaction. */
  erase(table: Table, span: number, host: number): void {
    const [low, high, slot] = [rowKey(span, host - (host % groupSize), 0), groupEnd(span, host), host % groupSize];
    this.forget();
    if (table === "raw") {
      this.#eraseRaw.run(low, high, groupSize, slot);
      return;
    }
    for (const [key, data] of this.#group[table].all(low, high) as [number, unknown][]) {
      const sections = sectionsOf(data);
      // Of a row that cannot be read nothing can be kept.
      if (sections === undefined) this.#drop[table].run(key);
      if (!sections?.delete(slot)) continue;
      if (sections.size > 0) this.#put[table].run(key, joined(sections));
      else this.#drop[table].run(key);
    }
  }

  /** Sections of a row, those of some hosts replaced. */
  #joined(table: Tier, key: number, group: readonly Entry[]): Uint8Array {
    const what = () => `${table} ${spanOfKey(key)}`;
    const held = this.#sure(what, () => {
      const data = this.#bytes(table, key);
      return data && new Sections(data).raw();
    });
    const sections = held ?? new Map<number, Uint8Array>();
    for (const { host, data } of group) sections.set(host % groupSize, data);
    return joined(sections);
  }

  /** The greatest key of a table that is less than `key`. */
  before(table: Table, key: number): number | undefined {
    const what = () => `${table} before ${spanOfKey(key)}`;
    return this.#sure(what, () => this.#before[table].get(key) as number | undefined);
  }

  /** The least key of a table that is not less than `key`. */
  after(table: Table, key: number): number | undefined {
    const what = () => `${table} after ${spanOfKey(key)}`;
    return this.#sure(what, () => this.#after[table].get(key) as number | undefined);
  }

  /** Whether the row of a summary holds something of a host. */
  has(place: Place): boolean {
    return this.#guard(place, () => this.#sections(place).has(place.host % groupSize)) === true;
  }

  /** Times of the polls of a host within a block, Unix ms; undefined where nothing is held. */
  times(host: number, block: number): Float64Array | undefined {
    const key = rowKey(block, host, timesRow);
    const known = this.#timesCache.get(key);
    if (known) return known;
    const times = this.#readTimes(host, block);
    if (times) this.#timesCache.set(key, times, times.byteLength);
    return times;
  }

  #readTimes(host: number, block: number): Float64Array | undefined {
    const place = { table: "raw", span: block, host, metric: timesRow } as const;
    return this.#guard(place, () => {
      const data = this.#samples(place);
      if (data === undefined) return undefined;
      const chunk = open(data);
      const times = new Float64Array(chunk.count);
      column(chunk, 0, times);
      const start = block * blockMs;
      for (let i = 0; i < times.length; i++) times[i] = (times[i] ?? 0) + start;
      return times;
    });
  }

  /** Samples that are held; undefined where there are none. */
  frame({ host, block, metrics, devices: wanted, spare }: Wanted): Frame | undefined {
    const times = this.times(host, block);
    if (times === undefined) return undefined;
    const columns = new Map<number, Float64Array>();
    for (const metric of metrics) {
      const place = { table: "raw", span: block, host, metric } as const;
      const found = this.#guard(place, () => {
        const data = this.#samples(place);
        if (data === undefined) return undefined;
        const { devices, chunk } = unpack(data);
        const opened = open(chunk);
        if (opened.count !== times.length || opened.width !== devices.length)
          throw new CorruptChunk("its counts differ");
        return devices.flatMap((device, i): [number, Float64Array][] => {
          if (wanted && !wanted.has(device)) return [];
          const values = spare?.(device, times.length) ?? new Float64Array(times.length);
          column(opened, i, values);
          return [[device, values]];
        });
      });
      for (const [device, values] of found ?? []) columns.set(columnId(device, metric), values);
    }
    return { times, columns };
  }

  /** Buckets of a summary's row by device. */
  buckets(place: Place): Map<number, Buckets> | undefined {
    const found = new Map<number, Buckets>();
    const held = this.read(place, (device) => {
      const buckets = roomFor(bucketsInRow);
      found.set(device, buckets);
      return buckets;
    });
    return held ? found : undefined;
  }

  /**
   * Writes the buckets of each device of a summary's row to what `into` gives for it, if anything.
   * @returns whether the row holds something of that host
   */
  read(place: Place, into: (device: number) => Buckets | undefined): boolean {
    return this.#guard(place, () => this.#sections(place).read(place.host % groupSize, veilOf(place), into)) === true;
  }

  /** @throws CorruptChunk: one bit makes a text of what SQLite holds as bytes */
  #bytes(table: Table, key: number): Uint8Array | undefined {
    const data = this.#get[table].get(key);
    if (data === undefined || data instanceof Uint8Array) return data;
    throw new CorruptChunk("it is no bytes");
  }

  /** @throws CorruptChunk */
  #samples(place: Place): Uint8Array | undefined {
    const data = this.#bytes("raw", keyOf(place));
    if (data) mix(veilOf(place), data);
    return data;
  }

  /** @throws CorruptChunk, RangeError */
  #sections(place: Place): Sections {
    const key = keyOf(place);
    const name = key * tables.length + tables.indexOf(place.table);
    const held = this.#cache.get(name);
    if (held !== undefined) return held;
    const read = new Sections(this.#bytes(place.table, key) ?? nothing);
    this.#cache.set(name, read, read.size);
    return read;
  }

  #guard<T>(place: Place, read: () => T | undefined): T | undefined {
    const { table, span, host, metric } = place;
    return this.#sure(() => `${table} ${span}, host ${host}, metric ${metric}`, read);
  }

  /** Reads what may be damaged; undefined where it is. */
  #sure<T>(what: () => string, read: () => T | undefined): T | undefined {
    try {
      return read();
    } catch (error) {
      const corrupt = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_CORRUPT");
      if (!corrupt && !(error instanceof CorruptChunk) && !(error instanceof RangeError)) throw error;
      if (this.#damaged++ < told) {
        this.#log.error(
          `history is damaged in one place and shows a gap there (${what()}): ${(error as Error).message}`,
        );
      }
      return undefined;
    }
  }
}

/** Sections of a row by slot; undefined where its bytes cannot be told apart. */
function sectionsOf(data: unknown): Map<number, Uint8Array> | undefined {
  try {
    return data instanceof Uint8Array ? new Sections(data).raw() : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Samples have a row for each host. Of summaries, which are small, hosts of a group share one: little is left empty in pages then. */
function keyOf({ table, span, host, metric }: Place): number {
  return rowKey(span, table === "raw" ? host : host - (host % groupSize), metric);
}

/**
 * What a place mixes into the last bytes of what is held there, which are under the checksum of its chunk: what a damaged
 * page shows at the key of another series, or another time, is then not taken for that.
 */
function veilOf({ table, span, host, metric }: Place): number {
  const key = rowKey(span, host, metric);
  return (key % 2 ** 32) ^ Math.imul(Math.floor(key / 2 ** 32) + 1, 0x9e3779b1) ^ (tables.indexOf(table) << 30);
}

export function timesData(times: Float64Array, block: number): Uint8Array {
  const start = block * blockMs;
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
