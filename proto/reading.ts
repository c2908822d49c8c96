import type { Device, Level } from "./device.ts";
import { type DiskInfo, type GPUInfo, type HostInfo, type NicInfo, State } from "./gen/host_pb.js";
import { round } from "./round.ts";
import { gpuSourceNames, valueRetentionMs } from "./source.ts";
import { labels } from "./text.ts";

/** A device with the labels of all of its samples. */
export interface Labelled<T extends object = object> {
  readonly message: T;
  readonly labels: string;
  /** True if its values are shown: they are current, or stale but not older than five minutes. */
  readonly shown: boolean;
}

/** One reading of the machine as the exporter's metrics need it, with labels written once. */
export interface ExporterInput {
  readonly info: HostInfo;
  /** Seconds since the report was made; 0 for one that is made now. */
  readonly reportAge: number;
  /** Value of the `node` label. */
  readonly node: string;
  readonly host: Labelled<HostInfo>;
  /** Whole cards. */
  readonly gpus: readonly Labelled<GPUInfo>[];
  /** Instances of divided cards (MIG): their memory is included in their card's. */
  readonly instances: readonly Labelled<GPUInfo>[];
  readonly disks: readonly Labelled<DiskInfo>[];
  readonly nics: readonly Labelled<NicInfo>[];
}

/**
 * @param name Name of the node; its host name if undefined.
 * @param reportAge Seconds since the report was made.
 */
export function exporterInput(info: HostInfo, name: string | undefined, reportAge = 0): ExporterInput {
  const node = name ?? info.hostname ?? "";
  const isShown = (device: GPUInfo | DiskInfo): boolean => current({ info, reportAge }, device);
  return {
    info,
    reportAge,
    node,
    host: { message: info, labels: labels({ node }), shown: true },
    gpus: cards(info).map((gpu) => ({
      message: gpu,
      labels: labels({ node, ...gpuLabels(gpu) }),
      shown: isShown(gpu),
    })),
    instances: info.gpus.filter(isPart).map((gpu) => {
      const whole = info.gpus.find(({ uuid }) => uuid !== undefined && uuid === gpu.parent);
      const { gpuInstance = "", computeInstance = "" } = gpu.instance ?? {};
      const place = { gpu_instance: String(gpuInstance), compute_instance: String(computeInstance) };
      const own = { ...gpuLabels(gpu), gpu_index: String(whole?.id ?? ""), ...place };
      return { message: gpu, labels: labels({ node, ...own }), shown: isShown(gpu) };
    }),
    disks: info.disks.map((disk) => {
      const { device = "", mount = "", fstype = "" } = disk;
      return { message: disk, labels: labels({ node, device, mount, fstype }), shown: isShown(disk) };
    }),
    nics: info.nics.map((nic) => ({ message: nic, labels: labels({ node, nic: nic.name ?? "" }), shown: true })),
  };
}

/** A report and its age. */
type AgedReport = Pick<ExporterInput, "info" | "reportAge">;

/** True for values of this reading, and for stale ones that are still shown. */
const current = (report: AgedReport, { state, sampled }: GPUInfo | DiskInfo): boolean =>
  state === State.OK || (age(report, sampled) ?? 0) < valueRetentionMs / 1000;

const isPart = ({ parent }: GPUInfo): boolean => parent !== undefined;

/** Cards, whole: nvidia-smi lists no instances among them. */
const cards = (info: HostInfo): GPUInfo[] => info.gpus.filter((gpu) => !isPart(gpu));

const gpuLabels = ({ id, name = "", uuid = "" }: GPUInfo) => ({
  gpu_index: id === undefined ? "" : String(id),
  gpu_name: name,
  gpu_uuid: uuid,
});

/** Returns the devices of one level whose values are shown. */
export function devicesOf(scene: ExporterInput, level: Level): readonly Labelled<Device["message"]>[] {
  switch (level) {
    case "host":
      return [scene.host];
    case "gpu":
      return scene.gpus.filter(({ shown }) => shown);
    case "disk":
      return scene.disks.filter(({ shown }) => shown);
    case "nic":
      return scene.nics;
    default:
      return level satisfies never;
  }
}

/**
 * Returns the seconds since a reading: by the machine's clock until its report was made, where a clock that was set back counts as
 * 0, and the age of that.
 */
export function age({ info, reportAge }: AgedReport, sampled: bigint | undefined): number | undefined {
  if (info.sampled === undefined || sampled === undefined) return undefined;
  return Math.max(0, Number(info.sampled - sampled) / 1000) + reportAge;
}

/** Cards that are present: lost ones stay listed, but are not counted. */
const present = (info: HostInfo): GPUInfo[] => cards(info).filter(({ state }) => state !== State.LOST);

/** Counts cards by name. */
export function gpuTypes(info: HostInfo): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name = "" } of present(info)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const gpuSources: ReadonlySet<string> = new Set(gpuSourceNames);

/** True if a driver is present whose cards have not been read, or not for longer than values are kept. */
const mute = (info: HostInfo): boolean =>
  info.sources.some(
    ({ name = "", state, sampled }) =>
      gpuSources.has(name) && sampled === undefined && (state === State.STALE || state === State.HUNG),
  );

/** Number of cards; undefined while a driver does not answer. */
export const gpuCount = (info: HostInfo): number | undefined => (mute(info) ? undefined : present(info).length);

const computes = ({ procs }: GPUInfo): boolean => procs.some(({ compute = true }) => compute);

/** True if an empty `procs` means that no process uses the GPU: the list is complete and not expired. */
const listed = (report: AgedReport, gpu: GPUInfo): boolean =>
  gpu.procsUnknown !== true && (gpu.state === State.OK || gpu.sampled !== undefined) && current(report, gpu);

/**
 * Number of cards with a compute process, on themselves or on one of their instances; undefined if a card without a visible one
 * may have others.
 */
export function gpusInUse(report: AgedReport): number | undefined {
  const { info } = report;
  if (mute(info)) return undefined;
  let used = 0;
  for (const card of present(info)) {
    const parts = info.gpus.filter(({ parent }) => parent !== undefined && parent === card.uuid);
    const all = [card, ...parts];
    if (all.some(computes)) used++;
    else if (!all.every((gpu) => listed(report, gpu))) return undefined;
  }
  return used;
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

/** Number of busy hardware threads, with two decimals as in the earlier exporter. */
export function usedCores({ cpu }: HostInfo): number | undefined {
  return cpu?.busy === undefined || cpu.threads === undefined ? undefined : round((cpu.busy / 100) * cpu.threads, 2);
}

/** Percent, with two decimals. */
export const cpuShare = ({ cpu }: HostInfo): number | undefined =>
  cpu?.busy === undefined ? undefined : round(cpu.busy, 2);

/** Percent, with two decimals. */
export function memoryShare({ memory }: HostInfo): number | undefined {
  if (memory?.used === undefined || memory.total === undefined || memory.total === 0n) return undefined;
  return round((Number(memory.used) / Number(memory.total)) * 100, 2);
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
