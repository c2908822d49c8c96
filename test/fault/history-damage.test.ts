// A file that is damaged, in whatever way: the history opens, says where it is damaged, gives no wrong value, and goes on.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { HostSample, SeriesId, Store } from "../../hub/history/store.ts";
import type { Log } from "../../hub/log.ts";
import { top } from "../program.ts";
import { day, gpu, hour, measured, pairs, StoreFixture, start } from "../store.ts";

const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
let state = seed + 1;
const random = (below: number): number => {
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
};

const hosts = ["a", "b", "c"];
const metrics = ["gpu_temperature", "gpu_power", "gpu_xid"] as const;
/** Every value tells its host, metric and time: one that stands in a wrong place is found out. */
const told = (host: string, metric: string, at: number): number =>
  Math.floor(at / 1000) * 12 + hosts.indexOf(host) * 3 + metrics.indexOf(metric as "gpu_xid") - start / 100;
const poll = (host: string, at: number): HostSample => ({
  host,
  at,
  devices: [
    gpu(Object.fromEntries(metrics.map((metric) => [metric, told(host, metric, at)])), `GPU-${host}`),
    measured("host", "", { load1: 0.25 }),
  ],
});
const series = hosts.flatMap((host) =>
  metrics.map((metric): SeriesId => ({ host, level: "gpu", key: `GPU-${host}`, metric })),
);
/** Polls of the samples in rows, and of those that only the journal has. */
const sealed = 360;
const fresh = 100;
const times = Array.from({ length: sealed + fresh }, (_, i) =>
  i < sealed ? start + i * 10_000 : start + 1.5 * day + (i - sealed) * 5000,
);

let whole: string;
let scene: StoreFixture;

/** A folder as a hub leaves it that was killed: rows, and a journal beside them. */
beforeAll(async () => {
  whole = mkdtempSync(join(tmpdir(), "gohm-whole-"));
  const made = new StoreFixture();
  const before = made.open();
  for (const at of times.slice(0, sealed)) for (const host of hosts) before.append(poll(host, at));
  await made.leap(day);
  made.shut(before);
  made.now = times[sealed] ?? 0;
  const one = made.open();
  for (const at of times.slice(sealed)) {
    made.now = at;
    for (const host of hosts) one.append(poll(host, at));
    // One record of the journal for each.
    one.flush();
  }
  cpSync(made.folder, whole, { recursive: true });
  made.remove();
  expect(journals(whole)).toHaveLength(1);
});

afterEach(() => scene.remove());
afterAll(() => rmSync(whole, { recursive: true, force: true }));

const journals = (folder: string): string[] => readdirSync(folder).filter((name) => /journal-\d+$/.test(name));
const database = "history.db";
/** Bytes of SQLite's own header. */
const head = 100;

function copied(): StoreFixture {
  scene = new StoreFixture();
  cpSync(whole, scene.folder, { recursive: true });
  scene.now = (times.at(-1) ?? 0) + 1000;
  return scene;
}

interface Lines extends Log {
  readonly lines: string[];
}

function listening(): Lines {
  const lines: string[] = [];
  const line = (message: string): void => void lines.push(message);
  return { lines, info: () => {}, warn: line, error: line };
}

/** Every sample there is is one that was taken, or the mean of 5 minutes of which they are damaged. @returns samples */
async function truthful(one: Store): Promise<number> {
  let count = 0;
  const range = { from: 0, to: Number.POSITIVE_INFINITY, step: 0 };
  const answers = await one.read({ series, range, of: ["last"], most: 1_000_000 });
  const taken = new Set(times);
  for (const [i, { t, last }] of answers.entries()) {
    const { host = "", metric = "" } = series[i] ?? {};
    for (const [k, at] of t.entries()) {
      const value = last[k] ?? Number.NaN;
      if (taken.has(at) && value === told(host, metric, at)) count++;
      else if (at % five > 0 || !(value > told(host, metric, at) && value < told(host, metric, at + five)))
        throw new Error(`${host} ${metric} ${at}: ${value}`);
    }
  }
  for (const { host, key } of await one.known()) {
    if (!hosts.includes(host) || !["", `GPU-${host}`].includes(key)) throw new Error(`there is a ${key} on ${host}`);
  }
  // Summaries as well: they were made of the same samples.
  for (const step of [five, hour, day]) {
    const summed = await one.read({ series, range: { ...range, step }, of: ["min", "max", "count"], most: 1_000_000 });
    for (const [i, { t, min, max }] of summed.entries()) {
      const { host = "", metric = "" } = series[i] ?? {};
      for (const [k, at] of t.entries()) {
        const low = told(host, metric, at);
        const high = told(host, metric, at + step);
        if (!((min[k] ?? 0) >= low && (max[k] ?? 0) < high))
          throw new Error(`${host} ${metric} ${step} ${at}: ${min[k]}`);
      }
    }
  }
  return count;
}

const five = 300_000;
const everything = series.length * times.length;

