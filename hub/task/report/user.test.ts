import { afterEach, beforeEach, expect, test } from "vitest";
import { amy, nodesNamed, ReportScene } from "../../../test/report/hub.ts";
import { DailyReport, dailyReport } from "../report.ts";

const minute = 60_000;

let scene: ReportScene;

beforeEach(() => {
  scene = new ReportScene(async (context, sources) =>
    sources === undefined ? await dailyReport.open(context, {}) : new DailyReport(context, sources),
  );
});

afterEach(async () => {
  await scene.remove();
});

test("the notice of users is that of the newest day, whatever the task API says of days that are made up", async () => {
  scene.set({ tasks: { url: "http://127.0.0.1:1", token: "", tokenFile: "", folder: scene.root } });
  scene.now = scene.local("2026-11-27 10:00:00");
  scene.since = scene.local("2026-11-24 00:00:00");
  scene.unasked = (date) => date === "2026-11-26";
  await scene.begin();
  await scene.pass(10 * minute);
  expect([scene.dates(), scene.notices.get("report-users")?.slice(0, 42)]).toEqual([
    ["2026-11-24", "2026-11-25", "2026-11-26"],
    "Users in the daily reports of 2026-11-26 m",
  ]);
  await scene.passTo("2026-11-27 23:46:00");
  expect(scene.notices.has("report-users")).toBe(false);
});

test("users that the task API did not tell at the end of the day are asked for again, not without end", async () => {
  scene.set({ tasks: { url: "http://127.0.0.1:1", token: "", tokenFile: "", folder: scene.root } });
  scene.held = [amy];
  scene.lacksUsers = true;
  await scene.begin();
  await scene.passTo("2026-11-28 01:00:00");
  expect(scene.lines("2026-11-27", "average")?.[1]).toMatch(/未使用$/);
  scene.lacksUsers = false;
  await scene.passTo("2026-11-28 01:20:00");
  expect(scene.lines("2026-11-27", "average")?.[1]).toMatch(/,amy$/);
  scene.lacksUsers = true;
  await scene.passTo("2026-11-28 23:44:00");
  expect(scene.count("gpu1 2026-11-27")).toBe(3);
  await scene.passTo("2026-12-01 23:00:00");
  expect(scene.count("gpu1 2026-11-28")).toBe(5);
});

test("users come to a whole report while its node is away, which is asked as before", async () => {
  scene.set({ tasks: { url: "http://127.0.0.1:1", token: "", tokenFile: "", folder: scene.root } });
  scene.held = [amy];
  scene.lacksUsers = true;
  await scene.begin();
  await scene.passTo("2026-11-28 01:00:00");
  expect([scene.rows("2026-11-27"), scene.lines("2026-11-27", "average")?.[1]?.endsWith(",未使用")]).toEqual([
    144,
    true,
  ]);
  scene.away.add("gpu1");
  scene.lacksUsers = false;
  await scene.passTo("2026-11-28 01:20:00");
  expect([scene.rows("2026-11-27"), scene.lines("2026-11-27", "average")?.[1]?.endsWith(",amy")]).toEqual([144, true]);
  const log = scene.log.length;
  const before = scene.count("gpu1 2026-11-27");
  // After 10, 20 and 60 minutes.
  await scene.passTo("2026-11-28 03:20:00");
  expect([scene.count("gpu1 2026-11-27") - before, scene.log.length - log]).toEqual([3, 0]);
  scene.away.clear();
  await scene.passTo("2026-11-28 23:44:00");
  expect(scene.count("gpu1 2026-11-27") - before).toBe(4);
});

test("the notice of users is gone with the task API of the settings, and a node with a new address is read again today", async () => {
  const tasks = { url: "http://127.0.0.1:1", token: "", tokenFile: "", folder: scene.root };
  scene.set({ nodes: nodesNamed("gpu1"), tasks });
  await scene.begin();
  await scene.pass(2 * minute);
  expect([scene.notices.has("report-users"), scene.count("gpu1 2026-11-27")]).toEqual([true, 1]);
  scene.set({ nodes: [{ name: "gpu1", netdata: "http://127.0.0.1:2" }], tasks: undefined });
  await scene.pass(2 * minute);
  expect([scene.notices.has("report-users"), scene.count("gpu1 2026-11-27")]).toEqual([false, 2]);
});
