import { create } from "@bufbuild/protobuf";
import { type GPUInfo, GPUInfoSchema, State } from "../proto/gen/host_pb.js";
import { lostCardRetentionMs } from "./source/source.ts";

interface ListedCard {
  /** Its last reading. */
  readonly card: GPUInfo;
  /** Ticks at which it was first missing; undefined while it is present. */
  lostAt: number | undefined;
}

const keyOf = ({ uuid, pciBusId, id }: GPUInfo): string => uuid || pciBusId || `#${id ?? 0}`;

/**
 * Tracks the cards of one source, by one rule for all vendors: a card that is lost, because its driver says so or because
 * it is missing from a reading, stays listed as lost for a day. A card that is back is listed as read.
 */
export class Roster {
  readonly #known = new Map<string, ListedCard>();

  /**
   * Adds a reading.
   * @param ticks Milliseconds, monotonic.
   * @returns Cards to list: those of the reading that are not lost for too long, and missing ones.
   */
  update(reading: readonly GPUInfo[], ticks: number): GPUInfo[] {
    const named = reading.map((gpu) => this.#named(gpu));
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

  /** Lists lost cards, for when nothing can be read. */
  lost(ticks: number): GPUInfo[] {
    const found = [...this.#known.values()].filter(({ lostAt }) => within(lostAt, ticks));
    return found.map(({ card }) => lostCard(card));
  }

  /** True if a lost card is still listed. */
  isListed(gpu: GPUInfo, ticks: number): boolean {
    return within(this.#known.get(keyOf(gpu))?.lostAt, ticks);
  }

  /** Completes a lost card whose driver does not know its name with what was read before. */
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

/** True for a missing instance whose card is present: it was destroyed on purpose, and is not lost. */
const destroyed = ({ parent }: GPUInfo, reading: readonly GPUInfo[]): boolean =>
  parent !== undefined && reading.some(({ uuid, state }) => uuid === parent && state !== State.LOST);

/** True if a card is in the slot of a missing one, or has its number if that has no name: the same card, or its replacement. */
function replaces(gpu: GPUInfo, missing: GPUInfo): boolean {
  if (gpu.state === State.LOST || gpu.parent !== undefined || missing.parent !== undefined) return false;
  if (missing.pciBusId !== undefined) return gpu.pciBusId === missing.pciBusId;
  return !missing.uuid && gpu.id === missing.id;
}

/** Keeps the fields that stay true of a lost card: names, slot and past errors. */
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

/** Sort key: cards by number, each followed by its instances. */
const order = ({ id = 0 }: GPUInfo): number => (id < 1000 ? id * 1000 : id - 999);

/** Appends missing cards. A driver that finds fewer cards numbers them anew: a missing card then gets the next free number. */
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
