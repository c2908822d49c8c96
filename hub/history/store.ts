import { catalog, type Metric } from "../../proto/catalog.ts";
import { byLevel, type Level } from "../../proto/device.ts";

/** The metrics that history keeps of each kind of device, in catalogue order: the order of `Measured.values`. */
export const kept: Readonly<Record<Level, readonly Metric[]>> = byLevel((level) =>
  catalog.filter((metric) => metric.keep && metric.level === level),
);

/** Everything one poll of one host measured. */
export interface Poll {
  readonly host: string;
  /** Unix milliseconds of the measurement. */
  readonly at: number;
  readonly devices: readonly Measured[];
}

export interface Measured {
  readonly level: Level;
  /** Lasting name: "" for the host itself, a GPU's uuid, a mount, a NIC's name. */
  readonly key: string;
  /** Place among its kind at the time of the poll: a GPU's index. It may change; the key does not. */
  readonly index?: number;
  /**
   * One value for each metric of `kept[level]`, in the wire unit; NaN where it is absent. Whoever appends may use the
   * array again for the next poll: a store copies what it keeps.
   */
  readonly values: ArrayLike<number>;
}

/** Names one series. */
export interface SeriesId {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  readonly metric: string;
}

/** A device that history knows, with what was measured on it. */
export interface Known {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  /** Its index in the newest poll that named it. */
  readonly index?: number;
  readonly metrics: readonly string[];
  /** Unix milliseconds of its newest sample. */
  readonly last: number;
}

/** Times in Unix milliseconds. Half-open: a sample at `from` is in, one at `to` is not. */
export interface Range {
  readonly from: number;
  readonly to: number;
  /** Milliseconds of one bucket, counted from the epoch; 0 gives every sample as it is. */
  readonly step: number;
}

/** What can be told of the samples in a bucket. `last` is the newest one; `p95` the least that 95 % of them do not exceed. */
export type Aggregate = "avg" | "count" | "last" | "max" | "min" | "p95";

/** Columns of equal length, oldest first. A bucket without samples is not there: the reader sees the gap by its times. */
export type Columns<A extends Aggregate> = Readonly<Record<A, Float64Array>> & {
  /** Start of the bucket, or the time of the sample where step is 0. */
  readonly t: Float64Array;
  /** There is more in the range than `most` points: these are the newest. */
  readonly cut: boolean;
};

/**
 * Where the samples themselves have been let go, the 5-minute (1-hour, 1-day) summaries answer: least, greatest, mean
 * and count stay exact where `step` is a multiple of theirs, with `from` and `to` on their borders; `last` and `p95` are then those of their means
 * (`last` of a counter stays exact).
 */
export interface Question<A extends Aggregate> {
  readonly series: readonly SeriesId[];
  readonly range: Range;
  readonly of: readonly A[];
  /** Points of one series at most; the newest are given. */
  readonly most: number;
}

/** What can be told of a group of series in a bucket: every series counts once, with its mean of the bucket. */
export type GroupAggregate = "avg" | "count" | "max" | "min" | "sum";

export interface GroupQuestion {
  readonly groups: readonly (readonly SeriesId[])[];
  /** The step is greater than 0. */
  readonly range: Range;
}

/**
 * avg: mean of the series' means; min and max: least and greatest sample of any; sum: sum of their means (watts of a
 * rack); count: series that have a sample in the bucket.
 */
export type GroupColumns = Readonly<Record<GroupAggregate, Float64Array>> & { readonly t: Float64Array };

/** Where samples are kept. Nothing here names an engine. Long answers let other work of the program run in between. */
export interface Store {
  /**
   * Takes a poll. It is on disk one second later at most (at once after `flush`), and then survives kill -9. Of two
   * values of one series at one time, the one that came later counts.
   * @throws Fault sample_bad; nothing of the poll is kept then
   */
  append(poll: Poll): void;
  /**
   * One answer for each series, in the order asked; without points where the series is not known.
   * @throws Fault bad_request
   */
  read<A extends Aggregate>(question: Question<A>): Promise<readonly Columns<A>[]>;
  /**
   * One answer for each group, in the order asked.
   * @throws Fault bad_request
   */
  fold(question: GroupQuestion): Promise<readonly GroupColumns[]>;
  /** Devices that have samples, of one host or of all, of one kind or of all. */
  known(host?: string, level?: Level): readonly Known[];
  /**
   * Writes what is still in memory.
   * @throws Fault history_unwritable
   */
  flush(): void;
  /**
   * Writes a copy of everything taken until now into a new file, while the store goes on.
   * @throws Fault backup_failed
   */
  backup(path: string): Promise<void>;
  /** Bytes on disk. */
  bytes(): number;
  close(): void;
}
