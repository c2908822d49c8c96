import { Link, type Sentence } from "./gen/feed_pb.js";
import { State, type Vendor } from "./gen/host_pb.js";
import type { DiskGlance, Glance, GPUGlance, HolderGlance, HostGlance, ProcGlance } from "./glance.ts";
import {
  type CardFault,
  cardFaults,
  harmfulThrottles,
  holdingProcs,
  isDiscrete,
  modelOf,
  parentOf,
  percentOf,
  selector,
  type Verdict,
  verdict,
} from "./verdict.ts";

/** A host with its last answer. */
export interface HostStatus {
  readonly host: HostGlance;
  /** The last answer is recent enough to be shown as live (`isFresh`). */
  readonly fresh: boolean;
}

/** Cards of one model: how many there are, and where the free ones are. */
export interface ModelOffer {
  readonly model: string;
  readonly total: number;
  readonly free: number;
  /** Hosts with free cards, most first. */
  readonly hosts: readonly HostOffer[];
}

/** Free cards of one model on one host. */
export interface HostOffer {
  readonly host: string;
  readonly vendor: Vendor | undefined;
  readonly ids: readonly number[];
  /** The same cards, as `environment` takes them. */
  readonly selectors: readonly string[];
}

/** Cards and memory that one user holds. A card that two users share counts for both. */
interface HolderUsage {
  readonly user: string;
  readonly cards: number;
  /** Cards of these on which nobody computes. */
  readonly idle: number;
  /** Bytes of device memory; undefined if unknown. */
  readonly memory: number | undefined;
}

/** The name to show for a host. */
export const shownName = ({ name, shown }: Pick<HostGlance, "name" | "shown">): string => shown || name;

/**
 * True if a host's last answer may be shown as live: the host is reachable, and missed at most two polls.
 * @param now The hub's clock, Unix milliseconds.
 * @param interval Seconds between reports of hosts that have no interval of their own.
 */
export function isFresh(host: Pick<HostGlance, "link" | "seen" | "interval">, now: number, interval: number): boolean {
  const { link, seen } = host;
  const own = host.interval > 0 ? host.interval : interval;
  const lateAfterMs = Math.max(3 * own, own + 10) * 1000;
  return link !== Link.WAITING && link !== Link.HISTORY && seen !== undefined && now - Number(seen) < lateAfterMs;
}

/** One thing that is wrong with a host. */
export type Trouble = { readonly host: string } & (
  | {
      readonly kind: "unreachable";
      readonly reason: string;
      readonly cause: Sentence | undefined;
      readonly since: number | undefined;
    }
  | { readonly kind: "late"; readonly since: number }
  | { readonly kind: "card"; readonly card: number; readonly fault: CardFault }
  | { readonly kind: "slowed"; readonly card: number; readonly reasons: readonly number[] }
  | { readonly kind: "source"; readonly source: string; readonly reason: string }
  | { readonly kind: "disk"; readonly mount: string; readonly used: number }
  | { readonly kind: "mount"; readonly mount: string }
);

/** What a fleet offers, who holds the rest, and what is broken. */
export interface Summary {
  readonly hosts: number;
  readonly cards: number;
  readonly count: Readonly<Record<Verdict, number>>;
  readonly offers: readonly ModelOffer[];
  readonly holders: readonly HolderUsage[];
  readonly troubles: readonly Trouble[];
  /** Number of hosts with at least one trouble. */
  readonly troubled: number;
}

/** Percentage in use above which a disk is a trouble. */
export const diskLimit = 95;

/** Display name of a process's user. */
export function userOf(proc: Pick<ProcGlance, "username" | "uid">): string {
  return proc.username || (proc.uid === undefined ? "?" : `uid ${proc.uid}`);
}

/** Display name of a pod: "namespace/pod". An alias of one has no namespace. */
export function podOf({ namespace, pod = "" }: HolderGlance): string {
  return namespace ? `${namespace}/${pod}` : pod;
}

