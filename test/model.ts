// Reference model of the history's contract: all samples in memory, every answer computed from them. Tests compare engines
// with it, and use it as the history of views.
import { writeFileSync } from "node:fs";
import { Fault } from "../hub/fault.ts";
import {
  type Aggregate,
  type Columns,
  checkSignal,
  type DeviceFilter,
  type DeviceId,
  type DeviceSample,
  type GroupColumns,
  type GroupQuery,
  type HostSample,
  type KnownDevice,
  kept,
  type Local,
  type Range,
  type SeriesId,
  type SeriesQuery,
  type Store,
} from "../hub/history/store.ts";
import { type Level, levels } from "../proto/device.ts";

/** Makes `DeviceSample.values` from values by metric. @throws Error for a metric that the history does not store */
export function valuesOf(level: Level, named: Readonly<Record<string, number>>): Float64Array {
  const names = kept[level].map(({ name }) => name);
  const stranger = Object.keys(named).find((name) => !names.includes(name));
  if (stranger !== undefined) throw new Error(`The history has no metric ${stranger} of a ${level}`);
  return Float64Array.from(names, (name) => named[name] ?? Number.NaN);
}

/** Returns the values of a sample by metric, without absent ones: the inverse of `valuesOf`. */
export function namesOf({ level, values }: DeviceSample): Record<string, number> {
  const all = kept[level].map(({ name }, i) => [name, values[i] ?? Number.NaN] as const);
  return Object.fromEntries(all.filter(([, value]) => !Number.isNaN(value)));
}

/** Time in Unix milliseconds, then value. */
type Sample = readonly [number, number];

/** A known device without its metrics, which are those that have samples. */
interface SeenDevice {
  readonly device: DeviceId;
  index: number | undefined;
  /** Its model, and the time of the newest sample that gave one. */
  name: string | undefined;
  named: number;
  last: number;
}

/** Times that a Date can hold. */
const latest = 8.64e15;

const nameOf = ({ host, level, key }: DeviceId): string => JSON.stringify([host, level, key]);
const seriesName = (id: SeriesId): string => JSON.stringify([id.host, id.level, id.key, id.metric]);

