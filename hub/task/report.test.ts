import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { amy, nodesNamed, ReportScene } from "../../test/report/hub.ts";
import { PlayedNetdata } from "../../test/report/netdata.ts";
import { PlayedTasks, playedTask } from "../../test/report/tasks.ts";
import type { HostReading } from "../ingest.ts";
import { DailyReport, dailyReport } from "./report.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

let scene: ReportScene;

beforeEach(() => {
  scene = new ReportScene(async (context, sources) =>
    sources === undefined ? await dailyReport.open(context, {}) : new DailyReport(context, sources),
  );
});

afterEach(async () => {
  await scene.remove();
});

test("the report of the day that ends has the rows up to then, and all of them once the day is over", async () => {
  await scene.begin();
  expect(scene.rows("2026-11-27")).toBe(undefined);
  await scene.pass(minute);
  expect([scene.now, scene.rows("2026-11-27"), scene.lines("2026-11-27")?.at(-1)?.slice(11, 32)]).toEqual([
    scene.local("2026-11-27 23:45:00"),
    142,
    '"2026-11-27 23:40:00"',
  ]);
  await scene.passTo("2026-11-28 00:14:00");
  expect(scene.rows("2026-11-27")).toBe(142);
  await scene.passTo("2026-11-28 00:16:00");
  expect([scene.rows("2026-11-27"), scene.lines("2026-11-27")?.at(-1)?.slice(11, 32)]).toEqual([
    144,
    '"2026-11-28 00:00:00"',
  ]);
  await scene.passTo("2026-11-29 12:00:00");
  expect([scene.count("gpu1 2026-11-27"), scene.count("gpu1 2026-11-28"), scene.dates()]).toEqual([
    2,
    2,
    ["2026-11-27", "2026-11-28"],
  ]);
});

test("a time before 12:00 reports the day before, and not sooner", async () => {
  scene.set({ time: "06:00" });
  scene.now = scene.local("2026-11-28 00:10:00");
  await scene.begin();
  await scene.passTo("2026-11-28 05:59:00");
  expect(scene.asked.filter((one) => one.endsWith("11-27"))).toEqual([]);
  await scene.passTo("2026-11-28 06:00:00");
  expect([scene.rows("2026-11-27"), scene.dates()]).toEqual([144, ["2026-11-27"]]);
});

test("a report of shortly after midnight is made whole when the last rows are there", async () => {
  scene.set({ time: "00:00" });
  await scene.begin();
  await scene.passTo("2026-11-28 00:15:00");
  expect(scene.rows("2026-11-27")).toBe(144);
});

test.each([
  ["2026-03-08", 138],
  ["2026-11-01", 150],
])("in New York %s, when clocks are set, has %i rows", async (date, wanted) => {
  scene.set({ zone: new Zone("America/New_York") });
  scene.now = scene.local(`${date} 23:44:00`);
  scene.since = scene.local(`${date} 00:00:00`);
  await scene.begin();
  await scene.pass(hour);
  expect(scene.rows(date)).toBe(wanted);
  expect(scene.runs.last("gpu1")).toMatchObject({ date, outcome: { state: "complete", expected: 2 * wanted } });
});

test("days that a hub was off are made up, the newest first, as far as the source has them, and asked for once", async () => {
  scene.since = scene.local("2026-11-20 12:00:00");
  scene.now = scene.local("2026-11-27 10:00:00");
  await scene.begin();
  await scene.pass(10 * minute);
  expect(scene.dates()).toEqual([20, 21, 22, 23, 24, 25, 26].map((date) => `2026-11-${date}`));
  expect([scene.rows("2026-11-26"), scene.rows("2026-11-20")]).toEqual([144, 72]);
  expect([scene.asked[0], scene.asked.length]).toEqual(["gpu1 2026-11-26", 31]);
  // Days from before the node was there are no news.
  expect([scene.log.filter((line) => /^daily report of gpu1/.test(line)).length, scene.notices.size]).toEqual([1, 0]);
  expect(scene.log.filter((line) => /^daily reports of/.test(line))).toHaveLength(7);
  await scene.passTo("2026-11-27 23:44:00");
  expect(scene.asked.length).toBe(31);
});

