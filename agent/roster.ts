import { create } from "@bufbuild/protobuf";
import { type GPUInfo, GPUInfoSchema, State } from "../proto/gen/host_pb.js";
import { lostCardRetentionMs } from "./source/source.ts";

interface ListedCard {
  /** What was told of it last. */
  readonly card: GPUInfo;
  /** Ticks at which it was first missed; undefined while it is there. */
  lostAt: number | undefined;
}

const keyOf = ({ uuid, pciBusId, id }: GPUInfo): string => uuid || pciBusId || `#${id ?? 0}`;

/**
 * The cards of one source over time, by one rule for all vendors: one that is lost, because its driver says so or because
 * it is no longer told of, stays listed as lost for a day, and then is no more. One that is back is what is read of it.
 */
export class Roster {
  readonly #known = new Map<string, ListedCard>();

  /**
   * Takes the cards of a reading.
   * @param ticks Milliseconds that never go back.
   * @returns What to list: these without those that are lost for too long, and with those that are missing.
   */
  update(told: readonly GPUInfo[], ticks: number): GPUInfo[] {
    const named = told.map((gpu) => this.#named(gpu));
    const keys = new Set(named.map(keyOf));
    for (const gpu of named) this.#meet(gpu, ticks);
    for (const [key, known] of this.#known) {
      if (keys.has(key)) continue;
      if (destroyed(known.card, named) || named.some((gpu) => replaces(gpu, known.card))) this.#known.delete(key);
      else known.lostAt ??= ticks;
    }
    const there = named.filter((gpu) => gpu.state !== State.LOST || this.isListed(gpu, ticks));
    return renumbered(there, this.#missing(keys, ticks));
  }

  /** Cards that are lost, for when nothing can be read. */
  lost(ticks: number): GPUInfo[] {
    const found = [...this.#known.values()].filter(({ lostAt }) => within(lostAt, ticks));
    return found.map(({ card }) => lostCard(card));
  }

  /** Whether a card that is lost is still to be listed. */
  isListed(gpu: GPUInfo, ticks: number): boolean {
    return within(this.#known.get(keyOf(gpu))?.lostAt, ticks);
  }

  /** A driver that is opened while a card is dead does not know its name; we may. */
  #named(gpu: GPUInfo): GPUInfo {
    if (gpu.state !== State.LOST || gpu.uuid) return gpu;
    const all = [...this.#known.values()].map(({ card }) => card);
    const place = gpu.pciBusId;
    const known = all.find((card) => (place === undefined ? card.id === gpu.id : card.pciBusId === place));
    return known === undefined
      ? gpu
      : create(GPUInfoSchema, { ...identityOf(known), state: gpu.state, ...(gpu.err && { err: gpu.err }) });
  }

  #meet(gpu: GPUInfo, ticks: number): void {
    const key = keyOf(gpu);
    const before = this.#known.get(key);
    this.#known.set(key, { card: gpu, lostAt: gpu.state === State.LOST ? (before?.lostAt ?? ticks) : undefined });
  }

  #missing(keys: ReadonlySet<string>, ticks: number): GPUInfo[] {
    const missing: GPUInfo[] = [];
    for (const [key, { card, lostAt }] of this.#known) {
      if (keys.has(key)) continue;
      if (within(lostAt, ticks)) missing.push(lostCard(card));
      else this.#known.delete(key);
    }
    return missing;
  }
}

const within = (lostAt: number | undefined, ticks: number): boolean =>
  lostAt !== undefined && ticks - lostAt < lostCardRetentionMs;

/** An instance that is not there while its card is was taken down on purpose, which is no loss. */
const destroyed = ({ parent }: GPUInfo, told: readonly GPUInfo[]): boolean =>
  parent !== undefined && told.some(({ uuid, state }) => uuid === parent && state !== State.LOST);

/** In the slot of a card that is missing, or under its number when that never had a name: the same, or put in its place. */
function replaces(gpu: GPUInfo, missing: GPUInfo): boolean {
  if (gpu.state === State.LOST || gpu.parent !== undefined || missing.parent !== undefined) return false;
  if (missing.pciBusId !== undefined) return gpu.pciBusId === missing.pciBusId;
  return !missing.uuid && gpu.id === missing.id;
}

/** Names, place, and what went wrong before: what stays true of a card that is gone. */
function identityOf(gpu: GPUInfo): GPUInfo {
  const { id, name, uuid, pciBusId, vendor, card, integrated, parent, instance, divided } = gpu;
  const { xidCount, xidLast, xidTime, xidWorst, xidWorstTime, xidAction } = gpu;
  const all = {
    id,
    name,
    uuid,
    pciBusId,
    vendor,
    card,
    integrated,
    parent,
    instance,
    divided,
    xidCount,
    xidLast,
    xidTime,
    xidWorst,
    xidWorstTime,
    xidAction,
  };
  return create(GPUInfoSchema, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));
}

const lostCard = (card: GPUInfo): GPUInfo =>
  create(GPUInfoSchema, { ...identityOf(card), state: State.LOST, err: "The card vanished from the system" });

/** Cards by their numbers, the instances of each behind it. */
const order = ({ id = 0 }: GPUInfo): number => (id < 1000 ? id * 1000 : id - 999);

/** A driver that counts fewer cards than before numbers them anew: one that is missing then goes behind them. */
function renumbered(there: readonly GPUInfo[], missing: readonly GPUInfo[]): GPUInfo[] {
  if (missing.length === 0) return [...there];
  const taken = new Set(there.map(({ id }) => id));
  const moved = new Map<string, number>();
  for (const gpu of missing) {
    if (gpu.parent !== undefined) continue;
    if (gpu.id === undefined || taken.has(gpu.id)) {
      gpu.id = Math.max(-1, ...[...taken].filter((id) => id !== undefined && id < 1000).map(Number)) + 1;
      if (gpu.uuid) moved.set(gpu.uuid, gpu.id);
    }
    taken.add(gpu.id);
  }
  for (const gpu of missing) {
    const seat = moved.get(gpu.parent ?? "");
    if (seat !== undefined) gpu.id = 1000 * (seat + 1) + ((gpu.id ?? 0) % 1000);
  }
  return [...there, ...missing].sort((a, b) => order(a) - order(b));
}
