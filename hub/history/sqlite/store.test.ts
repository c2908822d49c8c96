import { copyFileSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  all,
  ask,
  day,
  gpu,
  hour,
  measured,
  pairs,
  poll,
  StoreFixture,
  start,
  temperature,
} from "../../../test/store.ts";
import { earliest } from "../../clock.ts";
import { kept } from "../store.ts";

let scene: StoreFixture;

beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

const temp = (value: number) => gpu({ gpu_temperature: value });

test("a sample can be read before it is written, after it, after a restart and after its block is sealed", async () => {
  const one = scene.open();
  one.append(poll(start + 1000, temp(40)));
  const wanted = [[start + 1000, 40]];
  expect(await pairs(one, temperature())).toEqual(wanted);
  one.flush();
  expect(await pairs(one, temperature())).toEqual(wanted);
  scene.shut(one);
  const two = scene.open();
  expect(await pairs(two, temperature())).toEqual(wanted);
  await scene.leap(day);
  expect(await pairs(two, temperature())).toEqual(wanted);
});

test("ready is after the write of all that was appended before it, each time, also where several ask at once", async () => {
  const one = scene.open();
  for (let i = 0; i < 3; i++) {
    one.append(poll(start + 2 * i * 1000, temp(i)));
    const first = one.ready();
    one.append(poll(start + (2 * i + 1) * 1000, temp(i)));
    await Promise.all([first, one.ready()]);
    const copy = new StoreFixture();
    for (const name of readdirSync(scene.folder)) copyFileSync(join(scene.folder, name), join(copy.folder, name));
    copy.now = scene.now;
    expect(await pairs(copy.open(), temperature())).toHaveLength(2 * (i + 1));
    copy.remove();
  }
});

test("what was flushed is there after the process was killed, without any closing", async () => {
  const one = scene.open();
  for (let i = 0; i < 50; i++) one.append(poll(start + i * 1000, temp(i)));
  one.flush();
  const before = await pairs(one, temperature());
  // Nothing of the first one goes on; its lock goes with its process, which a copy of the folder stands for.
  const copy = new StoreFixture();
  for (const name of readdirSync(scene.folder)) copyFileSync(join(scene.folder, name), join(copy.folder, name));
  copy.now = scene.now;
  const two = copy.open();
  expect(await pairs(two, temperature())).toEqual(before);
  expect(before).toHaveLength(50);
  expect(await two.known()).toEqual(await one.known());
  copy.remove();
});

test("sealing leaves one file without a journal, and close() leaves nothing beside the database", async () => {
  const one = scene.open();
  for (let i = 0; i < 6 * 360; i++) {
    one.append(poll(start + i * 10_000, temp(i % 50)));
    if (i % 360 === 0) await scene.pass(hour);
  }
  expect(readdirSync(scene.folder).filter((name) => name.includes("journal")).length).toBeGreaterThan(0);
  await scene.leap(day);
  const journals = readdirSync(scene.folder).filter((name) => name.includes("journal"));
  // The one that is written to now.
  expect(journals.length).toBeLessThanOrEqual(1);
  scene.shut(one);
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
  expect(await pairs(scene.open(), temperature())).toHaveLength(6 * 360);
});

test("a hub that ends seals for a while only, and finds the rest in the journal", async () => {
  const one = scene.open();
  for (let h = 0; h < 8; h++) one.append({ host: `h${h}`, at: start, devices: [temp(h)] });
  // Time goes on by five seconds with each look at the clock.
  let now = scene.now;
  Object.defineProperty(scene, "now", { get: () => (now += 5000), set: () => {}, configurable: true });
  scene.shut(one);
  Object.defineProperty(scene, "now", { value: now, writable: true });
  expect(readdirSync(scene.folder)).toHaveLength(2);
  const two = scene.open();
  for (let h = 0; h < 8; h++) expect(await pairs(two, temperature("GPU-1", `h${h}`))).toEqual([[start, h]]);
  scene.shut(two);
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
});

test("a range holds its start and leaves out its end, in memory and in rows", async () => {
  const one = scene.open();
  for (const at of [1000, 2000, 3000]) one.append(poll(start + at, temp(at / 1000)));
  for (const sealed of [false, true]) {
    if (sealed) await scene.leap(day);
    expect(await pairs(one, temperature(), { from: start + 1000, to: start + 3000, step: 0 })).toEqual([
      [start + 1000, 1],
      [start + 2000, 2],
    ]);
    expect(await pairs(one, temperature(), { from: start + 3000, to: start + 1000, step: 0 })).toEqual([]);
  }
});

