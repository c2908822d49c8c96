import type { DiskInfo, GPUInfo, HostInfo, NicInfo } from "./gen/host_pb.js";

/** Kinds of things that metrics are measured on, in the order in which reports and answers list them. */
export const levels = ["host", "gpu", "disk", "nic"] as const;
export type Level = (typeof levels)[number];

/** The field of HostInfo that lists the devices of a level. The host itself is the message. */
export const listOf = { gpu: "gpus", disk: "disks", nic: "nics" } as const satisfies Readonly<
  Record<Exclude<Level, "host">, keyof HostInfo>
>;

/** One value for each level. */
export function byLevel<T>(make: (level: Level) => T): Readonly<Record<Level, T>> {
  return { host: make("host"), gpu: make("gpu"), disk: make("disk"), nic: make("nic") };
}

/** A thing on a host that metrics are measured on. */
export interface Device {
  readonly level: Level;
  /** Lasting name among the devices of its level: "" for the host itself, else `gpuKey`, a mount, an interface's name. */
  readonly key: string;
  readonly message: HostInfo | GPUInfo | DiskInfo | NicInfo;
}

/**
 * Lasting name of a GPU: its uuid, or "#" and its index where it has none. Databases contain it. Two cards of one answer may
 * have the same name; what counts cards uses `keysOf` of proto/verdict.ts.
 */
export function gpuKey({ uuid, id }: Pick<GPUInfo, "uuid" | "id">): string {
  return uuid ? uuid : `#${id ?? 0}`;
}

/** The index that is the key of a GPU without a uuid; undefined for other keys. */
export function indexOfKey(key: string): number | undefined {
  const [, index] = /^#(\d{1,9})$/.exec(key) ?? [];
  return index === undefined ? undefined : Number(index);
}

/** The host itself, then its GPUs, disks and network interfaces, each with the key its series are kept under. */
export function devices(info: HostInfo): Device[] {
  const all: Device[] = [{ level: "host", key: "", message: info }];
  for (const gpu of info.gpus) all.push({ level: "gpu", key: gpuKey(gpu), message: gpu });
  for (const disk of info.disks) all.push({ level: "disk", key: disk.mount ?? disk.device ?? "", message: disk });
  for (const nic of info.nics) all.push({ level: "nic", key: nic.name ?? "", message: nic });
  return all;
}