/** Opens, reads, takes more, seals, and reads that. */
async function livesOn(log: Lines): Promise<{ count: number }> {
  const one = scene.open(log);
  const count = await truthful(one);
  const id: SeriesId = { host: "new", level: "gpu", key: "GPU-new", metric: "gpu_fan" };
  one.append({ host: "new", at: scene.now, devices: [gpu({ gpu_fan: 42 }, "GPU-new")] });
  one.append(poll("b", times[50] ?? 0));
  one.flush();
  await scene.leap(2 * day);
  scene.shut(one);
  const again = scene.open(log);
  expect(await pairs(again, id)).toHaveLength(1);
  scene.shut(again);
  expect(journals(scene.folder)).toEqual([]);
  return { count };
}

const refused = (error: unknown): void => expect(String(error)).toMatch(/newer version|readonly database/);

function flip(path: string, place: number, bit = random(8)): void {
  const bytes = readFileSync(path);
  bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
  writeFileSync(path, bytes);
}

test("an undamaged folder has every sample, and logs nothing", async () => {
  copied();
  const log = listening();
  expect(await livesOn(log)).toEqual({ count: everything });
  expect(log.lines).toEqual([]);
});

test(`one bit flipped in the database, at 100 places in turn, shows no wrong value (seed ${seed})`, async () => {
  let told = 0;
  for (let i = 0; i < 100; i++) {
    copied();
    const path = join(scene.folder, database);
    // The head of the file, part of which may say that it is another version's, has a test of its own.
    const place = head + random(statSync(path).size - head);
    flip(path, place);
    const log = listening();
    let count = 0;
    try {
      ({ count } = await livesOn(log));
    } catch (error) {
      throw new Error(`a bit flipped in byte ${place}: ${(error as Error).message}`, { cause: error });
    }
    if (count < everything) expect(log.lines.join("\n"), `byte ${place}`).toMatch(/damaged/);
    if (log.lines.length > 0) told++;
    const aside = readdirSync(scene.folder).filter((name) => name.includes("damaged"));
    if (aside.length > 0) expect(log.lines.join("\n")).toContain(aside[0]);
    scene.remove();
  }
  // The others were in what is empty.
  expect(told).toBeGreaterThan(5);
});

test(`a bit flipped anywhere in the head of the database shows no wrong value (seed ${seed})`, async () => {
  for (let place = 0; place < head; place++) {
    copied();
    flip(join(scene.folder, database), place);
    // A file that says it is of a newer version, or not to be written by this SQLite, is left alone: it may be true.
    if (place === 18 || (place >= 60 && place < 64)) await livesOn(listening()).catch(refused);
    else await livesOn(listening()).catch((error: unknown) => expect(`byte ${place}: ${error}`).toBe(""));
    scene.remove();
  }
});

test(`100 bits flipped at once show no wrong value (seed ${seed})`, async () => {
  for (let i = 0; i < 5; i++) {
    copied();
    const path = join(scene.folder, database);
    for (let n = 0; n < 100; n++) flip(path, head + random(statSync(path).size - head));
    const log = listening();
    await livesOn(log);
    expect(log.lines.join("\n")).toMatch(/damaged/);
    scene.remove();
  }
});

test(`a database truncated anywhere is moved aside, and its name is in the log (seed ${seed})`, async () => {
  for (let i = 0; i < 20; i++) {
    copied();
    const path = join(scene.folder, database);
    const { size } = statSync(path);
    const length = 1 + random(size - 1);
    truncateSync(path, length);
    const log = listening();
    const { count } = await livesOn(log);
    // The very end may be of a page that holds nothing: all is there then.
    if (size - length < 1024 && count === series.length * (sealed + fresh)) {
      scene.remove();
      continue;
    }
    // What the journal holds is there nevertheless.
    expect(count).toBe(series.length * fresh);
    expect(log.lines.join("\n")).toMatch(/history\.db is damaged \(.*\); it was moved to \S+history\.db\.damaged-1/);
    expect(readdirSync(scene.folder)).toContain("history.db.damaged-1");
    scene.remove();
  }
});

test.each([
  ["text", "This is no database.\n".repeat(500), true],
  ["one word", "no", true],
  ["nothing", "", false],
])("a database replaced by %s is created anew, with the samples of the journal", async (_, content, aside) => {
  copied();
  writeFileSync(join(scene.folder, database), content);
  const log = listening();
  expect((await livesOn(log)).count).toBe(series.length * fresh);
  expect(readdirSync(scene.folder).some((name) => name.includes("damaged"))).toBe(aside);
});

test("a database replaced by a directory is named, with what to do", () => {
  copied();
  rmSync(join(scene.folder, database));
  mkdirSync(join(scene.folder, database));
  expect(() => scene.open()).toThrow(/Cannot use the data folder .*history\.db is a folder.*GOHM_DATA/);
});