test("a spike of one sample is the greatest value of every step, up to months", async () => {
  const one = scene.open();
  for (let i = 0; i < 3 * 360; i++) one.append(poll(start + i * 10_000, temp(i === 777 ? 99 : 40)));
  await scene.leap(2 * day);
  for (const step of [1000, 60_000, 300_000, hour, day, 30 * day]) {
    const { max, avg, count } = await ask(one, temperature(), { ...all, step }, "max", "avg", "count");
    expect([step, Math.max(...max)]).toEqual([step, 99]);
    expect(count.reduce((a, b) => a + b)).toBe(3 * 360);
    if (step >= day) expect([...avg]).toEqual([(40 * (3 * 360 - 1) + 99) / (3 * 360)]);
  }
});

test("the newest points are given where there are more than asked for, and it says so", async () => {
  const one = scene.open();
  for (let i = 0; i < 3000; i++) one.append(poll(start + i * 10_000, temp(i % 100)));
  await scene.leap(day);
  const [cut] = await one.read({ series: [temperature()], range: all, of: ["last"], most: 7 });
  expect(cut?.cut).toBe(true);
  expect([...(cut?.t ?? [])]).toEqual(Array.from({ length: 7 }, (_, i) => start + (2993 + i) * 10_000));
  const [whole] = await one.read({ series: [temperature()], range: all, of: ["last"], most: 3000 });
  expect([whole?.cut, whole?.t.length]).toEqual([false, 3000]);
});

test("of two values of one series at one time the later one counts, in memory, in rows, and across both", async () => {
  const one = scene.open();
  one.append(poll(start, gpu({ gpu_temperature: 1, gpu_power: 5 })));
  one.append(poll(start, gpu({ gpu_temperature: 2 })));
  expect(await pairs(one, temperature())).toEqual([[start, 2]]);
  await scene.leap(day);
  expect(await pairs(one, temperature())).toEqual([[start, 2]]);
  one.append(poll(start, gpu({ gpu_temperature: 3 })));
  expect(await pairs(one, temperature())).toEqual([[start, 3]]);
  await scene.leap(day);
  expect(await pairs(one, temperature())).toEqual([[start, 3]]);
  expect(await pairs(one, { ...temperature(), metric: "gpu_power" })).toEqual([[start, 5]]);
  const { count, avg } = await ask(one, temperature(), { ...all, step: hour }, "count", "avg");
  expect([[...count], [...avg]]).toEqual([[1], [3]]);
});

test("late samples, years late too, fall into their places and into the summaries", async () => {
  const one = scene.open();
  one.append(poll(start, temp(50)));
  await scene.leap(day);
  for (let i = 9; i >= 0; i--) one.append(poll(start - 700 * day + i * 10_000, temp(i)));
  one.append(poll(start + 5000, temp(60)));
  const steps = [0, 300_000, day];
  const read = () => Promise.all(steps.map((step) => ask(one, temperature(), { ...all, step }, "min", "max", "count")));
  const before = await read();
  await scene.leap(day);
  expect(await read()).toEqual(before);
  expect(before[0]?.t).toHaveLength(12);
  expect([...(before[2]?.count ?? [])]).toEqual([10, 2]);
});

test("a clock that goes back an hour loses nothing", async () => {
  const one = scene.open();
  for (let i = 0; i < 500; i++) one.append(poll(start + 2 * hour + i * 10_000, temp(1)));
  for (let i = 0; i < 500; i++) one.append(poll(start + hour + i * 10_000 + 3, temp(2)));
  const { t } = await ask(one, temperature(), all, "avg");
  expect(t).toHaveLength(1000);
  expect([...t]).toEqual([...t].sort((a, b) => a - b));
  await scene.leap(day);
  expect((await ask(one, temperature(), all, "avg")).t).toEqual(t);
});

test("what is no finite number is absent, not 0; large, small and negative ones stay as they are", async () => {
  const values = [Number.NaN, Infinity, -Infinity, -5, 2 ** 63, 1e308, 5e-324, 0.1 + 0.2, 53.71];
  const one = scene.open();
  for (const [i, value] of values.entries()) one.append(poll(start + i, gpu({ gpu_memory_used: value, gpu_fan: i })));
  const wanted = values.flatMap((value, i) => (Number.isFinite(value) ? [[start + i, value]] : []));
  const id = { ...temperature(), metric: "gpu_memory_used" };
  expect(await pairs(one, id)).toEqual(wanted);
  await scene.leap(day);
  expect(await pairs(one, id)).toEqual(wanted);
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, Date.UTC(2900, 0), 8.65e15])(
  "a measurement at %d is refused, and nothing of it is kept",
  async (at) => {
    const one = scene.open();
    expect(() => one.append(poll(at, temp(1)))).toThrow(/must be Unix milliseconds/);
    one.flush();
    expect(await one.known()).toEqual([]);
  },
);

