import type { Card } from "./drm.ts";

/** A card and its number among those of its vendor. */
export interface NumberedCard {
  readonly card: Card;
  readonly index: number;
}

/**
 * Numbers the cards of one vendor. A card that vanishes keeps its number as long as it is listed as lost; otherwise another
 * card would get it.
 */
export class CardNumbers {
  readonly #kept: number;
  readonly #known = new Map<string, { card: Card; seen: number }>();

  /** @param kept Milliseconds for which a vanished card keeps its number. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** @param ticks Milliseconds, monotonic. */
  number(cards: readonly Card[], ticks: number): NumberedCard[] {
    for (const card of cards) this.#known.set(card.pci, { card, seen: ticks });
    for (const [pci, { seen }] of this.#known) if (ticks - seen >= this.#kept) this.#known.delete(pci);
    const places = [...this.#known.keys()].sort();
    return cards.map((card) => ({ card, index: places.indexOf(card.pci) }));
  }
}