/** Pods that a card is allocated to. */
export function podsOf({ holders }: Pick<GPUGlance, "holders">): string[] {
  return [...new Set(holders.map(podOf))];
}

/** Holders of a card: users of its processes; if no process is visible, the pods that it is allocated to. */
export function occupants(gpu: GPUGlance): string[] {
  const procs = holdingProcs(gpu);
  return procs.length > 0 ? [...new Set(procs.map(userOf))] : podsOf(gpu);
}

/** Orders names as people count: "node2" before "node10". */
export const compareNames = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

function diskTroubles(host: string, disk: DiskGlance): Trouble[] {
  const mount = disk.mount ?? disk.device ?? "";
  if (disk.state === State.HUNG || disk.state === State.STALE) return [{ host, kind: "mount", mount }];
  const used = percentOf(disk.used, disk.total);
  // A read-only filesystem (an image, a CD) is full by nature.
  return used !== undefined && used > diskLimit && disk.readOnly !== true ? [{ host, kind: "disk", mount, used }] : [];
}

function cardTroubles(host: string, gpu: GPUGlance): Trouble[] {
  const card = gpu.id ?? 0;
  const reasons = gpu.throttle.filter((reason) => harmfulThrottles.has(reason));
  return [
    ...cardFaults(gpu).map((fault): Trouble => ({ host, kind: "card", card, fault })),
    ...(reasons.length > 0 ? [{ host, kind: "slowed" as const, card, reasons }] : []),
  ];
}

/** Troubles of one host, most serious first. */
export function troublesOf({ host, fresh }: HostStatus): Trouble[] {
  const { name } = host;
  if (host.link === Link.WAITING) {
    // For a host that never answered the time is unknown: the hub may just have started.
    const since = host.seen === undefined ? undefined : Number(host.seen);
    return [{ host: name, kind: "unreachable", reason: host.reason, cause: host.cause, since }];
  }
  const { info } = host;
  // A host of which only history knows is as it should be.
  if (info === undefined || host.link === Link.HISTORY) return [];
  if (!fresh) return [{ host: name, kind: "late", since: Number(host.seen ?? host.since) }];
  const broken = info.sources.filter(
    (s) => s.state === State.STALE || s.state === State.HUNG || s.state === State.LOST,
  );
  return [
    ...info.gpus.flatMap((gpu) => cardTroubles(name, gpu)),
    ...broken.map((s): Trouble => ({ host: name, kind: "source", source: s.name ?? "", reason: s.err ?? "" })),
    ...info.disks.flatMap((disk) => diskTroubles(name, disk)),
  ];
}

/** Why a host with GPUs lists none; undefined if it lists some, or has no GPU. */
export function noCardsReason({ err, gpus, sources }: Pick<Glance, "err" | "gpus" | "sources">): string | undefined {
  const broken = sources.some(({ state }) => state === State.STALE || state === State.HUNG);
  return gpus.length === 0 && broken && err ? err : undefined;
}

/** True if a card is counted. Of a divided card the instances are counted instead. */
export const isCounted = (gpu: GPUGlance): boolean => isDiscrete(gpu) && !gpu.divided;

/**
 * Verdict of a whole host: that of its most notable card; undefined if it has no cards to count. Of a machine that waits for
 * approval nothing is said.
 */
export function hostVerdict({ host, fresh }: HostStatus): Verdict | undefined {
  if (host.waiting) return "unknown";
  if (host.link === Link.WAITING) return "broken";
  if (!fresh) return "unknown";
  const gpus = host.info?.gpus ?? [];
  const states = gpus.filter(isCounted).map((gpu) => verdict(gpu, fresh, parentOf(gpus, gpu)));
  return (["broken", "free", "held", "busy", "unknown"] as const).find((state) => states.includes(state));
}

interface Draft {
  model: string;
  total: number;
  hosts: Map<string, { host: string; vendor: Vendor | undefined; ids: number[]; selectors: string[] }>;
}

