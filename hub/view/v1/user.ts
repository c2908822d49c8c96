import { holdersOf, isCounted, userOf } from "../../../proto/summary.ts";
import { holdingProcs } from "../../../proto/verdict.ts";
import type { CsvCell } from "../../csv/row.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { v1Routes } from "../../route/v1.ts";
import { placeOf, type SeenCard, utilizationOf } from "./card.ts";
import { inOrder } from "./fleet.ts";
import type { Position } from "./list.ts";

type UserRow = JsonAnswer<typeof v1Routes.listUsers>["users"][number];

interface HeldCard {
  readonly card: SeenCard;
  /** Bytes of device memory; undefined if unknown. */
  readonly memory: number | undefined;
}

/** Who holds cards of hosts that answer, those with most cards first, then those with most memory. */
export class Users {
  readonly #held = new Map<string, HeldCard[]>();

  add(card: SeenCard): void {
    if (!card.seen.fresh || !isCounted(card.gpu)) return;
    for (const [user, memory] of holdersOf(card.gpu)) {
      const cards = this.#held.get(user);
      if (cards === undefined) this.#held.set(user, [{ card, memory }]);
      else cards.push({ card, memory });
    }
  }

  /** @param only name of the only user to list */
  rows(only: string | undefined): UserRow[] {
    return [...this.#held]
      .filter(([name]) => only === undefined || name === only)
      .map(([name, held]) => userRow(name, held))
      .sort((a, b) => b.cards - a.cards || (b.memory_bytes ?? 0) - (a.memory_bytes ?? 0) || inOrder(a.name, b.name));
  }
}

/** Place of a user in the list. */
export const userPosition = ({ cards, memory_bytes, name }: UserRow): Position => [-cards, -(memory_bytes ?? 0), name];

function userRow(name: string, held: readonly HeldCard[]): UserRow {
  const memory = held.flatMap(({ memory }) => memory ?? []);
  const utilization = held.flatMap(({ card }) => utilizationOf(card.gpu) ?? []);
  const jobs = held.flatMap(({ card }) =>
    holdingProcs(card.gpu).flatMap((proc) => (userOf(proc) === name && proc.job ? [proc.job] : [])),
  );
  return {
    name,
    cards: held.length,
    idle_cards: held.filter(({ card }) => card.verdict === "held").length,
    memory_bytes: memory.length === 0 ? null : sum(memory),
    utilization_percent:
      utilization.length === 0 ? null : Math.round((sum(utilization) / utilization.length) * 100) / 100,
    hosts: [...new Set(held.map(({ card }) => card.seen.host.name))],
    jobs: [...new Set(jobs)],
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
export const userColumns = ["name", "cards", "idle_cards", "memory_bytes", "utilization_percent", "hosts", "jobs"];

export const userCell = (row: UserRow, column: string): CsvCell => row[column as Exclude<keyof UserRow, "gpus">];
