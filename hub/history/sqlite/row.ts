import Database from "better-sqlite3";
import type { Log } from "../../log.ts";
import { allocateBuckets, type Buckets } from "./bucket.ts";
import { CorruptChunk, column, encode, open } from "./codec.ts";
import type { File } from "./database.ts";
import { columnId, type Frame } from "./frame.ts";
import { blockMs, bucketsInRow, groupEnd, groupSize, rowKey, spanOfKey, type Tier, tiers, timesRow } from "./key.ts";
import { LruCache } from "./lru.ts";
import { encodeBuckets } from "./row/rollup.ts";
import { joined, pack, Sections, unpack, xorTail } from "./row/section.ts";

/** A table of rows: samples, or one of the rollups. */
export type RowTable = "raw" | Tier;
export const tables: readonly RowTable[] = ["raw", ...tiers];

/** Identifies the data of one metric of one host within a block (raw) or span (rollups). */
export interface RowRef {
  readonly table: RowTable;
  readonly span: number;
  readonly host: number;
  readonly metric: number;
}

/** Data that replaces what a place holds. */
export interface Entry extends RowRef {
  readonly data: Uint8Array;
}

/** Selects samples of a host within a block by metric, and by device if some are given. */
export interface FrameQuery {
  readonly host: number;
  readonly block: number;
  readonly metrics: Iterable<number>;
  readonly devices?: Pick<ReadonlySet<number>, "has">;
  /** Lends the column of a device, for a frame that is used at once. */
  readonly spare?: ((device: number, count: number) => Float64Array) | undefined;
}

/** Bytes of cached rows of rollups: a day of one metric of every GPU of a thousand hosts. */
const cachedRollupBytes = 16 * 2 ** 20;
/** Bytes of cached times: a week of 17 hosts that are polled every 10 seconds. */
const cachedTimesBytes = 8 * 2 ** 20;
/** Maximum damaged rows in the log: one bad disk must not fill another. */
const maxLogged = 20;
const nothing = new Uint8Array(0);

/** Reads and writes rows. Damaged data is left out and logged. */
export class Rows {
  readonly #log: Log;
  readonly #get;
  readonly #put;
  readonly #after;
  readonly #drop;
  readonly #group;
  readonly #eraseRaw;
  /** Rows of rollups, by key and table: hosts of a group share them. */
  readonly #cache = new LruCache<Sections>(cachedRollupBytes);
  /** Times of polls by key: every series of a host needs them. */
  readonly #timesCache = new LruCache<Float64Array>(cachedTimesBytes);
  #damaged = 0;

  constructor(file: File, log: Log) {
    this.#log = log;
    const each = <T>(make: (table: RowTable) => T): Record<RowTable, T> => ({
      raw: make("raw"),
      five: make("five"),
      hour: make("hour"),
      day: make("day"),
    });
    this.#get = each((table) => file.prepare(`SELECT data FROM ${table} WHERE id = ?`).pluck());
    this.#put = each((table) => file.prepare(`INSERT OR REPLACE INTO ${table} (id, data) VALUES (?, ?)`));
    this.#drop = each((table) => file.prepare(`DELETE FROM ${table} WHERE id = ?`));
    this.#group = each((table) => file.prepare(`SELECT id, data FROM ${table} WHERE id >= ? AND id < ?`).raw());
    this.#eraseRaw = file.prepare("DELETE FROM raw WHERE id >= ? AND id < ? AND id % ? = ?");
    this.#after = each((table) => file.prepare(`SELECT id FROM ${table} WHERE id >= ? ORDER BY id LIMIT 1`).pluck());
  }

  /** Writes entries, in the order of their keys; to be called within a transaction. */
  write(entries: readonly Entry[]): void {
    this.forget();
    for (const table of tables) {
      const masked = (entry: Entry): Entry => {
        const data = entry.data.slice();
        xorTail(maskOf(entry), data);
        return { ...entry, data };
      };
      const rows = Map.groupBy(entries.filter((entry) => entry.table === table).map(masked), keyOf);
      for (const [key, group] of [...rows].sort(([a], [b]) => a - b)) {
        const [only] = group;
        if (table === "raw") this.#put.raw.run(key, only?.data);
        else this.#put[table].run(key, this.#joined(table, key, group));
      }
    }
  }

  /** Clears the caches: rows may have changed. */
  forget(): void {
    this.#cache.clear();
    this.#timesCache.clear();
  }

  /** Deletes the data of a host in a block or span; to be called within a transaction. */
  erase(table: RowTable, span: number, host: number): void {
    const [low, high, slot] = [rowKey(span, host - (host % groupSize), 0), groupEnd(span, host), host % groupSize];
    this.forget();
    if (table === "raw") {
      this.#eraseRaw.run(low, high, groupSize, slot);
      return;
    }
    for (const [key, data] of this.#group[table].all(low, high) as [number, unknown][]) {
      const sections = sectionsOf(data);
      // Nothing of a row that cannot be read can be kept.
      if (sections === undefined) this.#drop[table].run(key);
      if (!sections?.delete(slot)) continue;
      if (sections.size > 0) this.#put[table].run(key, joined(sections));
      else this.#drop[table].run(key);
    }
  }

