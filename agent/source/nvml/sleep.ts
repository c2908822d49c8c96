import type { Machine } from "../../machine/machine.ts";
import { type Identity, type NvmlGpu, nvidia, ok, put } from "./gpu.ts";

/** Milliseconds for which an unused card is not read: Linux powers it down within about 15 s. */
const restMs = 30_000;

/**
 * Lets Linux power down unused NVIDIA GPUs (runtime D3 of laptops), and reads their state from files that do not wake them.
 * Opening NVML, and every query, would wake them, and an open reader keeps all of them awake (docs/decisions/0019).
 */
export class SleepGuard {
  readonly #machine: Machine;
  /** By PCI place, as last read. */
  readonly #known = new Map<string, Identity>();
  /** Ticks until which cards are left alone, and what was read of them last. */
  #rest: { readonly until: number; readonly gpus: readonly NvmlGpu[] } | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Returns the cards without using the driver if all sleep, or are left alone so that they may; otherwise undefined. */
  cards(): NvmlGpu[] | undefined {
    const places = this.#places();
    if (places.length > 0 && places.every((place) => this.#asleep(place))) {
      this.#rest = undefined;
      return places.map((place, index) => this.#sleeping(place, index));
    }
    if (this.#rest === undefined || this.#machine.ticks() >= this.#rest.until) return undefined;
    return [...this.#rest.gpus];
  }

  /** Adds a reading. @returns True if all cards can sleep and are unused: the caller closes the driver then. */
  take(gpus: readonly NvmlGpu[]): boolean {
    for (const { id, vendor, name, uuid, pciBusId } of gpus) {
      if (pciBusId === undefined) continue;
      const identity: Identity = { pciBusId };
      put(identity, "id", id);
      put(identity, "vendor", vendor);
      put(identity, "name", name);
      put(identity, "uuid", uuid);
      this.#known.set(pciBusId, identity);
    }
    const places = this.#places();
    const may = places.length > 0 && gpus.every(unused) && places.every((place) => this.#maySleep(place));
    this.#rest = may ? { until: this.#machine.ticks() + restMs, gpus } : undefined;
    return may;
  }

  /** PCI functions that the driver runs, in the order in which it numbers them. */
  #places(): string[] {
    return [...this.#machine.list("/proc/driver/nvidia/gpus")].sort();
  }

  /** Documentation/ABI/testing/sysfs-devices-power: "suspended", "suspending", "resuming", "active", "error", "unsupported". */
  #asleep(place: string): boolean {
    return this.#machine.read(`${folder(place)}/power/runtime_status`)?.startsWith("suspend") ?? false;
  }

  /** The driver and the system both allow it: on servers, opening the driver for each reading would take seconds. */
  #maySleep(place: string): boolean {
    const status = this.#machine.read(`/proc/driver/nvidia/gpus/${place}/power`) ?? "";
    const control = this.#machine.read(`${folder(place)}/power/control`)?.trim();
    return control === "auto" && /^Runtime D3 status:\s+Enabled/m.test(status);
  }

  #sleeping(place: string, index: number): NvmlGpu {
    const known = this.#known.get(place);
    const gpu: NvmlGpu = { id: index, vendor: nvidia, pciBusId: place, ...known, state: ok, asleep: true, procs: [] };
    if (known === undefined) put(gpu, "name", this.#product(place));
    return gpu;
  }

  #product(place: string): string | undefined {
    const number = (file: string): string =>
      (this.#machine.read(`${folder(place)}/${file}`) ?? "").trim().replace(/^0x/, "").toLowerCase();
    return this.#machine.product({ vendor: number("vendor"), device: number("device"), revision: number("revision") });
  }
}

const folder = (place: string): string => `/sys/bus/pci/devices/${place}`;

/** True if the card was read and no process uses it, not even for graphics. */
const unused = ({ state, utilization = 0, procs = [], procsUnknown }: NvmlGpu): boolean =>
  state === ok && utilization === 0 && procs.length === 0 && !procsUnknown;
