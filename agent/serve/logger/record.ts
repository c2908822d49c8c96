import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type GPUInfo, GPUInfoSchema, type HostInfo, HostInfoSchema, State } from "../../../proto/gen/host_pb.js";
import { round } from "../../../proto/round.ts";
import type { Readings } from "./config.ts";

/** Names of the readings in a record, in the order of the client. */
const fields = [
  "utilization_gpu",
  "utilization_memory",
  "memory_total",
  "memory_used",
  "memory_free",
  "temperature",
  "power_draw",
  "power_limit",
  "fan_speed",
] as const;

/** One reading of one GPU, as the server gets it. A reading that failed is null; one that is switched off is absent. */
export interface LoggerRecord extends Readonly<Partial<Record<(typeof fields)[number], number | null>>> {
  /** Local time of this machine: "2026-11-28 02:05:00". */
  readonly timestamp: string;
  readonly gpu_id: number;
  readonly gpu_name: string;
  readonly client_name: string;
}

/** Names of the readings that a record does not have, separated by commas; "" if it is complete. */
export const gapsOf = (record: LoggerRecord): string =>
  fields.filter((field) => record[field] === undefined || record[field] === null).join(", ");

/** A reading of the machine while it waits: what records are made of, encoded. */
export interface EncodedReading {
  readonly bytes: Uint8Array;
  /** Number of its records. */
  readonly records: number;
}

/**
 * Encodes the whole cards of a reading. The client knows no parts of a card, and sends nothing for a card that is gone; cards
 * without memory of their own in the processor are no cards to compute on.
 * @param begun Unix milliseconds at which the reading began. Readings begin an interval apart, but may take longer or shorter:
 * servers know a record by its second.
 * @returns undefined if there is no card
 */
export function encodeReading({ gpus }: HostInfo, begun: number): EncodedReading | undefined {
  const cards = gpus.filter(
    ({ id, parent, integrated, state }) =>
      id !== undefined &&
      parent === undefined &&
      integrated !== true &&
      state !== State.LOST &&
      state !== State.UNSUPPORTED,
  );
  if (cards.length === 0) return undefined;
  const reading = create(HostInfoSchema, { sampled: BigInt(Math.trunc(begun)), gpus: cards.map(kept) });
  return { bytes: toBinary(HostInfoSchema, reading), records: cards.length };
}

/** What a record has of a card. Values of an earlier reading are not values of this one. */
function kept({ id, name, state, ...values }: GPUInfo): GPUInfo {
  const card = create(GPUInfoSchema);
  const set = <K extends keyof GPUInfo>(key: K, value: GPUInfo[K] | undefined): void => {
    if (value !== undefined) card[key] = value;
  };
  set("id", id);
  set("name", name);
  if (state !== undefined && state !== State.OK) return card;
  set("utilization", values.utilization);
  set("memUtilization", values.memUtilization);
  set("memUsed", values.memUsed);
  set("memTotal", values.memTotal);
  set("temp", values.temp);
  set("power", values.power);
  set("powerLimit", values.powerLimit);
  set("fanspeed", values.fanspeed);
  return card;
}

/** Makes the records of a waiting reading. */
export function recordsOf(bytes: Uint8Array, clientName: string, readings: Readings): LoggerRecord[] {
  const { sampled = 0n, gpus } = fromBinary(HostInfoSchema, bytes);
  const timestamp = localTime(Number(sampled));
  return gpus.map((gpu) => ({
    timestamp,
    gpu_id: gpu.id ?? 0,
    gpu_name: gpu.name ?? "",
    client_name: clientName,
    ...(readings.utilization && {
      utilization_gpu: gpu.utilization ?? null,
      utilization_memory: gpu.memUtilization ?? null,
    }),
    ...(readings.memory && memory(gpu)),
    ...(readings.temperature && { temperature: gpu.temp ?? null }),
    // The client sends the greatest limit that the card can have; the agent reads the one in effect.
    ...(readings.power && { power_draw: watts(gpu.power), power_limit: watts(gpu.powerLimit) }),
    // Passively cooled cards have no fan: the client sends 0 for them.
    ...(readings.fanSpeed && { fan_speed: gpu.fanspeed ?? 0 }),
  }));
}

const MiB = 1024n ** 2n;

function memory({ memTotal, memUsed }: GPUInfo): Pick<LoggerRecord, "memory_total" | "memory_used" | "memory_free"> {
  const megabytes = (bytes: bigint | undefined): number | null => (bytes === undefined ? null : Number(bytes / MiB));
  const known = memTotal !== undefined && memUsed !== undefined && memUsed <= memTotal;
  const free = known ? memTotal - memUsed : undefined;
  return { memory_total: megabytes(memTotal), memory_used: megabytes(memUsed), memory_free: megabytes(free) };
}

const watts = (milliwatts: number | undefined): number | null =>
  milliwatts === undefined ? null : round(milliwatts / 1000, 2);

const two = (part: number): string => String(part).padStart(2, "0");

/** Formats Unix milliseconds as "2026-11-28 02:05:00" in the time zone of this machine. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  const day = [String(at.getFullYear()).padStart(4, "0"), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}