  /** Returns a row in which the sections of some hosts are replaced. */
  #joined(table: Tier, key: number, group: readonly Entry[]): Uint8Array {
    const what = () => `${table} ${spanOfKey(key)}`;
    const held = this.#readSafely(what, () => {
      const data = this.#bytes(table, key);
      return data && new Sections(data).raw();
    });
    const sections = held ?? new Map<number, Uint8Array>();
    for (const { host, data } of group) sections.set(host % groupSize, data);
    return joined(sections);
  }

  /** Finds the least key that is not less than `key`. */
  after(table: RowTable, key: number): number | undefined {
    const what = () => `${table} after ${spanOfKey(key)}`;
    return this.#readSafely(what, () => this.#after[table].get(key) as number | undefined);
  }

  /** True if there is data of a host at a place, be it damaged. */
  has(place: RowRef): boolean {
    if (place.table === "raw")
      return this.#readPlace(place, () => this.#get.raw.get(keyOf(place)) !== undefined) ?? true;
    return this.#readPlace(place, () => this.#sections(place).has(place.host % groupSize)) === true;
  }

  /** Reads the times of the polls of a host within a block, Unix ms; undefined if there are none. */
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
    return this.#readPlace(place, () => {
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

  /** Reads samples; undefined if the block has none. */
  frame({ host, block, metrics, devices: wanted, spare }: FrameQuery): Frame | undefined {
    const times = this.times(host, block);
    if (times === undefined) {
      for (const metric of metrics) this.#checkUntimed({ table: "raw", span: block, host, metric });
      return undefined;
    }
    const columns = new Map<number, Float64Array>();
    for (const metric of metrics) {
      const place = { table: "raw", span: block, host, metric } as const;
      const found = this.#readPlace(place, () => {
        const data = this.#samples(place);
        if (data === undefined) return this.#checkMissing(place);
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

  /** Logs samples whose times are gone: a damaged page can show a row under another key, where nobody asks for it. */
  #checkUntimed(place: RowRef): void {
    this.#readPlace(place, () => {
      if (this.#get.raw.get(keyOf(place)) !== undefined) throw new CorruptChunk("its times are gone");
    });
  }

  /** @throws CorruptChunk if a metric has no samples in a block with times, but was rolled up: both are written together */
  #checkMissing(place: RowRef): undefined {
    if (this.has({ ...place, table: "five" })) throw new CorruptChunk("its samples are gone");
  }

  /** Reads the buckets of a host in a rollup's row, by device. */
  buckets(place: RowRef): Map<number, Buckets> | undefined {
    const found = new Map<number, Buckets>();
    const held = this.read(place, (device) => {
      const buckets = allocateBuckets(bucketsInRow);
      found.set(device, buckets);
      return buckets;
    });
    return held ? found : undefined;
  }

  /**
   * Reads the buckets of each device of a host in a rollup's row into what `into` returns for it, if anything.
   * @returns true if the row has a section of the host; undefined if it is damaged
   */
  read(place: RowRef, into: (device: number) => Buckets | undefined): boolean | undefined {
    return this.#readPlace(place, () => this.#sections(place).read(place.host % groupSize, maskOf(place), into));
  }

  /** @throws CorruptChunk for a text: one flipped bit turns SQLite's bytes into one */
  #bytes(table: RowTable, key: number): Uint8Array | undefined {
    const data = this.#get[table].get(key);
    if (data === undefined || data instanceof Uint8Array) return data;
    throw new CorruptChunk("it is no bytes");
  }

  /** @throws CorruptChunk */
  #samples(place: RowRef): Uint8Array | undefined {
    const data = this.#bytes("raw", keyOf(place));
    if (data) xorTail(maskOf(place), data);
    return data;
  }

  /** @throws CorruptChunk, RangeError */
  #sections(place: RowRef): Sections {
    const key = keyOf(place);
    const name = key * tables.length + tables.indexOf(place.table);
    const held = this.#cache.get(name);
    if (held !== undefined) return held;
    const read = new Sections(this.#bytes(place.table, key) ?? nothing);
    this.#cache.set(name, read, read.size);
    return read;
  }

  #readPlace<T>(place: RowRef, read: () => T | undefined): T | undefined {
    const { table, span, host, metric } = place;
    return this.#readSafely(() => `${table} ${span}, host ${host}, metric ${metric}`, read);
  }

  /** Reads what may be damaged. @returns undefined if it is, which is logged */
  #readSafely<T>(what: () => string, read: () => T | undefined): T | undefined {
    try {
      return read();
    } catch (error) {
      const corrupt = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_CORRUPT");
      if (!corrupt && !(error instanceof CorruptChunk) && !(error instanceof RangeError)) throw error;
      if (this.#damaged++ < maxLogged) {
        this.#log.error(
          `history is damaged in one place and shows a gap there (${what()}): ${(error as Error).message}`,
        );
      }
      return undefined;
    }
  }
}

/** Splits a row into sections by slot; undefined if that is not possible. */
function sectionsOf(data: unknown): Map<number, Uint8Array> | undefined {
  try {
    return data instanceof Uint8Array ? new Sections(data).raw() : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Samples have a row for each host. In rollups, which are small, hosts of a group share a row: it fills its pages better. */
function keyOf({ table, span, host, metric }: RowRef): number {
  return rowKey(span, table === "raw" ? host : host - (host % groupSize), metric);
}

/**
 * Returns a number that depends on the place, to be mixed into the last bytes of its data, which the chunk's checksum covers:
 * a damaged page that shows the data under another key is then detected.
 */
function maskOf({ table, span, host, metric }: RowRef): number {
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