function addOffer(offers: Map<string, Draft>, host: string, gpu: GPUGlance, state: Verdict): void {
  // A card without a name was lost before its first reading: it is a trouble, and no model to choose.
  if (!gpu.name && state !== "free") return;
  const model = modelOf(gpu);
  const offer = offers.get(model) ?? { model, total: 0, hosts: new Map() };
  offers.set(model, offer);
  offer.total++;
  if (state !== "free") return;
  const there = offer.hosts.get(host) ?? { host, vendor: gpu.vendor, ids: [], selectors: [] };
  offer.hosts.set(host, there);
  there.ids.push(gpu.id ?? 0);
  there.selectors.push(selector(gpu));
}

const sum = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : a + b;

/**
 * Who holds a card, with the bytes of device memory of each; undefined if unknown. Users of its processes; if no process is
 * visible, the pods that it is allocated to.
 */
export function holdersOf(gpu: GPUGlance): Map<string, number | undefined> {
  const here = new Map<string, number | undefined>();
  const procs = holdingProcs(gpu);
  for (const proc of procs) {
    const user = userOf(proc);
    here.set(user, sum(here.get(user), proc.mem === undefined ? undefined : Number(proc.mem)));
  }
  if (procs.length > 0) return here;
  const pods = podsOf(gpu);
  // A single pod has all memory in use; how several pods divide it is unknown.
  const known = pods.length === 1 && gpu.memUsed !== undefined;
  const memory = known ? Math.max(0, Number((gpu.memUsed ?? 0n) - (gpu.memReserved ?? 0n))) : undefined;
  for (const pod of pods) here.set(pod, memory);
  return here;
}

function addHolders(holders: Map<string, Omit<HolderUsage, "user">>, gpu: GPUGlance, state: Verdict): void {
  for (const [user, memory] of holdersOf(gpu)) {
    const held = holders.get(user) ?? { cards: 0, idle: 0, memory: undefined };
    holders.set(user, {
      cards: held.cards + 1,
      idle: held.idle + (state === "held" ? 1 : 0),
      memory: sum(held.memory, memory),
    });
  }
}

/**
 * Summarizes a fleet: which cards are free, who holds the others, which hosts are broken. Machines that wait for approval are
 * left out.
 */
export function summarize(all: readonly HostStatus[]): Summary {
  const fleet = all.filter(({ host }) => !host.waiting);
  const count: Record<Verdict, number> = { free: 0, held: 0, busy: 0, broken: 0, unknown: 0 };
  const offers = new Map<string, Draft>();
  const holders = new Map<string, Omit<HolderUsage, "user">>();
  let cards = 0;
  for (const { host, fresh } of fleet) {
    const gpus = host.info?.gpus ?? [];
    for (const gpu of gpus) {
      if (!isCounted(gpu)) continue;
      const state = verdict(gpu, fresh, parentOf(gpus, gpu));
      count[state]++;
      cards++;
      addOffer(offers, host.name, gpu, state);
      if (fresh) addHolders(holders, gpu, state);
    }
  }
  const troubles = fleet.flatMap(troublesOf);
  return {
    hosts: fleet.length,
    cards,
    count,
    offers: [...offers.values()].map(finish).sort((a, b) => b.free - a.free || compareNames(a.model, b.model)),
    holders: [...holders]
      .map(([user, held]) => ({ user, ...held }))
      .sort((a, b) => b.cards - a.cards || (b.memory ?? 0) - (a.memory ?? 0) || compareNames(a.user, b.user)),
    troubles,
    troubled: new Set(troubles.map(({ host }) => host)).size,
  };
}

function finish({ model, total, hosts }: Draft): ModelOffer {
  const sorted = [...hosts.values()].sort((a, b) => b.ids.length - a.ids.length || compareNames(a.host, b.host));
  return { model, total, free: sorted.reduce((sum, { ids }) => sum + ids.length, 0), hosts: sorted };
}
