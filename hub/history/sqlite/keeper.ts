import type { File } from "./file.ts";
import type { Journal } from "./journal.ts";
import type { Host, Names } from "./names.ts";
import type { Recent } from "./recent.ts";
import type { Row, Rows } from "./rows.ts";
import type { Run } from "./run.ts";
import { Sealer } from "./seal.ts";
import { groupOf, windowLength } from "./span.ts";

/** A window is sealed when it has been over for this long, one group of hosts after the other at this distance. Milliseconds. */
const grace = 120_000;
const pace = 60_000;
/** All groups are through within this time. */
const spread = 45 * 60_000;
/** Late samples of a window are waited for until none came for this long. */
const quiet = 60_000;
/** Polls of a window, and runs, beyond which it is sealed before it is over. */
const mostRows = 8192;
const mostRuns = 32;

interface Parts {
  readonly file: File;
  readonly names: Names;
  readonly rows: Rows;
  readonly recent: Recent;
  readonly now: () => number;
  /** Samples of a window are older than what is kept. */
  readonly gone: (window: number) => boolean;
}

interface Task {
  readonly host: Host;
  readonly window: number;
  readonly runs: readonly Run[];
}

/** What one window of one host becomes. */
interface Sealed extends Task {
  readonly rows: readonly Row[];
}

/** Brings what memory holds into rows: when its time has come, a host at a time, so that polls need not wait. */
export class Keeper {
  readonly #parts: Parts;
  readonly #sealer: Sealer;
  readonly #sql;
  #busy = Promise.resolve();
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
  replay(journal: Journal): void {
    const sealed = new Set(this.#sql.all.all() as number[]);
    for (const id of sealed) this.#parts.recent.beyond(id);
    const runs = new Map<number, Run>();
    journal.replay({
      start: (start, segment) => {
        this.#parts.recent.beyond(start.run);
        if (sealed.has(start.run) || runs.has(start.run)) return;
        const run = this.#parts.recent.replay(start);
        run.segments = [segment, segment];
        runs.set(run.id, run);
      },
      row: (id, row, segment) => {
        const run = runs.get(id);
        if (run === undefined) return;
        run.replay(row);
        run.segments = [run.segments[0], segment];
      },
    });
    for (const run of runs.values()) {
      if (run.rows === 0) this.#parts.recent.drop(run.host, run.window, [run]);
      for (const { device, metric } of run.columns) device.metrics.add(metric.name);
      for (const { device, index } of run.slots) {
        if (run.last < device.last) continue;
        device.last = run.last;
        device.index = index ?? device.index;
      }
    }
  }

  /** Seals what has its time, group by group. Work that is under way already is waited for. */
  sealDue(): Promise<void> {
    const now = this.#parts.now();
    const held = [...this.#parts.recent.all()];
    const last = held.reduce((most, { host }) => Math.max(most, groupOf(host.id)), 0);
    const step = Math.min(pace, spread / (last + 1));
    const due = held.filter(({ host, window, runs, touched }) => {
      const rows = runs.reduce((sum, run) => sum + run.rows, 0);
      if (rows > mostRows || runs.length > mostRuns) return true;
      const over = (window + 1) * windowLength + grace + step * groupOf(host.id);
      return now >= over && now >= touched + quiet;
    });
    return this.#enqueue(due);
  }

  sealAll(): Promise<void> {
    return this.#enqueue([...this.#parts.recent.all()]);
  }

  /** Seals everything at once, whatever waits. */
  sealNow(): void {
    this.#stopped = true;
    for (const task of [...this.#parts.recent.all()]) this.#commit([this.#seal(task)]);
    this.#checkpoint();
  }

  /** Has the journal let go of what is in rows. */
  release(journal: Journal): void {
    let least = Number.POSITIVE_INFINITY;
    for (const { runs } of this.#parts.recent.all()) for (const run of runs) least = Math.min(least, run.segments[0]);
    journal.release(least);
    this.#sql.forget.run(Number.isFinite(least) ? least : Number.MAX_SAFE_INTEGER);
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

  #enqueue(tasks: readonly Task[]): Promise<void> {
    const work = this.#busy.then(() => this.#work(tasks));
    this.#busy = work.catch(() => {
      // Told to whoever asked for this work; what waits behind it goes on.
    });
    return work;
  }

  async #work(tasks: readonly Task[]): Promise<void> {
    // Two windows of one host share rows of the summaries: the second is made when the first is written.
    const groups = Map.groupBy(tasks, ({ host, window }) => `${window} ${groupOf(host.id)}`);
    for (const group of groups.values()) {
      const sealed: Sealed[] = [];
      for (const task of group.sort((a, b) => a.host.id - b.host.id)) {
        if (this.#stopped) return;
        const runs = this.#parts.recent.runs(task.host, task.window);
        if (runs.length > 0) sealed.push(this.#seal({ ...task, runs }));
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (this.#stopped) return;
      this.#commit(sealed);
    }
    if (groups.size > 0) this.#checkpoint();
  }

  #seal({ host, window, runs }: Task): Sealed {
    // From now on polls of this window go into runs of their own, which are newer than the rows that are made here.
    for (const run of runs) run.frozen = true;
    const fresh = runs.map((run) => run.sheet());
    return {
      host,
      window,
      runs: [...runs],
      rows: this.#sealer.seal(host, window, { fresh, gone: this.#parts.gone(window) }),
    };
  }

  #commit(sealed: readonly Sealed[]): void {
    const { file, names, rows, recent } = this.#parts;
    const all = sealed
      .flatMap((one) => one.rows)
      .sort((a, b) => (a.table === b.table ? a.key - b.key : a.table < b.table ? -1 : 1));
    const before = sealed.map(({ host }) => [host, host.first, host.last] as const);
    try {
      file
        .transaction(() => {
          for (const row of all) rows.write(row);
          for (const { host, window, runs } of sealed) {
            host.first = Math.min(host.first, window);
            host.last = Math.max(host.last, window);
            names.save(host);
            for (const run of runs) this.#sql.sealed.run(run.id, run.segments[1]);
          }
        })
        .immediate();
    } catch (error) {
      for (const [host, first, last] of before) Object.assign(host, { first, last });
      throw error;
    }
    for (const { host, window, runs } of sealed) recent.drop(host, window, runs);
  }

  /** What rows hold survives a loss of power from here on, so that the journal need not keep it. */
  #checkpoint(): void {
    this.#parts.file.pragma("wal_checkpoint(TRUNCATE)");
  }
}
