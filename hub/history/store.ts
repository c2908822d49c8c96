import { catalog, type Metric } from "../../proto/catalog.ts";
import { byLevel, type Level } from "../../proto/device.ts";
import { Fault } from "../fault.ts";

/** The metrics that history keeps of each kind of device, in catalogue order: the order of `DeviceSample.values`. */
export const kept: Readonly<Record<Level, readonly Metric[]>> = byLevel((level) =>
  catalog.filter((metric) => metric.keep && metric.level === level),
);

/** Everything that was measured on one host at one time. */
export interface HostSample {
  readonly host: string;
  /** Unix milliseconds of the measurement. */
  readonly at: number;
  readonly devices: readonly DeviceSample[];
}

/** Everything that was measured on one device at one time. */
export interface DeviceSample {
  readonly level: Level;
  /** Permanent name: "" for the host itself, a GPU's uuid, a mount, a NIC's name. */
  readonly key: string;
  /** A GPU's index at the time of the poll; it may change, the key does not. */
  readonly index?: number;
  /** Model name of a card, as it is known at the time. */
  readonly name?: string;
  /**
   * One value for each metric of `kept[level]`, in the wire unit; NaN if absent. The caller may reuse the array after
   * `append`: a store copies what it keeps.
   */
  readonly values: ArrayLike<number>;
}

/** Identifies a device. */
export interface DeviceId {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
}

/** Identifies a series. */
export interface SeriesId extends DeviceId {
  readonly metric: string;
}

/** A device that has samples. */
export interface KnownDevice {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  /** Its index in the newest poll with it. */
  readonly index?: number;
  /** Its newest model name, also after a restart; undefined if none was ever given. */
  readonly name?: string;
  readonly metrics: readonly string[];
  /** Unix milliseconds of its newest sample. */
  readonly last: number;
}

/** Times in Unix milliseconds. Half-open: a sample at `from` is in, one at `to` is not. */
export interface Range {
  readonly from: number;
  readonly to: number;
  /** Milliseconds of one bucket, counted from the epoch; 0 returns the samples themselves. */
  readonly step: number;
}

/** Aggregates of the samples in a bucket. `last` is the newest one; `p95` the least that 95 % of them do not exceed. */
export type Aggregate = "avg" | "count" | "last" | "max" | "min" | "p95";

/** Columns of equal length, oldest first. Buckets without samples are left out: the times show the gap. */
export type Columns<A extends Aggregate> = Readonly<Record<A, Float64Array>> & {
  /** Start of the bucket, or time of the sample if the step is 0. Unix ms. */
  readonly t: Float64Array;
  /** True if the range has more than `most` points: these are the newest. */
  readonly cut: boolean;
};

/**
 * Asks for series. Once samples have expired, the summaries of 5 minutes, an hour or a day answer: least, greatest, mean and
 * count are exact if `step` is a multiple of theirs and `from` and `to` are on their borders; `last` and `p95` are then those
 * of their means (`last` of a counter is exact).
 */
export interface SeriesQuery<A extends Aggregate> {
  readonly series: readonly SeriesId[];
  readonly range: Range;
  readonly of: readonly A[];
  /** Maximum points of one series; the newest are returned. */
  readonly most: number;
}

/** Aggregates of a group of series in a bucket: every series counts once, with its mean of the bucket. */
export type GroupAggregate = "avg" | "count" | "max" | "min" | "sum";

export interface GroupQuery {
  readonly groups: readonly (readonly SeriesId[])[];
  /** Its step must be greater than 0. */
  readonly range: Range;
}

/**
 * avg: mean of the series' means; min and max: least and greatest sample of any; sum: sum of their means (watts of a
 * rack); count: series that have a sample in the bucket.
 */
export type GroupColumns = Readonly<Record<GroupAggregate, Float64Array>> & { readonly t: Float64Array };

