import type { SystemInfo } from "../../../proto/gen/host_pb.js";
import { Cards, type Instance, isRefusal, missing, type NvmlClock } from "./card.ts";
import { type Identity, lost, type NvmlGpu, nvidia, put, within } from "./gpu.ts";
import { absent, code, type Nvml, type NvmlDevice, NvmlError, queries } from "./library.ts";
import { instancesOf } from "./mig.ts";
import { broken } from "./query.ts";
import { XidEvents, type Xids } from "./xid.ts";

/** Most devices of a machine: a driver that reports more is not plausible. */
const mostDevices = 1024;

/** While a device is lost, the library is opened again this often (ms): a card that was reset comes back only so. */
const reopenAfter = 300_000;

/** A device that is known to be in the machine; without a handle when the driver gives none. */
interface Slot {
  readonly identity: Identity;
  readonly device: NvmlDevice | undefined;
}

type System = Pick<Partial<SystemInfo>, "driverVersion" | "cudaVersion">;

/** One read, as it goes from process to process. */
export interface Reading {
  readonly gpus: NvmlGpu[];
  readonly system: System;
}

/**
 * Reads all NVIDIA GPUs of the machine. `xidCount`, `xidLast` and `xidWorst` of its answers are of the time since the answer
 * before; the parent adds up, because it outlives this process.
 */
export class GpuReader {
  readonly #nvml: Nvml;
  readonly #clock: NvmlClock;
  /** Made anew with the library: what it remembers goes by handles. */
  #cards: Cards;
  /** What each device was divided into when it was last read, by its index. */
  readonly #divided = new Map<number, readonly Instance[]>();
  #slots: readonly Slot[] = [];
  /** The most devices that the driver ever counted. */
  #most = 0;
  #xids: XidEvents | undefined;
  #system: System = {};
  #opened = 0;
  #lost = false;
  /** A device that was refused can be opened now: the library is opened again to register it everywhere. */
  #granted = false;
  /** Devices that were refused at their last reading, by index. */
  readonly #refused = new Set<number>();

  /** Opens the library. @throws NvmlError if there is no driver or it refuses. */
  constructor(nvml: Nvml, clock: NvmlClock) {
    this.#nvml = nvml;
    this.#clock = clock;
    this.#cards = new Cards(nvml, clock);
    this.#open();
  }

  #open(): void {
    this.#nvml.init();
    this.#opened = this.#clock.ticks();
    this.#cards = new Cards(this.#nvml, this.#clock);
    const count = this.#nvml.ask(queries.count, undefined) ?? 0;
    if (count > mostDevices) throw new Error(`NVML: the driver claims ${count} GPUs`);
    const known = this.#slots.map(({ identity }) => identity);
    this.#slots = Array.from({ length: count }, (_, index) => this.#find(index, known[index]));
    this.#most = Math.max(this.#most, count);
    this.#xids = XidEvents.open(this.#nvml, this.#devices());
    this.#system = system(this.#nvml);
  }

  #devices(): NvmlDevice[] {
    return this.#slots.flatMap(({ device }) => device ?? []);
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
    if (this.#granted || (this.#lost && this.#clock.ticks() - this.#opened > reopenAfter)) {
      this.#granted = false;
      this.#nvml.shutdown();
      this.#open();
    }
    const xids = this.#xids?.drain();
    const gpus = this.#slots.flatMap((slot) => {
      const found = this.#gpus(slot);
      if (found[0] !== undefined) count(found[0], xids?.get(slot.identity.id ?? -1));
      return found;
    });
    this.#cards.addTraffic(this.#devices(), gpus);
    // One that the driver no longer counts is lost, too: the snapshot remembers it.
    this.#lost = this.#slots.length < this.#most || gpus.some(({ state }) => state === lost);
    return { gpus, system: this.#system };
  }

  /** A device, and the instances it is divided into; those of a device that is lost are lost with it. */
  #gpus(slot: Slot): NvmlGpu[] {
    const { identity, device } = slot;
    if (device === undefined) return [this.#absent(slot)];
    const known = this.#divided.get(device.index);
    let instances: readonly Instance[] | undefined;
    try {
      instances = instancesOf(this.#nvml, { device, identity, identify: (part) => this.#cards.identify(part) });
    } catch (error) {
      if (!(error instanceof NvmlError) || broken.has(error.code)) throw error;
      // Reported by the device's own reading; what cannot be asked now is what it was.
      instances = known;
    }
    if (instances === undefined) this.#divided.delete(device.index);
    else this.#divided.set(device.index, instances);
    return this.#cards.read(device, identity, instances);
  }

  #absent({ identity }: Slot): NvmlGpu {
    const index = identity.id ?? 0;
    const { result } = this.#nvml.attempt(queries.handle, undefined, index);
    const error = this.#nvml.error(result);
    if (broken.has(result)) throw error;
    const refused = this.#refused.delete(index);
    if (isRefusal(result) || (result === code.success && refused)) {
      if (result === code.success) this.#granted = true;
      else this.#refused.add(index);
      return missing(identity, isRefusal(result) ? error : this.#nvml.error(code.noPermission));
    }
    if (result !== code.success && !absent.has(result)) return missing(identity, error);
    // The driver gives the handle again, or does not know the device any more: opened again in a while.
    return missing(identity, this.#nvml.error(code.gpuIsLost));
  }
}

function count(card: NvmlGpu, xids: Xids | undefined): void {
  if (xids === undefined) return;
  card.xidCount = BigInt(xids.count);
  put(card, "xidLast", xids.last);
  put(card, "xidWorst", xids.worst);
}

/** Versions of the driver; they change only with the library. One that is refused is not known, and costs no card. */
function system(nvml: Nvml): System {
  const driverVersion = nvml.attempt(queries.driverVersion, undefined).value || undefined;
  // 0 where the driver finds no CUDA; what has more than two digits before the point is garbage.
  const cuda = within(nvml.attempt(queries.cudaVersion, undefined).value, 99_999) || undefined;
  return {
    ...(driverVersion === undefined ? {} : { driverVersion }),
    // 12040 is 12.4.
    ...(cuda === undefined ? {} : { cudaVersion: `${Math.floor(cuda / 1000)}.${Math.floor((cuda % 1000) / 10)}` }),
  };
}
