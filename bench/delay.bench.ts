// Benchmark of event loop delay: how long the history blocks the event loop, so that polls and pages wait.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../hub/history/sqlite/store.ts";
import { type DeviceSample, kept, type SeriesId, type Store } from "../hub/history/store.ts";
import { lineLog } from "../hub/log.ts";
import type { Claim } from "./measure.ts";

export const name = "delay";

const hour = 3_600_000;
const day = 24 * hour;
const fleet = 200;
const cards = 8;
/** Length of one host's history for the long queries: 30 days of every poll. */
const long = 30 * day;

/** Simulated time that passes as fast as the machine allows, with real turns of the event loop in between. */
class PlayedTime {
  now = Math.floor(Date.now() / day) * day - 40 * day;
  #timers: { at: number; run: () => void }[] = [];
  #waits: number[] = [];

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Yields to the event loop, and records how long that took. */
  async turn(): Promise<void> {
    const before = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    this.#waits.push(performance.now() - before);
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.#timers.reduce<{ at: number; run: () => void } | undefined>(
        (least, timer) => (least && least.at <= timer.at ? least : timer),
        undefined,
      );
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      const before = performance.now();
      next.run();
      this.#waits.push(performance.now() - before);
      for (let i = 0; i < 4; i++) await this.turn();
    }
    this.now = end;
  }

  /** Yields to the event loop again and again until `work` is done. */
  async during(work: Promise<unknown>): Promise<void> {
    let done = false;
    const end = (): void => {
      done = true;
    };
    work.then(end, end);
    while (!done) await this.turn();
  }

  /** Returns the recorded times since the last call in milliseconds, longest first. */
  waits(): number[] {
    return this.#waits.splice(0).sort((a, b) => b - a);
  }
}

const walks = new Map<string, Float64Array>();

/** Returns values that follow a random walk, as those of busy cards do. */
function values(host: number, card: number): Float64Array {
  const key = `${host} ${card}`;
  const held = walks.get(key) ?? Float64Array.from(kept.gpu, () => Math.floor(Math.random() * 1000));
  walks.set(key, held);
  for (let i = 0; i < held.length; i += 1 + Math.floor(Math.random() * 5)) {
    held[i] = Math.abs((held[i] ?? 0) + Math.floor(Math.random() * 7) - 3);
  }
  return held;
}

function poll(one: Store, host: number, at: number): void {
  const devices: DeviceSample[] = [{ level: "host", key: "", values: Float64Array.from(kept.host, () => host) }];
  for (let card = 0; card < cards; card++) {
    devices.push({ level: "gpu", key: `GPU-${host}-${card}`, index: card, values: values(host, card) });
  }
  one.append({ host: `h${host}`, at, devices });
}

/** Appends polls of several hosts, one every 10 s of simulated time. */
async function watch(one: Store, played: PlayedTime, { hosts, ms }: { hosts: number; ms: number }): Promise<void> {
  for (const end = played.now + ms; played.now < end; await played.pass(10_000)) {
    for (let host = 0; host < hosts; host++) {
      poll(one, host, played.now + host);
      if (host % 20 === 19) await played.turn();
    }
  }
}

const megabytes = (): number => process.memoryUsage().rss / 1e6;

export async function run(print: (line: string) => void): Promise<Claim[]> {
  const folder = mkdtempSync(join(tmpdir(), "gohm-delay-"));
  const played = new PlayedTime();
  const clock = { now: () => played.now, after: played.after.bind(played) };
  let raw = Number.POSITIVE_INFINITY;
  const retention = () => ({ raw, fiveMinutes: Infinity, hour: Infinity, day: Infinity });
  const log = lineLog(print, clock.now);
  const maxSize = () => Number.POSITIVE_INFINITY;
  const one = openStore({ folder, clock, log, retention, maxSize, trouble: () => {} });
  const row = (what: string): void => {
    const [most = 0, ...others] = played.waits();
    const long = [most, ...others].filter((ms) => ms > 20).length;
    print(`| ${what} | ${most.toFixed(1)} | ${others[Math.floor(others.length / 1000)]?.toFixed(1)} | ${long} |`);
  };
  print(
    `${fleet} hosts with ${cards} GPUs each, a poll every 10 s of simulated time; delays of the event loop in milliseconds`,
  );
  print("");
  print("| during | maximum | p99.9 | number above 20 ms |");
  print("|---|---|---|---|");
  await watch(one, played, { hosts: 1, ms: long });
  played.waits();
  await watch(one, played, { hosts: fleet, ms: 20 * 60_000 });
  row("appending polls");
  const before = megabytes();
  await watch(one, played, { hosts: fleet, ms: 4 * hour - (played.now % (4 * hour)) });
  played.waits();
  const full = megabytes();
  await watch(one, played, { hosts: fleet, ms: hour });
  row("compacting a full block of each host, and appending polls");
  const gpus = Array.from(
    { length: cards },
    (_, card): SeriesId => ({ host: "h0", level: "gpu", key: `GPU-0-${card}`, metric: "gpu_power" }),
  );
  const range = { from: played.now - long, to: played.now };
  const most = 1_000_000;
  await played.during(one.read({ series: gpus, range: { ...range, step: 300_000 }, of: ["avg", "min", "max"], most }));
  row("query of 8 GPUs, 30 days, every 5 minutes");
  await played.during(one.read({ series: gpus, range: { ...range, step: 0 }, of: ["last"], most }));
  row("query of 8 GPUs, 30 days, every sample");
  await played.during(one.read({ series: gpus, range: { ...range, step: 60_000 }, of: ["p95"], most }));
  row("query of 8 GPUs, 30 days, p95 of every minute");
  const all = Array.from(
    { length: fleet },
    (_, host): SeriesId => ({ host: `h${host}`, level: "gpu", key: `GPU-${host}-0`, metric: "gpu_power" }),
  );
  await played.during(one.fold({ groups: [all], range: { ...range, step: 60_000 } }));
  row(`query of the mean over ${fleet} hosts, 30 days, every minute`);
  raw = 2 * day;
  await watch(one, played, { hosts: 1, ms: 2 * hour });
  row("deleting samples of 28 days");
  const began = performance.now();
  one.close();
  print(`| closing the store | ${(performance.now() - began).toFixed(0)} | | |`);
  print("");
  print(
    `Resident memory: ${((full - before) / fleet).toFixed(2)} MB per host for the head chunk of 4 hours; ${full.toFixed(0)} MB in total.`,
  );
  rmSync(folder, { recursive: true });
  return [];
}
