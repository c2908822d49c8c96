import { type GPUInfo, type HostInfo, type NicInfo, State } from "../../../proto/gen/host_pb.js";
import { round } from "../../../proto/round.ts";
import { type SourceName, sourceOf } from "../../../proto/source.ts";
import type { ReportConfig } from "./config.ts";

/** JSON body of a request. An unknown reading is null. */
export type ReportBody = Readonly<Record<string, unknown>>;

/**
 * Converts an amount to another unit, rounded as by the portal's own exporter, which is in Python; null if it is not known.
 */
function scaled(amount: bigint | number | undefined, unit: number, decimals = 1): number | null {
  return amount === undefined ? null : round(Number(amount) / unit, decimals);
}

const whole = (amount: bigint | number | undefined, unit: number): number | null => scaled(amount, unit, 0);

const MB = 1024 ** 2;
const GB = 1024 ** 3;
/** Bytes per second in a megabit per second. */
const Mbps = 1_000_000 / 8;

const isIPv4 = (address: string): boolean => address.includes(".") && !address.includes(":");
const ipv4 = ({ addresses }: NicInfo): string => addresses.find(isIPv4) ?? "";

/** Number of hardware threads, which the portal's own exporter calls cores. */
const cores = ({ cpu }: HostInfo): number | null => cpu?.threads ?? null;

/**
 * Lists whole cards, the only ones that the portal's own exporter knows. The memory of an instance is part of its card's: the
 * portal, which sums all GPUs, would count it twice.
 */
const cards = ({ gpus }: HostInfo): GPUInfo[] => gpus.filter(({ parent }) => parent === undefined);

/** Keeps the devices that the administrator selected, cards with their instances, and sets the registered host name. */
export function select(info: HostInfo, { gpus, disks, nics }: ReportConfig, hostname: string): HostInfo {
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
export function registration(info: HostInfo, hostname: string): ReportBody {
  return {
    hostname,
    capabilities: {
      cpuCores: cores(info),
      memoryTotalGB: scaled(info.memory?.total, GB),
      gpus: cards(info).map(({ id, name, memTotal }) => ({
        index: id ?? null,
        name: name ?? "",
        memoryTotalMB: whole(memTotal, MB),
      })),
      disks: info.disks.map(({ mount, total }) => ({ mount: mount ?? "", totalGB: scaled(total, GB) })),
      // To choose from are those with an address; a report has the others too.
      nics: info.nics.map((nic) => ({ name: nic.name ?? "", ipv4: ipv4(nic) })).filter((nic) => nic.ipv4 !== ""),
    },
  };
}

/** A report cannot say that a value is old, so old ones are not in it: what does not change is all that is left of such a card. */
function gpuRow(gpu: GPUInfo): ReportBody {
  const live = gpu.state === undefined || gpu.state === State.OK;
  return {
    index: gpu.id ?? null,
    name: gpu.name ?? "",
    utilizationPct: whole(live ? gpu.utilization : undefined, 1),
    memoryUsedMB: whole(live ? gpu.memUsed : undefined, MB),
    memoryTotalMB: whole(gpu.memTotal, MB),
    temperatureC: whole(live ? gpu.temp : undefined, 1),
    powerDrawW: whole(live ? gpu.power : undefined, 1000),
    powerLimitW: whole(live ? gpu.powerLimit : undefined, 1000),
  };
}

/** Sum of the known rates after rounding; null if none is known, 0 without interfaces. */
function total(rates: readonly (number | null)[]): number | null {
  const known = rates.filter((rate) => rate !== null);
  if (known.length === 0 && rates.length > 0) return null;
  return round(
    known.reduce((sum, rate) => sum + rate, 0),
    1,
  );
}

/** Names of the interfaces whose rates add up: without those whose bytes pass through another one of the list. */
function apart(nics: readonly NicInfo[]): ReadonlySet<string> {
  const listed = new Set(nics.map(({ name }) => name ?? ""));
  return new Set(nics.filter(({ lower }) => !lower.some((name) => listed.has(name))).map(({ name }) => name ?? ""));
}

/**
 * Body of POST /api/monitoring/report.
 * @param first True for the program's first report: interfaces have no rate yet, and 0 is sent, as by the portal's own exporter.
 */
export function report(info: HostInfo, { first = false } = {}): ReportBody {
  // After a source has failed, a sample still has its last values, marked as stale; a report cannot mark them.
  const live = (name: SourceName): boolean => {
    const state = info.sources.find((source) => source.name === name)?.state;
    return state === undefined || state === State.OK;
  };
  const cpu = live(sourceOf.cpu) ? info.cpu : undefined;
  const memory = live(sourceOf.memory) ? info.memory : undefined;
  const system = live(sourceOf.system) ? info.system : undefined;
  const rate = (bytesPerSecond: bigint | undefined): number | null =>
    live(sourceOf.nics) ? scaled(bytesPerSecond ?? (first ? 0n : undefined), Mbps) : null;
  const nics = info.nics.map((nic) => ({
    name: nic.name ?? "",
    ipv4: ipv4(nic),
    rxMbps: rate(nic.rxRate),
    txMbps: rate(nic.txRate),
  }));
  const adding = apart(info.nics);
  const summed = nics.filter(({ name }) => adding.has(name));
  const loads = [system?.load1, system?.load5, system?.load15].map((load) => scaled(load, 1));
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
    nics,
    networkRxMbps: live(sourceOf.nics) ? total(summed.map(({ rxMbps }) => rxMbps)) : null,
    networkTxMbps: live(sourceOf.nics) ? total(summed.map(({ txMbps }) => txMbps)) : null,
    uptimeSeconds: system?.uptime === undefined ? null : Number(system.uptime),
    processCount: system?.processes ?? null,
    loadAvg: loads.includes(null) ? null : loads,
  };
}

const complete = (row: unknown): boolean =>
  typeof row !== "object" || row === null || Object.values(row).every((value) => value !== null);

/** Removes unknown readings, and devices that lack one, for portals that refuse null. */
export function withoutNulls(body: ReportBody): ReportBody {
  const kept = Object.entries(body).flatMap(([key, value]): [string, unknown][] => {
    if (value === null) return [];
    if (Array.isArray(value)) return [[key, value.filter(complete)]];
    return [[key, typeof value === "object" ? withoutNulls(value as ReportBody) : value]];
  });
  return Object.fromEntries(kept);
}

/** Removes the last entries of the longest lists until the JSON has at most so many bytes. */
export function shortened(body: ReportBody, bytes: number): ReportBody {
  const size = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
  let short = body;
  while (size(short) > bytes) {
    const lists = Object.entries(short).filter(([, value]) => Array.isArray(value) && value.length > 0);
    const [longest] = lists.sort(([, a], [, b]) => size(b) - size(a));
    if (longest === undefined) {
      const inner = Object.entries(short).find(([, value]) => typeof value === "object" && value !== null);
      if (inner === undefined || Array.isArray(inner[1])) return short;
      const [key, value] = inner;
      return { ...short, [key]: shortened(value as ReportBody, bytes - size({ ...short, [key]: {} }) + size({})) };
    }
    const [key, list] = longest as [string, unknown[]];
    short = { ...short, [key]: list.slice(0, -Math.ceil(list.length / 16)) };
  }
  return short;
}
