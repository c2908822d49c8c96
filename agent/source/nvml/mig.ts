import type { Instance } from "./card.ts";
import { type Identity, put } from "./gpu.ts";
import { type Nvml, type NvmlDevice, queries } from "./library.ts";

/** Most instances of a device: a driver that reports more is not plausible. */
const mostInstances = 64;

interface Parent {
  readonly device: NvmlDevice;
  readonly identity: Identity;
  /** @throws NvmlError */
  identify(instance: NvmlDevice): Identity;
}

/**
 * The instances of a device, which may be none; undefined when it is not divided. MIG instances come and go while the
 * driver runs: they are looked for with every read.
 * @throws NvmlError
 */
export function instancesOf(nvml: Nvml, parent: Parent): Instance[] | undefined {
  if (nvml.ask(queries.mig, parent.device) !== 1) return undefined;
  const most = Math.min(nvml.ask(queries.instances, parent.device) ?? 0, mostInstances);
  return Array.from({ length: most }, (_, number) => instanceOf(nvml, parent, number)).flatMap((one) => one ?? []);
}

function instanceOf(nvml: Nvml, { device, identity, identify }: Parent, number: number): Instance | undefined {
  const handle = nvml.ask(queries.instance, device, number);
  if (handle === undefined) return undefined;
  // As the wire's id has it: distinct from every index of a whole device.
  const part = { index: 1000 * (device.index + 1) + number, handle };
  const gpuInstance = nvml.ask(queries.gpuInstance, part);
  const computeInstance = nvml.ask(queries.computeInstance, part);
  const multiprocessors = nvml.ask(queries.multiprocessors, part);
  // Destroyed between two calls.
  if (gpuInstance === undefined || computeInstance === undefined) return undefined;
  const own = identify(part);
  own.instance = { gpuInstance, computeInstance };
  put(own.instance, "multiprocessors", multiprocessors);
  put(own, "pciBusId", identity.pciBusId);
  put(own, "parent", identity.uuid);
  return { device: part, identity: own };
}
