import type { Level } from "../../proto/catalog.ts";

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
  /** Catalogue name → value in the wire unit. What is absent is left out. */
  readonly values: ReadonlyMap<string, number>;
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

/** Columns of equal length, oldest first. A bucket without samples is not there: the reader sees the gap by its times. */
export interface Columns {
  /** Start of the bucket, or the time of the sample where step is 0. */
  readonly t: Float64Array;
  readonly min: Float64Array;
  readonly avg: Float64Array;
  readonly max: Float64Array;
}

/** Where samples are kept. Nothing here names an engine. */
export interface Store {
  /** Takes a poll. It is on disk one second later at most, and then survives kill -9. */
  append(poll: Poll): void;
  /** Samples of one series; empty when it is not known. */
  read(series: SeriesId, range: Range): Columns;
  /** Devices that have samples, of one host or of all. */
  known(host?: string): readonly Known[];
  /** Writes what is still in memory. */
  flush(): void;
  close(): void;
}
