import type { Cards, Identity, Instance } from "./card.ts";
import { type Device, type Nvml, queries } from "./library.ts";

/** No device can be divided further; a driver that says so is not to be believed. */
const mostInstances = 64;

/** MIG instances come and go while the driver runs: they are looked for with every read. */
export class Instances {
  readonly #nvml: Nvml;
  readonly #cards: Cards;

  constructor(nvml: Nvml, cards: Cards) {
    this.#nvml = nvml;
    this.#cards = cards;
  }

  /**
   * The instances of a device, which may be none; undefined when it is not divided.
   * @throws NvmlError
   */
  of(device: Device, parent: Identity): Instance[] | undefined {
    if (this.#nvml.ask(queries.mig, device) !== 1) return undefined;
    const most = Math.min(this.#nvml.ask(queries.instances, device) ?? 0, mostInstances);
    return Array.from({ length: most }, (_, number) => this.#one(device, parent, number)).flatMap((one) => one ?? []);
  }

  #one(parent: Device, { uuid, pciBusId }: Identity, number: number): Instance | undefined {
    const handle = this.#nvml.ask(queries.instance, parent, number);
    if (handle === undefined) return undefined;
    // As the wire's id has it: distinct from every index of a whole device.
    const device = { index: 1000 * (parent.index + 1) + number, handle };
    const gpuInstance = this.#nvml.ask(queries.gpuInstance, device);
    const computeInstance = this.#nvml.ask(queries.computeInstance, device);
    const multiprocessors = this.#nvml.ask(queries.multiprocessors, device);
    // Destroyed between two calls.
    if (gpuInstance === undefined || computeInstance === undefined) return undefined;
    const instance = { gpuInstance, computeInstance, ...(multiprocessors === undefined ? {} : { multiprocessors }) };
    const own = this.#cards.identify(device);
    return {
      device,
      identity: {
        ...own,
        ...(pciBusId === undefined ? {} : { pciBusId }),
        ...(uuid === undefined ? {} : { parent: uuid }),
        instance,
      },
    };
  }
}
