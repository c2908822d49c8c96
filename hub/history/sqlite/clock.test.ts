// Clocks that are wrong, and names that are odd: what they may not cost.
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { all, ask, day, gpu, hour, pairs, poll, StoreFixture, start, temperature } from "../../../test/store.ts";
import { earliest } from "../../clock.ts";
import { silent } from "../../log.ts";
import { firstDay } from "../series.ts";
import type { Store } from "../store.ts";
import { openFile } from "./file.ts";
import { columnId } from "./frame.ts";
import { Compactor } from "./keep.ts";
import { blockOf, firstKey } from "./key.ts";
import { NameTable } from "./names.ts";
import { Rows } from "./row.ts";
import { atOnce } from "./turns.ts";

let scene: StoreFixture;
const temp = (value: number) => gpu({ gpu_temperature: value });
const journals = (): number => readdirSync(scene.folder).filter((name) => name.includes("journal")).length;

beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

/** Polls every 10 s, as a hub at work takes them. */
async function work(one: Store, ms: number): Promise<void> {
  for (const end = scene.now + ms; scene.now < end; await scene.pass(10_000)) one.append(poll(scene.now, temp(50)));
}

test("a hub's clock that is years ahead for half an hour costs no sample and no summary", async () => {
  scene.retention = { raw: 30 * day, fiveMinutes: 365 * day, hour: 400 * day, day: 400 * day };
  const one = scene.open();
  await work(one, 5 * hour);
  const before = await pairs(one, temperature());
  const now = scene.now;
  scene.put(20 * 365 * day);
  await work(one, hour / 2);
  scene.put(-20 * 365 * day);
  await work(one, 5 * hour);
  expect((await pairs(one, temperature())).slice(0, before.length)).toEqual(before);
  // When it has gone on for longer, it is believed.
  scene.put(20 * 365 * day);
  await work(one, 2 * hour);
  expect(await pairs(one, temperature(), { ...all, to: now + day })).toEqual([]);
});

test("a hub that was off for longer than samples are kept lets them go after an hour, not at once", async () => {
  scene.retention = { raw: 30 * day, fiveMinutes: Infinity, hour: Infinity, day: Infinity };
  const one = scene.open();
  await work(one, hour);
  scene.shut(one);
  scene.now += 40 * day;
  const two = scene.open();
  const count = async () => (await pairs(two, temperature(), { ...all, to: start + day })).length;
  await work(two, hour / 2);
  expect(await count()).toBe(360);
  await work(two, hour);
  // Of the 5-minute summaries, which stay.
  expect(await count()).toBe(12);
});

test("a clock that is put back by days leaves nothing in memory for as long", async () => {
  const one = scene.open();
  scene.put(5 * day);
  await work(one, hour);
  scene.put(-5 * day);
  await work(one, 9 * hour);
  expect(await pairs(one, temperature())).toHaveLength(360 * 10);
  // Of 30 minutes each: the block of today, and what waits to be quiet.
  expect(journals()).toBeLessThan(10);
});

test("a host whose clock is years ahead holds up no journal", async () => {
  const one = scene.open();
  for (let i = 0; i < 10; i++) one.append({ host: "b", at: scene.now + 700 * day + i, devices: [temp(i)] });
  await work(one, 9 * hour);
  expect(journals()).toBeLessThan(10);
  expect(await pairs(one, temperature("GPU-1", "b"))).toHaveLength(10);
});

test("what is sealed is not counted again when the hub is killed before the journal lets it go", async () => {
  scene.retention = { raw: 2 * day, fiveMinutes: Infinity, hour: Infinity, day: Infinity };
  const one = scene.open();
  one.append(poll(scene.now, temp(1)));
  await scene.leap(day);
  // Late, for a block whose samples were deleted: its summary counts them in addition.
  scene.now += 10 * day;
  await scene.pass(2 * hour);
  one.append(poll(start + hour / 2, temp(3)));
  await scene.pass(hour);
  const copy = new StoreFixture();
  cpSync(scene.folder, copy.folder, { recursive: true });
  expect(journals()).toBe(1);
  Object.assign(copy, { now: scene.now, retention: scene.retention });
  const two = copy.open();
  await copy.leap(hour);
  for (const store of [one, two]) {
    const { count } = await ask(store, temperature(), { from: start, to: start + hour, step: hour }, "count");
    expect([...count]).toEqual([2]);
  }
  copy.remove();
});

test("late samples of a block whose samples did not fit any more are in its summaries once, however often they come", async () => {
  const one = scene.open();
  for (let i = 0; i < 60; i++) one.append(poll(start + i * 10_000, temp(20)));
  await scene.leap(2 * day);
  scene.shut(one);
  const file = new Database(join(scene.folder, "history.db"));
  file.exec("DELETE FROM raw");
  file.close();
  const two = scene.open();
  for (const late of [1, 2, 3]) {
    two.append(poll(start + late, temp(40)));
    two.append(poll(start + 600_000, temp(40)));
    await scene.leap(2 * day);
    for (const step of [300_000, hour, day]) {
      const { count } = await ask(two, temperature(), { ...all, step }, "count");
      expect([step, count.reduce((a, b) => a + b)]).toEqual([step, 61]);
    }
  }
});

