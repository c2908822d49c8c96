// A disk without room: a small file system in memory stands in for it, which only root may mount.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Store } from "../../hub/history/store.ts";
import type { Log } from "../../hub/log.ts";
import { canMount, type Disk, smallDisk } from "../disk.ts";
import { fleet, writeFirst } from "../first.ts";
import { gpu, hour, pairs, poll, StoreFixture, temperature } from "../store.ts";

let disk: Disk;
let scene: StoreFixture;
const log: Log & { readonly lines: string[] } = {
  lines: [],
  info: (message) => void log.lines.push(message),
  warn: (message) => void log.lines.push(message),
  error: (message) => void log.lines.push(message),
};

const onDisk = test.skipIf(!canMount());

beforeEach(() => {
  log.lines.length = 0;
  disk = smallDisk("4m");
  scene = new StoreFixture(join(disk.path, "data"));
});

afterEach(() => {
  try {
    scene.remove();
  } finally {
    disk.remove();
  }
});

const files = (): [string, number][] =>
  readdirSync(scene.folder).map((name) => [name, statSync(join(scene.folder, name)).size]);

let value = 1;
/** Values that take room. */
const noise = () => (value = (value * 48_271) % 2_147_483_647);
const taken: [number, number][] = [];
async function work(one: Store, ms: number): Promise<void> {
  for (const end = scene.now + ms; scene.now < end; await scene.pass(10_000)) {
    const temperature = noise();
    taken.push([scene.now, temperature]);
    one.append(poll(scene.now, gpu({ gpu_temperature: temperature, gpu_power: noise(), gpu_memory_used: noise() })));
  }
}
const troubles = (): string[] => log.lines.filter((line) => /cannot be written|written again/.test(line));

beforeEach(() => {
  taken.length = 0;
});

onDisk(
  "on a full disk history goes on in memory, says so once, and has everything when there is room again",
  async () => {
    scene.now += 3.8 * hour;
    const one = scene.open(log);
    await work(one, hour / 10);
    disk.fill();
    // Over the end of a window, so that both the journal and the rows have no room.
    await work(one, hour / 3);
    expect(await pairs(one, temperature())).toEqual(taken);
    expect(scene.trouble).toEqual([expect.stringMatching(/^History cannot be written to .*; writing is tried again/)]);
    expect(() => one.flush()).toThrow(/only in memory/);
    disk.free();
    await scene.pass(10_000);
    expect(scene.trouble.at(-1)).toBeUndefined();
    one.flush();
    await work(one, hour);
    expect(troubles()).toEqual([expect.stringMatching(/cannot be written/), expect.stringMatching(/written again$/)]);
    // As a kill would leave it.
    const copy = new StoreFixture();
    cpSync(scene.folder, copy.folder, { recursive: true });
    copy.now = scene.now;
    expect(await pairs(copy.open(), temperature())).toEqual(taken);
    copy.remove();
  },
);

onDisk("the hub starts on a full disk with what it has, and writes when there is space", async () => {
  const before = scene.open(log);
  await work(before, 5 * hour);
  before.flush();
  const held = mkdtempSync(join(tmpdir(), "gohm-held-"));
  cpSync(scene.folder, held, { recursive: true });
  scene.shut(before);
  // Killed when SQLite had not yet brought what it wrote from its log into the file, which has to grow for that.
  const database = new Database(join(held, "history.db"));
  database.pragma("wal_autocheckpoint = 0");
  database.exec(`
    WITH RECURSIVE many (n) AS (SELECT 1000000 UNION ALL SELECT n + 1 FROM many WHERE n < 1010000)
    INSERT INTO sealed (run, segment) SELECT n, 0 FROM many`);
  const killed = mkdtempSync(join(tmpdir(), "gohm-killed-"));
  cpSync(held, killed, { recursive: true });
  database.close();
  rmSync(scene.folder, { recursive: true });
  cpSync(killed, scene.folder, { recursive: true });
  for (const folder of [held, killed]) rmSync(folder, { recursive: true });
  disk.fill();
  const there = files();
  log.lines.length = 0;
  const one = scene.open(log);
  for (const [name, size] of there) if (!/-shm|-wal/.test(name)) expect(files()).toContainEqual([name, size]);
  expect(await pairs(one, temperature())).toEqual(taken);
  await work(one, hour / 6);
  expect(await pairs(one, temperature())).toEqual(taken);
  expect(log.lines.filter((line) => /damaged/.test(line))).toEqual([]);
  disk.free();
  await work(one, hour);
  expect(scene.trouble.at(-1)).toBeUndefined();
  scene.shut(one);
  expect(await pairs(scene.open(), temperature())).toEqual(taken);
});

onDisk("the hub stops on a full disk, and what was written before is there at the next start", async () => {
  const one = scene.open(log);
  await work(one, hour);
  one.flush();
  const safe = [...taken];
  disk.fill();
  await work(one, hour / 6);
  scene.shut(one);
  expect(log.lines.join()).toMatch(/what was measured last could not be written and is lost/);
  disk.free();
  expect((await pairs(scene.open(), temperature())).slice(0, safe.length)).toEqual(safe);
});

onDisk("a new history on a full disk is refused, with what to do, and leaves the folder usable", async () => {
  disk.fill();
  expect(() => scene.open(log)).toThrow(/Cannot use the data folder .*(full|space).*make room on its disk/);
  disk.free();
  expect(await scene.open(log).known()).toEqual([]);
});

onDisk.each([0, 20_000, 60_000])(
  "a history of the first version is left as it is where there is no room for the new one (%i bytes free)",
  async (bytes) => {
    mkdirSync(scene.folder);
    const path = join(scene.folder, "history.db");
    const held = writeFirst(path, fleet(2, 3000));
    const before = readFileSync(path);
    disk.fill(bytes);
    expect(() => scene.open(log)).toThrow(/Cannot use the data folder .*(full|I\/O error).*GOHM_DATA/);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(scene.folder)).toEqual(["history.db"]);
    disk.free();
    const one = scene.open(log);
    for (const [id, samples] of held) expect([id, await pairs(one, JSON.parse(id))]).toEqual([id, samples]);
  },
);

onDisk("a read-only file system is refused, with what to do, and is left as it is", async () => {
  const one = scene.open(log);
  await work(one, hour);
  scene.shut(one);
  const bytes = readFileSync(join(scene.folder, "history.db"));
  disk.remount("ro");
  expect(() => scene.open(log)).toThrow(/Cannot use the data folder .*read-only.*GOHM_DATA/);
  disk.remount("rw");
  expect(readFileSync(join(scene.folder, "history.db")).equals(bytes)).toBe(true);
  expect(await pairs(scene.open(log), temperature())).toEqual(taken);
});

onDisk("an import on a full disk is refused more, and goes on when there is space", async () => {
  const one = scene.open(log);
  const from = scene.now - 60 * 24 * hour;
  const deliver = (): Promise<void> => {
    for (let i = 0; i < 500; i++) one.append(poll(from + i * 60_000, gpu({ gpu_temperature: noise(), gpu_power: i })));
    return one.ready();
  };
  await deliver();
  disk.fill();
  await expect(deliver()).rejects.toMatchObject({ code: "history_unwritable" });
  disk.free();
  await deliver();
  await scene.pass(hour);
  expect(await pairs(one, { ...temperature(), metric: "gpu_power" })).toHaveLength(500);
});
