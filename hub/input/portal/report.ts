import { create } from "@bufbuild/protobuf";
import { decode, hostLimits } from "../../../proto/bound.ts";
import { type HostInfo, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { Fault } from "../../fault.ts";
import {
  given,
  type JsonLimits,
  type JsonObject,
  numberOf,
  objectOf,
  objectsIn,
  parseJson,
  textOf,
  wholeOf,
} from "../../push/json.ts";

type HostInit = Exclude<Parameters<typeof create<typeof HostInfoSchema>>[1], undefined>;

const limits: JsonLimits = { depth: 8, values: 20_000 };

/** Most entries of a list that are read; ingest keeps fewer. */
const mostListed = 1024;

const [MB, GB] = [1024 ** 2, 1024 ** 3];
/** Bytes per second in a megabit per second. */
const Mbps = 1_000_000 / 8;

/** What the field "agent" of a host shows for machines that report as the Lab Exporter does. */
export const exporter = "Lab Exporter";

/** The interface that stands for all of them, of an exporter that does not list them. */
export const allInterfaces = "total";

/** Decodes a gpu.HostInfo. @throws Fault bad_request */
export function parseSample(bytes: Uint8Array): HostInfo {
  let info: HostInfo;
  try {
    info = decode(HostInfoSchema, bytes, hostLimits);
  } catch (error) {
    throw new Fault("bad_request", `The body is not a gpu.HostInfo: ${(error as Error).message}.`, { cause: error });
  }
  if (!info.hostname) throw unnamed();
  return info;
}

/**
 * Decodes a report as the Lab Exporter sends it. Its numbers have no value for "unknown": a temperature, power or power limit
 * of 0 means that, and so does a size of 0. It does not list processes.
 * @throws Fault bad_request
 */
export function parseReport(bytes: Buffer): HostInfo {
  const body = objectOf(parseJson(bytes, limits));
  if (body === undefined) throw new Fault("bad_request", "The body must be a JSON object.");
  const hostname = textOf(body.hostname);
  if (hostname === undefined) throw unnamed();
  const ip = textOf(body.ip);
  return create(HostInfoSchema, {
    ...given("id", lastOctet(ip)),
    ...given("ip", ip),
    hostname,
    agentVersion: exporter,
    gpus: objectsIn(body.gpus, mostListed).flatMap(gpuOf),
    disks: objectsIn(body.disks, mostListed).flatMap(diskOf),
    nics: nicsOf(body),
    cpu: { ...given("busy", numberOf(body.cpuUsagePct, 100)), ...given("threads", readOf(body.cpuCores, 1e6)) },
    memory: memoryOf(body),
    system: systemOf(body),
  });
}

const unnamed = (): Fault => new Fault("bad_request", `The report must have a "hostname".`);

/** Bytes of an amount in a unit; undefined beyond what a number holds exactly. */
function bytesOf(value: unknown, unit: number): bigint | undefined {
  const amount = numberOf(value, Number.MAX_SAFE_INTEGER / unit);
  return amount === undefined ? undefined : BigInt(Math.round(amount * unit));
}

/** As bytesOf, for totals, of which 0 means unknown. */
const totalOf = (value: unknown, unit: number): bigint | undefined => bytesOf(value, unit) || undefined;

/** A reading of which 0 means unknown. */
const readOf = (value: unknown, most: number): number | undefined => wholeOf(value, most) || undefined;

const lastOctet = (ip: string | undefined): string | undefined => /^\d+\.\d+\.\d+\.(\d+)$/.exec(ip ?? "")?.[1];

function gpuOf(gpu: JsonObject): NonNullable<HostInit["gpus"]> {
  const id = wholeOf(gpu.index, 999_999);
  const uuid = textOf(gpu.uuid);
  // A card that nothing names cannot be told from another one.
  if (id === undefined && uuid === undefined) return [];
  const memTotal = totalOf(gpu.memoryTotalMB, MB);
  const watts = (value: unknown): number | undefined => {
    const power = readOf(value, 1e5);
    return power === undefined ? undefined : power * 1000;
  };
  return [
    {
      ...given("id", id),
      ...given("uuid", uuid),
      ...given("name", textOf(gpu.name)),
      ...given("utilization", wholeOf(gpu.utilizationPct, 100)),
      ...given("memTotal", memTotal),
      ...given("memUsed", memTotal === undefined ? totalOf(gpu.memoryUsedMB, MB) : bytesOf(gpu.memoryUsedMB, MB)),
      ...given("temp", readOf(gpu.temperatureC, 200)),
      ...given("power", watts(gpu.powerDrawW)),
      ...given("powerLimit", watts(gpu.powerLimitW)),
      procsUnknown: true,
    },
  ];
}

function diskOf(disk: JsonObject): NonNullable<HostInit["disks"]> {
  const mount = textOf(disk.mount);
  if (mount === undefined) return [];
  const total = totalOf(disk.totalGB, GB);
  return [
    {
      mount,
      ...given("device", textOf(disk.device)),
      ...given("fstype", textOf(disk.fstype)),
      ...given("total", total),
      ...given("used", total === undefined ? totalOf(disk.usedGB, GB) : bytesOf(disk.usedGB, GB)),
    },
  ];
}

/** Interfaces; the first release of the exporter lists none, and sends their sums alone. */
function nicsOf({ nics, networkRxMbps, networkTxMbps }: JsonObject): NonNullable<HostInit["nics"]> {
  const rates = (rx: unknown, tx: unknown) => ({
    ...given("rxRate", bytesOf(rx, Mbps)),
    ...given("txRate", bytesOf(tx, Mbps)),
  });
  if (!Array.isArray(nics)) {
    const all = rates(networkRxMbps, networkTxMbps);
    return Object.keys(all).length === 0 ? [] : [{ name: allInterfaces, ...all }];
  }
  return objectsIn(nics, mostListed).flatMap((nic) => {
    const name = textOf(nic.name);
    const address = textOf(nic.ipv4);
    if (name === undefined) return [];
    return [{ name, addresses: address === undefined ? [] : [address], ...rates(nic.rxMbps, nic.txMbps) }];
  });
}

function memoryOf({ memoryTotalGB, memoryUsedGB }: JsonObject): NonNullable<HostInit["memory"]> {
  const total = totalOf(memoryTotalGB, GB);
  return { ...given("total", total), ...given("used", totalOf(memoryUsedGB, GB)) };
}

function systemOf({ uptimeSeconds, processCount, loadAvg }: JsonObject): NonNullable<HostInit["system"]> {
  const [load1, load5, load15] = (Array.isArray(loadAvg) ? loadAvg : []).map((load: unknown) => numberOf(load, 1e9));
  const uptime = wholeOf(uptimeSeconds, 1e10);
  return {
    ...given("load1", load1),
    ...given("load5", load5),
    ...given("load15", load15),
    ...given("uptime", uptime === undefined ? undefined : BigInt(uptime)),
    ...given("processes", readOf(processCount, 1e9)),
  };
}