test("after a restart only days without data, and those that ended lately and are not whole, are asked for again", async () => {
  scene.since = scene.local("2026-11-20 12:00:00");
  scene.now = scene.local("2026-11-27 10:00:00");
  await scene.begin();
  await scene.pass(hour);
  await scene.close();
  scene.asked = [];
  // This one is of the evening of its day, as the tool before GOHM wrote it.
  const evening = scene.local("2026-11-24 23:45:00") / 1000;
  utimesSync(join(scene.root, "gpu1", "2026-11-24"), evening, evening);
  // In this one a program was killed while it wrote.
  mkdirSync(join(scene.root, "gpu1", "2026-11-23", ".partial"));
  await scene.begin();
  await scene.pass(hour);
  expect(scene.asked.filter((one) => one > "gpu1 2026-11-19")).toEqual(["gpu1 2026-11-24", "gpu1 2026-11-23"]);
});

test("a node that does not answer leaves others whole; its days are made up when it does, and a notice names it until then", async () => {
  scene.set({ nodes: nodesNamed("gpu1", "gpu2") });
  await scene.begin();
  scene.away.add("gpu2");
  await scene.pass(2 * minute);
  expect([scene.rows("2026-11-27"), scene.rows("2026-11-27", "gpu2"), scene.dates("gpu2")]).toEqual([
    142,
    undefined,
    ["2026-11-27"],
  ]);
  expect(scene.lines("2026-11-27", "average", "gpu2")?.at(-1)).toBe("全部平均,0.00,0.00,所有使用者");
  expect(scene.notices.get("report")).toBe(
    "Daily reports of gpu2 lack data: http://gpu2:19999 cannot be reached. The source is asked again at least every hour, and days that are missing are made up.",
  );
  // Others do not wait for it again.
  await scene.passTo("2026-11-28 23:45:00");
  expect([scene.rows("2026-11-28"), scene.count("gpu2 2026-11-28")]).toEqual([142, 0]);
  await scene.pass(minute);
  expect(scene.count("gpu2 2026-11-28")).toBe(1);
  scene.asked = [];
  await scene.passTo("2026-11-30 12:10:00");
  expect(scene.rows("2026-11-29")).toBe(144);
  // Once an hour, and at the times of the settings.
  expect(scene.asked.filter((one) => one.startsWith("gpu2")).length).toBeLessThan(70);
  expect(scene.log.filter((line) => line.includes("gpu2"))).toHaveLength(1);
  scene.away.clear();
  await scene.passTo("2026-11-30 13:30:00");
  expect([27, 28, 29].map((date) => scene.rows(`2026-11-${date}`, "gpu2"))).toEqual([144, 144, 144]);
  expect([
    scene.notices.get("report"),
    scene.log.filter((line) => /daily reports of gpu2 are made again/.test(line)).length,
  ]).toEqual([undefined, 1]);
});

test("a day of which the source has not all is asked for some times more within a day, as late samples may come", async () => {
  scene.lacking.set(
    "gpu1",
    (at) => at > scene.local("2026-11-27 12:00:00") && at <= scene.local("2026-11-27 13:00:00"),
  );
  await scene.begin();
  await scene.passTo("2026-11-28 00:16:00");
  expect([scene.rows("2026-11-27"), scene.notices.get("report-rows_missing")]).toEqual([
    138,
    "The daily report of gpu1 of 2026-11-27 is not whole: 12 of 288 rows of gpu1 are missing (GPU[0], GPU[1]).",
  ]);
  await scene.passTo("2026-11-28 06:00:00");
  scene.lacking.clear();
  await scene.passTo("2026-11-28 23:00:00");
  expect([scene.rows("2026-11-27"), scene.count("gpu1 2026-11-27"), scene.notices.get("report-rows_missing")]).toEqual([
    144,
    4,
    undefined,
  ]);
});

test("a day that stays incomplete is not asked for without end", async () => {
  scene.lacking.set(
    "gpu1",
    (at) => at > scene.local("2026-11-27 12:00:00") && at <= scene.local("2026-11-27 13:00:00"),
  );
  await scene.begin();
  await scene.pass(2 * day);
  expect(scene.count("gpu1 2026-11-27")).toBe(5);
  const before = scene.asked.length;
  await scene.passTo("2026-11-30 23:40:00");
  expect(scene.asked.slice(before)).toEqual(["gpu1 2026-11-29", "gpu1 2026-11-29"]);
});

