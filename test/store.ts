// What tests of the store stand on: a folder, a clock that is turned by hand, and polls by names.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../hub/clock.ts";
import { type Options, openStore } from "../hub/history/sqlite/store.ts";
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
/** Midnight, the first day of a span of every summary. */
export const start = 48 * day * 430;

export class Scene {
  readonly folder: string;
  now = start;
  /** Milliseconds that each look at the clock takes. */
  tick = 0;
  retention: ReturnType<Options["retention"]> = forever;
  maxSize = Number.POSITIVE_INFINITY;
  maxDevices = Number.POSITIVE_INFINITY;
  /** Notices that stand now, by topic. */
  readonly notices = new Map<string, string>();
  readonly trouble: (string | undefined)[] = [];
  #timers: { at: number; run: () => void }[] = [];
  #open: (Store & Local)[] = [];
  /** Kept: a database that is let go is closed when memory is tidied up, and its log, which a kill leaves, is gone then. */
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
      notice: (topic, text) => void (text === undefined ? this.notices.delete(topic) : this.notices.set(topic, text)),
      trouble: (text) => this.trouble.push(text),
    });
    this.#open.push(made);
    return made;
  }

  shut(one: Store): void {
    void one.close();
    this.#open = this.#open.filter((other) => other !== one);
  }

  /** What a kill leaves: the store is never closed, and its file is free as soon as its process is gone. */
  abandon(one: Store & Local): void {
    this.#open = this.#open.filter((other) => other !== one);
    this.#abandoned.push(one);
    this.#timers = [];
  }

  /** Puts the clock ahead or back; timers count by themselves and do not notice. */
  put(ms: number): void {
    this.now += ms;
    this.#timers = this.#timers.map((timer) => ({ ...timer, at: timer.at + ms }));
  }

  /** Lets time pass, and everything that is due in it happen, in small steps. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
      // What was begun goes on by itself, a turn for each host.
      for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    this.now = end;
  }

  /** Goes on after a long time at once: what is due then happens, a few times over. */
  async leap(ms: number): Promise<void> {
    this.now += ms;
    for (let i = 0; i < 8; i++) await this.pass(30_000);
  }

  remove(): void {
    for (const one of this.#open.splice(0)) void one.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The history of a hub that does not run, of which everything is kept. Closed before a hub opens the folder. */
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
