import { kept, type Measured, type Poll } from "../../store.ts";
import type { Memory } from "../ask/reader.ts";
import type { Buckets } from "../bucket.ts";
import { type Column, Run, type Slot } from "../chunk.ts";
import type { RunStart } from "../journal.ts";
import type { Device, Host, Metric, Names } from "../names.ts";
import { Rolled } from "./rollup.ts";

interface Held {
  readonly runs: Run[];
  /** When the newest poll came, by the hub's clock. */
  touched: number;
}

/** Polls that are in no row yet, by host and window. */
export class Recent implements Memory {
  readonly #names: Names;
  readonly #hosts = new Map<Host, Map<number, Held>>();
  /** What was asked of runs: they are summed up as far as they go, and on from there the next time. */
  readonly #rolled = new WeakMap<Run, Map<Metric, Rolled>>();
  #next = 1;

  constructor(names: Names) {
    this.#names = names;
  }

  runs(host: Host, window: number): readonly Run[] {
    return this.#hosts.get(host)?.get(window)?.runs ?? [];
  }

  windows(host: Host): Iterable<number> {
    return this.#hosts.get(host)?.keys() ?? [];
  }

  rolled(run: Run, metric: Metric): ReadonlyMap<number, Buckets> {
    const held = this.#rolled.get(run) ?? new Map<Metric, Rolled>();
    this.#rolled.set(run, held);
    const rolled = held.get(metric) ?? new Rolled(run, metric);
    held.set(metric, rolled);
    return rolled.buckets();
  }

  /** Everything that is held. */
  *all(): Generator<{ host: Host; window: number; runs: readonly Run[]; touched: number }> {
    for (const [host, windows] of this.#hosts) {
      for (const [window, { runs, touched }] of windows) yield { host, window, runs, touched };
    }
  }

  /** Takes a poll, if an open run can. @returns that run; the poll is its newest row */
  add(poll: Poll, window: number, now: number): Run | undefined {
    const host = this.#names.find(poll.host);
    const held = host && this.#hosts.get(host)?.get(window);
    const open = held?.runs.at(-1);
    if (held === undefined || !open?.append(poll.at, poll.devices)) return undefined;
    held.touched = now;
    return open;
  }

  /** Takes a poll that has at least one value, with a run of its own. */
  begin(poll: Poll, window: number, now: number): Run {
    const host = this.#names.host(poll.host);
    const before = this.#newest(host);
    const held = this.#held(host, window);
    held.touched = now;
    const last = held.runs.at(-1) ?? before;
    const run = new Run({ id: this.#next++, host, window, ...layout(this.#names, host, poll.devices, last) });
    held.runs.push(run);
    if (!run.append(poll.at, poll.devices)) throw new Error("a run does not take the poll it was made for");
    return run;
  }

  /** A run as the journal has it. */
  replay(start: RunStart, now: number): Run {
    const host = this.#names.host(start.host);
    const devices = start.devices.map(([level, key]) => this.#names.device(host, level, key));
    const columns = start.columns.flatMap(([place, name, scale]): Column[] => {
      const device = devices[place];
      return device ? [{ device, metric: this.#names.metric(device.level, name), scale }] : [];
    });
    const slots = devices.map((device, i): Slot => {
      const index = start.devices[i]?.[2] ?? undefined;
      return { device, index, columns: new Int32Array(0) };
    });
    const run = new Run({ id: start.run, host, window: start.window, slots, columns });
    this.#next = Math.max(this.#next, run.id + 1);
    const held = this.#held(host, start.window);
    held.runs.push(run);
    held.touched = now;
    return run;
  }

  /** Ids of runs are taken up to here. */
  beyond(id: number): void {
    this.#next = Math.max(this.#next, id + 1);
  }

  /** Lets runs go. */
  drop(host: Host, window: number, gone: readonly Run[]): void {
    const windows = this.#hosts.get(host);
    const held = windows?.get(window);
    if (windows === undefined || held === undefined) return;
    const left = held.runs.filter((run) => !gone.includes(run));
    if (left.length > 0) windows.set(window, { ...held, runs: left });
    else windows.delete(window);
    if (windows.size === 0) this.#hosts.delete(host);
  }

  #held(host: Host, window: number): Held {
    const windows = this.#hosts.get(host) ?? new Map<number, Held>();
    this.#hosts.set(host, windows);
    const held = windows.get(window) ?? { runs: [], touched: 0 };
    windows.set(window, held);
    return held;
  }

  #newest(host: Host): Run | undefined {
    const windows = this.#hosts.get(host);
    if (windows === undefined) return undefined;
    let newest: Run | undefined;
    for (const { runs } of windows.values()) {
      const run = runs.at(-1);
      if (run && !(newest && newest.window > run.window)) newest = run;
    }
    return newest;
  }
}

/** Columns for what a poll measured, and for what the run before it had: what comes and goes needs no new run each time. */
function layout(
  names: Names,
  host: Host,
  devices: readonly Measured[],
  before: Run | undefined,
): { slots: Slot[]; columns: Column[] } {
  const columns: Column[] = [];
  const slots = new Map<Device, Slot>();
  const slot = (device: Device, index: number | undefined): Slot => {
    const held = slots.get(device) ?? { device, index, columns: new Int32Array(kept[device.level].length).fill(-1) };
    slots.set(device, held);
    return held;
  };
  const column = (of: Slot, place: number): void => {
    const metric = kept[of.device.level][place];
    if (metric === undefined || of.columns[place] !== -1) return;
    of.columns[place] = columns.length;
    of.device.metrics.add(metric.name);
    const named = names.metric(of.device.level, metric.name);
    columns.push({ device: of.device, metric: named, scale: named.scale });
  };
  for (const { level, key, index, values } of devices) {
    const device = names.device(host, level, key);
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? Number.NaN;
      if (Number.isFinite(value)) column(slot(device, index), i);
    }
  }
  names.trim(host, slots);
  for (const { device, index, columns: places } of before?.slots ?? []) {
    if (device.gone) continue;
    for (const [place, at] of places.entries())
      if (at >= 0 && before?.seen[at] === 1) column(slot(device, index), place);
  }
  return { slots: [...slots.values()], columns };
}

/** What the journal has to know of a run. */
export function startOf({ id, host, window, slots, columns }: Run): RunStart {
  const places = new Map(slots.map(({ device }, place) => [device, place]));
  return {
    run: id,
    host: host.name,
    window,
    devices: slots.map(({ device, index }) => [device.level, device.key, index ?? null]),
    columns: columns.map(({ device, metric, scale }) => [places.get(device) ?? 0, metric.name, scale]),
  };
}
