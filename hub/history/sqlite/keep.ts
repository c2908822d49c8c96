import { earliest } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { Room, type Run } from "./chunk.ts";
import type { File } from "./database.ts";
import type { Journal, Replay } from "./journal.ts";
import { type Gone, Sealer } from "./keep/compact.ts";
import type { Recent } from "./keep/head.ts";
import type { Host, Names } from "./names.ts";
import type { Entry, Rows } from "./row.ts";
import type { Sheet } from "./sheet.ts";
import { bucketOf, dayOf, groupOf, windowLength, windowOf, windowsInDay } from "./span.ts";
import { atOnce, inTurns, turn, type Work } from "./turns.ts";

/** A window is sealed when it has been over for this long, one group of hosts after the other at this distance. Milliseconds. */
const grace = 120_000;
const pace = 60_000;
/** All groups are through within this time. */
const spread = 45 * 60_000;
/** Late samples of a window are waited for until none came for this long. */
const quiet = 60_000;
/** A window is sealed before it is over when nothing came for this long: its host's clock, or the hub's, was ahead. */
const left = windowLength;
/** A hub that ends seals for this long; the rest stays in the journal. Milliseconds. */
const atEnd = 1000;
/** Polls of a window, and runs, beyond which it is sealed before it is over. */
const mostRows = 8192;
const mostRuns = 32;
/** Columns of all runs of a window, beyond which it is sealed before it is over: each takes some 100 bytes of memory. */
const mostColumns = 500_000;

interface Parts {
  readonly file: File;
  readonly names: Names;
  readonly rows: Rows;
  readonly recent: Recent;
  readonly now: () => number;
  /** What of a window is older than what is kept. */
  readonly gone: (window: number) => Gone;
  /** Lets some rows go where the file is larger than it may be. @returns whether it did */
  readonly shrink: () => boolean;
}

/** A window to be sealed, or a day to be summed up. */
interface Task {
  readonly host: Host;
  readonly window: number;
  readonly day?: number;
}

/** What a task comes to: rows, and what is known when they are written. */
interface Result extends Task {
  readonly rows: readonly Entry[];
  readonly runs: readonly Run[];
}

