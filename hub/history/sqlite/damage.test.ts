// Damage that no check at the start sees, met while the hub runs.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  all,
  ask,
  day,
  gpu,
  type poll as HostSample,
  hour,
  listening,
  pairs,
  StoreFixture,
  start,
  temperature,
} from "../../../test/store.ts";

let scene: StoreFixture;
const host = "a-host-with-a-long-name";
const at = (t: number, value: number): ReturnType<typeof HostSample> => ({
  host,
  at: t,
  devices: [gpu({ gpu_temperature: value })],
});
const id = temperature("GPU-1", host);

beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

/** Changes a byte of the name in the index of names, which is under no checksum and which quick_check does not compare. */
function breakIndex(): void {
  const path = join(scene.folder, "history.db");
  const bytes = readFileSync(path);
  // First in the table, where it would be told at the start, then in its index.
  const place = bytes.indexOf(host, bytes.indexOf(host) + 1);
  bytes[place + 3] = (bytes[place + 3] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test("a file that turns out to be damaged while the hub runs is moved aside; what the journal holds goes into a new one", async () => {
  const before = scene.open();
  for (let i = 0; i < 100; i++) before.append(at(start + i * 10_000, i));
  await scene.leap(day);
  scene.shut(before);
  breakIndex();
  const log = listening();
  const one = scene.open(log);
  expect(await pairs(one, id)).toHaveLength(100);
  for (let i = 0; i < 50; i++) one.append(at(scene.now + i * 1000, i));
  const asked = one.read({ series: [id], range: all, of: ["avg"], most: 1000 });
  await scene.leap(day);
  expect((await asked)[0]?.t.length).toBeGreaterThanOrEqual(50);
  expect(await pairs(one, id)).toHaveLength(50);
  one.append(at(scene.now, 7));
  await scene.leap(day);
  expect((await ask(one, id, { ...all, step: hour }, "count")).count.reduce((a, b) => a + b)).toBe(51);
  expect(
    log.lines.filter((line) => /is damaged .* moved to \S+history\.db\.damaged-1 and a new one begun/.test(line)),
  ).toHaveLength(1);
  expect(log.lines).toHaveLength(1);
  expect(scene.trouble).toEqual([]);
  expect(readdirSync(scene.folder)).toContain("history.db.damaged-1");
  scene.shut(one);
  expect(await pairs(scene.open(), id)).toHaveLength(51);
});

/** Some more polls, each in the next row of some table. */
const later = [4 * hour, 48 * hour, 48 * day + 23 * hour];

/** Sealed polls of two hosts, then something done to the file behind the hub's back. */
async function changed(sql: string): Promise<ReturnType<typeof listening>> {
  const before = scene.open();
  for (let i = 0; i < 100; i++) {
    before.append(at(start + i * 10_000, i));
    before.append({ host: "b", at: start + i * 10_000, devices: [gpu({ gpu_temperature: i + 500 })] });
  }
  for (const ms of later) {
    before.append({ host: "b", at: start + ms, devices: [gpu({ gpu_temperature: 7 })] });
  }
  await scene.leap(50 * day);
  scene.shut(before);
  const file = new Database(join(scene.folder, "history.db"));
  file.exec(sql);
  file.close();
  return listening();
}

/** Keys of one block (of samples) or span (of a summary) lie below this times the next. */
const span = 2 ** 28;
const moved = (table: string): string => `
  CREATE TEMP TABLE first AS SELECT min(id) / ${span} AS span FROM ${table};
  DELETE FROM ${table} WHERE id / ${span} = (SELECT span + 1 FROM first);
  UPDATE ${table} SET id = id + ${span} WHERE id / ${span} = (SELECT span FROM first)`;

test.each([
  ["raw", 0],
  ["five", 300_000],
  ["hour", hour],
  ["day", day],
])("a row of %s that stands at the key of another time is not taken for that one's", async (table, step) => {
  const log = await changed(moved(table));
  const one = scene.open(log);
  const { t, count } = await ask(one, temperature("GPU-1", "b"), { ...all, step }, "count");
  expect(t.at(-1)).toBeGreaterThan(start + 47 * day);
  for (const [i, time] of t.entries()) {
    // A finer or coarser row may answer for one that is gone, at its own time.
    expect([...later.map((ms) => start + ms - (ms % Math.max(step, 1))), time < start + hour ? time : -1]).toContain(
      time,
    );
    if (time >= start + hour) expect(count[i]).toBe(1);
  }
  expect(log.lines.join("\n")).toMatch(/history is damaged in one place and shows a gap there/);
});

/** The key holds host, metric, group and span, in this order from its last bits on: metric 0 are the times. */
const metricOf = "(id >> 4) & 1023";
/** Adds to the number of a metric: nobody asks for a row with such a key. */
const astray = 600 << 4;

test.each([
  ["times", `${metricOf} = 0`],
  ["samples", `${metricOf} > 0`],
])("a gap is logged where the %s of a block are under a key that nobody asks for", async (_, which) => {
  // Rows of the second host of the first block: a flipped bit in the key moves one.
  const log = await changed(
    `UPDATE raw SET id = id + ${astray} WHERE ${which} AND id % 16 = (SELECT id FROM host WHERE name = 'b') AND id / ${span} = (SELECT min(id) / ${span} FROM raw)`,
  );
  const { t } = await ask(scene.open(log), temperature("GPU-1", "b"), all, "count");
  expect(t.at(-1)).toBeGreaterThan(start + 47 * day);
  expect(log.lines).toEqual([
    expect.stringMatching(/history is damaged in one place and shows a gap there \(raw .*\): its .* are gone/),
  ]);
});

test.each([
  ["the name of a host", "UPDATE host SET name = 'c' WHERE name = 'b'"],
  ["the uuid of a card", "UPDATE device SET key = 'GPU-7' WHERE id = 1"],
  ["the name of a metric", "UPDATE metric SET name = 'gpu_power'"],
  ["the number of a host", "UPDATE host SET id = 9 WHERE name = 'b'"],
  ["a table", "ALTER TABLE sealed RENAME COLUMN segment TO segmenu"],
])("a file in which %s was changed is damaged: it is moved aside", async (_, sql) => {
  const log = await changed(sql);
  const one = scene.open(log);
  expect(await one.known()).toEqual([]);
  expect(log.lines).toEqual([expect.stringMatching(/is damaged .* moved to \S+damaged-1 and a new one begun/)]);
});

test.each(["x'ff'", "x''", "zeroblob(100)", "data || data"])(
  "blocks are sealed and days summed up beside rows that are %s",
  async (content) => {
    const log = await changed(
      `UPDATE five SET data = ${content}; UPDATE hour SET data = ${content}; UPDATE day SET data = ${content}; UPDATE raw SET data = ${content}`,
    );
    const one = scene.open(log);
    one.append({ host: "b", at: start + 5, devices: [gpu({ gpu_temperature: 8 })] });
    one.append({ host: "b", at: start + 30 * day, devices: [gpu({ gpu_temperature: 9 })] });
    await scene.leap(60 * day);
    expect(scene.trouble).toEqual([]);
    scene.shut(one);
    const { t, max } = await ask(scene.open(log), temperature("GPU-1", "b"), { ...all, step: day }, "max");
    expect(max[t.indexOf(start + 30 * day)]).toBe(9);
    expect(readdirSync(scene.folder).filter((name) => name.includes("damaged"))).toEqual([]);
  },
);

test("a scale that another version of the hub had does not change what its journal says", async () => {
  const one = scene.open();
  one.append(at(start, 20));
  one.flush();
  // The same row as a hub would have written it that multiplies temperatures by 4.
  const path = join(scene.folder, readdirSync(scene.folder).find((name) => name.includes("journal")) ?? "");
  const bytes = readFileSync(path);
  const text = '"gpu_temperature",1]';
  const place = bytes.indexOf(text);
  expect(place).toBeGreaterThan(0);
  bytes.write('"gpu_temperature",4]', place);
  // Mark, length and checksum stand before the record (journal.ts).
  const head = 15 + 12;
  bytes.writeUInt32LE(crc32(bytes.subarray(head)), head - 4);
  const copy = new StoreFixture();
  writeFileSync(join(copy.folder, "history.journal-1"), bytes);
  expect(await pairs(copy.open(), id)).toEqual([[start, 5]]);
  copy.remove();
});