/** Functions of aggregates, over the samples of a bucket: at least one, oldest first. */
const aggregates: Readonly<Record<Aggregate, (values: readonly number[]) => number>> = {
  avg: (values) => sum(values) / values.length,
  count: (values) => values.length,
  last: (values) => values.at(-1) ?? Number.NaN,
  max: (values) => values.reduce((a, b) => Math.max(a, b)),
  min: (values) => values.reduce((a, b) => Math.min(a, b)),
  p95: (values) => [...values].sort((a, b) => a - b)[Math.ceil((values.length * 95) / 100) - 1] ?? Number.NaN,
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export class Model implements Store, Local {
  async ready(): Promise<void> {}

  readonly #series = new Map<string, Map<number, number>>();
  readonly #seen = new Map<string, SeenDevice>();

  append(poll: HostSample): void {
    check(poll);
    for (const measured of poll.devices) {
      const device = { host: poll.host, level: measured.level, key: measured.key };
      let any = false;
      for (const [i, { name }] of kept[measured.level].entries()) {
        const value = measured.values[i] ?? Number.NaN;
        if (!Number.isFinite(value)) continue;
        any = true;
        this.#samples({ ...device, metric: name }).set(poll.at, value);
      }
      if (any) this.#see(device, measured, poll.at);
    }
  }

  async read<A extends Aggregate>(
    { series, range, of, most }: SeriesQuery<A>,
    signal?: AbortSignal,
  ): Promise<readonly Columns<A>[]> {
    checkSignal(signal);
    checkRange(range);
    if (!(most >= 1)) throw new Fault("bad_request", `At least one point must be asked for: it is ${most}`);
    return series.map((id) => {
      const all = this.#buckets(id, range);
      const buckets = all.slice(Math.max(0, all.length - most));
      const column = (pick: (values: readonly number[]) => number): Float64Array =>
        Float64Array.from(buckets, ([, values]) => pick(values));
      const columns = Object.fromEntries(of.map((name) => [name, column(aggregates[name])]));
      const t = Float64Array.from(buckets, ([at]) => at);
      return { ...(columns as Record<A, Float64Array>), t, cut: all.length > most };
    });
  }

  async fold({ groups, range }: GroupQuery, signal?: AbortSignal): Promise<readonly GroupColumns[]> {
    checkSignal(signal);
    checkRange(range);
    if (!(range.step > 0)) throw new Fault("bad_request", `The step must be greater than 0: it is ${range.step}`);
    return groups.map((group) => {
      const members = new Map(group.map((id) => [seriesName(id), id]));
      const rows = new Map<number, (readonly number[])[]>();
      for (const id of members.values()) {
        for (const [at, values] of this.#buckets(id, range)) rows.set(at, [...(rows.get(at) ?? []), values]);
      }
      const sorted = [...rows].sort(([a], [b]) => a - b);
      const column = (pick: (series: readonly (readonly number[])[]) => number): Float64Array =>
        Float64Array.from(sorted, ([, series]) => pick(series));
      return {
        t: Float64Array.from(sorted, ([at]) => at),
        avg: column((series) => sum(series.map(aggregates.avg)) / series.length),
        count: column((series) => series.length),
        max: column((series) => aggregates.max(series.map(aggregates.max))),
        min: column((series) => aggregates.min(series.map(aggregates.min))),
        sum: column((series) => sum(series.map(aggregates.avg))),
      };
    });
  }

  async known({ host: name, level }: DeviceFilter = {}, signal?: AbortSignal): Promise<readonly KnownDevice[]> {
    checkSignal(signal);
    const seen = [...this.#seen.values()].filter(
      ({ device }) => (name ?? device.host) === device.host && (level ?? device.level) === device.level,
    );
    return seen.map(({ device, index, name, last }) => ({
      ...device,
      ...(index === undefined ? {} : { index }),
      ...(name === undefined ? {} : { name }),
      metrics: kept[device.level]
        .map((metric) => metric.name)
        .filter((metric) => this.#series.has(seriesName({ ...device, metric }))),
      last,
    }));
  }

  flush(): void {}

  async backup(path: string): Promise<void> {
    const series = [...this.#series].map(([id, samples]) => [id, [...samples]]);
    try {
      writeFileSync(path, JSON.stringify(series), { flag: "wx" });
    } catch (error) {
      throw new Fault("backup_failed", (error as Error).message, { cause: error });
    }
  }

  bytes(): number {
    return [...this.#series.values()].reduce((total, samples) => total + 16 * samples.size, 0);
  }

  rename({ host, level, key }: DeviceId, to: string): boolean {
    checkName({ host, level, key: to });
    const seen = this.#seen.get(nameOf({ host, level, key }));
    if (seen === undefined || this.#seen.has(nameOf({ host, level, key: to }))) return false;
    this.#seen.delete(nameOf(seen.device));
    this.#seen.set(nameOf({ host, level, key: to }), { ...seen, device: { host, level, key: to } });
    for (const { name: metric } of kept[level]) {
      const samples = this.#series.get(seriesName({ host, level, key, metric }));
      if (samples === undefined) continue;
      this.#series.delete(seriesName({ host, level, key, metric }));
      this.#series.set(seriesName({ host, level, key: to, metric }), samples);
    }
    return true;
  }

  async forget(host: string): Promise<void> {
    for (const [name, { device }] of this.#seen) if (device.host === host) this.#seen.delete(name);
    for (const name of this.#series.keys()) if (JSON.parse(name)[0] === host) this.#series.delete(name);
  }

  async close(): Promise<void> {}

  #samples(id: SeriesId): Map<number, number> {
    const name = seriesName(id);
    const samples = this.#series.get(name) ?? new Map<number, number>();
    this.#series.set(name, samples);
    return samples;
  }

  #see(device: SeenDevice["device"], { index, name }: DeviceSample, at: number): void {
    const seen = this.#seen.get(nameOf(device)) ?? {
      device,
      index,
      name: undefined,
      named: Number.NEGATIVE_INFINITY,
      last: at,
    };
    if (at >= seen.last) Object.assign(seen, { index, last: at });
    if (name !== undefined && at >= seen.named) Object.assign(seen, { name, named: at });
    this.#seen.set(nameOf(device), seen);
  }

  /** Returns the start and the values of each bucket that has samples, oldest first. */
  #buckets(id: SeriesId, { from, to, step }: Range): (readonly [number, readonly number[]])[] {
    const samples: Sample[] = [...(this.#series.get(seriesName(id)) ?? [])];
    const inside = samples.filter(([at]) => at >= from && at < to).sort(([a], [b]) => a - b);
    const buckets = new Map<number, number[]>();
    for (const [at, value] of inside) {
      const start = step === 0 ? at : Math.floor(at / step) * step;
      const bucket = buckets.get(start);
      if (bucket) bucket.push(value);
      else buckets.set(start, [value]);
    }
    return [...buckets];
  }
}

function check({ host, at, devices }: HostSample): void {
  if (!Number.isInteger(at) || at < 0 || at > latest) {
    throw new Fault("sample_bad", `The time of a measurement must be Unix milliseconds: it is ${at}`);
  }
  for (const { level, key, name } of devices) checkName({ host, level, key }, name);
}

function checkName({ host, level, key }: DeviceId, name = ""): void {
  if (name.includes("\n")) throw new Fault("sample_bad", `A model must be one line of text: it is "${name}"`);
  if (host === "" || /\n/.test(host + key) || !levels.includes(level)) {
    throw new Fault("sample_bad", `A measurement must name its host and device: they are "${host}" and "${key}"`);
  }
}

function checkRange({ from, to, step }: Range): void {
  if (Number.isNaN(from) || Number.isNaN(to) || !(step >= 0) || step === Number.POSITIVE_INFINITY) {
    throw new Fault("bad_request", `A range must be two times and a step of 0 or more: it is ${from}, ${to}, ${step}`);
  }
}