test("late samples of a host bring the report of their day up to date, not more often than every ten minutes", async () => {
  scene.set({ nodes: [{ name: "gpu1", host: "host1" }] });
  scene.since = scene.local("2026-11-20 00:00:00");
  scene.lacking.set(
    "gpu1",
    (at) => at > scene.local("2026-11-24 12:00:00") && at <= scene.local("2026-11-24 13:00:00"),
  );
  await scene.begin();
  await scene.pass(12 * hour);
  const before = scene.count("gpu1 2026-11-24");
  const late = (host: string): void =>
    scene.heard?.({
      host,
      at: scene.local("2026-11-24 12:30:00"),
      devices: [{ level: "gpu" }],
      late: true,
    } as unknown as HostReading);
  scene.lacking.clear();
  late("other");
  await scene.pass(hour);
  expect(scene.count("gpu1 2026-11-24")).toBe(before);
  for (let i = 0; i < 20; i++) {
    late("host1");
    await scene.pass(minute);
  }
  await scene.pass(hour);
  expect([scene.rows("2026-11-24"), scene.count("gpu1 2026-11-24") - before]).toEqual([144, 2]);
});

test("without nodes nothing is asked for and written, and nodes that come and go at run time are followed", async () => {
  scene.set({ nodes: [] });
  await scene.begin();
  await scene.pass(2 * hour);
  expect([scene.asked, readdirSync(scene.root), scene.notices.size, scene.runs.last("gpu1")]).toEqual([
    [],
    [],
    0,
    undefined,
  ]);
  scene.set({ nodes: nodesNamed("gpu1", "gpu2") });
  await scene.pass(2 * minute);
  expect([scene.rows("2026-11-27"), scene.rows("2026-11-27", "gpu2")]).toEqual([144, 144]);
  scene.away.add("gpu2");
  await scene.passTo("2026-11-28 23:46:00");
  expect(scene.notices.has("report")).toBe(true);
  scene.set({ nodes: nodesNamed("gpu1") });
  scene.asked = [];
  await scene.passTo("2026-11-29 23:46:00");
  expect([
    scene.notices.has("report"),
    scene.runs.last("gpu2"),
    scene.asked.some((one) => one.startsWith("gpu2")),
  ]).toEqual([false, undefined, false]);
});

test("a clock that cannot be right makes no reports, until it is set", async () => {
  scene.now = 86_400_000;
  await scene.begin();
  await scene.pass(hour);
  expect(scene.asked).toEqual([]);
  scene.now = scene.local("2026-11-27 23:46:00");
  await scene.pass(minute);
  expect(scene.rows("2026-11-27")).toBe(142);
});

test("a zone and a time that change at run time are those of the next report", async () => {
  await scene.begin();
  await scene.pass(minute);
  const { nodes, folder } = scene.plan;
  scene.set({ zone: new Zone("Europe/Berlin"), nodes, folder, time: "20:00" });
  await scene.passTo("2026-11-28 20:01:00");
  expect(scene.lines("2026-11-28")?.at(-1)?.slice(11, 32)).toBe('"2026-11-28 20:00:00"');
});

test("a folder that cannot be written is a notice and tried again, and the days are made then", async () => {
  const folder = join(scene.root, "nas");
  writeFileSync(folder, "a file");
  scene.set({ folder });
  await scene.begin();
  await scene.pass(minute);
  expect(scene.notices.get("report-folder")).toMatch(
    /^Daily reports of gpu1 cannot be written \(reports\.folder\): files cannot be written to .*nas: .*It is tried again at least every hour\.$/,
  );
  await scene.pass(8 * minute);
  expect(scene.count("gpu1 2026-11-27")).toBe(1);
  rmSync(folder);
  mkdirSync(folder);
  await scene.pass(3 * minute);
  expect([existsSync(join(folder, "gpu1", "2026-11-27")), scene.notices.has("report-folder")]).toEqual([true, false]);
});

