import { graver, xidAction } from "../../../proto/xid.ts";
import { lost, type NvmlGpu, ok } from "./gpu.ts";

interface Event {
  readonly code: number;
  /** Unix milliseconds. */
  readonly time: bigint;
}

/** Xid events of one card. */
interface Card {
  /** Since the agent started. */
  count: bigint;
  /** Since the card was last reset. */
  last: Event | undefined;
  worst: Event | undefined;
  /** Last value of the energy counter, which the driver begins anew with the card. */
  energy: bigint | undefined;
  lost: boolean;
  /** True if the driver was released: it may have been reloaded or the card reset since. */
  released: boolean;
}

/**
 * Keeps the Xid events of all cards since the agent started, across restarts of the NVML reader. Events of a card end when it
 * is reset or its driver reloaded (docs/decisions/0018).
 */
export class Incidents {
  readonly #cards = new Map<string, Card>();

  /**
   * Adds the events of a reading, and completes it with the card's earlier ones.
   * @param now Unix milliseconds.
   */
  take(gpu: NvmlGpu, now: bigint): void {
    if (gpu.uuid === undefined) return;
    const card = this.#cards.get(gpu.uuid) ?? fresh();
    this.#cards.set(gpu.uuid, card);
    if (renewed(card, gpu)) clear(card);
    if (gpu.state === ok) {
      card.energy = gpu.energy ?? card.energy;
      card.released = false;
    }
    card.lost = gpu.state === lost;
    if (gpu.xidCount !== undefined) gpu.xidCount = card.count += gpu.xidCount;
    if (gpu.xidLast !== undefined) {
      card.last = { code: gpu.xidLast, time: now };
      const worst = gpu.xidWorst ?? gpu.xidLast;
      if (graver(card.worst?.code, worst) !== card.worst?.code) card.worst = { code: worst, time: now };
    }
    show(gpu, card);
  }

  /** Called when the driver was released: cards without a counter that shows a reset are taken to have been reset. */
  release(): void {
    for (const card of this.#cards.values()) card.released = true;
  }

  /** Another driver was loaded. */
  reload(): void {
    for (const card of this.#cards.values()) clear(card);
  }
}

const fresh = (): Card => ({
  count: 0n,
  last: undefined,
  worst: undefined,
  energy: undefined,
  lost: false,
  released: false,
});

/** True if the card was initialized anew since the reading before: no driver takes one back that is lost without that. */
function renewed(card: Card, { state, energy }: NvmlGpu): boolean {
  if (state !== ok) return false;
  if (card.lost) return true;
  if (energy !== undefined && card.energy !== undefined) return energy > 0n && energy < card.energy;
  return card.released;
}

function clear(card: Card): void {
  card.last = undefined;
  card.worst = undefined;
  card.energy = undefined;
}

function show(gpu: NvmlGpu, { last, worst }: Card): void {
  delete gpu.xidLast;
  delete gpu.xidWorst;
  if (last !== undefined) Object.assign(gpu, { xidLast: last.code, xidTime: last.time });
  if (worst === undefined) return;
  Object.assign(gpu, { xidWorst: worst.code, xidWorstTime: worst.time, xidAction: xidAction(worst.code) });
}
