import { type Field, FieldList, pcieReceived, pcieSent } from "./field.ts";
import { type Nvml, type NvmlDevice, NvmlError } from "./library.ts";
import { broken } from "./query.ts";

/** Bytes per second, seen from the device. */
export interface Traffic {
  readonly received: bigint;
  readonly sent: bigint;
}

/** Generation and width of a link, which limit its rate; unknown ones count as 16 lanes of generation 6, the fastest that any card has. */
export interface PcieCapacity {
  readonly generation?: number | undefined;
  readonly width?: number | undefined;
}

/** Milliseconds between the two readings: as many as NVML's own call takes for one device and one direction. */
const apart = 20;

const wrap = 1n << 32n;

interface Reading {
  readonly at: number;
  readonly values: ReadonlyMap<Field, bigint>;
}

/**
 * What devices send and receive over PCIe. The driver counts bytes, and its counts have been seen with 32 bits only: at
 * 64 GB/s they pass through 0 fifteen times a second, and from one poll to the next they tell nothing. So all devices
 * are read twice within a moment in which none can have passed it more than once (docs/decisions/0012).
 */
export class PcieCounters {
  readonly #fields: FieldList;
  readonly #clock: { ticks(): number; wait(ms: number): void };

  constructor(nvml: Nvml, clock: { ticks(): number; wait(ms: number): void }) {
    this.#fields = new FieldList(nvml, [pcieSent, pcieReceived]);
    this.#clock = clock;
  }

  forget(device: NvmlDevice): void {
    this.#fields.forget(device);
  }

  /**
   * By index, for devices that report it. Takes 20 ms without work if there is any.
   * @throws NvmlError when the library must be opened again; a device that fails is left out.
   */
  read(devices: readonly NvmlDevice[], road: (device: NvmlDevice) => PcieCapacity): ReadonlyMap<number, Traffic> {
    const begun = this.#clock.ticks();
    const first = new Map(devices.map((device) => [device, this.#one(device)]));
    const found = new Map<number, Traffic>();
    if (![...first.values()].some((reading) => reading !== undefined)) return found;
    this.#clock.wait(Math.max(0, apart - (this.#clock.ticks() - begun)));
    for (const [device, before] of first) {
      const after = before && this.#one(device);
      const traffic = after && between(before, after, road(device));
      if (traffic !== undefined) found.set(device.index, traffic);
    }
    return found;
  }

  #one(device: NvmlDevice): Reading | undefined {
    try {
      const values = this.#fields.read(device);
      return values && { at: this.#clock.ticks(), values };
    } catch (error) {
      // The rest of the reading shows what is wrong with a device.
      if (error instanceof NvmlError && !broken.has(error.code)) return undefined;
      throw error;
    }
  }
}

function between(before: Reading, after: Reading, road: PcieCapacity): Traffic | undefined {
  const span = after.at - before.at;
  const rate = (field: Field): bigint | undefined => {
    const from = before.values.get(field);
    const to = after.values.get(field);
    return from === undefined || to === undefined ? undefined : bytesPerSecond({ from, to, span }, road);
  };
  const received = rate(pcieReceived);
  const sent = rate(pcieSent);
  return received === undefined || sent === undefined ? undefined : { received, sent };
}

/**
 * @param reading Two counts and the milliseconds between them.
 * @returns Undefined where the count may have passed through 0 more than once, or went faster than the link can.
 */
export function bytesPerSecond(
  { from, to, span }: { from: bigint; to: bigint; span: number },
  { generation = 6, width = 16 }: PcieCapacity,
): bigint | undefined {
  if (!(span > 0)) return undefined;
  // A lane of generation 1 carries 250 MB/s, and each generation nearly twice what the one before does (PCI-SIG).
  const most = width * 250_000_000 * 2 ** (generation - 1);
  const narrow = from < wrap && to < wrap;
  // A count beyond 32 bits has 64 of them, and does not wrap.
  if (narrow && (most * span) / 1000 >= Number(wrap)) return undefined;
  const bytes = narrow ? BigInt.asUintN(32, to - from) : to - from;
  const perSecond = bytes < 0n ? -1 : (Number(bytes) * 1000) / span;
  // The two readings of one device are not exactly as far apart as the calls for it.
  return perSecond >= 0 && perSecond <= most * 1.5 ? BigInt(Math.round(perSecond)) : undefined;
}