/** Which devices to list: all that history knows, unless a host or a kind is given. */
export interface DeviceFilter {
  readonly host?: string | undefined;
  readonly level?: Level | undefined;
}

/**
 * Keeps samples and answers queries on them, whatever the engine. A long query yields to other work of the program; when its
 * signal is aborted, the query fails with the fault `canceled`, and the engine stops working on it.
 *
 * Engines may differ in this, and docs/history.md names it for the one in use:
 * - of two values of one series at one time, SQLite returns the one that was appended later, VictoriaMetrics 1.79 an
 *   arbitrary one, and from 1.86 on the greatest;
 * - how soon a sample can be read, and how much of what was appended last is lost when the hub is killed or the power fails;
 * - how many digits of a value are kept, at least 15; and whether samples older than summaries are kept count in those.
 */
export interface Store {
  /**
   * Accepts everything that was measured on one host at one time. A sample older than samples are kept goes into summaries
   * alone; it may be delivered again without counting twice: of two deliveries of a 5-minute bucket whose samples are gone,
   * the one with more samples counts.
   * @throws Fault sample_bad; nothing of the poll is kept
   */
  append(poll: HostSample): void;
  /**
   * Reads series, in the order of the query; a series that is not known has no points.
   * @throws Fault bad_request; canceled
   */
  read<A extends Aggregate>(query: SeriesQuery<A>, signal?: AbortSignal): Promise<readonly Columns<A>[]>;
  /**
   * Aggregates groups of series, in the order of the query.
   * @throws Fault bad_request; canceled
   */
  fold(query: GroupQuery, signal?: AbortSignal): Promise<readonly GroupColumns[]>;
  /** Lists devices that have samples. @throws Fault canceled */
  known(filter?: DeviceFilter, signal?: AbortSignal): Promise<readonly KnownDevice[]>;
  /**
   * Deletes every sample and summary of a host, also what is only in memory. From the call on no query finds the host. A
   * sample that is appended after the call, before or after the promise is fulfilled, begins a new history of that name and
   * is kept. A deletion that the end of the program interrupts is completed when the history is opened again.
   * @returns once nothing of the host is left in the history, or the history was closed; does nothing if the host is not known
   * @throws Fault history_unwritable; if nothing could be written, the host is as it was
   */
  forget(host: string): Promise<void>;
  /**
   * Gives a device another permanent key: from the call on its samples, also those only in memory, are those of the new key.
   * A sample that is appended under the old key afterwards is of another device.
   * @returns false if the old key is not known, or the new one is: nothing has changed then
   * @throws Fault sample_bad for a key that no device can have
   */
  rename(device: DeviceId, key: string): boolean;
  /**
   * Waits until the store can take more: a caller that appends much faster than time passes, as an import, calls it every few
   * thousand samples, so that memory stays bounded.
   * @throws Fault history_unwritable if what was appended cannot be written
   */
  ready(): Promise<void>;
  /** Writes what is in memory and releases all resources; no other method may be called afterwards. */
  close(): Promise<void>;
}

/** What an engine offers in addition if it keeps the history in files of this machine. */
export interface Local {
  /**
   * Writes what is only in memory to the disk.
   * @throws Fault history_unwritable
   */
  flush(): void;
  /**
   * Copies everything that was appended before the call into one new file, while the store goes on.
   * @throws Fault backup_failed
   */
  backup(path: string): Promise<void>;
  /** Bytes on disk. */
  bytes(): number;
}

/** What queries read. */
export type HistoryReader = Pick<Store, "read" | "fold" | "known">;

/** @throws Fault canceled if a signal is aborted */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Fault("canceled", "The client went away before its request was answered.");
}

/** A history all of whose queries end when a signal is aborted. */
export const until = (history: HistoryReader, signal: AbortSignal): HistoryReader => ({
  read: (query) => history.read(query, signal),
  fold: (query) => history.fold(query, signal),
  known: (filter) => history.known(filter, signal),
});
