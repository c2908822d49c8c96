import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GPUInfo, HostInfoSchema, PcieLink, ProcInfo, State } from "../../proto/gen/host_pb.js";
import type { SourceName } from "../../proto/source.ts";
import type { Grant, Machine } from "../machine/machine.ts";

/** Results of a source besides the fields of the answer. */
interface SourceExtras {
  /** Remark about the values, such as what they leave out; shown with the source, whose state is OK nevertheless. */
  readonly note?: string;
  /** Device allocations to containers. */
  readonly grants?: readonly Grant[];
}

/** Fields of HostInfo that one source fills. The parts of all sources together are the answer. */
export type SourcePart = MessageInitShape<typeof HostInfoSchema> & SourceExtras;

type Fields<T> = Omit<Partial<T>, "$typeName" | "$unknown">;

/** A ProcInfo under construction. */
export type Proc = Fields<ProcInfo>;

/** A GPUInfo under construction. */
export interface Gpu extends Omit<Fields<GPUInfo>, "procs" | "pcie"> {
  procs?: Proc[];
  pcie?: Fields<PcieLink>;
}

/** Options of sources. */
export interface SourceOptions {
  /** Path or name of the NVIDIA driver library; "" searches where the system does. */
  readonly nvml: string;
  /** CIDR whose address is preferred as the host's. */
  readonly network: string;
  /** Milliseconds one read may take. */
  readonly deadline: number;
  /** Socket of the kubelet. */
  readonly kubelet: string;
  readonly log: Log;
}

export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/** Time for which a lost card stays listed. */
export const lostCardRetentionMs = 24 * 3_600_000;

/** Reads one kind of thing. It uses no network and no other source, and keeps no values: the snapshot does. */
export interface Source {
  readonly name: SourceName;
  /** True for sources of GPUs: while the machine has none, their error is the host's `err`. */
  readonly gpus?: true;
  /** Returns undefined if this machine has no such thing, which is normal and not logged. Called again each minute. */
  open(machine: Machine, options: SourceOptions): Promise<SourceReader | undefined>;
}

export interface SourceReader {
  /**
   * Reads once. Abandoned at the deadline, when the signal aborts; a read still under way is not started again.
   * A card that has vanished is left out: the snapshot lists it as lost.
   * @throws Error if nothing could be read; the last values are then shown as stale.
   */
  read(signal: AbortSignal): Promise<SourcePart>;
  close(): Promise<void>;
  /**
   * Releases the driver for so many milliseconds, so that it can be reloaded; reads fail meanwhile. 0 ends the pause.
   * Settles when the driver is no longer in use.
   * @throws Hung if the driver cannot be released.
   */
  pause?(ms: number): Promise<void>;
}

/** Readings that are never 0 on a working card: it is awake while it is read. */
const vital = ["temp", "power", "clockSm", "clockMem"] as const;

const sizes = ["memTotal", "memUsed", "memReserved"] as const;

/** Fields that identify a card or that the driver reported as events, in contrast to readings. */
const names: ReadonlySet<string> = new Set(
  "id vendor name uuid pciBusId card integrated parent instance divided xidCount xidLast xidWorst".split(" "),
);

// Checked by its type: the enum's own module is large, and this file is part of NVML's small reader.
const stale: State.STALE = 2;

/** Removes all readings of a card whose driver is not plausible, in place: it is STALE, and the snapshot adds its last values. */
export function markStale<G extends object>(gpu: G, err: string): G {
  for (const name of Object.keys(gpu)) if (!names.has(name)) delete gpu[name as keyof G];
  return Object.assign(gpu, { state: stale, err });
}

/**
 * Removes implausible zeros. Drivers answer 0 for values that they do not have while a card starts, is reset or wakes up:
 * such a card would look idle, cool and free. If all of its vital readings are 0, or its memory is 0 and no vital reading is
 * above 0, the card is STALE without readings. A single vital reading of 0 is removed: GPUs that share the host's memory
 * always have 0 while the rest is read.
 * @param gpu Changed in place.
 */
export function dropImplausible<
  G extends Pick<Gpu, (typeof vital)[number] | (typeof sizes)[number] | "powerLimit" | "memoryShared">,
>(gpu: G): G {
  const present = vital.filter((name) => gpu[name] !== undefined);
  const dead = present.every((name) => gpu[name] === 0);
  if (dead && (gpu.memTotal === 0n || present.length > 1)) {
    return markStale(gpu, "The driver answers 0 for what never is 0: the card starts, or is being reset");
  }
  if (gpu.memTotal === 0n) {
    for (const name of sizes) delete gpu[name];
    // Whether this 0 means the host's memory depends on what the card had before: its source decides.
    if (gpu.memoryShared) gpu.memTotal = 0n;
  }
  for (const name of [...vital, "powerLimit"] as const) if (gpu[name] === 0) delete gpu[name];
  return gpu;
}

interface Mark<T> {
  readonly at: number;
  readonly value: T;
}

/**
 * Baseline of a rate. Polls of several hubs may follow each other within milliseconds, too close for counters that step 100
 * times a second: rates start from the newest reading that is at least `least` old.
 */
export class Baseline<T> {
  readonly #least: number;
  #older: Mark<T> | undefined;
  #newer: Mark<T> | undefined;

  /** @param least Shortest span of a rate in milliseconds. */
  constructor(least = 1000) {
    this.#least = least;
  }

  /** Adds a reading; returns the baseline and the milliseconds since it, or undefined for the first reading. */
  take(at: number, value: T): { from: T; span: number } | undefined {
    const mark = { at, value };
    const newer = this.#newer;
    if (newer === undefined) {
      this.#newer = mark;
      return undefined;
    }
    if (at - newer.at >= this.#least) {
      this.#older = newer;
      this.#newer = mark;
    }
    const from = this.#older;
    return from && { from: from.value, span: at - from.at };
  }
}

/** The machine has no such device or no driver for it: normal, shown as STATE_UNSUPPORTED, tried again later. */
export class Unsupported extends Error {
  override name = "Unsupported";
}

/** The device or its driver did not answer in time; shown as STATE_HUNG. */
export class Hung extends Error {
  override name = "Hung";
}