test("a database replaced by a pipe is named, and not waited for", () => {
  copied();
  rmSync(join(scene.folder, database));
  spawnSync("mkfifo", [join(scene.folder, database)]);
  expect(() => scene.open()).toThrow(/Cannot use the data folder .*history\.db is not a file.*GOHM_DATA/);
});

/** Opens the folder as a user who is not root, as a hub should be run. @returns what that says */
function openedByNobody(): string {
  const script = `
    import { StoreFixture } from ${JSON.stringify(join(top, "test/store.ts"))};
    try {
      new StoreFixture(${JSON.stringify(scene.folder)}).open();
      console.log("opened");
    } catch (error) {
      console.log(error.message);
    }`;
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], { ...user, encoding: "utf8" }).stdout;
}

test.each([
  ["file", database, 0o444],
  ["folder", ".", 0o555],
])("a %s that is not writable is named, with what to do, and stays as it is", (_, name, mode) => {
  copied();
  chmodSync(scene.folder, 0o777);
  for (const file of readdirSync(scene.folder)) chmodSync(join(scene.folder, file), 0o666);
  const before = readdirSync(scene.folder);
  chmodSync(join(scene.folder, name), mode);
  expect(openedByNobody()).toMatch(/^Cannot use the data folder .*permission denied.*make it writable for this user/);
  chmodSync(join(scene.folder, name), 0o777);
  expect(readdirSync(scene.folder)).toEqual(before);
  expect(openedByNobody()).toBe("opened\n");
});

const journal = (): string => join(scene.folder, journals(scene.folder)[0] ?? "");

test(`one bit flipped in the journal, at 100 places in turn, loses only samples that depend on it (seed ${seed})`, async () => {
  let most = 0;
  for (let i = 0; i < 100; i++) {
    copied();
    const place = random(statSync(journal()).size);
    flip(journal(), place);
    const log = listening();
    const { count } = await livesOn(log);
    expect(count, `byte ${place}`).toBeGreaterThanOrEqual(series.length * sealed);
    if (count < everything) expect(log.lines.join("\n"), `byte ${place}`).toMatch(/history\.journal-\d+ is damaged/);
    most = Math.max(most, count);
    scene.remove();
  }
  // One that hits the last records leaves nearly all.
  expect(most).toBeGreaterThan(series.length * sealed);
});

test(`a journal truncated anywhere keeps all samples before that (seed ${seed})`, async () => {
  for (let i = 0; i < 30; i++) {
    copied();
    const size = statSync(journal()).size;
    const length = random(size);
    truncateSync(journal(), length);
    const { count } = await livesOn(listening());
    const share = (count - series.length * sealed) / (series.length * fresh);
    // Records are of about the same length, but for the first, which holds the names.
    expect(share, `${length} of ${size} bytes`).toBeGreaterThan((length - 2500) / size - 0.05);
    scene.remove();
  }
});

test.each([
  ["text", "This is no journal.\n".repeat(500)],
  ["zeros", Buffer.alloc(100_000)],
])("a journal replaced by %s is moved aside, and its name is in the log", async (_, content) => {
  copied();
  writeFileSync(journal(), content);
  const log = listening();
  expect((await livesOn(log)).count).toBe(series.length * sealed);
  expect(log.lines.join("\n")).toMatch(/history\.journal-\d+ cannot be read .* moved to \S+damaged-1/);
  expect(readdirSync(scene.folder).filter((name) => name.includes("damaged"))).toHaveLength(1);
});

test("a journal that is missing, empty or a directory loses only its samples, and later ones are not mistaken for it", async () => {
  for (const harm of ["gone", "empty", "folder"]) {
    copied();
    const path = journal();
    rmSync(path);
    if (harm === "empty") writeFileSync(path, "");
    if (harm === "folder") mkdirSync(path);
    const log = listening();
    const one = scene.open(log);
    expect(await truthful(one)).toBe(series.length * sealed);
    one.append(poll("a", (times.at(-1) ?? 0) + 10_000));
    scene.shut(one);
    scene.remove();
  }
});

test("rows of a run whose beginning is missing are left out: what they differ from is not known", async () => {
  copied();
  const bytes = readFileSync(journal());
  const mark = bytes.subarray(15, 19);
  const second = bytes.indexOf(mark, 20);
  const third = bytes.indexOf(mark, second + 4);
  // The second record is cut out whole: no checksum tells.
  writeFileSync(journal(), Buffer.concat([bytes.subarray(0, second), bytes.subarray(third)]));
  const log = listening();
  const one = scene.open(log);
  expect(await truthful(one)).toBe(series.length * (sealed + 1));
  expect(log.lines.join("\n")).toMatch(/294 polls cannot be read from the journal/);
});

test("a version that is not that of the tables shows no wrong value, whichever it is", async () => {
  for (let bit = 0; bit < 8; bit++) {
    copied();
    flip(join(scene.folder, database), 63, bit);
    await livesOn(listening()).catch(refused);
    scene.remove();
  }
});