test.each([earliest, Date.UTC(2500, 5, 1), Date.UTC(2899, 11, 31)])(
  "a measurement at %d is kept beside one of today, and a question over all of time finds both",
  async (at) => {
    const one = scene.open();
    one.append(poll(at, temp(1)));
    one.append(poll(start, temp(2)));
    await scene.leap(900 * 365 * day + day);
    const wanted = [
      [at, 1],
      [start, 2],
    ].sort(([a = 0], [b = 0]) => a - b);
    expect(await pairs(one, temperature())).toEqual(wanted);
    expect((await ask(one, temperature(), { ...all, step: day }, "max")).max).toHaveLength(2);
  },
);

test.each([-1, 0, Date.UTC(1970, 0, 2), earliest - 1, Date.UTC(2900, 0), start + 0.5, Number.NaN])(
  "a measurement at %d, which no right clock says, is refused",
  async (at) => {
    const one = scene.open();
    expect(() => one.append(poll(at, temp(1)))).toThrow(
      /must be Unix milliseconds from 1575936000000 up to the year 2900/,
    );
    expect(await one.known()).toEqual([]);
  },
);

test("a host or key with a line break is refused", () => {
  const one = scene.open();
  expect(() => one.append({ host: "a\nb", at: start, devices: [temp(1)] })).toThrow(/must name its host/);
  expect(() => one.append({ host: "", at: start, devices: [temp(1)] })).toThrow(/must name its host/);
});

test("a question that is no range is refused, with what it was", async () => {
  const one = scene.open();
  for (const range of [
    { ...all, step: -1 },
    { ...all, from: Number.NaN },
    { ...all, step: Number.POSITIVE_INFINITY },
  ]) {
    await expect(pairs(one, temperature(), range)).rejects.toThrow(/must be two times and a step of 0 or more/);
  }
  await expect(one.fold({ groups: [[temperature()]], range: all })).rejects.toThrow(/step greater than 0/);
  await expect(one.read({ series: [], range: all, of: [], most: 0 })).rejects.toThrow(/1 point or more/);
});

test("known() lists devices with their newest index, metrics and time, and still does after a restart", async () => {
  const one = scene.open();
  one.append(poll(start + 1000, gpu({ gpu_temperature: 1 }, "GPU-1", 0), gpu({ gpu_temperature: 1 }, "GPU-2", 1)));
  one.append(poll(start + 2000, gpu({ gpu_power: 1 }, "GPU-1", 1)));
  one.append(poll(start + 1500, gpu({ gpu_temperature: 1 }, "GPU-1", 7)));
  const wanted = [
    { host: "a", level: "gpu", key: "GPU-1", index: 1, metrics: ["gpu_temperature", "gpu_power"], last: start + 2000 },
    { host: "a", level: "gpu", key: "GPU-2", index: 1, metrics: ["gpu_temperature"], last: start + 1000 },
  ];
  expect(await one.known({ host: "a" })).toEqual(wanted);
  expect(await one.known({ level: "gpu" })).toEqual(wanted);
  expect(await one.known({ host: "a", level: "disk" })).toEqual([]);
  scene.shut(one);
  const two = scene.open();
  expect(await two.known()).toEqual(wanted);
  expect(await two.known({ host: "b" })).toEqual([]);
});

