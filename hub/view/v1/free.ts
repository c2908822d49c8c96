import { compareNames, isCounted } from "../../../proto/summary.ts";
import { environment, selector, variables } from "../../../proto/verdict.ts";
import type { CsvCell } from "../../csv/row.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { v1Routes } from "../../route/v1.ts";
import { freeMemoryOf, numberOf, placeOf, type SeenCard } from "./card.ts";

type FreeAnswer = JsonAnswer<typeof v1Routes.findFree>;

/** What cards are needed. */
export interface Need {
  readonly count: number;
  /** Bytes that must be free on each. */
  readonly memory: number | undefined;
  /** True if all must be on one host, and of one vendor. */
  readonly together: boolean;
}

/** True if a card can be taken now. */
export function isOffered({ seen, gpu, verdict }: SeenCard, { count, memory }: Need): boolean {
  // A program uses one MIG instance at most.
  if (!seen.fresh || verdict !== "free" || !isCounted(gpu) || (count > 1 && gpu.parent !== undefined)) return false;
  return memory === undefined || (freeMemoryOf(gpu) ?? -1) >= memory;
}

/** Free cards of one model on one host. */
interface Offer {
  readonly model: string;
  readonly cards: readonly SeenCard[];
  /** Number of free cards of the model on all hosts. */
  readonly ofModel: number;
}

/**
 * Chooses cards to take, the best first, at most as many as are needed.
 * @param cards those that are offered, in the order of hosts and indices
 */
export function choose(cards: readonly SeenCard[], { count, together }: Need): readonly SeenCard[] {
  const models = Map.groupBy(cards, modelOf);
  const offers = [...Map.groupBy(cards, (card) => `${card.seen.host.name}\n${modelOf(card)}`).values()]
    .map((some): Offer => {
      const model = some[0] === undefined ? "" : modelOf(some[0]);
      return { model, cards: some, ofModel: models.get(model)?.length ?? 0 };
    })
    .sort((a, b) => compareOffers(a, b, count));
  const [best] = offers;
  const flat = offers.flatMap((offer) => offer.cards);
  if (!together || (best?.cards.length ?? 0) >= count) return flat.slice(0, count);
  // Several models of one host, before fewer cards than needed.
  const hosts = [...Map.groupBy(flat, ({ seen, gpu }) => `${seen.host.name}\n${gpu.vendor ?? 0}`).values()];
  const enough = hosts.filter((some) => some.length >= count).sort((a, b) => a.length - b.length);
  const [chosen = []] = enough.length > 0 ? enough : hosts.sort((a, b) => b.length - a.length);
  return chosen.slice(0, count);
}

/** Model and vendor. */
const modelOf = ({ gpu }: SeenCard): string => `${gpu.name ?? ""}\n${gpu.vendor ?? 0}`;

/** Orders offers, the best first; equal ones stay in the order of their hosts. */
function compareOffers(a: Offer, b: Offer, count: number): number {
  const [enough, other] = [a, b].map(({ cards }) => cards.length >= count);
  if (enough !== other) return enough ? -1 : 1;
  const size = enough ? a.cards.length - b.cards.length : b.cards.length - a.cards.length;
  return b.ofModel - a.ofModel || compareNames(a.model, b.model) || size;
}

type FreeCard = FreeAnswer["gpus"][number];

export const freeRow = (card: SeenCard): FreeCard => ({
  ...placeOf(card),
  group: card.seen.host.profile?.group ?? null,
  memory_total_bytes: numberOf(card.gpu.memTotal),
  memory_free_bytes: numberOf(freeMemoryOf(card.gpu)),
  selector: selector(card.gpu),
});

/** How to use cards, host by host. */
export function usesOf(cards: readonly SeenCard[]): FreeAnswer["hosts"] {
  return [...Map.groupBy(cards, ({ seen }) => seen).entries()].map(([{ host, shown }, some]) => {
    const vendors = [...Map.groupBy(some, ({ gpu }) => gpu.vendor)].map(
      ([vendor, own]) => [vendor, own.map(({ gpu }) => selector(gpu))] as const,
    );
    return {
      host: host.name,
      shown_name: shown,
      variables: Object.assign({}, ...vendors.map((one) => variables(...one))) as Record<string, string>,
      shell: `export ${vendors.map((one) => environment(...one)).join(" ")}`,
    };
  });
}

const columns = [
  "host",
  "shown_name",
  "group",
  "index",
  "uuid",
  "model",
  "memory_total_bytes",
  "memory_free_bytes",
  "selector",
];
/** Columns of free cards in CSV: the last one is how to use those of the host, if there are enough. */
export const freeColumns = [...columns, "shell"];

export const freeCell = (row: FreeCard, column: string, uses: FreeAnswer["hosts"]): CsvCell =>
  column === "shell" ? uses.find(({ host }) => host === row.host)?.shell : row[column as keyof FreeCard];
