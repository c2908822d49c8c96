// Builds polls, as the hub appends them to the history, from rows of samples with minimal overhead.

import { type DeviceSample, type HostSample, kept } from "../../hub/history/store.ts";
import type { Level } from "../../proto/device.ts";
import { type Column, hostName, keyOf } from "./samples.ts";

interface Part {
  readonly level: Level;
  readonly device: number;
  readonly values: Float64Array;
  /** Pairs: column of the row, index in `values`. */
  readonly places: readonly number[];
}

function parts(columns: readonly Column[]): Part[] {
  const groups = Map.groupBy(columns.entries(), ([, { level, device }]) => `${level} ${device}`);
  return [...groups.values()].map((group) => {
    const [[, { level, device }]] = group as [(typeof group)[number]];
    const values = new Float64Array(kept[level].length).fill(Number.NaN);
    const places = group.flatMap(([c, { metric }]) => [2 + c, kept[level].findIndex(({ name }) => name === metric)]);
    if (places.includes(-1)) throw new Error(`not a metric of the history: ${group.map(([, { metric }]) => metric)}`);
    return { level, device, values, places };
  });
}

/** Builds polls from rows. All polls share the same arrays of values, which the store reads or copies in `append`. */
export class PollBuilder {
  readonly #parts: readonly Part[];
  readonly #devices = new Map<number, readonly DeviceSample[]>();

  /** @param columns of the rows */
  constructor(columns: readonly Column[]) {
    this.#parts = parts(columns);
  }

  /** Builds the poll of the row that begins at index `at`. */
  poll(rows: Float64Array, at: number): HostSample {
    for (const { values, places } of this.#parts) {
      for (let i = 0; i < places.length; i += 2) values[places[i + 1] ?? 0] = rows[at + (places[i] ?? 0)] ?? Number.NaN;
    }
    const number = rows[at] ?? 0;
    const devices = this.#devices.get(number) ?? this.#devicesOf(number);
    return { host: hostName(number), at: rows[at + 1] ?? 0, devices };
  }

  #devicesOf(host: number): readonly DeviceSample[] {
    const devices = this.#parts.map(({ level, device, values }): DeviceSample => {
      const key = keyOf(host, { level, device });
      return level === "gpu" ? { level, key, index: device, values } : { level, key, values };
    });
    this.#devices.set(host, devices);
    return devices;
  }
}
