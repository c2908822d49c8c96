// A device that was renamed keeps its new key and all of its samples, whenever the hub is killed.
import { cpSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { Model } from "../../../test/model.ts";
import { ask, day, gpu, hour, pairs, StoreFixture, start, temperature } from "../../../test/store.ts";
import { kept, type Local, type Store } from "../store.ts";

let scene: StoreFixture;
let store: Store & Local;
beforeEach(() => {
  scene = new StoreFixture();
  store = scene.open();
});
afterEach(() => scene.remove());

const named = (key: string, host = "a") => ({ host, level: "gpu" as const, key });
const put = (at: number, key: string, value: number, host = "a"): void =>
  store.append({ host, at: start + at, devices: [gpu({ gpu_temperature: value }, key)] });
const values = async (key: string, host = "a"): Promise<number[]> =>
  (await pairs(store, temperature(key, host))).map(([, value]) => value);
const keys = async (): Promise<string[]> => (await store.known()).map(({ key }) => key).sort();

/** Kills the hub once all that it took is in the journal, and starts it again. @param file what becomes of its database */
function kill(file: "kept" | "damaged" = "kept"): void {
  store.flush();
  const later = new StoreFixture();
  cpSync(scene.folder, later.folder, { recursive: true });
  later.now = scene.now;
  scene.remove();
  if (file === "damaged") writeFileSync(join(later.folder, "history.db"), "x".repeat(5000));
  scene = later;
  store = scene.open();
}

/** Keys of devices that the file has; it may not be open. */
function written(): string[] {
  const file = new Database(join(scene.folder, "history.db"), { readonly: true });
  const found = file.prepare("SELECT key FROM device WHERE host <> 0 ORDER BY key").pluck().all() as string[];
  file.close();
  return found;
}

test("samples in rows, in rollups and in memory are all of the new key, also after the hub was killed", async () => {
  for (let i = 0; i < 36 * 6; i++) put(i * 600_000, "#0", i % 90);
  await scene.leap(day + 6 * hour);
  for (let i = 36 * 6; i < 40 * 6; i++) put(i * 600_000, "#0", i % 90);
  const read = (key: string) =>
    Promise.all(
      [0, 300_000, hour, day].map((step) =>
        ask(store, temperature(key), { from: 0, to: Number.POSITIVE_INFINITY, step }, "avg", "min", "max", "count"),
      ),
    );
  const before = await read("#0");
  expect(before.every(({ t }) => t.length > 0)).toBe(true);
  expect(store.rename(named("#0"), "GPU-x")).toBe(true);
  expect(await read("GPU-x")).toEqual(before);
  kill();
  expect([await keys(), await read("GPU-x")]).toEqual([["GPU-x"], before]);
  await scene.leap(3 * day);
  expect([await keys(), (await read("GPU-x"))[0]]).toEqual([["GPU-x"], before[0]]);
  scene.shut(store);
  expect(written()).toEqual(["GPU-x"]);
  store = scene.open();
  expect((await read("GPU-x"))[0]).toEqual(before[0]);
});

type Step = "kill" | "wait" | "close";

test.each<readonly Step[]>([
  ["kill"],
  ["wait", "kill"],
  ["kill", "wait", "kill"],
  ["kill", "kill"],
  ["close"],
  ["wait", "close", "kill"],
])("another device under the old key is never taken for the renamed one: %s, %s, %s", async (...steps) => {
  put(0, "#0", 1);
  store.rename(named("#0"), "GPU-x");
  put(1000, "GPU-x", 2);
  put(2000, "#0", 3);
  for (const step of steps) {
    if (step === "kill") kill();
    // The names are written, while the samples stay in the journal.
    else if (step === "wait") await scene.pass(60_000);
    else {
      scene.shut(store);
      store = scene.open();
    }
  }
  put(3000, "#0", 4);
  put(4000, "GPU-x", 5);
  expect([await values("GPU-x"), await values("#0")]).toEqual([
    [1, 2, 5],
    [3, 4],
  ]);
  expect(store.rename(named("#0"), "GPU-y")).toBe(true);
  kill();
  expect([await keys(), await values("GPU-x"), await values("GPU-y")]).toEqual([
    ["GPU-x", "GPU-y"],
    [1, 2, 5],
    [3, 4],
  ]);
});

test("a rename is not repeated for a host that is forgotten and begins anew", async () => {
  put(0, "#0", 1);
  store.rename(named("#0"), "GPU-x");
  await store.forget("a");
  put(1000, "#0", 2);
  // The new host is in the file when the journal is read.
  await store.backup(join(scene.folder, "copy"));
  kill();
  expect([await keys(), await values("#0")]).toEqual([["#0"], [2]]);
});

test("a device of which nothing but old rows is left keeps its new key when the hub ends at once", async () => {
  put(0, "#0", 1);
  scene.shut(store);
  store = scene.open();
  store.rename(named("#0"), "GPU-x");
  scene.shut(store);
  expect([readdirSync(scene.folder), written()]).toEqual([["history.db"], ["GPU-x"]]);
  store = scene.open();
  expect(await values("GPU-x")).toEqual([1]);
});

test("a device that was written under its old key just before is written again", async () => {
  put(0, "#0", 1);
  await scene.leap(day);
  store.rename(named("#0"), "GPU-x");
  await scene.pass(60_000);
  scene.shut(store);
  expect(written()).toEqual(["GPU-x"]);
});

test("a device that gets the old key of another one keeps it, while the journal has samples of both", async () => {
  put(0, "GPU-y", 1);
  await scene.leap(day);
  put(2 * day, "#0", 2);
  store.rename(named("#0"), "GPU-x");
  await scene.pass(60_000);
  store.rename(named("GPU-y"), "#0");
  kill();
  expect([await keys(), await values("#0"), await values("GPU-x")]).toEqual([["#0", "GPU-x"], [1], [2]]);
});

test("the journal keeps what the file does not have yet: a rename survives until then", async () => {
  put(0, "#0", 1);
  // Its day is rolled up, too, so that nothing but the rename writes the names of the host again.
  await scene.leap(2 * day);
  store.rename(named("#0"), "GPU-x");
  // Everything else in the journal is in rows by now.
  put(3 * day, "other", 1, "b");
  kill();
  await scene.pass(10_000);
  kill();
  expect(await values("GPU-x")).toEqual([1]);
  await scene.leap(2 * day);
  kill();
  expect([await keys(), await values("GPU-x")]).toEqual([["GPU-x", "other"], [1]]);
});

test("samples that the journal still holds are of the new key in the file that replaces a damaged one", async () => {
  put(0, "#0", 1);
  store.rename(named("#0"), "GPU-x");
  put(1000, "GPU-x", 2);
  // The file has the new key, too.
  await scene.pass(60_000);
  kill("damaged");
  expect([await keys(), await values("GPU-x")]).toEqual([["GPU-x"], [1, 2]]);
});

test("a rename on a full disk survives, whatever samples do not fit into memory meanwhile", async () => {
  put(0, "#0", 1);
  store.flush();
  scene.now += hour;
  const blocked = join(scene.folder, "history.journal-2");
  symlinkSync("/dev/full", blocked);
  store.rename(named("#0"), "GPU-x");
  const row = (i: number) => kept.gpu.map((_, n) => i + n / 7);
  for (let i = 0; i < 1200; i++) {
    const devices = Array.from({ length: 200 }, (_, n) => ({ level: "gpu" as const, key: `${n}`, values: row(i) }));
    store.append({ host: "b", at: start + hour + i, devices });
  }
  await scene.pass(3000);
  rmSync(blocked);
  await scene.pass(3000);
  expect(statSync(blocked).size).toBeLessThan(2 ** 20);
  kill();
  expect(await values("GPU-x")).toEqual([1]);
});

test("a copy has the new key, and a query that runs meanwhile has its answer", async () => {
  for (let i = 0; i < 3000; i++) put(i * 60_000, "#0", i % 90);
  const question = pairs(store, temperature("#0"));
  store.rename(named("#0"), "GPU-x");
  const answer = await question;
  expect(await pairs(store, temperature("GPU-x"))).toEqual(answer);
  expect(answer).toHaveLength(3000);
  const other = new StoreFixture();
  try {
    await store.backup(join(other.folder, "history.db"));
    expect(await pairs(other.open(), temperature("GPU-x"))).toEqual(answer);
  } finally {
    other.remove();
  }
});

const key = fc.constantFrom("#0", "#1", "GPU-x", "GPU-y");
const host = fc.constantFrom("a", "b");
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ host, put: key, at: fc.integer({ min: 0, max: 40 }), value: fc.nat(90) }) },
  { weight: 4, arbitrary: fc.record({ host, rename: key, to: key }) },
  { weight: 3, arbitrary: fc.constantFrom("kill", "wait", "seal", "close", "copy" as const) },
  { weight: 1, arbitrary: fc.record({ forget: host }) },
);