/** Brings what memory holds into rows: when its time has come, a host at a time, so that polls need not wait. */
export class Keeper {
  readonly #parts: Parts;
  readonly #sealer: Sealer;
  readonly #sql;
  #busy = Promise.resolve();
  readonly #room = new Room();
  /** Rows were written since the journal was last told. */
  #written = false;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#sealer = new Sealer(parts.rows, parts.names);
    this.#sql = {
      sealed: parts.file.prepare("INSERT OR REPLACE INTO sealed (run, segment) VALUES (?, ?)"),
      forget: parts.file.prepare("DELETE FROM sealed WHERE segment < ?"),
      all: parts.file.prepare("SELECT run FROM sealed").pluck(),
    };
  }

  /** Takes back what the journal holds and no row does. */
  replay(journal: Journal, log: Log): void {
    const sealed = new Set(this.#sql.all.all() as number[]);
    for (const id of sealed) this.#parts.recent.beyond(id);
    const runs = new Map<number, Run>();
    let lost = 0;
    const to: Replay = {
      start: (start, segment) => {
        this.#parts.recent.beyond(start.run);
        if (sealed.has(start.run) || runs.has(start.run)) return;
        // Of a clock that cannot be right: an earlier version kept that.
        if (start.window < windowOf(earliest)) return void sealed.add(start.run);
        const run = this.#parts.recent.replay(start, this.#parts.now());
        run.segments = [segment, segment];
        runs.set(run.id, run);
      },
      row: ({ run: id, place, bytes }, segment) => {
        this.#parts.recent.beyond(id);
        if (sealed.has(id)) return;
        const run = runs.get(id);
        // What it differs from is missing: as it stands it would tell something else.
        if (run?.length !== place) return void lost++;
        run.replay(bytes);
        run.segments = [run.segments[0], segment];
      },
    };
    journal.replay(to, log);
    if (lost > 0)
      log.error(`${lost} polls cannot be read from the journal of the history, as what came before is missing`);
    for (const run of runs.values()) {
      if (run.rows === 0) this.#parts.recent.drop(run.host, run.window, [run]);
      for (const { device, metric } of run.columns) device.metrics.add(metric.name);
      for (const { device, index } of run.slots) {
        if (run.last < device.last) continue;
        device.last = run.last;
        device.index = index ?? device.index;
      }
    }
    for (const host of this.#parts.names.hosts()) this.#parts.names.trim(host);
  }

  /** Seals windows and sums up days that have their time, group by group, behind work that is under way already. */
  tend(): Promise<void> {
    return this.#enqueue([...this.#windowsDue(), ...this.#daysDue()]);
  }

  sealAll(): Promise<void> {
    return this.#enqueue([...this.#parts.recent.all()]);
  }

  /** Seals what it can within a while at once, whatever waits. @returns whether that is everything */
  sealNow(): boolean {
    this.#stopped = true;
    const { recent, now } = this.#parts;
    const began = now();
    const late = (): boolean => Math.abs(now() - began) > atEnd;
    for (const task of [...recent.all()]) {
      const done = atOnce(this.#work(task), late);
      if (done === undefined) return false;
      this.#commit([done]);
    }
    this.#checkpoint();
    return true;
  }

  /** Has the journal let go of what is in rows. */
  release(journal: Journal): void {
    if (!this.#written) return;
    let least = Number.POSITIVE_INFINITY;
    for (const { runs } of this.#parts.recent.all()) for (const run of runs) least = Math.min(least, run.segments[0]);
    // What is in a file that is still there must not be taken for new again.
    const first = journal.release(least);
    this.#sql.forget.run(Number.isFinite(first) ? first : Number.MAX_SAFE_INTEGER);
    this.#written = false;
  }

  /** Lets the oldest runs go until the rest fits. @returns polls that are lost by that */
  shed(room: number): number {
    const held = [...this.#parts.recent.all()].flatMap(({ host, window, runs }) =>
      runs.map((run) => ({ host, window, run })),
    );
    let bytes = held.reduce((sum, { run }) => sum + run.length, 0);
    let lost = 0;
    for (const { host, window, run } of held.sort((a, b) => a.window - b.window)) {
      if (bytes <= room) break;
      this.#parts.recent.drop(host, window, [run]);
      bytes -= run.length;
      lost += run.rows;
    }
    return lost;
  }

  #windowsDue(): Task[] {
    const now = this.#parts.now();
    const held = [...this.#parts.recent.all()];
    const last = held.reduce((most, { host }) => Math.max(most, groupOf(host.id)), 0);
    const step = Math.min(pace, spread / (last + 1));
    return held.filter(({ host, window, runs, touched }) => {
      const rows = runs.reduce((sum, run) => sum + run.rows, 0);
      const columns = runs.reduce((sum, run) => sum + run.columns.length, 0);
      if (rows > mostRows || runs.length > mostRuns || (runs.length > 1 && columns > mostColumns)) return true;
      const over = (window + 1) * windowLength + grace + step * groupOf(host.id);
      // Either way: a clock that was put back must not leave a window waiting.
      const still = Math.abs(now - touched);
      return still >= left || (now >= over && still >= quiet);
    });
  }

  /** Days that are over, all of which is in rows. */
  #daysDue(): Task[] {
    const { names, recent, now } = this.#parts;
    const over = Math.floor((now() - grace - spread - windowLength) / bucketOf.day);
    const due: Task[] = [];
    for (const host of names.hosts()) {
      if (host.open.size === 0) continue;
      const held = new Set([...recent.windows(host)].map(dayOf));
      for (const day of host.open) {
        if (day < over && !held.has(day)) due.push({ host, window: day * windowsInDay, day });
      }
    }
    return due;
  }

  #enqueue(tasks: readonly Task[]): Promise<void> {
    const work = this.#busy.then(() => this.#run(tasks));
    this.#busy = work.catch(() => {
      // Told to whoever asked for this work; what waits behind it goes on.
    });
    return work;
  }

  async #run(tasks: readonly Task[]): Promise<void> {
    // Rows of a group lie side by side and are written together. Days of one host share rows: one after the other.
    const groups = Map.groupBy(tasks, ({ host, window, day }) => `${day} ${window} ${groupOf(host.id)}`);
    for (const group of groups.values()) {
      const works: Result[] = [];
      for (const task of group.sort((a, b) => a.host.id - b.host.id)) {
        const done = await inTurns(this.#work(task), () => this.#stopped);
        if (done === undefined) return;
        works.push(done);
        await turn();
      }
      if (this.#stopped) return;
      this.#commit(works.filter(({ rows }) => rows.length > 0));
      do await turn();
      while (!this.#stopped && this.#parts.shrink());
    }
    if (groups.size > 0) this.#checkpoint();
  }

  *#work(task: Task): Work<Result> {
    const { host, window, day } = task;
    if (day !== undefined) return { ...task, runs: [], rows: yield* this.#sealer.day(host, day) };
    const runs = [...this.#parts.recent.runs(host, window)];
    // From now on polls of this window go into runs of their own, which are newer than the rows that are made here.
    for (const run of runs) run.frozen = true;
    this.#room.clear();
    const fresh: Sheet[] = [];
    for (const run of runs) {
      fresh.push(run.sheet(({ device }) => !device.gone, this.#room));
      yield;
    }
    const gone = this.#parts.gone(window);
    return { ...task, runs, rows: runs.length > 0 ? yield* this.#sealer.window(host, window, { fresh, gone }) : [] };
  }

  #commit(works: readonly Result[]): void {
    const { file, names, rows, recent } = this.#parts;
    const before = works.map(({ host }) => ({ host, first: host.first, last: host.last, open: [...host.open] }));
    try {
      file
        .transaction(() => {
          rows.write(works.flatMap((work) => work.rows));
          for (const work of works) this.#mark(work);
          for (const host of new Set(works.map((work) => work.host))) names.save(host);
        })
        .immediate();
      names.saved(true);
    } catch (error) {
      names.saved(false);
      for (const { host, first, last, open } of before.reverse()) {
        Object.assign(host, { first, last });
        host.open.clear();
        for (const day of open) host.open.add(day);
      }
      throw error;
    }
    for (const { host, window, runs } of works) recent.drop(host, window, runs);
    this.#written = true;
  }

  /** Within the transaction: what its rows mean for the host. */
  #mark({ host, window, day, runs }: Result): void {
    if (day !== undefined) {
      host.open.delete(day);
      return;
    }
    host.first = Math.min(host.first, window);
    host.last = Math.max(host.last, window);
    if (!this.#parts.gone(window).five) host.open.add(dayOf(window));
    for (const run of runs) this.#sql.sealed.run(run.id, run.segments[1]);
  }

  /** What rows hold survives a loss of power from here on, so that the journal need not keep it. */
  #checkpoint(): void {
    this.#parts.file.pragma("wal_checkpoint(TRUNCATE)");
  }
}
