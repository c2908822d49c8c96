import type { Log } from "../../log.ts";
import type { DeviceId } from "../store.ts";
import type { HeadChunk } from "./chunk.ts";
import type { File } from "./database.ts";
import type { Frame } from "./frame.ts";
import type { Journal } from "./journal.ts";
import { Compactor } from "./keep/compact.ts";
import { erase } from "./keep/erase.ts";
import { Head, type HeadBlock } from "./keep/head.ts";
import { relief } from "./keep/relief.ts";
import { Renamer, type Renaming } from "./keep/rename.ts";
import { replay } from "./keep/replay.ts";
import { Retention, type RetentionLimits } from "./keep/retention.ts";
import { blockMs, blocksPerDay, bucketOf, dayOf, groupOf } from "./key.ts";
import type { HostRecord, NameTable } from "./names.ts";
import { ArrayPool } from "./pool.ts";
import type { Entry, Rows } from "./row.ts";
import { atOnce, inTurns, turn, type Work } from "./turns.ts";

/** A block is compacted this long after its end, and each group of hosts this long after the one before. Milliseconds. */
const graceMs = 120_000;
const paceMs = 60_000;
/** Within this time all groups have had their turn. Milliseconds. */
const spreadMs = 45 * 60_000;
/** An ended block that still receives late samples is compacted once none came for this long. Milliseconds. */
const quietMs = 60_000;
/** A block is compacted before its end if nothing came for this long: a clock was ahead. Milliseconds. */
const abandonedMs = blockMs;
/** At its end a hub compacts for this long; the rest stays in the journal. Milliseconds. */
const closeMs = 1000;
/** Polls and chunks of a block beyond which it is compacted before its end. */
const mostRows = 8192;
const mostChunks = 32;
/** Columns of all chunks of a block beyond which it is compacted before its end: each takes some 100 bytes of memory. */
const mostColumns = 500_000;
/** Bytes that the journal writes between two looks at what is to be relieved. */
const reliefBytes = 256 * 1024;

export { Compactor, type RetentionLimits };

interface KeeperParts {
  readonly file: File;
  readonly names: NameTable;
  readonly rows: Rows;
  readonly limits: () => RetentionLimits;
  readonly now: () => number;
}

/** A block to compact, or a day to roll up. */
interface CompactionTask {
  readonly host: HostRecord;
  readonly block: number;
  readonly day?: number;
}

/** Rows of a task, and the chunks that they replace. */
interface CompactionResult extends CompactionTask {
  readonly rows: readonly Entry[];
  readonly chunks: readonly HeadChunk[];
  /** Blocks of a day whose samples and summaries of 5 minutes are deleted. */
  readonly outdone?: readonly number[];
}