test("whatever was appended, renamed, forgotten, written and killed, the answers are those of a plain list", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 16 }), async (steps) => {
      scene.remove();
      scene = new StoreFixture();
      store = scene.open();
      const model = new Model();
      let copies = 0;
      for (const step of steps) {
        if (step === "kill") kill();
        else if (step === "wait") await scene.pass(60_000);
        else if (step === "seal") {
          scene.now += 2 * day;
          await scene.pass(90_000);
        } else if (step === "copy") await store.backup(join(scene.folder, `copy-${++copies}`));
        else if (step === "close") {
          scene.shut(store);
          store = scene.open();
        } else if ("forget" in step) await Promise.all([store.forget(step.forget), model.forget(step.forget)]);
        else if ("rename" in step) {
          const device = named(step.rename, step.host);
          expect(store.rename(device, step.to)).toBe(model.rename(device, step.to));
        } else {
          const devices = [gpu({ gpu_temperature: step.value }, step.put)];
          for (const one of [store, model]) one.append({ host: step.host, at: start + step.at * 900_000, devices });
        }
      }
      kill();
      for (const host of ["a", "b"]) {
        for (const key of ["#0", "#1", "GPU-x", "GPU-y"]) {
          const id = temperature(key, host);
          expect([id, await pairs(store, id)]).toEqual([id, await pairs(model, id)]);
        }
      }
      const names = (all: Awaited<ReturnType<Store["known"]>>) => all.map(({ host, key }) => `${host} ${key}`).sort();
      expect(names(await store.known())).toEqual(names(await model.known()));
    }),
    { numRuns: Math.ceil(cases.numRuns / 100) },
  );
}, 600_000);
