import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GPUInfo, HostInfoSchema, PcieLink, ProcInfo, State } from "../../proto/gen/host_pb.js";
import type { SourceName } from "../../proto/source.ts";
import type { Grant, Machine } from "../machine.ts";

/** What a source may tell beside the fields of the answer. */
interface SourceExtras {
  /** What the reader of these values ought to know of them; shown with the source, which is sound all the same. */
  readonly note?: string;
  /** Who holds which device. */
  readonly grants?: readonly Grant[];
}

/** The fields of HostInfo that one source fills. Parts of all sources together are the answer. */
export type Part = MessageInitShape<typeof HostInfoSchema> & SourceExtras;

type Fields<T> = Omit<Partial<T>, "$typeName" | "$unknown">;

/** One process of a GPU in the making. */
export type Proc = Fields<ProcInfo>;

/** One GPU in the making. */
export interface Gpu extends Omit<Fields<GPUInfo>, "procs" | "pcie"> {
  procs?: Proc[];
  pcie?: Fields<PcieLink>;
}

/** What a source may be told apart from the machine itself. */
export interface Options {
  /** Path or name of the NVIDIA driver library; "" is the system's own search. */
  readonly nvml: string;
  /** Network, as CIDR, whose address is preferred as the host's own. */
  readonly network: string;
  /** Milliseconds one read may take. */
  readonly deadline: number;
  /** Socket on which the kubelet tells which container holds which device. */
  readonly kubelet: string;
  readonly log: Log;
}

export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/** Milliseconds for which a card that was lost stays listed as such. */
export const lostCardRetentionMs = 24 * 3_600_000;

/** Reads one kind of thing. It knows no network, no other source, and keeps no values: the snapshot remembers. */
export interface Source {
  readonly name: SourceName;
  /** Reads GPUs: while the machine shows none, this source's error is the host's `err`. */
  readonly gpus?: true;
  /** Undefined: this machine has no such thing, which is normal and not worth a word. Asked again each minute. */
  open(machine: Machine, options: Options): Promise<Reader | undefined>;
}

export interface Reader {
  /**
   * Reads once. Given up at the deadline (the signal tells); a read that is still under way is not started again.
   * A card that is no longer there is left out: the snapshot remembers it, and lists it as lost.
   * @throws Error when nothing could be read; what was read last is then shown as stale.
   */
  read(signal: AbortSignal): Promise<Part>;
  close(): Promise<void>;
  /**
   * Lets go of the driver for so many milliseconds, so that it can be reloaded; reads fail meanwhile. 0 ends that.
   * Settles when nothing holds the driver any more.
   * @throws Hung when the driver cannot be let go.
   */
  pause?(ms: number): Promise<void>;
}

/** Readings that no card which works has at 0, awake as it must be to be read. */
const vital = ["temp", "power", "clockSm", "clockMem"] as const;

const sizes = ["memTotal", "memUsed", "memReserved"] as const;

/** What a card is called, and what the driver reported of it by itself, as against what was read of it. */
const names: ReadonlySet<string> = new Set(
  "id vendor name uuid pciBusId card integrated parent instance divided xidCount xidLast xidWorst".split(" "),
);

// Checked by its type: the enum's own module is large, and this file is part of NVML's small reader.
const stale: State.STALE = 2;

/** Takes every reading from a card whose driver cannot be believed, in place: it is STALE, and the snapshot has its last values. */
export function markStale<G extends object>(gpu: G, err: string): G {
  for (const name of Object.keys(gpu)) if (!names.has(name)) delete gpu[name as keyof G];
  return Object.assign(gpu, { state: stale, err });
}

/**
 * A card as its source may give it. Drivers answer 0 for what they cannot say while a card starts, is being reset or wakes
 * up; taken as it stands, such a card would be idle, cool and free. With all of its vital readings at 0, or memory of 0 and
 * no vital reading above it, nothing of it is believed: it is STALE, and the snapshot tells what it read last. A single
 * one at 0 is absent: GPUs that share the host's memory have 0 for ever while all else is read.
 * @param gpu Changed in place.
 */
export function dropImplausible<
  G extends Pick<Gpu, (typeof vital)[number] | (typeof sizes)[number] | "powerLimit" | "memoryShared">,
>(gpu: G): G {
  const told = vital.filter((name) => gpu[name] !== undefined);
  const dead = told.every((name) => gpu[name] === 0);
  if (dead && (gpu.memTotal === 0n || told.length > 1)) {
    return markStale(gpu, "The driver answers 0 for what never is 0: the card starts, or is being reset");
  }
  if (gpu.memTotal === 0n) {
    for (const name of sizes) delete gpu[name];
    // Whether this 0 stands for the host's memory depends on what the card had before: its source decides.
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
 * What a rate is counted from. Polls of several hubs may follow each other within milliseconds, where counters that
 * step 100 times a second tell nothing: a reading younger than `least` is not counted from, the one before it is.
 */
export class Baseline<T> {
  readonly #least: number;
  #older: Mark<T> | undefined;
  #newer: Mark<T> | undefined;

  /** @param least Shortest span of a rate in milliseconds. */
  constructor(least = 1000) {
    this.#least = least;
  }

  /** Takes a reading; returns the one to count from and the milliseconds since, or undefined when there is none yet. */
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

/** This machine has no such device or no driver for it: normal, shown as STATE_UNSUPPORTED, tried again later. */
export class Unsupported extends Error {
  override name = "Unsupported";
}

/** The device or its driver did not answer in time; shown as STATE_HUNG. */
export class Hung extends Error {
  override name = "Hung";
}
