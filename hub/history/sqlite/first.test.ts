// Histories of the first version, which had a row for each device and poll: brought into today's form, nothing lost.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Level } from "../../../proto/catalog.ts";
import type { Log } from "../../log.ts";
import { all, ask, day, hour, pairs, Scene, start } from "./scene.ts";

/** As version 0.1.0 made them. */
const tables = `
  CREATE TABLE device (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL, idx INTEGER,
    UNIQUE (host, level, key)
  );
  CREATE TABLE layout (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
  CREATE TABLE used (
    device INTEGER NOT NULL, layout INTEGER NOT NULL, PRIMARY KEY (device, layout)
  ) WITHOUT ROWID;
  CREATE TABLE poll (
    device INTEGER NOT NULL, t INTEGER NOT NULL, layout INTEGER NOT NULL, v BLOB NOT NULL, PRIMARY KEY (device, t)
  ) WITHOUT ROWID;
`;

interface Taken {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  readonly index?: number;
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
}

let scene: Scene;
const path = (): string => join(scene.folder, "history.db");

beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.remove());

/** Writes a file as version 0.1.0 did. @returns what it holds, by series */
function write(polls: readonly Taken[]): Map<string, [number, number][]> {
  const file = new Database(path());
  file.pragma("journal_mode = WAL");
  file.exec(tables);
  file.pragma(`application_id = ${0x474f484d}`);
  file.pragma("user_version = 1");
  const sql = {
    device: file.prepare("INSERT OR IGNORE INTO device (host, level, key, idx) VALUES (?, ?, ?, ?)"),
    deviceId: file.prepare("SELECT id FROM device WHERE host = ? AND level = ? AND key = ?").pluck(),
    layout: file.prepare("INSERT OR IGNORE INTO layout (names) VALUES (?)"),
    layoutId: file.prepare("SELECT id FROM layout WHERE names = ?").pluck(),
    used: file.prepare("INSERT OR IGNORE INTO used (device, layout) VALUES (?, ?)"),
    poll: file.prepare("INSERT OR REPLACE INTO poll (device, t, layout, v) VALUES (?, ?, ?, ?)"),
  };
  const held = new Map<string, [number, number][]>();
  file.transaction(() => {
    for (const { host, level, key, index, at, values } of polls) {
      sql.device.run(host, level, key, index ?? null);
      const names = Object.keys(values).join("\n");
      sql.layout.run(names);
      const device = sql.deviceId.get(host, level, key);
      const layout = sql.layoutId.get(names);
      sql.used.run(device, layout);
      sql.poll.run(device, at, layout, Buffer.from(Float64Array.from(Object.values(values)).buffer));
      for (const [metric, value] of Object.entries(values)) {
        const id = JSON.stringify({ host, level, key, metric });
        held.set(id, [...(held.get(id) ?? []), [at, value]]);
      }
    }
  })();
  file.close();
  for (const series of held.values()) series.sort(([a], [b]) => a - b);
  return held;
}

/** Polls of a small fleet over some hours, with what makes a file hard to read. */
function fleet(hosts: number, length: number): Taken[] {
  const polls: Taken[] = [];
  for (let h = 0; h < hosts; h++) {
    const host = h === 1 ? "ü 1" : `h${h}`;
    for (let i = 0; i < length; i++) {
      const at = start + i * 10_000 + h;
      polls.push({ host, level: "host", key: "", at, values: { load1: i / 8, cpu_utilization: i % 100 } });
      const fan = i % 5 === 0 ? { gpu_fan: 30 + (i % 3) } : {};
      for (const index of [0, 1]) {
        if (index === 1 && i % 3 > 0) continue;
        const values = { gpu_temperature: 40 + (i % 50), gpu_power: i * 1000.5, ...fan };
        polls.push({ host, level: "gpu", key: `GPU-${h}-${index}`, index, at: at + index, values });
      }
      if (i % 6 === 0) polls.push({ host, level: "disk", key: "/mnt/ü", at, values: { disk_used: i * 2 ** 30 } });
    }
  }
  return polls;
}

function listening(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const line = (message: string): void => void lines.push(message);
  return { lines, info: line, warn: line, error: line };
}

async function expectAll(held: ReadonlyMap<string, readonly [number, number][]>, log?: Log): Promise<void> {
  const one = scene.open(log);
  for (const [id, samples] of held) expect([id, await pairs(one, JSON.parse(id))]).toEqual([id, samples]);
  await scene.leap(2 * day);
  for (const [id, samples] of held) {
    expect([id, await pairs(one, JSON.parse(id))]).toEqual([id, samples]);
    const days = await ask(one, JSON.parse(id), { ...all, step: day }, "count", "max", "min");
    expect([id, days.count.reduce((a, b) => a + b)]).toEqual([id, samples.length]);
    expect(Math.max(...days.max)).toBe(Math.max(...samples.map(([, value]) => value)));
  }
  scene.shut(one);
}

test("every sample of a file of the first version is there afterwards, and in the summaries", async () => {
  const held = write(fleet(3, 2000));
  scene.now = start + day;
  const log = listening();
  await expectAll(held, log);
  expect(log.lines[0]).toMatch(/history\.db is brought into the form of this version/);
  expect(log.lines.at(-1)).toBe("3 of 3 hosts of the history are done");
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
  const one = scene.open(log);
  const gpus = one.known("h0").filter(({ level }) => level === "gpu");
  expect(gpus).toEqual([
    {
      host: "h0",
      level: "gpu",
      key: "GPU-0-0",
      index: 0,
      metrics: ["gpu_temperature", "gpu_power", "gpu_fan"],
      last: start + 1999 * 10_000,
    },
    expect.objectContaining({ key: "GPU-0-1", index: 1 }),
  ]);
  expect(log.lines).toHaveLength(4);
});

