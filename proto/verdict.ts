import { State, Throttle, Vendor } from "./gen/host_pb.js";
import type { GPUGlance, ProcGlance } from "./glance.ts";
import { graveXid, xidAction } from "./xid.ts";

/** What one card is to somebody who looks for one. */
export type Verdict = "free" | "busy" | "held" | "broken" | "unknown";

export const verdicts: readonly Verdict[] = ["free", "held", "busy", "broken", "unknown"];

/** What is wrong with a card, in the order in which it matters. */
export type Fault =
  | { readonly kind: "lost" | "hung" | "stale" | "ecc-uncorrected"; readonly count: number }
  | { readonly kind: "xid"; readonly count: number; readonly code: number; readonly at: number }
  /** `count` of NVLink links are down, of so many. */
  | { readonly kind: "nvlink"; readonly count: number; readonly of: number };

const MiB = 1024 * 1024;

/** The rule by which a card counts as free; shown to the reader as it stands here. */
export const freeRule = { utilization: 5, memoryShare: 0.02, memoryFloor: 600 * MiB } as const;

/**
 * Reasons that mean the machine around the card is at fault: heat, or too little power. The driver's own holding back
 * near a temperature goal (SW_THERMAL, MEMORY_THERMAL) or a limit (POWER_CAP, CURRENT) is none: many cards do that at
 * every full load.
 */
export const harmful: ReadonlySet<Throttle> = new Set([
  Throttle.HW_SLOWDOWN,
  Throttle.HW_THERMAL,
  Throttle.HW_POWER_BRAKE,
  Throttle.REGULATOR_THERMAL,
  Throttle.PROCHOT,
  Throttle.LIQUID_THERMAL,
]);

/** Bytes in use above which somebody holds the card even where no process is visible (containers, other name spaces). */
function heldAbove(total: number): number {
  return Math.max(total * freeRule.memoryShare, freeRule.memoryFloor);
}

/**
 * Processes that keep others from a card: all but those that only draw and hold next to nothing, as a display server does
 * on every card of its machine. Where such processes together hold more than that, they keep others from it.
 */
export function holding(gpu: GPUGlance): readonly ProcGlance[] {
  const all = gpu.memoryShared ? undefined : usedOf(gpu);
  const limit = heldAbove(gpu.memoryShared ? 0 : Number(gpu.memTotal ?? 0n));
  const found = gpu.procs.filter(({ compute, graphics, mem }) => {
    // What is not known of one process is at most what is in use of the card.
    const own = mem === undefined ? all : Number(mem);
    return !graphics || compute || own === undefined || own >= limit;
  });
  return found.length === 0 && all !== undefined && all >= limit ? gpu.procs : found;
}

/** Bytes in use, without what the driver keeps for itself: that is nobody's. */
function usedOf({ memUsed, memReserved }: Pick<GPUGlance, "memUsed" | "memReserved">): number | undefined {
  return memUsed === undefined ? undefined : Number(memUsed) - Number(memReserved ?? 0n);
}

/** The divided card that an instance is a part of; undefined for every other card. */
export function wholeOf<Card extends GPUGlance>(gpus: readonly Card[], { parent }: GPUGlance): Card | undefined {
  return parent === undefined ? undefined : gpus.find(({ uuid }) => uuid === parent);
}

/**
 * One key per card that stays its own while others come and go: its uuid, or index and name where it has none. Of cards
 * that claim to be the same one, each has its own key too.
 */
export function keysOf(gpus: readonly Pick<GPUGlance, "uuid" | "id" | "name">[]): string[] {
  const taken = new Set<string>();
  return gpus.map(({ uuid, id, name }) => {
    const own = uuid || `${id ?? ""} ${name ?? ""}`;
    let key = own;
    for (let i = 2; taken.has(key); i++) key = `${own} ${i}`;
    taken.add(key);
    return key;
  });
}

/**
 * What is broken about a card. An agent of the first GOHM names no state; its cards count as read.
 * @param whole The card that an instance is a part of: what is wrong with that is wrong with its parts.
 */
export function faults(gpu: GPUGlance, whole?: GPUGlance): Fault[] {
  const own = faultsOf(gpu);
  const kinds = new Set(own.map(({ kind }) => kind));
  return whole === undefined ? own : [...own, ...faultsOf(whole).filter(({ kind }) => !kinds.has(kind))];
}

function faultsOf(gpu: GPUGlance): Fault[] {
  const found: Fault[] = [];
  if (gpu.state === State.LOST) found.push({ kind: "lost", count: 1 });
  if (gpu.state === State.HUNG) found.push({ kind: "hung", count: 1 });
  if (gpu.state === State.STALE) found.push({ kind: "stale", count: 1 });
  const uncorrected = Number(gpu.eccUncorrected ?? 0n);
  if (uncorrected > 0) found.push({ kind: "ecc-uncorrected", count: uncorrected });
  const xid = graveXidOf(gpu);
  if (xid !== undefined) found.push({ kind: "xid", count: Number(gpu.xidCount ?? 0n), ...xid });
  const { linksUp, linksExpected = 0 } = gpu.nvlink ?? {};
  if (linksUp !== undefined && linksUp < linksExpected)
    found.push({ kind: "nvlink", count: linksExpected - linksUp, of: linksExpected });
  return found;
}

