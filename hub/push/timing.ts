import type { NodeClock, NodeRecord } from "../book/book.ts";
import type { Desk } from "../desk.ts";

/** What is known of a machine's reports: how often they come, and by how much their times are wrong. */
export type Timing = Pick<NodeRecord, "intervalMs" | "clock">;

/** Smaller changes of a clock's error are those of delays. Milliseconds. */
const steadyMs = 5000;

/**
 * Decides when the book must know of a change, so that a hub that is started again knows the timing of its machines: without
 * it, reports of a slow clock would be old, and a machine with a long interval down, until they have shown it anew.
 */
export class TimingRecord {
  #known: Timing;

  constructor(known: Timing) {
    this.#known = known;
  }

  /** @returns what the book must store; undefined if the timing has hardly changed */
  take({ intervalMs = this.#known.intervalMs, clock }: Timing): Timing | undefined {
    if (isNear(this.#known.intervalMs, intervalMs) && isSame(this.#known.clock, clock)) return undefined;
    this.#known = { intervalMs, clock };
    return this.#known;
  }
}

const isNear = (known: number | undefined, now: number | undefined): boolean =>
  known === now || Math.abs((now ?? 0) - (known ?? 0)) < (known ?? 0) / 5;

const isSame = (known: NodeClock | undefined, now: NodeClock | undefined): boolean =>
  known?.zone === now?.zone && Math.abs((known?.aheadMs ?? 0) - (now?.aheadMs ?? 0)) < steadyMs;

/** Writes the timing of a node into the book, soon. */
export const keepTiming = (desk: Pick<Desk, "note">, id: number, timing: Timing): void =>
  desk.note({ of: `timing of node ${id}`, write: (book) => book.changeNode(id, timing) });
