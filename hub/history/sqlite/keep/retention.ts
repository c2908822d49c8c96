import { earliest } from "../../../clock.ts";
import type { File } from "../database.ts";
import { blockMs, blockOf, blocksPerDay, bucketOf, bucketsInRow, dayOf, firstKey, spanOf, spanOfKey } from "../key.ts";
import type { Names } from "../names.ts";
import { type Rows, type Table, tables } from "../row.ts";
import type { Expired } from "./compact.ts";

/** How long each kind of row is kept, in milliseconds, and how many bytes the file may have; Infinity for no limit. */
export interface Limits {
  readonly raw: number;
  readonly five: number;
  readonly hour: number;
  readonly day: number;
  readonly bytes: number;
}

interface Parts {
  readonly file: File;
  readonly names: Names;
  readonly rows: Rows;
  readonly limits: () => Limits;
  readonly now: () => number;
  /** The oldest block that memory holds something of. */
  readonly oldest: () => number;
}

/**
 * A clock that is further ahead of the newest samples, or of itself a moment ago, is believed after it has gone on for
 * an hour: a wrong date is put right by then, and must not have cost all history. Milliseconds.
 */
const jump = 24 * 3_600_000;
const proof = 3_600_000;

/** Rows that go in one step, and pages of the file that are given back: some milliseconds of work. */
const rowsInStep = 400;
const pagesInStep = 1000;

/** Lets go of what is older than its time, or does not fit, and gives the space back, a little at a time. */
export class Retention {
  readonly #parts: Parts;
  readonly #sql;
  /** The time by which samples get old, and since when the clock says another one. */
  #time: number;
  #ahead: number | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const each = <T>(make: (table: Table) => T): Record<Table, T> => ({
      raw: make("raw"),
      five: make("five"),
      hour: make("hour"),
      day: make("day"),
    });
    const { file, names, now } = parts;
    const newest = Math.max(...[...names.hosts()].map(({ last }) => (last + 1) * blockMs));
    this.#time = Number.isFinite(newest) ? newest : now();
    this.#sql = {
      first: each((table) => file.prepare(`SELECT min(id) FROM ${table}`).pluck()),
      drop: each((table) =>
        file.prepare(
          `DELETE FROM ${table} WHERE id < @end AND id <= coalesce((SELECT id FROM ${table} ORDER BY id LIMIT 1 OFFSET ${rowsInStep}), @end)`,
        ),
      ),
    };
  }

  /** What of a block is older than what is kept. */
  expired(block: number): Expired {
    const { raw, five } = this.#parts.limits();
    const before = (kept: number): number => blockOf(Math.max(0, this.#now() - kept));
    // A day is summed up from all of its blocks.
    return { raw: block < before(raw), five: dayOf(block) * blocksPerDay < before(five) };
  }

  /** Lets some rows go. @returns whether there is more to do */
  step(): boolean {
    const limits = this.#parts.limits();
    const now = this.#now();
    let more = false;
    for (const table of tables) more = this.#drop(table, Math.max(now - limits[table], earliest)) || more;
    more = this.shrink() || more;
    if (more) this.#parts.rows.forget();
    const { names } = this.#parts;
    // A device's number may be given again only when no row has it any more.
    const least = Math.min(...tables.map((table) => startOf(table, now - limits[table])));
    names.forget(Math.max(least, this.#oldest(), earliest));
    for (const host of names.hosts()) names.trim(host);
    this.#parts.file.pragma(`incremental_vacuum(${pagesInStep})`);
    return more || this.#read("freelist_count") > pagesInStep;
  }

  /** Lets some rows go where the file is larger than it may be. @returns whether it did */
  shrink(): boolean {
    if (this.#bytes() <= this.#parts.limits().bytes || !this.#crowded()) return false;
    this.#parts.rows.forget();
    return true;
  }

  /** No row, and nothing in memory, holds a sample from before this time. Unix ms. */
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
    if (now <= this.#time + jump) this.#ahead = undefined;
    else this.#ahead ??= now;
    if (this.#ahead === undefined || now >= this.#ahead + proof) this.#time = now;
    return this.#time;
  }

  /** Rows of which the whole span is before a time. */
  #drop(table: Table, before: number): boolean {
    if (!(before > 0)) return false;
    const span = table === "raw" ? blockOf(before) : spanOf(table, before);
    const first = this.#first(table);
    if (first === undefined || spanOfKey(first) >= span) return false;
    this.#sql.drop[table].run({ end: firstKey(span) });
    return true;
  }

  /** Too large: samples go first, the oldest of them, then the finest summary. The newest rows of each stay. */
  #crowded(): boolean {
    for (const table of tables) {
      const first = this.#first(table);
      const now = this.#parts.now();
      const span = table === "raw" ? blockOf(now) : spanOf(table, now);
      if (first === undefined || spanOfKey(first) >= span - 1) continue;
      this.#sql.drop[table].run({ end: firstKey(spanOfKey(first) + 1) });
      return true;
    }
    return false;
  }

  #first(table: Table): number | undefined {
    return (this.#sql.first[table].get() as number | null) ?? undefined;
  }

  /** Bytes in use, what was freed and not given back left out. */
  #bytes(): number {
    return (this.#read("page_count") - this.#read("freelist_count")) * this.#read("page_size");
  }

  #read(pragma: string): number {
    return Number(this.#parts.file.pragma(pragma, { simple: true }));
  }
}

/** When the row of a time begins. */
function startOf(table: Table, t: number): number {
  return Number.isFinite(t) ? beginOf(table, table === "raw" ? blockOf(t) : spanOf(table, t)) : t;
}

/** When a row begins. Unix ms. */
const beginOf = (table: Table, span: number): number =>
  span * (table === "raw" ? blockMs : bucketOf[table] * bucketsInRow);