/** Decides what is compacted, rolled up and deleted, and when; works in turns, so that polls go on. */
export class Keeper {
  readonly head: Head;
  readonly #parts: KeeperParts;
  readonly #retention: Retention;
  readonly #renamer: Renamer;
  readonly #compactor: Compactor;
  readonly #sql;
  #busy = Promise.resolve();
  readonly #room = new ArrayPool();
  /** True if rows were written since the journal was last released. */
  #written = false;
  #stopped = false;
  /** What the journal had written when memory and journal were looked at last. Bytes. */
  #relievedAt = 0;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.head = new Head(parts.names);
    this.#renamer = new Renamer(parts.names, this.head);
    this.#retention = new Retention({
      ...parts,
      oldest: () => this.head.oldest(),
      unfinished: () => this.#unfinished(),
    });
    this.#compactor = new Compactor(parts.rows, parts.names);
    this.#sql = {
      sealed: parts.file.prepare("INSERT OR REPLACE INTO sealed (run, segment) VALUES (?, ?)"),
      forget: parts.file.prepare("DELETE FROM sealed WHERE segment < ?"),
      all: parts.file.prepare("SELECT run FROM sealed").pluck(),
    };
  }

  /** Loads head chunks that the journal holds and that are not compacted. */
  replay(journal: Journal, log: Log): void {
    const sealed = new Set(this.#sql.all.all() as number[]);
    const { names, now } = this.#parts;
    replay(journal, log, { head: this.head, renamer: this.#renamer, names, sealed, now: now() });
  }

  /** Compacts blocks and rolls up days that are due, group by group, saves new keys, and deletes forgotten hosts; queued behind earlier work. */
  tend(): Promise<void> {
    const tasks = [...this.#blocksDue(), ...this.#daysDue()];
    return this.#enqueue(async () => {
      await this.#run(tasks);
      await this.#erase();
    });
  }

  compactAll(): Promise<void> {
    const tasks = [...this.head.all()];
    return this.#enqueue(() => this.#run(tasks));
  }

  /** Compacts so many blocks that memory and journal stay bounded, if they are too large; queued behind earlier work. */
  async relieve(journal: Journal): Promise<void> {
    // Looking at every block costs as much as receiving a small request.
    if (journal.written - this.#relievedAt < reliefBytes) return;
    this.#relievedAt = journal.written;
    const due = (): HeadBlock[] => relief(this.head.all(), journal, this.#parts.now());
    if (due().length === 0) return;
    await this.#enqueue(async () => {
      await this.#run(due());
      if (!this.#stopped) this.release(journal);
    });
  }

  /**
   * Gives a device another key; the file has it from the next `tend` on.
   * @returns what the journal must record; undefined if the old key is not known, or the new one is
   */
  rename(device: DeviceId, key: string): Renaming | undefined {
    return this.#renamer.rename(device, key);
  }

  /**
   * Removes a host from memory and names, and voids its chunks in the journal, all of which must be written; `erase` deletes
   * its rows.
   * @throws SqliteError; nothing has changed
   */
  forget(host: HostRecord): void {
    const { file, names } = this.#parts;
    const one = new Set([host]);
    file
      .transaction(() => {
        for (const { id, segments } of [...this.head.of(host), ...this.#renamer.unsaved(one)]) {
          this.#sql.sealed.run(id, segments[1]);
        }
        names.bury(host);
      })
      .immediate();
    names.forgotten(host);
    this.head.forget(host);
    this.#renamer.saved(one);
    this.#written = true;
  }

  /** Deletes the rows of forgotten hosts; queued behind earlier work. */
  erase(): Promise<void> {
    return this.#enqueue(() => this.#erase());
  }

  /** Compacts for at most a second without yielding. @returns true if everything is compacted */
  compactNow(): boolean {
    this.#stopped = true;
    const { head } = this;
    const { now } = this.#parts;
    const began = now();
    const late = (): boolean => Math.abs(now() - began) > closeMs;
    for (const task of [...head.all()]) {
      const done = atOnce(this.#work(task), late);
      if (done === undefined) return false;
      this.#commit([done]);
    }
    this.#saveRenamed();
    this.#checkpoint();
    return true;
  }

  /** Deletes some of the rows whose retention is over. @returns true if there are more */
  expire(): boolean {
    return this.#retention.step();
  }

  /** Deletes segments of the journal that are compacted. */
  release(journal: Journal): void {
    if (!this.#written) return;
    let least = Number.POSITIVE_INFINITY;
    for (const { chunks } of this.head.all()) for (const chunk of chunks) least = Math.min(least, chunk.segments[0]);
    // Chunks in segments that are left must not be loaded again.
    const first = journal.release(least);
    this.#sql.forget.run(Number.isFinite(first) ? first : Number.MAX_SAFE_INTEGER);
    this.#written = false;
  }

  /** Drops the oldest chunks until the rest fits. @returns how many polls are lost */
  shed(room: number): number {
    const held = [...this.head.all()].flatMap(({ host, block, chunks }) =>
      chunks.map((chunk) => ({ host, block, chunk })),
    );
    let bytes = held.reduce((sum, { chunk }) => sum + chunk.length, 0);
    let lost = 0;
    for (const { host, block, chunk } of held.sort((a, b) => a.block - b.block)) {
      if (bytes <= room) break;
      this.head.drop(host, block, [chunk]);
      bytes -= chunk.length;
      lost += chunk.rows;
    }
    return lost;
  }

  #blocksDue(): CompactionTask[] {
    const now = this.#parts.now();
    const held = [...this.head.all()];
    const last = held.reduce((most, { host }) => Math.max(most, groupOf(host.id)), 0);
    const step = Math.min(paceMs, spreadMs / (last + 1));
    return held.filter(({ host, block, chunks, touched }) => {
      const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
      const columns = chunks.reduce((sum, chunk) => sum + chunk.columns.length, 0);
      if (rows > mostRows || chunks.length > mostChunks || (chunks.length > 1 && columns > mostColumns)) return true;
      const over = (block + 1) * blockMs + graceMs + step * groupOf(host.id);
      // In either direction: a clock that was set back must not keep a block waiting.
      const still = Math.abs(now - touched);
      return still >= abandonedMs || (now >= over && still >= quietMs);
    });
  }

  /** Lists days with samples in memory, or with rows that are not rolled up yet, ascending. */
  #unfinished(): number[] {
    const days = new Set(Array.from(this.head.all(), ({ block }) => dayOf(block)));
    for (const { open } of this.#parts.names.hosts()) for (const day of open) days.add(day);
    return [...days].sort((a, b) => a - b);
  }

  /** Lists days that have ended and are compacted. */
  #daysDue(): CompactionTask[] {
    const { head } = this;
    const { names, now } = this.#parts;
    const over = Math.floor((now() - graceMs - spreadMs - blockMs) / bucketOf.day);
    const due: CompactionTask[] = [];
    for (const host of names.hosts()) {
      if (host.open.size === 0) continue;
      const held = new Set([...head.blocks(host)].map(dayOf));
      for (const day of host.open) {
        if (day < over && !held.has(day)) due.push({ host, block: day * blocksPerDay, day });
      }
    }
    return due;
  }

  #enqueue(next: () => Promise<void>): Promise<void> {
    const work = this.#busy.then(next);
    this.#busy = work.catch(() => {
      // Reported to the caller; work that is queued behind it goes on.
    });
    return work;
  }

  async #run(tasks: readonly CompactionTask[]): Promise<void> {
    // Rows of a group are adjacent and written together. Days of one host share rows, so they go one after the other.
    const groups = Map.groupBy(tasks, ({ host, block, day }) => `${day} ${block} ${groupOf(host.id)}`);
    for (const group of groups.values()) {
      const works: CompactionResult[] = [];
      for (const task of group.sort((a, b) => a.host.id - b.host.id)) {
        const done = await inTurns(this.#work(task), () => this.#stopped);
        if (done === undefined) return;
        works.push(done);
        await turn();
      }
      if (this.#stopped) return;
      this.#commit(works.filter(({ host, rows }) => rows.length > 0 && !host.forgotten));
      do await turn();
      while (!this.#stopped && this.#retention.shrink());
    }
    const isRenamed = !this.#stopped && this.#saveRenamed();
    if (groups.size > 0 || isRenamed) this.#checkpoint();
  }

  async #erase(): Promise<void> {
    const { names } = this.#parts;
    if (names.tombstones().size === 0) return;
    for (const host of names.tombstones()) {
      const done = await inTurns(erase(this.#parts, host), () => this.#stopped);
      if (done === undefined) return;
      names.erased(host);
    }
    this.#checkpoint();
  }

  *#work(task: CompactionTask): Work<CompactionResult> {
    const { host, block, day } = task;
    if (day !== undefined) return { ...task, chunks: [], ...(yield* this.#compactor.day(host, day)) };
    const chunks = [...this.head.chunks(host, block)];
    // From now on polls of this block go into new chunks, which are newer than the rows that are made here.
    for (const chunk of chunks) chunk.frozen = true;
    this.#room.clear();
    const fresh: Frame[] = [];
    for (const chunk of chunks) {
      fresh.push(chunk.frame(({ device }) => !device.forgotten, this.#room));
      yield;
    }
    return { ...task, chunks, rows: chunks.length > 0 ? yield* this.#compactor.block(host, block, fresh) : [] };
  }

  #commit(works: readonly CompactionResult[]): void {
    const before = works.map(({ host }) => ({ host, first: host.first, last: host.last, open: [...host.open] }));
    try {
      this.#write(new Set(works.map(({ host }) => host)), () => {
        this.#parts.rows.write(works.flatMap((work) => work.rows));
        for (const work of works) this.#mark(work);
      });
    } catch (error) {
      for (const { host, first, last, open } of before.reverse()) {
        Object.assign(host, { first, last });
        host.open.clear();
        for (const day of open) host.open.add(day);
      }
      throw error;
    }
    for (const { host, block, chunks } of works) this.head.drop(host, block, chunks);
  }

  /** Writes the names of hosts, and what belongs to them, in one transaction. @throws SqliteError; nothing has changed */
  #write(hosts: ReadonlySet<HostRecord>, more = (): void => {}): void {
    const { file, names } = this.#parts;
    try {
      file
        .transaction(() => {
          more();
          for (const host of hosts) names.save(host);
          for (const { id, segments } of this.#renamer.unsaved(hosts)) this.#sql.sealed.run(id, segments[1]);
        })
        .immediate();
    } catch (error) {
      names.saved(false);
      throw error;
    }
    names.saved(true);
    this.#renamer.saved(hosts);
    this.#written = true;
  }

  /** Writes the names of devices that were renamed since their host was last written. @returns false if there are none */
  #saveRenamed(): boolean {
    const hosts = this.#renamer.hosts();
    if (hosts.size > 0) this.#write(hosts);
    return hosts.size > 0;
  }

  /** Updates the host, and marks chunks as compacted; called within the transaction. */
  #mark({ host, block, day, chunks, outdone = [] }: CompactionResult): void {
    if (day !== undefined) {
      for (const lost of outdone) {
        for (const table of ["raw", "five"] as const) this.#parts.rows.erase(table, lost, host.id);
      }
      host.open.delete(day);
      return;
    }
    host.first = Math.min(host.first, block);
    host.last = Math.max(host.last, block);
    host.open.add(dayOf(block));
    for (const chunk of chunks) this.#sql.sealed.run(chunk.id, chunk.segments[1]);
  }

  /** Makes rows survive a loss of power, so that the journal need not keep them. */
  #checkpoint(): void {
    this.#parts.file.pragma("wal_checkpoint(TRUNCATE)");
  }
}
