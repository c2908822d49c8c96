import { Link } from "./gen/feed_pb.js";
import { State, type Vendor } from "./gen/host_pb.js";
import type { DiskGlance, Glance, GPUGlance, HostGlance, ProcGlance } from "./glance.ts";
import {
  counts,
  type Fault,
  faults,
  harmful,
  holding,
  modelOf,
  selector,
  share,
  type Verdict,
  verdict,
  wholeOf,
} from "./verdict.ts";

/** One host as it stands: its last answer, and whether that may be shown as live. */
export interface Standing {
  readonly host: HostGlance;
  readonly fresh: boolean;
}

/** Free cards of one model, by host. */
export interface Offer {
  readonly model: string;
  readonly total: number;
  readonly free: number;
  readonly places: readonly Place[];
}

export interface Place {
  readonly host: string;
  readonly vendor: Vendor | undefined;
  readonly ids: readonly number[];
  /** The same cards as environment() wants them. */
  readonly selectors: readonly string[];
}

/** What one user has on all cards. A card that two users share counts for both. */
interface Holder {
  readonly user: string;
  readonly cards: number;
  /** Of those, cards on which nobody computes. */
  readonly idle: number;
  /** Bytes of device memory; undefined where nobody says how much. */
  readonly memory: number | undefined;
}

export type Trouble = { readonly host: string } & (
  | { readonly kind: "unreachable"; readonly reason: string; readonly since: number | undefined }
  | { readonly kind: "late"; readonly since: number }
  | { readonly kind: "card"; readonly card: number; readonly fault: Fault }
  | { readonly kind: "slowed"; readonly card: number; readonly reasons: readonly number[] }
  | { readonly kind: "source"; readonly source: string; readonly reason: string }
  | { readonly kind: "disk"; readonly mount: string; readonly used: number }
  | { readonly kind: "mount"; readonly mount: string }
);

export interface Summary {
  readonly hosts: number;
  readonly cards: number;
  readonly count: Readonly<Record<Verdict, number>>;
  readonly offers: readonly Offer[];
  readonly holders: readonly Holder[];
  readonly troubles: readonly Trouble[];
  /** Hosts that have any. */
  readonly troubled: number;
}

/** Percent of a disk in use above which it is trouble. */
export const diskLimit = 95;

/** Name of a process's user, as the page shows and filters it. */
export function userOf(proc: Pick<ProcGlance, "username" | "uid">): string {
  return proc.username || (proc.uid === undefined ? "?" : `uid ${proc.uid}`);
}

/** Pods that hold a card, by the names that kubectl knows. */
export function podsOf({ holders }: Pick<GPUGlance, "holders">): string[] {
  return [...new Set(holders.map(({ namespace = "", pod = "" }) => `${namespace}/${pod}`))];
}

/** Who is on a card: users of the processes that hold it, and where none is seen the pods that it was given to. */
export function occupants(gpu: GPUGlance): string[] {
  const procs = holding(gpu);
  return procs.length > 0 ? [...new Set(procs.map(userOf))] : podsOf(gpu);
}

export const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

function diskTroubles(host: string, disk: DiskGlance): Trouble[] {
  const mount = disk.mount ?? disk.device ?? "";
  if (disk.state === State.HUNG || disk.state === State.STALE) return [{ host, kind: "mount", mount }];
  const used = share(disk.used, disk.total);
  // A read-only filesystem (an image, a CD) is full by nature.
  return used !== undefined && used > diskLimit && disk.readOnly !== true ? [{ host, kind: "disk", mount, used }] : [];
}

function cardTroubles(host: string, gpu: GPUGlance): Trouble[] {
  const card = gpu.id ?? 0;
  const reasons = gpu.throttle.filter((reason) => harmful.has(reason));
  return [
    ...faults(gpu).map((fault): Trouble => ({ host, kind: "card", card, fault })),
    ...(reasons.length > 0 ? [{ host, kind: "slowed" as const, card, reasons }] : []),
  ];
}

