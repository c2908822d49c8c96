import { State, Throttle, Vendor } from "./gen/host_pb.js";
import type { GPUGlance, ProcGlance } from "./glance.ts";
import { graveXid, xidAction } from "./xid.ts";

/** Availability of a card. */
export type Verdict = "free" | "busy" | "held" | "broken" | "unknown";

export const verdicts: readonly Verdict[] = ["free", "held", "busy", "broken", "unknown"];

/** One fault of a card. `cardFaults` lists the most serious first. */
export type CardFault =
  | { readonly kind: "lost" | "hung" | "stale" | "ecc-uncorrected"; readonly count: number }
  | { readonly kind: "xid"; readonly count: number; readonly code: number; readonly at: number }
  /** `count` of `of` NVLink links are down. */
  | { readonly kind: "nvlink"; readonly count: number; readonly of: number };

const MiB = 1024 * 1024;

/** Limits below which a card counts as free: percent, share of its memory, bytes. The page shows them. */
export const freeRule = { utilization: 5, memoryShare: 0.02, memoryFloor: 600 * MiB } as const;

/**
 * Throttle reasons with a cause outside the card: cooling or power supply. A temperature target (SW_THERMAL,
 * MEMORY_THERMAL) and a limit (POWER_CAP, CURRENT) are not among them: many cards reach these at every full load.
 */
export const harmfulThrottles: ReadonlySet<Throttle> = new Set([
  Throttle.HW_SLOWDOWN,
  Throttle.HW_THERMAL,
  Throttle.HW_POWER_BRAKE,
  Throttle.REGULATOR_THERMAL,
  Throttle.PROCHOT,
  Throttle.LIQUID_THERMAL,
]);

/** Bytes in use from which a card is held even if no process is visible (containers, other namespaces). */
function heldAbove(total: number): number {
  return Math.max(total * freeRule.memoryShare, freeRule.memoryFloor);
}

/**
 * Processes that hold a card: all except graphics processes with almost no memory, such as a display server on every card
 * of its machine. Graphics processes hold the card if together they use more than that.
 */
export function holdingProcs<P extends ProcGlance>(
  gpu: Omit<GPUGlance, "procs"> & { readonly procs: readonly P[] },
): readonly P[] {
  const inUse = gpu.memoryShared ? undefined : usedOf(gpu);
  const limit = heldAbove(gpu.memoryShared ? 0 : Number(gpu.memTotal ?? 0n));
  const found = gpu.procs.filter(({ compute, graphics, mem }) => {
    // A process of unknown size uses at most what is in use on the card.
    const own = mem === undefined ? inUse : Number(mem);
    return !graphics || compute || own === undefined || own >= limit;
  });
  return found.length === 0 && inUse !== undefined && inUse >= limit ? gpu.procs : found;
}

/** Bytes in use, without the memory that the driver reserves. */
function usedOf({ memUsed, memReserved }: Pick<GPUGlance, "memUsed" | "memReserved">): number | undefined {
  return memUsed === undefined ? undefined : Number(memUsed) - Number(memReserved ?? 0n);
}

/** The divided card that an instance belongs to; undefined for any other card. */
export function parentOf<Card extends GPUGlance>(gpus: readonly Card[], { parent }: GPUGlance): Card | undefined {
  return parent === undefined ? undefined : gpus.find(({ uuid }) => uuid === parent);
}

/**
 * Keys that tell the cards of one answer apart, and find them again in the next one: the uuid, else index and name.
 * Duplicates get a number each. History keeps `gpuKey` of proto/device.ts instead: that key is the same whatever other
 * cards the answer has, and databases contain it.
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
 * Faults of a card, most serious first. Agents of the first GOHM send no state: their cards count as read.
 * @param parent The card that an instance belongs to: its faults are faults of the instance, too.
 */
export function cardFaults(gpu: GPUGlance, parent?: GPUGlance): CardFault[] {
  const own = faultsOf(gpu);
  const kinds = new Set(own.map(({ kind }) => kind));
  return parent === undefined ? own : [...own, ...faultsOf(parent).filter(({ kind }) => !kinds.has(kind))];
}

