// Polls as the hub hands them to history, made from rows of samples with as little work as can be.

import { type DeviceSample, type HostSample, kept } from "../../hub/history/store.ts";
import type { Level } from "../../proto/device.ts";
import { type Column, hostName, keyOf } from "./samples.ts";

interface Part {
  readonly level: Level;
  readonly device: number;
  readonly values: Float64Array;
  /** Pairs: column of the row, place in `values`. */
  readonly places: readonly number[];
}

function parts(columns: readonly Column[]): Part[] {
  const groups = Map.groupBy(columns.entries(), ([, { level, device }]) => `${level} ${device}`);
  return [...groups.values()].map((group) => {
    const [[, { level, device }]] = group as [(typeof group)[number]];
    const values = new Float64Array(kept[level].length).fill(Number.NaN);
    const places = group.flatMap(([c, { metric }]) => [2 + c, kept[level].findIndex(({ name }) => name === metric)]);
    if (places.includes(-1)) throw new Error(`history keeps no such metric: ${group.map(([, { metric }]) => metric)}`);
    return { level, device, values, places };
  });
}

/** The values of a poll are written into the same arrays for every poll: the store takes them, or copies them, in `append`. */
export class Gather {
  readonly #parts: readonly Part[];
  readonly #devices = new Map<number, readonly DeviceSample[]>();

  /** @param columns of the rows */
  constructor(columns: readonly Column[]) {
    this.#parts = parts(columns);
  }

  /** The poll of the row that begins at `at`. */
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
