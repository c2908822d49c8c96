import type { Card } from "../drm.ts";

/** A card by its place among its vendor's. */
export interface NumberedCard {
  readonly card: Card;
  readonly index: number;
}

/**
 * Numbers the cards of one vendor. One that vanishes keeps its number as long as it is listed as lost: otherwise its
 * neighbours would take it over.
 */
export class CardNumbers {
  readonly #kept: number;
  readonly #known = new Map<string, { card: Card; seen: number }>();

  /** @param kept Milliseconds for which the number of a card that vanished stays its own. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** @param ticks Milliseconds that never go back. */
  number(cards: readonly Card[], ticks: number): NumberedCard[] {
    for (const card of cards) this.#known.set(card.pci, { card, seen: ticks });
    for (const [pci, { seen }] of this.#known) if (ticks - seen >= this.#kept) this.#known.delete(pci);
    const places = [...this.#known.keys()].sort();
    return cards.map((card) => ({ card, index: places.indexOf(card.pci) }));
  }
}
