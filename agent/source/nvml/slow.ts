import type { ComputeMode } from "../../../proto/gen/host_pb.js";
import { type NvmlGpu, put, within } from "./gpu.ts";
import { type NvmlDevice, type NvmlError, queries } from "./library.ts";
import type { Count, Links } from "./nvlink.ts";
import type { DeviceQueries } from "./query.ts";

/** Milliseconds for which values are cached that change only when they are set, or when hardware breaks. */
const askedEvery = 60_000;

/** Values of a device that hardly ever change. */
export interface SlowValues {
  readonly values: Pick<NvmlGpu, "powerLimit" | "remapped" | "persistence" | "computeMode">;
  /** Highest PCIe generation, and most lanes, that the device can have in this machine. */
  readonly generationMax: number | undefined;
  readonly widthMax: number | undefined;
  readonly links: Count | undefined;
  /** The first question that failed. */
  readonly failure: NvmlError | undefined;
}

/** Caches these values for a minute: measured with eight played GPUs, a reading takes 0.47 ms instead of 0.72. */
export class SlowValueCache {
  readonly #ticks: () => number;
  readonly #links: Links;
  readonly #renew: (device: NvmlDevice) => void;
  readonly #known = new Map<bigint, { readonly at: number; readonly settled: SlowValues }>();

  /** @param options.renew Called when a device is asked anew, for whatever else was remembered of it. */
  constructor(options: { ticks(): number; links: Links; renew(device: NvmlDevice): void }) {
    this.#ticks = options.ticks;
    this.#links = options.links;
    this.#renew = options.renew;
  }

  /**
   * @param name Model of the device.
   * @throws NvmlError when the device or the library is gone.
   */
  of(asker: DeviceQueries, name: string | undefined): SlowValues {
    const { handle } = asker.device;
    const known = this.#known.get(handle);
    if (known !== undefined && this.#ticks() - known.at < askedEvery) {
      asker.failure ??= known.settled.failure;
      return known.settled;
    }
    this.#renew(asker.device);
    const settled = this.#ask(asker, name);
    this.#known.set(handle, { at: this.#ticks(), settled });
    return settled;
  }

  /** What was found out last. */
  last({ handle }: NvmlDevice): SlowValues | undefined {
    return this.#known.get(handle)?.settled;
  }

  #ask(asker: DeviceQueries, name: string | undefined): SlowValues {
    const before = asker.failure;
    asker.failure = undefined;
    const values: SlowValues["values"] = {};
    put(values, "powerLimit", within(asker.ask(queries.powerLimit), 10_000_000));
    put(values, "remapped", asker.ask(queries.remappedRows));
    const persistence = within(asker.ask(queries.persistence), 1);
    put(values, "persistence", persistence === undefined ? undefined : persistence === 1);
    const mode = within(asker.ask(queries.computeMode), 3);
    // NVML counts from 0, where the wire has "not known".
    put(values, "computeMode", mode === undefined ? undefined : ((mode + 1) as ComputeMode));
    // No generation and no width beyond these is on anybody's road map.
    const generationMax = within(asker.ask(queries.pcieGenerationMax), 16) || undefined;
    const widthMax = within(asker.ask(queries.pcieWidthMax), 64) || undefined;
    const links = this.#links.count(asker, name);
    const { failure } = asker;
    asker.failure = before ?? failure;
    return { values, generationMax, widthMax, links, failure };
  }
}
