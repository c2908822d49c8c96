import type { Card } from "../drm.ts";

/** Milliseconds for which a card that vanished stays listed. */
const mourned = 24 * 3_600_000;

/** A card by its place among its vendor's, there or gone. */
export interface Seat {
  readonly card: Card;
  readonly index: number;
  readonly gone: boolean;
}

/**
 * The cards of one vendor over time. One that vanished while we watched is told as lost for a day and keeps its index:
 * otherwise it would seem never to have been there, and its neighbours would take over its number.
 */
export class Roster {
  readonly #known = new Map<string, { card: Card; seen: number }>();

  /** @param ticks Milliseconds that never go back. */
  seat(cards: readonly Card[], ticks: number): Seat[] {
    for (const card of cards) this.#known.set(card.pci, { card, seen: ticks });
    for (const [pci, { seen }] of this.#known) if (ticks - seen >= mourned) this.#known.delete(pci);
    return [...this.#known.values()]
      .sort((a, b) => (a.card.pci < b.card.pci ? -1 : 1))
      .map(({ card }, index) => ({ card, index, gone: !cards.includes(card) }));
  }
}
