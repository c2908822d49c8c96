import type { Device, Level } from "../../../proto/catalog.ts";
import { type DiskInfo, type GPUInfo, type HostInfo, type NicInfo, State } from "../../../proto/gen/host_pb.js";
import { labels } from "../../../proto/text.ts";
import { remembered } from "../../snapshot.ts";

/** A device under the labels that all of its samples carry. */
export interface Labelled<T extends object = object> {
  readonly message: T;
  readonly labels: string;
  /** Its values may be shown: they are of now, or old and marked so, but not older than five minutes. */
  readonly told: boolean;
}

/** One reading of the machine, with its labels written once. */
export interface Scene {
  readonly info: HostInfo;
  /** What the `node` label says. */
  readonly node: string;
  readonly host: Labelled<HostInfo>;
  /** Whole cards. */
  readonly gpus: readonly Labelled<GPUInfo>[];
  /** Parts of divided cards (MIG): what they hold of memory is in their card's sum already. */
  readonly instances: readonly Labelled<GPUInfo>[];
  readonly disks: readonly Labelled<DiskInfo>[];
  readonly nics: readonly Labelled<NicInfo>[];
}

/** @param name What to call this node; "" means by its host name. */
export function sceneOf(info: HostInfo, name: string): Scene {
  const node = name || (info.hostname ?? "");
  const told = (device: GPUInfo | DiskInfo): boolean =>
    device.state === State.OK || (age(info, device.sampled) ?? 0) < remembered / 1000;
  return {
    info,
    node,
    host: { message: info, labels: labels({ node }), told: true },
    gpus: cards(info).map((gpu) => ({ message: gpu, labels: labels({ node, ...gpuLabels(gpu) }), told: told(gpu) })),
    instances: info.gpus.filter(isPart).map((gpu) => {
      const whole = info.gpus.find(({ uuid }) => uuid !== undefined && uuid === gpu.parent);
      const { gpuInstance = "", computeInstance = "" } = gpu.instance ?? {};
      const place = { gpu_instance: String(gpuInstance), compute_instance: String(computeInstance) };
      const own = { ...gpuLabels(gpu), gpu_index: String(whole?.id ?? ""), ...place };
      return { message: gpu, labels: labels({ node, ...own }), told: told(gpu) };
    }),
    disks: info.disks.map((disk) => {
      const { device = "", mount = "", fstype = "" } = disk;
      return { message: disk, labels: labels({ node, device, mount, fstype }), told: told(disk) };
    }),
    nics: info.nics.map((nic) => ({ message: nic, labels: labels({ node, nic: nic.name ?? "" }), told: true })),
  };
}

const isPart = ({ parent }: GPUInfo): boolean => parent !== undefined;

/** Cards, whole: nvidia-smi lists no instances among them. */
const cards = (info: HostInfo): GPUInfo[] => info.gpus.filter((gpu) => !isPart(gpu));

const gpuLabels = ({ id, name = "", uuid = "" }: GPUInfo) => ({
  gpu_index: id === undefined ? "" : String(id),
  gpu_name: name,
  gpu_uuid: uuid,
});

/** Everything of one level that may be told of. */
export function devicesOf(scene: Scene, level: Level): readonly Labelled<Device["message"]>[] {
  switch (level) {
    case "host":
      return [scene.host];
    case "gpu":
      return scene.gpus.filter(({ told }) => told);
    case "disk":
      return scene.disks.filter(({ told }) => told);
    case "nic":
      return scene.nics;
    default:
      return level satisfies never;
  }
}

/** Seconds since a reading was made, by the machine's own clock; a clock that was set back since makes it 0. */
export function age(info: HostInfo, sampled: bigint | undefined): number | undefined {
  if (info.sampled === undefined || sampled === undefined) return undefined;
  return Math.max(0, Number(info.sampled - sampled) / 1000);
}

/** Cards that are there: what fell off the bus stays listed, but is not counted. */
export const present = (info: HostInfo): GPUInfo[] => cards(info).filter(({ state }) => state !== State.LOST);

/** Cards by what they are called. */
export function gpuTypes(info: HostInfo): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name = "" } of present(info)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const computes = ({ procs }: GPUInfo): boolean => procs.some(({ compute = true }) => compute);

/** Cards with a process that computes, on themselves or on one of their instances. */
export function gpusInUse(info: HostInfo): number {
  const busy = new Set(info.gpus.filter((gpu) => isPart(gpu) && computes(gpu)).map(({ parent }) => parent));
  return present(info).filter((gpu) => computes(gpu) || (gpu.uuid !== undefined && busy.has(gpu.uuid))).length;
}

/**
 * Device memory as nvidia-smi shows it, in bytes: used without what the driver reserves for itself
 * (docs/decisions/0002-memory-in-use.md).
 */
export function gpuMemory({ memTotal, memUsed, memReserved = 0n }: GPUInfo): { used?: number; free?: number } {
  if (memUsed === undefined) return {};
  const used = memUsed > memReserved ? memUsed - memReserved : 0n;
  const free = memTotal !== undefined && memTotal >= memUsed ? memTotal - memUsed : undefined;
  return { used: Number(used), ...(free !== undefined && { free: Number(free) }) };
}

/** Hardware threads' worth of work. */
export function usedCores({ cpu }: HostInfo): number | undefined {
  return cpu?.busy === undefined || cpu.threads === undefined ? undefined : (cpu.busy / 100) * cpu.threads;
}

export function memoryShare({ memory }: HostInfo): number | undefined {
  if (memory?.used === undefined || memory.total === undefined || memory.total === 0n) return undefined;
  return (Number(memory.used) / Number(memory.total)) * 100;
}

const words: Readonly<Record<State, string>> = {
  [State.UNSPECIFIED]: "unknown",
  [State.OK]: "ok",
  [State.STALE]: "stale",
  [State.HUNG]: "hung",
  [State.LOST]: "lost",
  [State.UNSUPPORTED]: "unsupported",
};

export const stateWord = (state: State = State.UNSPECIFIED): string => words[state] ?? "unknown";
