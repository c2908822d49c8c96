// Generates samples ahead of time into a file, so that this does not count in measurements. A row is one poll of one host:
// number of the host, Unix ms, then its values in wire units. Rows are in the order in which a hub would receive them.
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { Level } from "../../proto/device.ts";
import { gpus, pollTimes, SimulatedHost, width } from "./model.ts";

/** A column of the model, with its metric in the catalogue. */
export interface Column {
  readonly level: Level;
  /** Index of the GPU, 0 for other devices. */
  readonly device: number;
  readonly metric: string;
  /** Number of the model's units per wire unit. */
  readonly part: number;
}

const gpu = ["gpu_utilization", "gpu_memory_used", "gpu_temperature", "gpu_fan", "gpu_power"];
const column = (level: Level, metric: string, part = 1): Column => ({ level, device: 0, metric, part });

/** All columns of the model, in its order. */
export const columns: readonly Column[] = [
  ...Array.from({ length: gpus }, (_, device) =>
    gpu.map((metric): Column => ({ level: "gpu", device, metric, part: 1 })),
  ).flat(),
  column("host", "cpu_utilization", 10),
  column("host", "memory_used"),
  column("host", "load1", 100),
  column("nic", "network_receive"),
  column("nic", "network_transmit"),
  column("disk", "disk_used"),
];

export const hostName = (host: number): string => `node${String(host).padStart(4, "0")}`;

/** Returns the key of a device; for a GPU a uuid of the usual length. */
export function keyOf(host: number, { level, device }: Pick<Column, "device" | "level">): string {
  if (level === "gpu") return `GPU-${String(host).padStart(8, "0")}-5f0a-4b1c-9d2e-${String(device).padStart(12, "0")}`;
  return level === "nic" ? "eth0" : level === "disk" ? "/" : "";
}

/** A simulated fleet and its polls. */
export interface PlayedFleet {
  readonly path: string;
  readonly hosts: number;
  /** Number of polls of each host, and seconds between two polls. */
  readonly polls: number;
  readonly interval: number;
  /** Time of the beginning, Unix milliseconds. */
  readonly from: number;
  /** Measured columns: all columns of the model, or some of them in the same order. */
  readonly columns: readonly Column[];
}

export const samplesOf = ({ hosts, polls, columns }: PlayedFleet): number => hosts * polls * columns.length;
/** Returns the number of doubles in a row. */
export const widthOf = ({ columns }: Pick<PlayedFleet, "columns">): number => 2 + columns.length;
export const endOf = ({ from, polls, interval }: PlayedFleet): number => from + polls * interval * 1000;

/** Number of rows that are written and read at once: at most 6 MB. */
const block = 16_384;

/** Makes a function that copies some columns of the model's values into a row, in wire units. */
function picker(wanted: readonly Column[]): (values: Float64Array, rows: Float64Array, at: number) => void {
  const places = wanted.map(({ metric, device }) =>
    columns.findIndex((one) => one.metric === metric && one.device === device),
  );
  const parts = wanted.map(({ part }) => part);
  return (values, rows, at) => {
    for (let i = 0; i < places.length; i++) rows[at + i] = (values[places[i] ?? 0] ?? Number.NaN) / (parts[i] ?? 1);
  };
}

export function writeSamples(played: PlayedFleet): void {
  const { path, hosts, polls, interval, from } = played;
  const fleet = Array.from({ length: hosts }, (_, number) => {
    const host = new SimulatedHost(number, interval);
    return { number, host, times: pollTimes(number, polls, interval) };
  }).sort((a, b) => (a.times[0] ?? 0) - (b.times[0] ?? 0));
  const rowWidth = widthOf(played);
  const rows = new Float64Array(block * rowWidth);
  const values = new Float64Array(width);
  const pick = picker(played.columns);
  const file = openSync(path, "w");
  let filled = 0;
  const write = (): void => {
    writeSync(file, rows, 0, filled * 8);
    filled = 0;
  };
  for (let poll = 0; poll < polls; poll++) {
    for (const { number, host, times } of fleet) {
      rows[filled] = number;
      rows[filled + 1] = from + (times[poll] ?? 0);
      host.step(values);
      pick(values, rows, filled + 2);
      filled += rowWidth;
      if (filled === rows.length) write();
    }
  }
  write();
  closeSync(file);
}

/** Reads the rows of a file in pieces. Each piece overwrites the array of the previous one. */
export function* readSamples(played: PlayedFleet, rowsAtOnce = block): Generator<Float64Array> {
  const rows = new Float64Array(rowsAtOnce * widthOf(played));
  const file = openSync(played.path, "r");
  try {
    for (;;) {
      const read = readSync(file, rows) / 8;
      if (read === 0) return;
      yield rows.subarray(0, read);
    }
  } finally {
    closeSync(file);
  }
}
