// Test fixture of the SQLite store: a temporary folder, a clock that tests advance, and samples by names of metrics.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../hub/clock.ts";
import { openStore, type SqliteOptions } from "../hub/history/sqlite/store.ts";
import {
  type Aggregate,
  type Columns,
  type DeviceSample,
  type HostSample,
  kept,
  type Local,
  type Range,
  type SeriesId,
  type Store,
} from "../hub/history/store.ts";
import { type Log, silent } from "../hub/log.ts";
import type { Level } from "../proto/device.ts";

export const hour = 3_600_000;
export const day = 24 * hour;
const forever = { raw: Infinity, fiveMinutes: Infinity, hour: Infinity, day: Infinity };
/** Midnight of a day on which a block of every rollup begins. */
export const start = 48 * day * 430;

/** A folder, a clock and settings for stores, which are opened and closed in it. */
export class StoreFixture {
  readonly folder: string;
  now = start;
  /** Milliseconds by which each reading of the clock advances it. */
  tick = 0;
  retention: ReturnType<SqliteOptions["retention"]> = forever;
  maxSize = Number.POSITIVE_INFINITY;
  maxDevices = Number.POSITIVE_INFINITY;
  /** Current notices by topic. */
  readonly notices = new Map<string, string>();
  readonly trouble: (string | undefined)[] = [];
  #timers: { at: number; run: () => void }[] = [];
  #open: (Store & Local)[] = [];
  /** Referenced so that garbage collection does not close a database: closing deletes its WAL, which a kill leaves. */
  readonly #abandoned: (Store & Local)[] = [];
  readonly clock: Clock = {
    now: () => {
      this.now += this.tick;
      return this.now;
    },
    after: (ms, run) => {
      const timer = { at: this.now + ms, run };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
  };

  constructor(folder = mkdtempSync(join(tmpdir(), "gohm-history-"))) {
    this.folder = folder;
  }

  open(log: Log = silent): Store & Local {
    const made = openStore({
      folder: this.folder,
      clock: this.clock,
      log,
      retention: () => this.retention,
      maxSize: () => this.maxSize,
      maxDevices: () => this.maxDevices,
      notice: (topic, words) =>
        void (words === undefined ? this.notices.delete(topic) : this.notices.set(topic, words.text)),
      trouble: (words) => this.trouble.push(words?.text),
    });
    this.#open.push(made);
    return made;
  }

  shut(one: Store): void {
    void one.close();
    this.#open = this.#open.filter((other) => other !== one);
  }

  /** Leaves a store as a kill does: it is not closed, and its file can be opened again. */
  abandon(one: Store & Local): void {
    this.#open = this.#open.filter((other) => other !== one);
    this.#abandoned.push(one);
    this.#timers = [];
  }

  /** Sets the wall clock ahead or back. Timers are not affected. */
  put(ms: number): void {
    this.now += ms;
    this.#timers = this.#timers.map((timer) => ({ ...timer, at: timer.at + ms }));
  }

  /** Advances time in small steps, and runs the timers that are due. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
      // Work that a timer started continues in later turns of the event loop, one for each host.
      for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    this.now = end;
  }

  /** Advances time at once, as after a suspend, then runs the timers that are due several times. */
  async leap(ms: number): Promise<void> {
    this.now += ms;
    for (let i = 0; i < 8; i++) await this.pass(30_000);
  }

  remove(): void {
    for (const one of this.#open.splice(0)) void one.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Opens the history of a stopped hub, with unlimited retention. It must be closed before a hub opens the folder. */
export const openHistory = (folder: string): Store & Local =>
  openStore({
    folder,
    clock: systemClock,
    log: silent,
    retention: () => forever,
    maxSize: () => Number.POSITIVE_INFINITY,
    trouble: () => {},
  });

/** A log whose lines can be read. */
export function listening(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const line = (message: string): void => void lines.push(message);
  return { lines, info: line, warn: line, error: line };
}

/** One device's values by the names of metrics. */
export function measured(
  level: Level,
  key: string,
  named: Readonly<Record<string, number>>,
  index?: number,
): DeviceSample {
  for (const name of Object.keys(named)) {
    if (!kept[level].some((metric) => metric.name === name)) throw new Error(`history keeps no ${name} of a ${level}`);
  }
  const values = Float64Array.from(kept[level], ({ name }) => named[name] ?? Number.NaN);
  return { level, key, values, ...(index === undefined ? {} : { index }) };
}

export const gpu = (named: Readonly<Record<string, number>>, key = "GPU-1", index = 0): DeviceSample =>
  measured("gpu", key, named, index);

export const poll = (at: number, ...devices: DeviceSample[]): HostSample => ({ host: "a", at, devices });

export const temperature = (key = "GPU-1", host = "a"): SeriesId => ({
  host,
  level: "gpu",
  key,
  metric: "gpu_temperature",
});

export const all: Range = { from: 0, to: Number.POSITIVE_INFINITY, step: 0 };

export async function ask<A extends Aggregate>(
  store: Store,
  id: SeriesId,
  range: Range,
  ...of: A[]
): Promise<Columns<A>> {
  const [columns] = await store.read({ series: [id], range, of, most: 10_000_000 });
  if (columns === undefined) throw new Error("there is no answer");
  return columns;
}

/** Samples of a series as pairs of time and value. */
export async function pairs(store: Store, id: SeriesId, range: Range = all): Promise<[number, number][]> {
  const { t, avg } = await ask(store, id, range, "avg");
  return [...t].map((at, i) => [at, avg[i] ?? Number.NaN]);
}