test("late samples of a block whose samples are damaged are added to its summaries, however often they come", async () => {
  const one = scene.open();
  for (let i = 0; i < 60; i++) one.append(poll(start + i * 10_000, temp(20)));
  await scene.leap(2 * day);
  scene.shut(one);
  const file = new Database(join(scene.folder, "history.db"));
  file.exec("UPDATE raw SET data = zeroblob(20) WHERE id = (SELECT min(id) FROM raw)");
  file.close();
  const two = scene.open();
  for (const late of [1, 2, 3]) {
    two.append(poll(start + late, temp(40)));
    await scene.leap(2 * day);
    for (const step of [300_000, hour, day]) {
      const { count } = await ask(two, temperature(), { ...all, step }, "count");
      expect([step, count.reduce((a, b) => a + b)]).toEqual([step, 60 + late]);
    }
  }
});

test("late samples of a day whose samples and 5 minutes did not fit any more leave its hours and itself as they are", async () => {
  const one = scene.open();
  for (let i = 0; i < 60; i++) one.append(poll(start + i * 10_000, temp(20)));
  await scene.leap(2 * day);
  scene.shut(one);
  const file = new Database(join(scene.folder, "history.db"));
  file.exec("DELETE FROM raw; DELETE FROM five");
  file.close();
  const two = scene.open();
  two.append(poll(start + 1, temp(40)));
  await scene.leap(2 * day);
  for (const step of [hour, day]) {
    const { count } = await ask(two, temperature(), { ...all, step }, "count");
    expect([step, [...count]]).toEqual([step, [60]]);
  }
});

/** As a hub without a clock of its own left it: samples of 1970, in rows, in all summaries, and of a card that was there only then. */
function writeEarly(): void {
  const file = openFile(scene.folder, { log: silent }, () => {});
  const names = new NameTable(file);
  const rows = new Rows(file, silent);
  const compactor = new Compactor(rows, names);
  const host = names.host("a");
  const { id } = names.metric("gpu", "gpu_temperature");
  const columns = ["GPU-1", "GPU-2"].map((key): [number, Float64Array] => {
    const device = names.device(host, "gpu", key);
    device.last = 20_000;
    device.metrics.add("gpu_temperature");
    return [columnId(device.id, id), Float64Array.of(50)];
  });
  const fresh = [{ times: Float64Array.of(20_000), columns: new Map(columns) }];
  rows.write(atOnce(compactor.block(host, 0, fresh)));
  rows.write(atOnce(compactor.day(host, 0)).rows);
  Object.assign(host, { first: 0, last: 0 });
  host.open.add(0);
  names.save(host);
  file.close();
}

test("samples of 1970 that an earlier version kept are in no answer, and go", async () => {
  writeEarly();
  const one = scene.open();
  one.append(poll(start, temp(1)));
  const first = async () => [
    (await pairs(one, temperature()))[0],
    await firstDay(one, [temperature(), temperature("GPU-2")], start + day),
  ];
  expect(await first()).toEqual([[start, 1], start]);
  await scene.leap(2 * day);
  expect(await first()).toEqual([[start, 1], start]);
  expect((await one.known()).map(({ key }) => key)).toEqual(["GPU-1"]);
  scene.shut(one);
  const file = new Database(join(scene.folder, "history.db"), { readonly: true });
  for (const table of ["raw", "five", "hour", "day"]) {
    expect([
      table,
      file
        .prepare(`SELECT count(*) FROM ${table} WHERE id < ${firstKey(1)}`)
        .pluck()
        .get(),
    ]).toEqual([table, 0]);
  }
  expect(file.prepare("SELECT key FROM device").pluck().all()).toEqual(["GPU-1"]);
  expect(file.prepare("SELECT first FROM host").pluck().get()).toBe(blockOf(earliest));
  file.close();
});

test.each([
  "a_0",
  "ü \u{1f600}",
  "'; DROP TABLE host; --",
  "nul\0inside",
  "x".repeat(300),
  "__proto__",
  "../../etc",
  "\ttab",
])("a host called %j has its own samples, in memory, in rows and after a restart", async (name) => {
  const one = scene.open();
  one.append(poll(start, temp(1)));
  one.append({ host: name, at: start, devices: [gpu({ gpu_temperature: 2 }, name)] });
  await scene.leap(day);
  scene.shut(one);
  const two = scene.open();
  two.append({ host: name, at: scene.now, devices: [gpu({ gpu_temperature: 3 }, name)] });
  expect((await pairs(two, temperature(name, name))).map(([, value]) => value)).toEqual([2, 3]);
  expect(await pairs(two, temperature())).toEqual([[start, 1]]);
  expect(await two.known({ host: name })).toHaveLength(1);
});

test("a name that is no text is refused: written and read back, it would be another's", async () => {
  const one = scene.open();
  expect(() => one.append({ host: "\ud800", at: start, devices: [temp(1)] })).toThrow(/must name its host/);
  expect(() => one.append(poll(start, gpu({ gpu_temperature: 1 }, "\udc00")))).toThrow(/must name its host/);
  expect(await one.known()).toEqual([]);
});

test("a machine with thousands of network cards is kept as it is", async () => {
  const one = scene.open();
  const cards = Array.from({ length: 9000 }, (_, i) =>
    gpu({ gpu_temperature: i, gpu_power: 1, gpu_fan: 2, gpu_xid: 3 }, `GPU-${i}`, i),
  );
  one.append(poll(start, ...cards));
  one.append(poll(start + 1000, ...cards));
  for (const i of [0, 4000, 8999]) {
    expect(await pairs(one, temperature(`GPU-${i}`))).toEqual([
      [start, i],
      [start + 1000, i],
    ]);
  }
});