function faultsOf(gpu: GPUGlance): CardFault[] {
  const found: CardFault[] = [];
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

/** The Xid event that makes a card unreliable. Older agents send only the last event, without its action. */
function graveXidOf(gpu: GPUGlance): { code: number; at: number } | undefined {
  const code = gpu.xidWorst ?? gpu.xidLast;
  if (code === undefined || !graveXid(gpu.xidAction ?? xidAction(code))) return undefined;
  return { code, at: Number(gpu.xidWorstTime ?? gpu.xidTime ?? 0n) };
}

/** Utilization in percent, with two decimals if the sender knows them; undefined if it was not measured. */
export const utilizationOf = ({ utilizationExact: exact, utilization }: GPUGlance): number | undefined =>
  exact === undefined ? utilization : Math.round(exact * 100) / 100;

/** True if utilization is below the rule's limit: 4.6 % is, which rounds to 5 %. Undefined if it was not measured. */
export function isIdle(gpu: GPUGlance): boolean | undefined {
  const utilization = utilizationOf(gpu);
  return utilization === undefined ? undefined : utilization < freeRule.utilization;
}

/** False for graphics integrated in a processor: these are shown, but never counted as cards to compute on. */
export const isDiscrete = (gpu: GPUGlance): boolean => gpu.integrated !== true;

/**
 * Decides the verdict of a card. A missing reading never makes a card free: a dead sensor must not look like an idle card.
 * @param fresh True if its host answered recently.
 * @param parent The card that an instance belongs to.
 */
export function verdict(gpu: GPUGlance, fresh: boolean, parent?: GPUGlance): Verdict {
  if (gone(gpu) || (parent !== undefined && gone(parent))) return "broken";
  // Its instances are cards of their own.
  if (gpu.divided) return "unknown";
  if (!fresh || old(gpu) || (parent !== undefined && old(parent))) return "unknown";
  if (gpu.asleep) return ofSleeping(gpu, parent);
  const resting = isIdle(gpu);
  // Any program may use memory that the card shares with its host: only processes show whether the card is held.
  const shared = gpu.memoryShared === true;
  const used = shared ? undefined : usedOf(gpu);
  // A card that Kubernetes allocated to a pod is held before its first process starts.
  const given = holdingProcs(gpu).length + gpu.holders.length > 0;
  const held = given || (used !== undefined && used >= heldAbove(Number(gpu.memTotal ?? 0n)));
  if (resting === false) return "busy";
  // Desktop programs always use integrated graphics, and hold nothing that others need.
  if (held && isDiscrete(gpu)) return resting ? "held" : "busy";
  // No driver measures the utilization of an instance. Without memory in use nothing computes on it.
  const measured = resting !== undefined || gpu.parent !== undefined;
  const known = shared ? gpu.procsUnknown !== true : used !== undefined;
  if (!measured || !known || !isDiscrete(gpu)) return "unknown";
  return cardFaults(gpu, parent).length > 0 ? "broken" : "free";
}

/** Verdict of a card that the system powered down because nobody uses it. Reading more would wake it. */
function ofSleeping(gpu: GPUGlance, parent?: GPUGlance): Verdict {
  if (!isDiscrete(gpu)) return "unknown";
  if (gpu.holders.length > 0) return "held";
  return cardFaults(gpu, parent).length > 0 ? "broken" : "free";
}

const gone = ({ state }: GPUGlance): boolean => state === State.LOST || state === State.HUNG;
const old = ({ state }: GPUGlance): boolean => state === State.STALE || state === State.UNSUPPORTED;

/** Model without its vendor: "NVIDIA H100 80GB HBM3" → "H100 80GB HBM3". */
export function modelOf(gpu: GPUGlance): string {
  const name = (gpu.name ?? "")
    .replace(/^(NVIDIA|AMD|Intel(\(R\))?)\s+/i, "")
    .replace(/^(GeForce|Instinct|Radeon)\s+/i, "");
  return name || "GPU";
}

/** Display form of a card's id: instance 3 of card 1 has id 2003 and is shown as "1:3". */
export function cardName(id: number): string {
  return id < 1000 ? String(id) : `${Math.floor(id / 1000) - 1}:${id % 1000}`;
}

/** Name of a card in the variables of `environment`: its index among cards of its vendor; the uuid of an instance. */
export function selector(gpu: GPUGlance): string {
  return gpu.parent === undefined ? String(gpu.vendorIndex ?? gpu.id ?? 0) : (gpu.uuid ?? "");
}

/** Environment variables that restrict a program to the given cards. */
export function variables(vendor: Vendor | undefined, selectors: readonly string[]): Readonly<Record<string, string>> {
  const list = selectors.join(",");
  if (vendor === Vendor.AMD) return { HIP_VISIBLE_DEVICES: list };
  if (vendor === Vendor.INTEL) return { ZE_ENABLE_PCI_ID_DEVICE_ORDER: "1", ZE_AFFINITY_MASK: list };
  // Without the order CUDA numbers the fastest card 0, and its numbers differ from the driver's.
  return { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: list };
}

/** Variables as the prefix of a shell command. A machine chooses the uuids of its cards, so what a shell may run is escaped. */
export const environment = (vendor: Vendor | undefined, selectors: readonly string[]): string =>
  Object.entries(variables(vendor, selectors))
    .map(([name, value]) => `${name}=${value.replace(/[^\w.,:/-]/gu, "\\$&")}`)
    .join(" ");

/** Percentage of `total` that is used; undefined if either is unknown or `total` is 0. */
export function percentOf(used: bigint | undefined, total: bigint | undefined): number | undefined {
  if (used === undefined || total === undefined || total === 0n) return undefined;
  return (Number(used) / Number(total)) * 100;
}
