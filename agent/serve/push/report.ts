import { type GPUInfo, type HostInfo, type NicInfo, State } from "../../../proto/gen/host_pb.js";
import type { Config } from "./config.ts";

/** A body as it goes out. A reading that is not known is null. */
export type Body = Readonly<Record<string, unknown>>;

/** One decimal, as the portal's own exporter sent. */
const tenth = (value: number): number => Math.round(value * 10) / 10;

/** An amount in another unit, or null when it is not known. */
function scaled(amount: bigint | number | undefined, unit: number): number | null {
  return amount === undefined ? null : tenth(Number(amount) / unit);
}

const MB = 1024 ** 2;
const GB = 1024 ** 3;
/** Bytes per second in a megabit per second. */
const Mbps = 1_000_000 / 8;

const isIPv4 = (address: string): boolean => address.includes(".") && !address.includes(":");
const ipv4 = ({ addresses }: NicInfo): string => addresses.find(isIPv4) ?? "";

const cores = ({ cpu }: HostInfo): number | null => cpu?.cores ?? cpu?.threads ?? null;

/**
 * Whole cards, which the portal's own exporter knew alone. The memory of an instance is a part of its card's: the portal, which adds
 * up what it is told, would count it twice.
 */
const cards = ({ gpus }: HostInfo): GPUInfo[] => gpus.filter(({ parent }) => parent === undefined);

/** The parts of a sample that the administrator selected, a card with its instances, under the name the machine was registered by. */
export function select(info: HostInfo, { gpus, disks, nics }: Config, hostname: string): HostInfo {
  const within = <T>(set: ReadonlySet<T> | undefined, value: T | undefined): boolean =>
    set === undefined || (value !== undefined && set.has(value));
  const chosen = new Map(cards(info).map(({ uuid, id }) => [uuid, within(gpus, id)]));
  return {
    ...info,
    hostname,
    gpus: info.gpus.filter(({ id, parent }) => (parent === undefined ? within(gpus, id) : chosen.get(parent) === true)),
    disks: info.disks.filter(({ mount }) => within(disks, mount)),
    nics: info.nics.filter(({ name }) => within(nics, name)),
  };
}

/** Body of POST /api/monitoring/register. */
export function registration(info: HostInfo, hostname: string): Body {
  return {
    hostname,
    capabilities: {
      cpuCores: cores(info),
      memoryTotalGB: scaled(info.memory?.total, GB),
      gpus: cards(info).map(({ id, name, memTotal }) => ({
        index: id ?? null,
        name: name ?? "",
        memoryTotalMB: scaled(memTotal, MB),
      })),
      disks: info.disks.map(({ mount, total }) => ({ mount: mount ?? "", totalGB: scaled(total, GB) })),
      nics: info.nics.map((nic) => ({ name: nic.name ?? "", ipv4: ipv4(nic) })),
    },
  };
}

/** A report cannot say that a value is old, so old ones are not in it: what does not change is all that is left of such a card. */
function gpuRow(gpu: GPUInfo): Body {
  const live = gpu.state === undefined || gpu.state === State.OK;
  return {
    index: gpu.id ?? null,
    name: gpu.name ?? "",
    utilizationPct: (live ? gpu.utilization : undefined) ?? null,
    memoryUsedMB: scaled(live ? gpu.memUsed : undefined, MB),
    memoryTotalMB: scaled(gpu.memTotal, MB),
    temperatureC: (live ? gpu.temp : undefined) ?? null,
    powerDrawW: scaled(live ? gpu.power : undefined, 1000),
    powerLimitW: scaled(live ? gpu.powerLimit : undefined, 1000),
  };
}

/** Sum of the rates that are known; null when none of them is, 0 when there is nothing to sum. */
function total(rates: readonly (bigint | undefined)[]): number | null {
  const known = rates.filter((rate) => rate !== undefined);
  if (known.length === 0 && rates.length > 0) return null;
  return scaled(
    known.reduce((sum, rate) => sum + rate, 0n),
    Mbps,
  );
}

/** Body of POST /api/monitoring/report. */
export function report(info: HostInfo): Body {
  // Of a source that failed, the sample still holds what it told last, and says so; a report cannot.
  const live = (name: string): boolean => {
    const state = info.sources.find((source) => source.name === name)?.state;
    return state === undefined || state === State.OK;
  };
  const cpu = live("cpu") ? info.cpu : undefined;
  const memory = live("memory") ? info.memory : undefined;
  const system = live("system") ? info.system : undefined;
  const nics = info.nics.map((nic) => (live("net") ? nic : { ...nic, rxRate: undefined, txRate: undefined }));
  const { load1, load5, load15 } = system ?? {};
  return {
    hostname: info.hostname ?? "",
    ip: info.ip ?? "",
    cpuUsagePct: scaled(cpu?.busy, 1),
    cpuCores: cores(info),
    memoryUsedGB: scaled(memory?.used, GB),
    memoryTotalGB: scaled(info.memory?.total, GB),
    gpus: cards(info).map(gpuRow),
    disks: info.disks.map(({ mount, total: size, used, state }) => ({
      mount: mount ?? "",
      totalGB: scaled(size, GB),
      usedGB: scaled(state === undefined || state === State.OK ? used : undefined, GB),
    })),
    nics: nics.map((nic) => ({
      name: nic.name ?? "",
      ipv4: ipv4(nic as NicInfo),
      rxMbps: scaled(nic.rxRate, Mbps),
      txMbps: scaled(nic.txRate, Mbps),
    })),
    networkRxMbps: total(nics.map(({ rxRate }) => rxRate)),
    networkTxMbps: total(nics.map(({ txRate }) => txRate)),
    uptimeSeconds: system?.uptime === undefined ? null : Number(system.uptime),
    processCount: system?.processes ?? null,
    loadAvg: load1 === undefined || load5 === undefined || load15 === undefined ? null : [load1, load5, load15],
  };
}

const whole = (row: unknown): boolean =>
  typeof row !== "object" || row === null || Object.values(row).every((value) => value !== null);

/** The same without what is not known: devices that lack a reading, and single readings. For portals that take no null. */
export function withoutGaps(body: Body): Body {
  const kept = Object.entries(body).flatMap(([key, value]): [string, unknown][] => {
    if (value === null) return [];
    if (Array.isArray(value)) return [[key, value.filter(whole)]];
    return [[key, typeof value === "object" ? withoutGaps(value as Body) : value]];
  });
  return Object.fromEntries(kept);
}
