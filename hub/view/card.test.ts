// Cards of which the queries of the logger and its files are: those of the moment, in turns with other work.
import { afterEach, expect, test, vi } from "vitest";
import { EndlessHistory } from "../../test/endless.ts";
import { viewOf } from "../../test/view.ts";
import type { DeviceFilter, KnownDevice } from "../history/store.ts";
import { loggerCards, matching } from "./card.ts";

afterEach(() => vi.restoreAllMocks());

const cards = Array.from({ length: 400 }, (_, i): KnownDevice => {
  const [host, index] = [`host${Math.floor(i / 4)}`, i % 4];
  return { host, level: "gpu", key: `GPU-${i}`, index, name: "H100", metrics: ["gpu_power"], last: 1_800_000_000_000 };
});

test("other work has its turn while the cards of many hosts are listed", async () => {
  const hub = viewOf({ history: new EndlessHistory(cards) });
  // Every look at the clock finds that others have waited for long enough.
  let looks = 0;
  vi.spyOn(performance, "now").mockImplementation(() => 1000 * ++looks);
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const found = await loggerCards(hub);
  isOver = true;
  expect(found).toHaveLength(400);
  expect(turns).toBeGreaterThan(90);
});

test("a question about one client asks for its cards alone, under each name that it may mean", async () => {
  const asked: (string | undefined)[] = [];
  const history = new EndlessHistory(cards);
  history.known = async (filter?: DeviceFilter) => {
    asked.push(filter?.host);
    return cards.filter(({ host }) => filter?.host === undefined || host === filter.host);
  };
  const hub = viewOf({ history });
  const roster = { ...hub.roster, waits: () => false, keyOf: (name: string) => (name === "shown" ? "host7" : name) };
  const seen = { ...hub, roster };
  const ids = async (filter: Parameters<typeof matching>[1]): Promise<string[]> =>
    (await loggerCards(seen, filter)).map(({ device }) => device.key);
  expect(await ids({ client_name: "shown", gpu_id: "3" })).toEqual(["GPU-31"]);
  expect(asked).toEqual(["host7", "shown"]);
  const all = await loggerCards(seen);
  for (const filter of [
    { client_name: "shown" },
    { client_name: " host9" },
    { client_name: "no" },
    { gpu_id: 2 },
    {},
  ]) {
    expect(await ids(filter)).toEqual(matching(all, filter, roster).map(({ device }) => device.key));
  }
});