test("what was strange in a file of the first version is taken as it is, centuries apart too", async () => {
  const values = [-5, 2 ** 63, 1e308, 5e-324, 0.1 + 0.2, 0, 4.5e15];
  const times = [0, 86_400_001, start, start + 1, Date.UTC(2500, 1, 1), Date.UTC(2899, 11, 31), start + 2];
  const polls = times.map(
    (at, i): Taken => ({
      host: "a",
      level: "gpu",
      key: "G",
      index: 3,
      at,
      values: { gpu_power: values[i] ?? 0, no_metric_any_more: i },
    }),
  );
  // A clock that was wrong by tens of thousands of years: today's keys have no room for that.
  const held = write(polls);
  const file = new Database(path());
  file.prepare("INSERT INTO poll SELECT device, 8640000000000000, layout, v FROM poll LIMIT 1").run();
  file.close();
  const one = scene.open();
  for (const [id, samples] of held) expect([id, await pairs(one, JSON.parse(id))]).toEqual([id, samples]);
  expect(one.known()[0]?.last).toBe(Date.UTC(2899, 11, 31));
});

test("brought up step by step, a file has the tables and the form of one made today", () => {
  const shape = (file: string): unknown => {
    const opened = new Database(file, { readonly: true });
    const tables = opened.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").all();
    const form = ["application_id", "user_version", "page_size", "auto_vacuum", "encoding", "journal_mode"].map(
      (name) => opened.pragma(name, { simple: true }),
    );
    opened.close();
    return { tables, form };
  };
  write(fleet(1, 10));
  scene.shut(scene.open());
  const fresh = new Scene();
  fresh.shut(fresh.open());
  expect(shape(path())).toEqual(shape(join(fresh.folder, "history.db")));
  fresh.remove();
});

test("what an attempt before left half made is begun anew", async () => {
  const held = write(fleet(1, 300));
  for (const tail of ["", "-journal", "-wal"]) writeFileSync(`${path()}.new${tail}`, "half of something");
  await expectAll(held);
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
});

test("a file of the first version whose hub was killed is brought up with what its log holds", async () => {
  const held = write(fleet(1, 100));
  const file = new Database(path());
  const at = start + 2 * hour;
  file.exec(`INSERT INTO poll SELECT device, ${at}, layout, v FROM poll WHERE t = (SELECT max(t) FROM poll)`);
  const copy = new Scene();
  cpSync(scene.folder, copy.folder, { recursive: true });
  file.close();
  expect(readdirSync(copy.folder)).toContain("history.db-wal");
  const one = copy.open();
  const id = { host: "h0", level: "gpu", key: "GPU-0-1", metric: "gpu_temperature" } as const;
  expect(await pairs(one, id)).toHaveLength((held.get(JSON.stringify(id))?.length ?? 0) + 1);
  copy.remove();
});

test("a damaged file of the first version is moved aside, and nothing is deleted", () => {
  write(fleet(2, 2000));
  const bytes = readFileSync(path());
  bytes.fill(0x55, 20_000, 60_000);
  writeFileSync(path(), bytes);
  const log = listening();
  scene.shut(scene.open(log));
  expect(log.lines.join("\n")).toMatch(/is damaged .* moved to \S+damaged-1/);
  expect(readFileSync(`${path()}.damaged-1`).length).toBe(bytes.length);
});

/** A hub that brings the file up, in a process of its own. Its first line says that it has begun. */
function upgrading() {
  const script = `
    import { Scene } from ${JSON.stringify(new URL("./scene.ts", import.meta.url).href)};
    const say = (line) => process.stdout.write(line + "\\n");
    globalThis.held = Object.assign(new Scene(), { folder: ${JSON.stringify(scene.folder)} }).open({ info: say, warn: say, error: say });
    say("open");
    process.stdin.resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdout.setEncoding("utf8");
  return child;
}

test("a hub that is killed while it brings the file up loses nothing", { timeout: 120_000 }, async () => {
  const held = write(fleet(6, 3000));
  let during = 0;
  for (const ms of [0, 3, 10, 30, 60, 100, 150, 200, 300, 400]) {
    const child = upgrading();
    const [said] = (await once(child.stdout, "data")) as [string];
    expect(said).toMatch(/is brought into the form of this version/);
    await new Promise((resolve) => setTimeout(resolve, ms));
    child.kill("SIGKILL");
    await once(child, "close");
    if (!readdirSync(scene.folder).includes("history.db.new")) break;
    during++;
  }
  expect(during).toBeGreaterThan(2);
  await expectAll(held);
});

test("a second hub is refused while the first brings the file up, and when that is done", {
  timeout: 120_000,
}, async () => {
  const held = write(fleet(6, 3000));
  const child = upgrading();
  let text = "";
  child.stdout.on("data", (piece: string) => {
    text += piece;
  });
  await once(child.stdout, "data");
  let refused = 0;
  for (let after = 0; after < 3; refused++) {
    expect(() => scene.open()).toThrow(/Another hub is using the data folder/);
    await new Promise((resolve) => setImmediate(resolve));
    if (text.includes("\nopen\n")) after++;
  }
  expect(refused).toBeGreaterThan(3);
  child.kill("SIGKILL");
  await once(child, "close");
  await expectAll(held);
});