test("what checks find is in the log and in a notice, with the first node and the number of others", async () => {
  scene.set({
    nodes: nodesNamed("gpu1", "gpu2"),
    tasks: { url: "http://127.0.0.1:1", token: "", tokenFile: "", folder: scene.root },
  });
  scene.held = [amy, { ...amy, user: "bob", uuid: "GPU-2", start: "2026-11-27 11:00:00" }];
  await scene.begin(async (...asked) => {
    const data = await scene.read(...asked);
    const cards = data.cards.map((card) => ({ ...card, rows: card.rows?.map((row) => ({ ...row, gpu: 101 })) }));
    return { ...data, cards };
  });
  await scene.pass(minute);
  expect(scene.notices.get("report-values_out")).toBe(
    "The daily report of gpu1 and 1 more of 2026-11-27 has values below 0 % or above 100 %: 284 rows of gpu1 (GPU[0], GPU[1]).",
  );
  expect(scene.notices.get("report-cards_shared")).toBe(
    "On 2026-11-27 several users had tasks on one card at the same time on gpu1: up to 2 users (GPU[1] of gpu1).",
  );
  expect(scene.notices.get("report-users")).toBe(
    "Users in the daily reports of 2026-11-27 may be missing or wrong. The task API is away",
  );
  expect([...scene.notices.values(), ...scene.log].filter((text) => /amy|bob/.test(text))).toEqual([]);
  expect(scene.log).toContain(
    "daily report of gpu2, 2026-11-27: 284 rows have a value below 0 % or above 100 %: GPU[0], GPU[1]",
  );
});

test("a hub with a hundred nodes that never answer ends at once, and shows how far it is until then", async () => {
  scene.set({ nodes: nodesNamed(...Array.from({ length: 100 }, (_, i) => `gpu${i}`)) });
  scene.now = scene.local("2026-11-27 23:46:00");
  let open = 0;
  await scene.open(async () => {
    open++;
    return await new Promise<never>(() => {});
  });
  scene.fire();
  for (let turns = 0; open < 8 && turns < 10_000; turns++) await new Promise((done) => setImmediate(done));
  expect([open, scene.runs.progress()]).toEqual([8, { date: "2026-11-27", done: 0, total: 100 }]);
  await scene.close();
  expect([scene.runs.progress(), scene.timers, readdirSync(scene.root), scene.notices.size]).toEqual([
    undefined,
    [],
    [],
    0,
  ]);
});

test("nodes are read from Netdata and from history, as the settings say, and users from the task API", async () => {
  const half = (): number => 12.5;
  const card = (number: number) => ({ card: number, gpu: half, vram: half });
  const netdata = await PlayedNetdata.start({ gpu1: { cards: [card(1), card(9)], since: scene.since / 1000 } });
  const api = await new PlayedTasks().up();
  try {
    netdata.now = () => Math.floor(scene.now / 1000);
    api.tasks = { 1: playedTask("amy", "gpu1", [{ uuid: "GPU-1", id: 9 }]) };
    const history = new Model();
    for (let at = scene.since; at < scene.now; at += 5 * minute) {
      const values = valuesOf("gpu", { gpu_utilization: 40, gpu_memory_used: 20, gpu_memory_total: 80 });
      history.append({ host: "node4", at, devices: [{ level: "gpu", key: "GPU-4", index: 0, values }] });
    }
    scene.set({
      nodes: [
        { name: "gpu1", netdata: netdata.url("gpu1"), ids: "card" },
        { name: "h100", host: "node4" },
      ],
      tasks: { url: api.url, token: api.token, tokenFile: "", folder: join(scene.root, "tasks") },
    });
    await scene.begin(null, history);
    await scene.pass(minute);
    expect(scene.lines("2026-11-27", "average")).toEqual([
      "GPU[0],12.50,12.50,未使用",
      "GPU[1],12.50,12.50,amy",
      "全部平均,12.50,12.50,所有使用者",
    ]);
    expect(scene.lines("2026-11-27", "average", "h100")).toEqual([
      "GPU[0],40.00,25.00,未使用",
      "全部平均,40.00,25.00,所有使用者",
    ]);
    // Netdata has a row of the interval that runs, too.
    expect([scene.rows("2026-11-27"), scene.rows("2026-11-27", "h100")]).toEqual([143, 142]);
    expect(scene.lines("2026-11-27")?.at(-1)?.slice(11, 32)).toBe('"2026-11-27 23:50:00"');
    expect([scene.runs.last("gpu1")?.outcome.state, scene.runs.last("h100")?.outcome.state, api.wrong]).toEqual([
      "complete",
      "complete",
      [],
    ]);
  } finally {
    await netdata.stop();
    await api.down();
  }
});
