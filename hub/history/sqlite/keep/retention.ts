import { earliest } from "../../../clock.ts";
import type { File } from "../database.ts";
import {
  blockMs,
  blockOf,
  blocksPerDay,
  bucketOf,
  bucketsInRow,
  firstKey,
  groupKeys,
  spanOf,
  spanOfKey,
} from "../key.ts";
import type { NameTable } from "../names.ts";
import { type Rows, type RowTable, tables } from "../row.ts";

/** Retention of each table in milliseconds, and maximum bytes of the file; Infinity without a limit. */
export interface RetentionLimits {
  readonly raw: number;
  readonly five: number;
  readonly hour: number;
  readonly day: number;
  readonly bytes: number;
}

interface RetentionParts {
  readonly file: File;
  readonly names: NameTable;
  readonly rows: Rows;
  readonly limits: () => RetentionLimits;
  readonly now: () => number;
  /** Returns the oldest block of the head. */
  readonly oldest: () => number;
  /** Lists days, ascending, that are not rolled up as their last samples want it. */
  readonly unfinished: () => readonly number[];
}

/**
 * A clock that jumps ahead by more than `jump` is trusted only after `proof`: a wrong date is corrected by then, and must not
 * have deleted all history. Milliseconds.
 */
const jumpMs = 24 * 3_600_000;
const proofMs = 3_600_000;

/** Rows that are deleted in one step, or else those of one group of hosts in one span, and pages that are freed: some milliseconds of work. */
const rowsInStep = 400;
const pagesInStep = 1000;

/** Deletes rows that have expired or do not fit, and frees their space, a little at a time. */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #sql;
  /** The time by which samples expire, and since when the clock has been ahead of it. */
  #time: number;
  #ahead: number | undefined;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    const each = <T>(make: (table: RowTable) => T): Record<RowTable, T> => ({
      raw: make("raw"),
      five: make("five"),
      hour: make("hour"),
      day: make("day"),
    });
    const { file, names, now } = parts;
    const newest = Math.max(...[...names.hosts()].map(({ last }) => (last + 1) * blockMs));
    this.#time = Number.isFinite(newest) ? newest : now();
    this.#sql = {
      first: each((table) => file.prepare(`SELECT min(id) FROM ${table} WHERE id >= ?`).pluck()),
      drop: each((table) =>
        file.prepare(
          // A group as a whole: samples without the times of their polls are taken for damage (row.ts).
          `DELETE FROM ${table} WHERE id >= @start AND id < min(@end, max(
            coalesce((SELECT id / ${groupKeys} FROM ${table} WHERE id >= @start ORDER BY id LIMIT 1 OFFSET ${rowsInStep}), @end),
            (SELECT min(id) / ${groupKeys} FROM ${table} WHERE id >= @start) + 1
          ) * ${groupKeys})`,
        ),
      ),
    };
  }

  /** Deletes some expired rows. @returns true if there is more to do */
  step(): boolean {
    const limits = this.#parts.limits();
    const now = this.#now();
    let more = false;
    for (const table of tables) more = this.#drop(table, Math.max(now - limits[table], earliest)) || more;
    more = this.shrink() || more;
    if (more) this.#parts.rows.forget();
    const { names } = this.#parts;
    // A device may be forgotten only once no row has its columns.
    const least = Math.min(...tables.map((table) => startOf(table, now - limits[table])));
    names.forget(Math.max(least, this.#oldest(), earliest));
    for (const host of names.hosts()) names.trim(host);
    this.#parts.file.pragma(`incremental_vacuum(${pagesInStep})`);
    return more || this.#read("freelist_count") > pagesInStep;
  }

  /** Deletes some rows if the file exceeds its limit. @returns true if it did */
  shrink(): boolean {
    if (this.#bytes() <= this.#parts.limits().bytes || !this.#dropOldest()) return false;
    this.#parts.rows.forget();
    return true;
  }

  /** Returns a time before which there is no sample in rows or memory. Unix ms. */
  #oldest(): number {
    const blocks = [this.#parts.oldest(), blockOf(this.#parts.now()) - 1].map((block) => block * blockMs);
    const starts = tables.flatMap((table) => {
      const first = this.#first(table);
      return first === undefined ? [] : [beginOf(table, spanOfKey(first))];
    });
    return starts.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...blocks, ...starts);
  }

  #now(): number {
    const now = this.#parts.now();
    if (now <= this.#time + jumpMs) this.#ahead = undefined;
    else this.#ahead ??= now;
    if (this.#ahead === undefined || now >= this.#ahead + proofMs) this.#time = now;
    return this.#time;
  }

  /**
   * Deletes some rows whose whole span is before a time, except those of which a day is still to be made: an import brings
   * samples of long ago, whose day is rolled up once all of them came. @returns true if it did
   */
  #drop(table: RowTable, before: number): boolean {
    if (!(before > 0)) return false;
    const span = table === "raw" ? blockOf(before) : spanOf(table, before);
    const days = table === "raw" || table === "five" ? this.#parts.unfinished() : [];
    let start = 0;
    for (const day of [...days, Number.POSITIVE_INFINITY]) {
      const first = this.#first(table, start);
      if (first === undefined || spanOfKey(first) >= span) return false;
      const end = Math.min(span, day * blocksPerDay);
      if (spanOfKey(first) < end) {
        this.#sql.drop[table].run({ start, end: firstKey(end) });
        return true;
      }
      start = firstKey((day + 1) * blocksPerDay);
    }
    return false;
  }

  /** Deletes the oldest samples, or if there are none the oldest rows of the finest rollup; the newest rows stay. @returns false if nothing is left to delete */
  #dropOldest(): boolean {
    for (const table of tables) {
      const first = this.#first(table);
      const now = this.#parts.now();
      const span = table === "raw" ? blockOf(now) : spanOf(table, now);
      if (first === undefined || spanOfKey(first) >= span - 1) continue;
      this.#sql.drop[table].run({ start: 0, end: firstKey(spanOfKey(first) + 1) });
      return true;
    }
    return false;
  }

  /** Returns the first key from one on. */
  #first(table: RowTable, start = 0): number | undefined {
    return (this.#sql.first[table].get(start) as number | null) ?? undefined;
  }

  /** Returns the bytes in use, without free pages. */
  #bytes(): number {
    return (this.#read("page_count") - this.#read("freelist_count")) * this.#read("page_size");
  }

  #read(pragma: string): number {
    return Number(this.#parts.file.pragma(pragma, { simple: true }));
  }
}

/** Returns the start of the row of a time. Unix ms. */
function startOf(table: RowTable, t: number): number {
  return Number.isFinite(t) ? beginOf(table, table === "raw" ? blockOf(t) : spanOf(table, t)) : t;
}

/** Returns the start of a row. Unix ms. */
const beginOf = (table: RowTable, span: number): number =>
  span * (table === "raw" ? blockMs : bucketOf[table] * bucketsInRow);
