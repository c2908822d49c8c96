// Model names of cards: kept whenever the hub is killed, in backups, and in files of the version before them.
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Model } from "../../../test/model.ts";
import { day, gpu, hour, pairs, poll, StoreFixture, start, temperature } from "../../../test/store.ts";
import { silent } from "../../log.ts";
import type { DeviceSample, Local, Store } from "../store.ts";
import { copyHistory } from "./copy.ts";

let scene: StoreFixture;
let store: Store & Local;
beforeEach(() => {
  scene = new StoreFixture();
  store = scene.open();
});
afterEach(() => scene.remove());

const path = (folder = scene.folder): string => join(folder, "history.db");
const card = (key: string, name: string | undefined, value = 1): DeviceSample => ({
  ...gpu({ gpu_temperature: value }, key),
  ...(name === undefined ? {} : { name }),
});
const put = (at: number, ...devices: DeviceSample[]): void => store.append(poll(start + at, ...devices));
const namesOf = async (one: Store = store) =>
  Object.fromEntries((await one.known()).map(({ key, name }) => [key, name]));

/** Kills the hub once all that it took is in the journal, and starts it again. @param file what becomes of its database */
function kill(file: "kept" | "damaged" = "kept"): void {
  store.flush();
  const later = new StoreFixture();
  cpSync(scene.folder, later.folder, { recursive: true });
  later.now = scene.now;
  scene.remove();
  if (file === "damaged") writeFileSync(path(later.folder), "x".repeat(5000));
  scene = later;
  store = scene.open();
}

test("the names of cards survive a kill at once, a compaction, a restart, and the loss of the file", async () => {
  put(0, card("x", "A"), card("y", undefined));
  put(1000, card("x", "B"), card("y", undefined));
  put(2000, card("x", undefined), card("y", 'C \u{1f600} \\ " ü'));
  const wanted = { x: "B", y: 'C \u{1f600} \\ " ü' };
  expect(await namesOf()).toEqual(wanted);
  kill();
  expect(await namesOf()).toEqual(wanted);
  kill("damaged");
  expect(await namesOf()).toEqual(wanted);
  await scene.leap(day);
  scene.shut(store);
  store = scene.open();
  expect(await namesOf()).toEqual(wanted);
  // An old import must not replace a name that was written before.
  put(-5 * day, card("x", "imported"));
  put(500, card("x", "imported"));
  kill();
  expect(await namesOf()).toEqual(wanted);
  put(3000, card("x", "D"));
  expect(await namesOf()).toEqual({ ...wanted, x: "D" });
});

test("a name that does not change costs no new chunk, whoever leaves it out, and one that changes costs one", async () => {
  const size = (): number => {
    store.flush();
    return store.bytes();
  };
  put(0, card("x", "A".repeat(200)));
  const first = size();
  for (let i = 1; i < 50; i++) put(i * 1000, card("x", i % 3 === 0 ? undefined : "A".repeat(200)));
  expect(size() - first).toBeLessThan(50 * 40);
  const before = size();
  put(60_000, card("x", "B".repeat(200)));
  expect(size() - before).toBeGreaterThan(200);
  expect(await pairs(store, temperature("x"))).toHaveLength(51);
});

test("a name that the file cannot hold is refused; the others are kept as they are", async () => {
  for (const name of ["A\nB", "half \ud800"]) {
    expect(() => put(0, card("x", name))).toThrow(/model of a card must be one line of text/);
  }
  put(0, card("x", "tab\t nul\0 quote ' end"));
  await scene.leap(day);
  scene.shut(store);
  store = scene.open();
  expect(await namesOf()).toEqual({ x: "tab\t nul\0 quote ' end" });
});

test("a backup and a copy of a stopped history have the names", async () => {
  put(0, card("x", "A"));
  await store.backup(join(scene.folder, "copy.db"));
  kill();
  scene.shut(store);
  await copyHistory({ folder: scene.folder, path: join(scene.folder, "copied.db"), clock: scene.clock, log: silent });
  for (const name of ["copy.db", "copied.db"]) {
    const other = new StoreFixture();
    cpSync(join(scene.folder, name), path(other.folder));
    expect([name, await namesOf(other.open())]).toEqual([name, { x: "A" }]);
    other.remove();
  }
  store = scene.open();
});

/** Makes of a closed file what version 0.2.0 would have written: the same without names. */
function toSecond(file: string): void {
  const opened = new Database(file);
  opened.exec("ALTER TABLE device DROP COLUMN named; ALTER TABLE device DROP COLUMN name; PRAGMA user_version = 2");
  opened.close();
}

test("a file of version 0.2.0 is opened as it is and takes names; a hub of that version refuses it then", async () => {
  put(0, card("x", undefined), card("y", undefined));
  await scene.leap(day);
  const held = await pairs(store, temperature("x"));
  scene.shut(store);
  toSecond(path());
  store = scene.open();
  expect(await namesOf()).toEqual({ x: undefined, y: undefined });
  expect(await pairs(store, temperature("x"))).toEqual(held);
  put(2 * day, card("x", "A"));
  await scene.leap(2 * day + 6 * hour);
  scene.shut(store);
  store = scene.open();
  expect(await namesOf()).toEqual({ x: "A", y: undefined });
  scene.shut(store);
  const file = new Database(path(), { readonly: true });
  expect(file.pragma("user_version", { simple: true })).toBe(3);
  file.close();
  store = scene.open();
});

test("a file of version 0.2.0 with other tables is damaged, and not converted", async () => {
  put(0, card("x", "A"));
  scene.shut(store);
  toSecond(path());
  const file = new Database(path());
  file.exec("ALTER TABLE device RENAME COLUMN idx TO jdx");
  file.close();
  store = scene.open();
  expect(await store.known()).toEqual([]);
});

test("names are those of the plain list, whatever is appended, compacted, renamed, forgotten and killed", async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        at: fc.integer({ min: 0, max: 40 }).map((n) => n * 1000 + (n % 3) * day),
        x: fc.constantFrom("A", "B", "C"),
        y: fc.constantFrom("A", "B"),
      }),
    },
    { weight: 2, arbitrary: fc.constantFrom("kill", "compact", "close") },
    { weight: 1, arbitrary: fc.constantFrom("rename", "forget") },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      scene.remove();
      scene = new StoreFixture();
      store = scene.open();
      const model = new Model();
      for (const one of steps) {
        if (one === "kill") kill();
        else if (one === "compact") await scene.leap(5 * day);
        else if (one === "close") {
          scene.shut(store);
          store = scene.open();
        } else if (one === "rename") {
          const device = { host: "a", level: "gpu", key: "x" } as const;
          expect(store.rename(device, "z")).toBe(model.rename(device, "z"));
        } else if (one === "forget") await Promise.all([store.forget("a"), model.forget("a")]);
        else for (const each of [store, model]) each.append(poll(start + one.at, card("x", one.x), card("y", one.y)));
      }
      expect(await namesOf()).toEqual(await namesOf(model));
    }),
    { numRuns: 40 },
  );
});