/** The Xid event because of which a card is not to be relied on; agents of before told only the last one, and not its action. */
function graveXidOf(gpu: GPUGlance): { code: number; at: number } | undefined {
  const code = gpu.xidWorst ?? gpu.xidLast;
  if (code === undefined || !graveXid(gpu.xidAction ?? xidAction(code))) return undefined;
  return { code, at: Number(gpu.xidWorstTime ?? gpu.xidTime ?? 0n) };
}

/** True while nobody computes on it: below the rule's share of the last sample period. Undefined when not measured. */
export function idle(gpu: GPUGlance): boolean | undefined {
  return gpu.utilization === undefined ? undefined : gpu.utilization < freeRule.utilization;
}

/** False for graphics inside a processor: nobody looks for those to compute on, so they are shown and not counted. */
export const counts = (gpu: GPUGlance): boolean => gpu.integrated !== true;

/**
 * What a card is. `fresh`: its host answered lately. A reading that is missing never makes a card free: a dead sensor
 * must not look like an idle card.
 * @param whole The card that an instance is a part of.
 */
export function verdict(gpu: GPUGlance, fresh: boolean, whole?: GPUGlance): Verdict {
  if (gone(gpu) || (whole !== undefined && gone(whole))) return "broken";
  // Nobody computes on it: its instances are cards of their own.
  if (gpu.divided) return "unknown";
  if (!fresh || old(gpu) || (whole !== undefined && old(whole))) return "unknown";
  if (gpu.asleep) return ofSleeping(gpu, whole);
  const resting = idle(gpu);
  // Memory that the card shares with its host is in use by all sorts of programs: its processes alone tell who holds it.
  const shared = gpu.memoryShared === true;
  const used = shared ? undefined : usedOf(gpu);
  // What Kubernetes gave to a pod, nobody else gets: it is held before the first program runs on it.
  const given = holding(gpu).length + gpu.holders.length > 0;
  const held = given || (used !== undefined && used >= heldAbove(Number(gpu.memTotal ?? 0n)));
  if (resting === false) return "busy";
  // A desktop's programs sit on graphics inside a processor for ever, and keep nothing from anybody.
  if (held && counts(gpu)) return resting ? "held" : "busy";
  // No driver measures the utilization of an instance; what holds none of its memory computes nothing there.
  const measured = resting !== undefined || gpu.parent !== undefined;
  const known = shared ? gpu.procsUnknown !== true : used !== undefined;
  if (!measured || !known || !counts(gpu)) return "unknown";
  return faults(gpu, whole).length > 0 ? "broken" : "free";
}

/** The system powers a card down when nobody uses it: that is an answer, and the only one to be had without waking it. */
function ofSleeping(gpu: GPUGlance, whole?: GPUGlance): Verdict {
  if (!counts(gpu)) return "unknown";
  if (gpu.holders.length > 0) return "held";
  return faults(gpu, whole).length > 0 ? "broken" : "free";
}

const gone = ({ state }: GPUGlance): boolean => state === State.LOST || state === State.HUNG;
const old = ({ state }: GPUGlance): boolean => state === State.STALE || state === State.UNSUPPORTED;

/** "NVIDIA H100 80GB HBM3" → "H100 80GB HBM3": the maker is told by the rest. */
export function modelOf(gpu: GPUGlance): string {
  const name = (gpu.name ?? "")
    .replace(/^(NVIDIA|AMD|Intel(\(R\))?)\s+/i, "")
    .replace(/^(GeForce|Instinct|Radeon)\s+/i, "");
  return name || "GPU";
}

/** A card's id as people read it: instance 3 of the divided card 1, whose id is 2003, is "1:3". */
export function cardName(id: number): string {
  return id < 1000 ? String(id) : `${Math.floor(id / 1000) - 1}:${id % 1000}`;
}

/** What the variables of environment() call a card: its index among its vendor's; instances have none, and go by their uuid. */
export function selector(gpu: GPUGlance): string {
  return gpu.parent === undefined ? String(gpu.vendorIndex ?? gpu.id ?? 0) : (gpu.uuid ?? "");
}

/** What to put before a command so that it sees these cards and no others. */
export function environment(vendor: Vendor | undefined, selectors: readonly string[]): string {
  const list = selectors.join(",");
  if (vendor === Vendor.AMD) return `HIP_VISIBLE_DEVICES=${list}`;
  if (vendor === Vendor.INTEL) return `ZE_ENABLE_PCI_ID_DEVICE_ORDER=1 ZE_AFFINITY_MASK=${list}`;
  // Without the order CUDA numbers the fastest card 0; what the driver numbers 2 may be another one then.
  return `CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=${list}`;
}

/** Whole percent of used in total, or undefined when either is not known. */
export function share(used: bigint | undefined, total: bigint | undefined): number | undefined {
  if (used === undefined || total === undefined || total === 0n) return undefined;
  return (Number(used) / Number(total)) * 100;
}
