import { type GPUInfo, type HostInfo, State } from "../../proto/gen/host_pb.js";
import type { Owner } from "./claim.ts";
import { normalized } from "./identity.ts";

/** Greatest error of the time at which a machine started, as two reports tell it: each of them was on its way. Milliseconds. */
const errorMs = 30_000;

/** A card that was known by its index alone. */
export interface CardMatch {
  readonly index: number;
  readonly uuid: string;
}

/** How a report came in. Times are Unix milliseconds. */
export interface Arrival {
  readonly by: Owner;
  /** By the hub's clock; of a late report, when it was sampled. */
  readonly at: number;
  readonly late: boolean;
  /** Network address that it came from; "" if unknown. */
  readonly peer: string;
  /** True if the report has all cards of its machine. */
  readonly whole: boolean;
}

/** A report of cards without uuids. */
interface Sighting extends Arrival {
  readonly cards: readonly GPUInfo[];
  readonly bootId: string;
  /** When the machine started; undefined if it did not say. */
  readonly started: number | undefined;
}

const none: readonly CardMatch[] = [];

/**
 * Finds the cards of a host that were reported by their indices alone when they come with uuids for the first time. It decides
 * once, by the last current report without uuids: they are the same cards only if the machine has been running since then,
 * and all of them are where they were.
 */
export class CardMatcher {
  #last: Sighting | undefined;
  #decided: boolean;

  /** @param decided true if the host had cards with uuids before */
  constructor(decided: boolean) {
    this.#decided = decided;
  }

  /** True once a card of the host had a uuid. */
  get decided(): boolean {
    return this.#decided;
  }

  /** Takes a report. @returns the cards that are certainly those of the last current report without uuids */
  take(info: HostInfo, arrival: Arrival): readonly CardMatch[] {
    if (this.#decided) return none;
    if (info.gpus.some(({ uuid }) => uuid)) return this.#decide(info, arrival);
    // A report without cards says nothing of them.
    if (arrival.late || info.gpus.length === 0) return none;
    const { bootId = "", uptime } = info.system ?? {};
    this.#last = { ...arrival, cards: info.gpus, bootId, started: startOf(uptime, arrival.at) };
    return none;
  }

  /** Forgets what an owner reported. */
  release(by: Owner): void {
    if (this.#last?.by === by) this.#last = undefined;
  }

  #decide(info: HostInfo, arrival: Arrival): readonly CardMatch[] {
    const last = this.#last;
    this.#decided = true;
    this.#last = undefined;
    if (last === undefined || !last.whole || !arrival.whole || !isSameBoot(last, info, arrival)) return none;
    return matches(last.cards, info.gpus);
  }
}

const startOf = (uptime: bigint | undefined, at: number): number | undefined =>
  uptime === undefined ? undefined : at - Number(uptime) * 1000;

/** True if a machine has not been started since a report, and the two reports are of one machine. */
function isSameBoot(last: Sighting, { system }: HostInfo, { by, at, peer }: Arrival): boolean {
  const { bootId = "", uptime } = system ?? {};
  if (bootId !== "" && last.bootId !== "") return bootId === last.bootId;
  const started = startOf(uptime, at);
  if (started === undefined) return false;
  // Two machines that started at the same time are not expected; one that restarted needs longer than the error.
  if (last.started !== undefined)
    return last.at - last.started >= 2 * errorMs && Math.abs(started - last.started) <= errorMs;
  // Agents of the first GOHM do not say since when their machine runs. They are polled: machines that push may share an address.
  const isSamePlace = by === last.by && by.origin !== "push" && peer !== "" && peer === last.peer;
  return isSamePlace && started + errorMs <= last.at;
}

/** Pairs cards by their indices; none if not all of them can be the same ones. */
function matches(before: readonly GPUInfo[], now: readonly GPUInfo[]): readonly CardMatch[] {
  const uuids = now.flatMap(({ uuid }) => uuid || []);
  const [known, found] = [byIndex(before), byIndex(now)];
  if (known === undefined || found === undefined || new Set(uuids).size < uuids.length) return none;
  const pairs: CardMatch[] = [];
  const vendors = new Set<GPUInfo["vendor"]>();
  for (const [index, card] of known) {
    const same = found.get(index);
    if (same === undefined || same.state === State.LOST || isOther(card, same)) return none;
    vendors.add(same.vendor);
    if (same.uuid) pairs.push({ index, uuid: same.uuid });
  }
  // With a card more, indices may mean other cards. Each vendor's are counted apart, and some programs list one vendor's only.
  const isMore = [...found].some(([index, { vendor }]) => !known.has(index) && vendors.has(vendor));
  return isMore ? none : pairs;
}

/** Cards without instances of cards (MIG), which come and go; undefined if two have one index. */
function byIndex(gpus: readonly GPUInfo[]): ReadonlyMap<number, GPUInfo> | undefined {
  const cards = gpus.filter(({ parent }) => parent === undefined);
  const found = new Map(cards.map((card) => [card.id ?? 0, card]));
  return found.size === cards.length ? found : undefined;
}

const isOther = (one: GPUInfo, other: GPUInfo): boolean =>
  differ(one.name, other.name) || differ(normalized(one.pciBusId), normalized(other.pciBusId));

const differ = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && one !== "" && other !== undefined && other !== "" && one !== other;
