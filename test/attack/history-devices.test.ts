// A host that gives its devices other names at every poll, as a broken or hostile agent may, and pods' volumes do slowly.
import { statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeviceSample, Store } from "../../hub/history/store.ts";
import type { Level } from "../../proto/device.ts";
import { day, gpu, hour, listening, measured, pairs, poll, StoreFixture, start, temperature } from "../store.ts";

let scene: StoreFixture;

beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

const most = 200;
/** Lasting devices, and as many as an agent may name of each kind, scaled down; each value tells whose it is. */
function churn(round: number): DeviceSample[] {
  const fresh = (level: Level, count: number, metric: string): DeviceSample[] =>
    Array.from({ length: count }, (_, i) => measured(level, `${round}-${i}`, { [metric]: round * 1000 + i }));
  return [
    measured("host", "", { load1: round }),
    gpu({ gpu_temperature: round }),
    ...fresh("gpu", 25, "gpu_temperature"),
    ...fresh("disk", 50, "disk_used"),
    ...fresh("nic", 50, "network_receive"),
  ];
}
const rounds = 60;
async function attack(one: Store): Promise<number> {
  let largest = 0;
  for (let round = 0; round < rounds; round++) {
    one.append({ host: "bad", at: scene.now, devices: churn(round) });
    one.append(poll(scene.now, gpu({ gpu_temperature: round })));
    largest = Math.max(largest, (await one.known({ host: "bad" })).length);
    await scene.pass(10_000);
  }
  return largest;
}
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
const lasting = Array.from({ length: rounds }, (_, round) => [start + round * 10_000, round]);

test("a host with too many devices keeps the lasting ones up to the limit, does not affect other hosts, and a notice says so", async () => {
  scene.maxDevices = most;
  const log = listening();
  const one = scene.open(log);
  expect(await attack(one)).toBe(most);
  const kept = async (store: Store): Promise<void> => {
    expect((await store.known({ host: "bad" })).length).toBeLessThanOrEqual(most);
    expect(await pairs(store, temperature("GPU-1", "bad"))).toEqual(lasting);
    expect(await pairs(store, temperature())).toEqual(lasting);
    // No device was given the number, and with it the samples, of one that is forgotten.
    for (const { key } of await store.known({ host: "bad", level: "gpu" })) {
      if (key === "GPU-1" || key === "new") continue;
      const [round = 0, i = 0] = key.split("-").map(Number);
      expect(await pairs(store, temperature(key, "bad"))).toEqual([[start + round * 10_000, round * 1000 + i]]);
    }
  };
  await kept(one);
  const notice = "More devices than history keeps of one machine (200, history.max_devices): bad.";
  expect([...scene.notices.values()]).toEqual([expect.stringContaining(notice)]);
  expect(log.lines.filter((line) => line.includes(notice))).toHaveLength(1);
  scene.shut(one);
  const two = scene.open();
  await kept(two);
  two.append({ host: "bad", at: scene.now, devices: [gpu({ gpu_temperature: 7 }, "new")] });
  expect(await pairs(two, temperature("new", "bad"))).toEqual([[scene.now, 7]]);
  await scene.leap(2 * hour);
  expect(scene.notices.size).toBe(0);
  await scene.leap(day);
  await kept(two);
});

test("a history that already has too many devices is reduced to the limit", async () => {
  const one = scene.open();
  await attack(one);
  expect((await one.known({ host: "bad" })).length).toBe(rounds * 125 + 2);
  scene.shut(one);
  scene.maxDevices = most;
  const two = scene.open();
  await scene.pass(60_000);
  expect(await two.known({ host: "bad" })).toHaveLength(most);
  expect(await pairs(two, temperature("GPU-1", "bad"))).toEqual(lasting);
});

test("a forgotten device that returns, with a late sample too, starts without its old samples", async () => {
  scene.maxDevices = 3;
  const one = scene.open();
  const at = (ms: number, ...keys: string[]) =>
    one.append(poll(start + ms, ...keys.map((key, i) => gpu({ gpu_temperature: ms + i }, key, i))));
  at(0, "a", "b");
  at(1000, "c", "d");
  expect((await one.known()).map(({ key }) => key)).toEqual(["b", "c", "d"]);
  at(5 * hour, "e");
  // Into the run of the window before, which has a place for a device that is gone.
  at(2000, "a", "b");
  expect(await pairs(one, temperature("a"))).toEqual([[start + 2000, 2000]]);
  await scene.leap(day);
  expect(await pairs(one, temperature("a"))).toEqual([[start + 2000, 2000]]);
});

test("the size limit of the file is enforced while rows are written, not some time later", async () => {
  scene.maxSize = 600_000;
  const one = scene.open();
  const cards = (i: number) =>
    Array.from({ length: 60 }, (_, n) =>
      gpu({ gpu_temperature: (n * 7919 + i * 104_729) % 1_000_003, gpu_power: n * i }, `G-${n}`, n),
    );
  // A hundred windows that come late, and are brought into rows at once.
  for (let i = 0; i < 1000; i++)
    one.append(poll(start + Math.floor(i / 10) * 4 * hour + (i % 10) * 10_000, ...cards(i)));
  scene.now = start + 400 * hour + hour;
  let largest = 0;
  await scene.pass(30_000);
  for (let i = 0; i < 2000; i++) {
    largest = Math.max(largest, statSync(join(scene.folder, "history.db")).size);
    await turns(10);
  }
  expect(largest).toBeLessThan(700_000);
  expect((await pairs(one, temperature("G-0"))).at(-1)?.[0]).toBe(start + 396 * hour + 90_000);
});

test("a hub that stops leaves samples in the journal that it cannot write as rows within a second, and loses none", async () => {
  const one = scene.open();
  for (let i = 0; i < 20; i++) {
    one.append({ host: "bad", at: scene.now, devices: churn(i) });
    one.append(poll(scene.now, gpu({ gpu_temperature: i })));
    scene.now += 10_000;
  }
  // Every look at the clock takes a quarter of a second: sealing looks at it between two steps.
  scene.tick = 250;
  const before = scene.now;
  scene.shut(one);
  expect(scene.now - before).toBeLessThan(3000);
  scene.tick = 0;
  const two = scene.open();
  expect(await two.known({ host: "bad" })).toHaveLength(20 * 125 + 2);
  expect(await pairs(two, temperature())).toEqual(lasting.slice(0, 20));
});
