import { holdersOf, isCounted, userOf } from "../../../proto/summary.ts";
import { holdingProcs } from "../../../proto/verdict.ts";
import type { CsvCell } from "../../csv/row.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { v1Routes } from "../../route/v1.ts";
import { inOrder } from "../fleet.ts";
import { placeOf, podOfProcess, type SeenCard, utilizationOf } from "./card.ts";
import type { Position } from "./list.ts";

type UserRow = JsonAnswer<typeof v1Routes.listUsers>["users"][number];

interface HeldCard {
  readonly card: SeenCard;
  /** Bytes of device memory; undefined if unknown. */
  readonly memory: number | undefined;
}

/** A user, or a pod, with the cards that they hold. */
export interface Holder {
  readonly name: string;
  readonly held: readonly HeldCard[];
  /** Bytes of device memory on all of them; undefined if unknown. */
  readonly memory: number | undefined;
}

/** Who holds cards of hosts that answer. */
export class Holders {
  readonly #held = new Map<string, HeldCard[]>();

  add(card: SeenCard): void {
    if (!card.seen.fresh || !isCounted(card.gpu)) return;
    for (const [user, memory] of holdersOf(card.gpu)) {
      const cards = this.#held.get(user);
      if (cards === undefined) this.#held.set(user, [{ card, memory }]);
      else cards.push({ card, memory });
    }
  }

  /**
   * Lists those with most cards first, then those with most memory.
   * @param only name of the only user to list
   */
  list(only: string | undefined): Holder[] {
    return [...this.#held]
      .filter(([name]) => only === undefined || name === only)
      .map(([name, held]) => ({ name, held, memory: memoryOf(held) }))
      .sort((a, b) => b.held.length - a.held.length || (b.memory ?? 0) - (a.memory ?? 0) || inOrder(a.name, b.name));
  }
}

/** Place of a user in the list. */
export const holderPosition = ({ name, held, memory }: Holder): Position => [-held.length, -(memory ?? 0), name];

function memoryOf(held: readonly HeldCard[]): number | undefined {
  const known = held.flatMap(({ memory }) => memory ?? []);
  return known.length === 0 ? undefined : sum(known);
}

/** A user as /api/v1/users has them. */
export function userRow({ name, held, memory: total }: Holder): UserRow {
  const utilization = held.flatMap(({ card }) => utilizationOf(card.gpu) ?? []);
  const own = held.flatMap(({ card }) => holdingProcs(card.gpu).filter((proc) => userOf(proc) === name));
  return {
    name,
    cards: held.length,
    idle_cards: held.filter(({ card }) => card.verdict === "held").length,
    memory_bytes: total ?? null,
    utilization_percent:
      utilization.length === 0 ? null : Math.round((sum(utilization) / utilization.length) * 100) / 100,
    hosts: [...new Set(held.map(({ card }) => card.seen.host.name))],
    jobs: [...new Set(own.flatMap(({ job }) => job || []))],
    pods: [...new Set(own.flatMap((proc) => podOfProcess(proc) ?? []))],
    gpus: held.map(({ card, memory }) => ({
      ...placeOf(card),
      memory_bytes: memory ?? null,
      utilization_percent: utilizationOf(card.gpu),
      idle: card.verdict === "held",
    })),
  };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** Columns of users in CSV. */
export const userColumns = [
  "name",
  "cards",
  "idle_cards",
  "memory_bytes",
  "utilization_percent",
  "hosts",
  "jobs",
  "pods",
];

export const userCell = (row: UserRow, column: string): CsvCell => row[column as Exclude<keyof UserRow, "gpus">];