/** What is wrong with one host, gravest first. */
export function troublesOf({ host, fresh }: Standing): Trouble[] {
  const { name } = host;
  if (host.link === Link.WAITING) {
    // Of a host that never answered nobody knows since when it is away: the hub may just have started.
    const since = host.seen === undefined ? undefined : Number(host.seen);
    return [{ host: name, kind: "unreachable", reason: host.reason, since }];
  }
  const { info } = host;
  if (info === undefined) return [];
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

/** Why a machine that has cards shows none; undefined where it shows some, or has none: that is nothing to report. */
export function missing({ err, gpus, sources }: Pick<Glance, "err" | "gpus" | "sources">): string | undefined {
  const broken = sources.some(({ state }) => state === State.STALE || state === State.HUNG);
  return gpus.length === 0 && broken && err ? err : undefined;
}

/** A card that is counted: a divided one is counted by its instances. */
export const counted = (gpu: GPUGlance): boolean => counts(gpu) && !gpu.divided;

/** What a machine is to somebody who looks for a card, or for what is broken; undefined where it has no cards to count. */
export function stateOf({ host, fresh }: Standing): Verdict | undefined {
  if (host.link === Link.WAITING) return "broken";
  if (!fresh) return "unknown";
  const gpus = host.info?.gpus ?? [];
  const states = gpus.filter(counted).map((gpu) => verdict(gpu, fresh, wholeOf(gpus, gpu)));
  return (["broken", "free", "held", "busy", "unknown"] as const).find((state) => states.includes(state));
}

interface Draft {
  model: string;
  total: number;
  places: Map<string, { host: string; vendor: Vendor | undefined; ids: number[]; selectors: string[] }>;
}

function addOffer(offers: Map<string, Draft>, host: string, gpu: GPUGlance, state: Verdict): void {
  // A card that was lost before anybody could ask its name is a trouble, and no model to choose from.
  if (!gpu.name && state !== "free") return;
  const model = modelOf(gpu);
  const offer = offers.get(model) ?? { model, total: 0, places: new Map() };
  offers.set(model, offer);
  offer.total++;
  if (state !== "free") return;
  const place = offer.places.get(host) ?? { host, vendor: gpu.vendor, ids: [], selectors: [] };
  offer.places.set(host, place);
  place.ids.push(gpu.id ?? 0);
  place.selectors.push(selector(gpu));
}

const sum = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : a + b;

function addHolders(holders: Map<string, Omit<Holder, "user">>, gpu: GPUGlance, state: Verdict): void {
  const here = new Map<string, number | undefined>();
  const procs = holding(gpu);
  for (const proc of procs) {
    const user = userOf(proc);
    here.set(user, sum(here.get(user), proc.mem === undefined ? undefined : Number(proc.mem)));
  }
  if (procs.length === 0) {
    const pods = podsOf(gpu);
    // All that is in use is of the only pod; of several nobody knows which has how much.
    const known = pods.length === 1 && gpu.memUsed !== undefined;
    const memory = known ? Math.max(0, Number((gpu.memUsed ?? 0n) - (gpu.memReserved ?? 0n))) : undefined;
    for (const pod of pods) here.set(pod, memory);
  }
  for (const [user, memory] of here) {
    const held = holders.get(user) ?? { cards: 0, idle: 0, memory: undefined };
    holders.set(user, {
      cards: held.cards + 1,
      idle: held.idle + (state === "held" ? 1 : 0),
      memory: sum(held.memory, memory),
    });
  }
}

/** The answer to: which card is free, who holds the others, which machine is broken. */
export function summarize(standings: readonly Standing[]): Summary {
  const count: Record<Verdict, number> = { free: 0, held: 0, busy: 0, broken: 0, unknown: 0 };
  const offers = new Map<string, Draft>();
  const holders = new Map<string, Omit<Holder, "user">>();
  let cards = 0;
  for (const { host, fresh } of standings) {
    const gpus = host.info?.gpus ?? [];
    for (const gpu of gpus) {
      if (!counted(gpu)) continue;
      const state = verdict(gpu, fresh, wholeOf(gpus, gpu));
      count[state]++;
      cards++;
      addOffer(offers, host.name, gpu, state);
      if (fresh) addHolders(holders, gpu, state);
    }
  }
  const troubles = standings.flatMap(troublesOf);
  return {
    hosts: standings.length,
    cards,
    count,
    offers: [...offers.values()].map(finish).sort((a, b) => b.free - a.free || byName(a.model, b.model)),
    holders: [...holders]
      .map(([user, held]) => ({ user, ...held }))
      .sort((a, b) => b.cards - a.cards || (b.memory ?? 0) - (a.memory ?? 0) || byName(a.user, b.user)),
    troubles,
    troubled: new Set(troubles.map(({ host }) => host)).size,
  };
}

function finish({ model, total, places }: Draft): Offer {
  const sorted = [...places.values()].sort((a, b) => b.ids.length - a.ids.length || byName(a.host, b.host));
  return { model, total, free: sorted.reduce((sum, place) => sum + place.ids.length, 0), places: sorted };
}