test("a series follows the card's uuid when its index changes", async () => {
  const one = scene.open();
  for (let i = 0; i < 20; i++) one.append(poll(start + i * 1000, gpu({ gpu_temperature: i }, "GPU-1", i < 10 ? 0 : 5)));
  expect((await pairs(one, temperature())).map(([, value]) => value)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect((await one.known())[0]?.index).toBe(5);
});

test("metrics and cards that come and go leave gaps, and no trace in the others", async () => {
  const one = scene.open();
  for (let i = 0; i < 100; i++) {
    const devices = [gpu({ gpu_temperature: 40, ...(i % 3 === 0 ? { gpu_fan: 30 } : {}) })];
    if (i % 2 === 0) devices.push(gpu({ gpu_temperature: 50 }, "GPU-2", 1));
    one.append(poll(start + i * 1000, ...devices));
  }
  for (const sealed of [false, true]) {
    if (sealed) await scene.leap(day);
    expect(await pairs(one, temperature())).toHaveLength(100);
    expect(await pairs(one, temperature("GPU-2"))).toHaveLength(50);
    expect(await pairs(one, { ...temperature(), metric: "gpu_fan" })).toHaveLength(34);
  }
});

test("samples go when they are older than is kept, summaries stay, and a device without any goes with them", async () => {
  scene.retention = { raw: 2 * day, fiveMinutes: 20 * day, hour: 100 * day, day: 400 * day };
  const one = scene.open();
  for (let i = 0; i < 600; i++) one.append(poll(start + i * 10_000, temp(i === 100 ? 99 : 20)));
  const keep = async (ms: number): Promise<void> => {
    one.append(poll(scene.now, gpu({ gpu_temperature: 1 }, "GPU-2", 1)));
    await scene.leap(ms);
    // A leap of the clock is believed when it has gone on for an hour.
    await scene.pass(1.5 * hour);
  };
  await keep(day);
  expect((await ask(one, temperature(), all, "max")).t).toHaveLength(600);
  await keep(2 * day);
  const fives = await ask(one, temperature(), all, "max", "count", "avg");
  expect(fives.t).toHaveLength(20);
  expect([Math.max(...fives.max), fives.count[0], fives.avg[1]]).toEqual([99, 30, 20]);
  await keep(20 * day);
  expect((await ask(one, temperature(), all, "max")).t).toHaveLength(2);
  await keep(148 * day);
  const days = await ask(one, temperature(), all, "max", "count");
  expect([[...days.max], [...days.count]]).toEqual([[99], [600]]);
  await scene.leap(500 * day);
  await keep(10_000);
  expect((await ask(one, temperature(), all, "max")).t).toHaveLength(0);
  expect((await one.known()).map(({ key }) => key)).toEqual(["GPU-2"]);
});

test("the file stays below its greatest size: the oldest samples go first, and the space is used again", async () => {
  const one = scene.open();
  scene.maxSize = 300_000;
  let state = 1;
  const noise = () => (state = (state * 48_271) % 2_147_483_647);
  for (let i = 0; i < 360 * 24 * 4; i++) {
    one.append(poll(scene.now, gpu({ gpu_power: noise(), gpu_memory_used: noise(), gpu_temperature: i % 90 })));
    if (i % 60 === 59) await scene.pass(600_000);
    else scene.now += 10_000;
  }
  await scene.leap(day);
  expect(one.bytes()).toBeLessThan(450_000);
  const { t } = await ask(one, temperature(), all, "max");
  expect(t.at(-1)).toBeGreaterThan(scene.now - 2 * day);
  // What went is still told by its summary.
  const days = await ask(one, temperature(), { ...all, step: day }, "max");
  expect(days.t[0]).toBe(start);
});

test("a second store on the same folder is refused while the first is open", () => {
  const one = scene.open();
  expect(() => scene.open()).toThrow(/Another hub is using the data folder .*GOHM_DATA/);
  scene.shut(one);
  scene.open();
});

test("a backup holds everything until now, while the store goes on, and never replaces a file", async () => {
  const one = scene.open();
  for (let i = 0; i < 5; i++) one.append(poll(start + i * 1000, temp(i), measured("host", "", { load1: 1.5 })));
  const path = join(scene.folder, "copy.db");
  await one.backup(path);
  one.append(poll(start + 5000, temp(5)));
  await expect(one.backup(path)).rejects.toThrow(/already exists/);
  await expect(one.backup(join(scene.folder, "no/where.db"))).rejects.toThrow(/Cannot back up to/);
  expect(existsSync(join(scene.folder, "no"))).toBe(false);
  expect(await pairs(one, temperature())).toHaveLength(6);
  const other = new StoreFixture();
  writeFileSync(join(other.folder, "history.db"), (await import("node:fs")).readFileSync(path));
  const two = other.open();
  expect(await pairs(two, temperature())).toHaveLength(5);
  expect(await two.known()).toHaveLength(2);
  other.remove();
});

test("a folder that cannot be made is named, with the way out", () => {
  writeFileSync(join(scene.folder, "file"), "");
  const inside = new StoreFixture(join(scene.folder, "file"));
  expect(() => inside.open()).toThrow(/Cannot use the data folder .*set GOHM_DATA to another folder/);
});

test("a history written by a newer version is refused and stays as it is", () => {
  scene.shut(scene.open());
  const file = new Database(join(scene.folder, "history.db"));
  file.pragma("user_version = 99");
  file.close();
  expect(() => scene.open()).toThrow(/newer version of the hub \(its schema is 99/);
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
});

test("a database of another program is refused and stays as it is", () => {
  const file = new Database(join(scene.folder, "history.db"));
  file.exec("CREATE TABLE theirs (x)");
  file.close();
  expect(() => scene.open()).toThrow(/belongs to another program/);
});

test("every metric that is kept has a place", () => {
  expect(kept.gpu.length + kept.host.length + kept.disk.length + kept.nic.length).toBeLessThan(900);
});
