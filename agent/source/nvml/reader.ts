import type { SystemInfo } from "../../../proto/gen/host_pb.js";
import { broken, Cards, type Gpu, type Identity, type Instance, lost, missing, nvidia } from "./card.ts";
import { code, type Device, type Nvml, NvmlError, queries } from "./library.ts";
import { Instances } from "./mig.ts";
import { XidEvents, type Xids } from "./xid.ts";

/** No machine has more; a driver that says so is not to be believed. */
const mostDevices = 1024;

/** While a device is lost, the library is opened again this often (ms): a card that was reset comes back only so. */
const reopenAfter = 300_000;

/** A device that is known to be in the machine; without a handle when the driver gives none. */
interface Slot {
  readonly identity: Identity;
  readonly device: Device | undefined;
}

type System = Pick<Partial<SystemInfo>, "driverVersion" | "cudaVersion">;

/** One read, as it goes from process to process. */
export interface Reading {
  readonly gpus: Gpu[];
  readonly system: System;
}

export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds that never go back. */
  ticks(): number;
}

/**
 * Reads all NVIDIA GPUs of the machine. `xidCount` of its answers counts since the answer before; the parent adds up,
 * because it outlives this process.
 */
export class GpuReader {
  readonly #nvml: Nvml;
  readonly #clock: Clock;
  readonly #cards: Cards;
  readonly #instances: Instances;
  /** What each device was divided into when it was last read, by its index. */
  readonly #divided = new Map<number, readonly Instance[]>();
  #slots: readonly Slot[] = [];
  #xids: XidEvents | undefined;
  #system: System = {};
  #opened = 0;
  #lost = false;

  /** Opens the library. @throws NvmlError when there is no driver or it refuses. */
  constructor(nvml: Nvml, clock: Clock) {
    this.#nvml = nvml;
    this.#clock = clock;
    this.#cards = new Cards(nvml);
    this.#instances = new Instances(nvml, this.#cards);
    this.#open();
  }

  #open(): void {
    this.#nvml.init();
    this.#opened = this.#clock.ticks();
    const count = this.#nvml.ask(queries.count, undefined) ?? 0;
    if (count > mostDevices) throw new Error(`NVML: the driver claims ${count} GPUs`);
    const known = this.#slots.map(({ identity }) => identity);
    const found = Array.from({ length: count }, (_, index) => this.#find(index, known[index]));
    this.#slots = [...found, ...vanished(known, found)];
    const devices = found.flatMap(({ device }) => device ?? []);
    this.#xids = XidEvents.open(this.#nvml, devices);
    this.#system = system(this.#nvml);
  }

  /** Handle and names of a device; without a handle when it cannot be had now, with the names it had before. */
  #find(index: number, known: Identity | undefined): Slot {
    try {
      const handle = this.#nvml.ask(queries.handle, undefined, index);
      if (handle !== undefined) {
        const device = { index, handle };
        return { device, identity: this.#cards.identify(device) };
      }
    } catch (error) {
      if (!(error instanceof NvmlError) || broken.has(error.code)) throw error;
      // Reported by each read, which asks again.
    }
    return { device: undefined, identity: known ?? { id: index, vendor: nvidia } };
  }

  /** @throws NvmlError when the library must be opened again. */
  read(): Reading {
    if (this.#lost && this.#clock.ticks() - this.#opened > reopenAfter) {
      this.#nvml.shutdown();
      this.#open();
    }
    const xids = this.#xids?.drain();
    const gpus = this.#slots.flatMap((slot) => {
      const [card, ...instances] = this.#gpus(slot);
      return [{ ...card, ...counted(xids?.get(slot.identity.id ?? -1)) }, ...instances];
    });
    this.#lost = gpus.some(({ state }) => state === lost);
    return { gpus, system: this.#system };
  }

  /** A device, and the instances it is divided into; those of a device that is lost are lost with it. */
  #gpus(slot: Slot): Gpu[] {
    const { identity, device } = slot;
    if (device === undefined) return [this.#absent(slot)];
    const known = this.#divided.get(device.index);
    let instances: readonly Instance[] | undefined;
    try {
      instances = this.#instances.of(device, identity);
    } catch (error) {
      if (!(error instanceof NvmlError) || broken.has(error.code)) throw error;
      // Reported by the device's own reading; what cannot be asked now is what it was.
      instances = known;
    }
    if (instances === undefined) this.#divided.delete(device.index);
    else this.#divided.set(device.index, instances);
    return this.#cards.read(device, identity, this.#clock.now(), instances);
  }

  #absent({ identity }: Slot): Gpu {
    try {
      this.#nvml.ask(queries.handle, undefined, identity.id ?? 0);
    } catch (error) {
      if (error instanceof NvmlError && !broken.has(error.code)) return missing(identity, error);
      throw error;
    }
    // The driver gives the handle again, or does not know the device any more: opened again in a while.
    return missing(identity, this.#nvml.error(code.gpuIsLost));
  }
}

/** Devices that were there and are no more, whatever the driver now counts; each keeps its index where that is free. */
function vanished(known: readonly Identity[], found: readonly Slot[]): Slot[] {
  const uuids = new Set(found.map(({ identity }) => identity.uuid));
  const gone = known.filter(({ uuid }) => uuid !== undefined && !uuids.has(uuid));
  return gone.map((identity, i) => ({
    device: undefined,
    identity: { ...identity, id: Math.max(identity.id ?? 0, found.length + i) },
  }));
}

function counted(xids: Xids | undefined): Gpu {
  if (xids === undefined) return {};
  return { xidCount: BigInt(xids.count), ...(xids.last === undefined ? {} : { xidLast: xids.last }) };
}

/** Versions of the driver; they change only with the library. */
function system(nvml: Nvml): System {
  const driverVersion = nvml.ask(queries.driverVersion, undefined);
  const cuda = nvml.ask(queries.cudaVersion, undefined);
  return {
    ...(driverVersion === undefined ? {} : { driverVersion }),
    // 12040 is 12.4.
    ...(cuda === undefined ? {} : { cudaVersion: `${Math.floor(cuda / 1000)}.${Math.floor((cuda % 1000) / 10)}` }),
  };
}
