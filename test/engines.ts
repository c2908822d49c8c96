// Opens the history with each engine, for tests of what all of them promise.
import { engines } from "../hub/history/all.ts";
import type { Engine } from "../hub/history/engine.ts";
import type { Local, Store } from "../hub/history/store.ts";
import { silent } from "../hub/log.ts";
import type { Table } from "../program/setting.ts";
import type { StoreFixture } from "./store.ts";

/** Opens a history in the folder of a scene: a new one, or the one that was closed there. */
export type Opener = (scene: StoreFixture) => Promise<{ store: Store; local?: Local }>;

/** Settings under which an engine keeps every sample for ever. */
const forever: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  sqlite: { keepSamples: "forever", keepFiveMinutes: "forever", keepHours: "forever", keepDaily: "forever" },
};

function opener({ name, table, open }: Engine): Opener {
  const usual = Object.entries(table as Table).map(([key, row]) => [key, row.default]);
  const values = { ...Object.fromEntries(usual), ...forever[name] };
  return ({ folder, clock }) => open({ folder, clock, log: silent, notice: () => {} }, values);
}

export const openers = engines.map((engine) => [engine.name, opener(engine)] as const);
/** Of two values of one series at one time, these return the one that came later: not every engine does. */
export const latestWins = new Set(["plain list", "sqlite"]);
