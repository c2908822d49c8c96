// A host that is forgotten is nowhere any more, whatever happens meanwhile.
import { cpSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ask, day, gpu, hour, pairs, StoreFixture, start, temperature } from "../../../test/store.ts";
import type { Local, Store } from "../store.ts";
import { groupSize } from "./key.ts";
import { Sections } from "./row/section.ts";

let scene: StoreFixture;
/** The history as a hub finds it that is started after another one was killed. */
let later: StoreFixture;
beforeEach(() => {
  scene = new StoreFixture();
  later = new StoreFixture();
});
afterEach(() => {
  vi.restoreAllMocks();
  scene.remove();
  later.remove();
});

/** Kills the hub at this moment, and starts it again. */
function killed(): Store & Local {
  cpSync(scene.folder, later.folder, { recursive: true });
  later.now = scene.now;
  return later.open();
}

const temp = (value: number) => gpu({ gpu_temperature: value, gpu_power: 100 + value });
const hosts = ["a", "b", "c"];

/** Three hosts of one group with samples in rows and in memory, 36 hours of them; the tiers up to a day are made of the first day. */
async function filled(): Promise<Store & Local> {
  const one = scene.open();
  for (let i = 0; i < 24 * 6; i++) for (const host of hosts) put(one, host, start + i * 600_000, i);
  await scene.leap(day + 6 * hour);
  for (let i = 24 * 6; i < 36 * 6; i++) for (const host of hosts) put(one, host, start + i * 600_000, i);
  one.flush();
  return one;
}

const put = (one: Store, host: string, at: number, i: number): void =>
  one.append({ host, at, devices: [temp((i * (1 + hosts.indexOf(host))) % 90)] });

/** What all steps tell of a host. */
async function told(one: Store, host: string): Promise<object[]> {
  const all = [0, 300_000, hour, day].map((step) =>
    ask(one, temperature("GPU-1", host), { from: 0, to: Number.POSITIVE_INFINITY, step }, "avg", "min", "max", "count"),
  );
  return Promise.all(all);
}

/** Rows of each table in which a host has anything; the file may not be open. */
function rowsOf(host: number, { folder } = scene): Record<string, number> {
  const file = new Database(join(folder, "history.db"), { readonly: true });
  const count = (table: string): number => {
    const rows = file.prepare(`SELECT id, data FROM ${table}`).raw().all() as [number, Buffer][];
    const slot = host % groupSize;
    return rows.filter(([id, data]) => (table === "raw" ? id % groupSize === slot : new Sections(data).has(slot)))
      .length;
  };
  const found = Object.fromEntries(["raw", "five", "hour", "day"].map((table) => [table, count(table)]));
  const device = Number(file.prepare("SELECT count(*) FROM device WHERE host = ?").pluck().get(host));
  file.close();
  return { ...found, device };
}

test("nothing of a forgotten host is left, on disk or in memory, and others are as they were", async () => {
  const one = await filled();
  const before = await Promise.all([told(one, "a"), told(one, "c")]);
  expect((await told(one, "b")).every((columns) => (columns as { t: Float64Array }).t.length > 0)).toBe(true);
  await one.forget("b");
  await one.forget("b");
  await one.forget("nobody");
  expect(await one.known({ host: "b" })).toEqual([]);
  expect(await pairs(one, temperature("GPU-1", "b"))).toEqual([]);
  expect(await Promise.all([told(one, "a"), told(one, "c")])).toEqual(before);
  scene.shut(one);
  expect(rowsOf(2)).toEqual({ raw: 0, five: 0, hour: 0, day: 0, device: 0 });
  expect(Object.values(rowsOf(1)).every((count) => count > 0)).toBe(true);
  const two = scene.open();
  expect((await two.known()).map(({ host }) => host)).toEqual(["a", "c"]);
  expect(await Promise.all([told(two, "a"), told(two, "c")])).toEqual(before);
});

test("a hub that is killed while it forgets a host goes on with that when it is started again", async () => {
  const one = await filled();
  const before = await told(one, "a");
  // Killed before the first row is deleted: only the names and the chunks of the journal are gone.
  const gone = one.forget("b");
  const two = killed();
  await gone;
  expect((await two.known()).map(({ host }) => host)).toEqual(["a", "c"]);
  expect(await pairs(two, temperature("GPU-1", "b"))).toEqual([]);
  await later.pass(60_000);
  expect(await told(two, "a")).toEqual(before);
  later.shut(two);
  expect(rowsOf(2, later)).toEqual({ raw: 0, five: 0, hour: 0, day: 0, device: 0 });
});

test("a sample that comes after the call begins a new history of that name, which is kept", async () => {
  const one = await filled();
  const gone = one.forget("b");
  const at = start + 40 * hour;
  put(one, "b", at, 7);
  expect(await pairs(one, temperature("GPU-1", "b"))).toEqual([[at, 21 - 7]]);
  await gone;
  put(one, "b", at + 10_000, 8);
  const wanted = [
    [at, 14],
    [at + 10_000, 16],
  ];
  expect(await pairs(one, temperature("GPU-1", "b"))).toEqual(wanted);
  one.flush();
  const two = killed();
  expect(await pairs(two, temperature("GPU-1", "b"))).toEqual(wanted);
  await later.leap(day);
  expect(await pairs(two, temperature("GPU-1", "b"))).toEqual(wanted);
  const [, , hours] = await told(two, "b");
  expect((hours as { count: Float64Array }).count).toEqual(Float64Array.of(2));
});

test.each([0, 1, 2, 3, 4])(
  "a host that is forgotten %i turns after its samples began to be brought into rows does not come back",
  async (turns) => {
    const one = await filled();
    const copied = one.backup(join(scene.folder, "copy"));
    for (let i = 0; i < turns; i++) await new Promise(setImmediate);
    await one.forget("b");
    await copied;
    await scene.leap(day);
    expect((await one.known()).map(({ host }) => host)).toEqual(["a", "c"]);
    scene.shut(one);
    expect(rowsOf(2)).toEqual({ raw: 0, five: 0, hour: 0, day: 0, device: 0 });
  },
);

test("polls go on while a long history is deleted", async () => {
  const one = scene.open();
  for (let i = 0; i < 60 * 6; i++) put(one, "a", start + i * 4 * hour, i);
  await scene.leap(61 * day);
  // After everything has been brought into rows.
  await one.backup(join(scene.folder, "copy"));
  // Every look at the clock finds that others have waited for long enough.
  let looks = 0;
  vi.spyOn(performance, "now").mockImplementation(() => 1000 * ++looks);
  let polls = 0;
  let over = false;
  const gone = one.forget("a").then(() => {
    over = true;
  });
  while (!over) {
    put(one, "c", start + 70 * day + polls++ * 1000, polls);
    await new Promise(setImmediate);
  }
  await gone;
  vi.restoreAllMocks();
  // One of the deletions at a time: 60 days have 360 blocks.
  expect(polls).toBeGreaterThan(360);
  expect(await pairs(one, temperature("GPU-1", "c"))).toHaveLength(polls);
});

test("a host that is deleted while the devices of many are listed is not among them, and others have their turn", async () => {
  const one = await filled();
  vi.spyOn(performance, "now").mockImplementation(
    (
      (looks) => () =>
        1000 * ++looks
    )(0),
  );
  const listed = one.known();
  await new Promise(setImmediate);
  const gone = one.forget("a");
  const known = await listed;
  expect(new Set(known.map(({ host }) => host))).toEqual(new Set(["b", "c"]));
  await gone;
});
