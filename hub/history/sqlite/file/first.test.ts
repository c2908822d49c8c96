// Histories of the first version, which had a row for each device and poll: brought into today's form, nothing lost.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FirstSample, fleet, writeFirst } from "../../../../test/first.ts";
import { all, ask, day, hour, listening, pairs, StoreFixture, start } from "../../../../test/store.ts";
import { earliest } from "../../../clock.ts";
import type { Log } from "../../../log.ts";
import type { Store } from "../../store.ts";

let scene: StoreFixture;
const path = (): string => join(scene.folder, "history.db");

beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

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
  const held = writeFirst(path(), fleet(3, 2000));
  scene.now = start + day;
  const log = listening();
  await expectAll(held, log);
  expect(log.lines[0]).toMatch(/history\.db is brought into the form of this version/);
  expect(log.lines.at(-1)).toBe("3 of 3 hosts of the history are done");
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
  const one = scene.open(log);
  const gpus = (await one.known({ host: "h0" })).filter(({ level }) => level === "gpu");
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

test("what was strange in a file of the first version is taken as it is, centuries apart too, but for times before there was a GOHM", async () => {
  const values = [-5, 2 ** 63, 1e308, 5e-324, 0.1 + 0.2, 0, 4.5e15];
  const times = [0, 86_400_001, start, start + 1, Date.UTC(2500, 1, 1), Date.UTC(2899, 11, 31), start + 2];
  const polls = times.map(
    (at, i): FirstSample => ({
      host: "a",
      level: "gpu",
      key: "G",
      index: 3,
      at,
      values: { gpu_power: values[i] ?? 0, no_metric_any_more: i },
    }),
  );
  // A clock that was wrong by tens of thousands of years: today's keys have no room for that.
  const held = writeFirst(path(), polls);
  const file = new Database(path());
  file.prepare("INSERT INTO poll SELECT device, 8640000000000000, layout, v FROM poll LIMIT 1").run();
  file.close();
  const one = scene.open();
  for (const [id, samples] of held) {
    const right = samples.filter(([at]) => at >= earliest);
    expect([id, await pairs(one, JSON.parse(id))]).toEqual([id, right]);
  }
  expect((await one.known())[0]?.last).toBe(Date.UTC(2899, 11, 31));
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
  writeFirst(path(), fleet(1, 10));
  scene.shut(scene.open());
  const fresh = new StoreFixture();
  fresh.shut(fresh.open());
  expect(shape(path())).toEqual(shape(join(fresh.folder, "history.db")));
  fresh.remove();
});

test("what an attempt before left half made is begun anew", async () => {
  const held = writeFirst(path(), fleet(1, 300));
  for (const tail of ["", "-journal", "-wal"]) writeFileSync(`${path()}.new${tail}`, "half of something");
  await expectAll(held);
  expect(readdirSync(scene.folder)).toEqual(["history.db"]);
});

test("a file of the first version whose hub was killed is brought up with what its log holds", async () => {
  const held = writeFirst(path(), fleet(1, 100));
  const file = new Database(path());
  const at = start + 2 * hour;
  file.exec(`INSERT INTO poll SELECT device, ${at}, layout, v FROM poll WHERE t = (SELECT max(t) FROM poll)`);
  const copy = new StoreFixture();
  cpSync(scene.folder, copy.folder, { recursive: true });
  file.close();
  expect(readdirSync(copy.folder)).toContain("history.db-wal");
  const one = copy.open();
  const id = { host: "h0", level: "gpu", key: "GPU-0-1", metric: "gpu_temperature" } as const;
  expect(await pairs(one, id)).toHaveLength((held.get(JSON.stringify(id))?.length ?? 0) + 1);
  copy.remove();
});

test("a damaged file of the first version is moved aside, and nothing is deleted", () => {
  writeFirst(path(), fleet(2, 2000));
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
    import { StoreFixture } from ${JSON.stringify(new URL("../../../../test/store.ts", import.meta.url).href)};
    const say = (line) => process.stdout.write(line + "\\n");
    globalThis.held = new StoreFixture(${JSON.stringify(scene.folder)}).open({ info: say, warn: say, error: say });
    say("open");
    process.stdin.resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdout.setEncoding("utf8");
  return child;
}

/** Bytes of the file that is being made, with its log. */
function grown(): number {
  const made = readdirSync(scene.folder).filter((name) => name.startsWith("history.db.new"));
  return made.reduce(
    (sum, name) => sum + (statSync(join(scene.folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

test("a hub that is killed while it brings the file up loses nothing", { timeout: 120_000 }, async () => {
  const held = writeFirst(path(), fleet(6, 3000));
  let during = 0;
  for (const bytes of [0, 1, 20_000, 50_000, 100_000, 150_000, 200_000, 300_000, 1e9]) {
    const child = upgrading();
    let text = "";
    child.stdout.on("data", (piece: string) => {
      text += piece;
    });
    await once(child.stdout, "data");
    expect(text).toMatch(/is brought into the form of this version/);
    while (grown() < bytes && !text.includes("\nopen\n")) await new Promise((resolve) => setImmediate(resolve));
    const ended = text.includes("\nopen\n");
    child.kill("SIGKILL");
    await once(child, "close");
    if (ended) break;
    during++;
  }
  expect(during).toBeGreaterThan(2);
  await expectAll(held);
});

test("one hub alone has the file, while the first brings it up and when that is done: a second one is refused", {
  timeout: 120_000,
}, async () => {
  const held = writeFirst(path(), fleet(6, 3000));
  const child = upgrading();
  let text = "";
  child.stdout.on("data", (piece: string) => {
    text += piece;
  });
  await once(child.stdout, "data");
  const open = (): Store | undefined => {
    try {
      return scene.open();
    } catch (error) {
      expect((error as Error).message).toMatch(/Another hub is using the data folder/);
      return undefined;
    }
  };
  let second: Store | undefined;
  let refused = 0;
  for (let after = 0; after < 3 && second === undefined; refused++) {
    second = open();
    await new Promise((resolve) => setImmediate(resolve));
    if (text.includes("\nopen\n")) after++;
  }
  // In the moment between the new file's getting its name and its being locked, the second may be faster: then it has the
  // whole of it, and the first is the one that is refused.
  if (second === undefined) child.kill("SIGKILL");
  else second.close();
  const [status] = (await once(child, "close")) as [number | null];
  expect(status === 0 || text.includes("\nopen\n")).toBe(second === undefined);
  expect(refused).toBeGreaterThan(3);
  await expectAll(held);
});
