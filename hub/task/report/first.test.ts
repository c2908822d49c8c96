// The first days of a node, of which its Netdata has a part: it answers null for the time before it began.
import { renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ReportScene } from "../../../test/report/hub.ts";
import { PlayedNetdata } from "../../../test/report/netdata.ts";
import { PlayedTasks } from "../../../test/report/tasks.ts";
import { makeReports } from "../../report/make.ts";
import { netdataReader } from "../../report/netdata.ts";
import { DailyReport, dailyReport } from "../report.ts";

let scene: ReportScene;
let netdata: PlayedNetdata;

beforeEach(async () => {
  scene = new ReportScene(async (context, sources) =>
    sources === undefined ? await dailyReport.open(context, {}) : new DailyReport(context, sources),
  );
  netdata = await PlayedNetdata.start();
  netdata.now = () => Math.floor(scene.now / 1000);
  scene.set({ nodes: [{ name: "gpu1", netdata: netdata.url("gpu1") }] });
});

afterEach(async () => {
  await scene.remove();
  await netdata.stop();
});

/** A card that has values from a time on, and null before, as long as its Netdata has been there. */
function play(first: string, since = first): void {
  const from = scene.local(first) / 1000;
  const value = (at: number) => (at > from ? 50 : null);
  netdata.nodes.set("gpu1", { cards: [{ card: 1, gpu: value, vram: value }], since: scene.local(since) / 1000 });
}

test("a day that is made up has rows from the first value on, and averages of these; one without any has no files", async () => {
  play("2026-11-25 12:00:00", "2026-11-23 12:00:00");
  scene.now = scene.local("2026-11-27 10:00:00");
  await scene.begin(null);
  await scene.pass(10 * 60_000);
  expect(scene.dates()).toEqual(["2026-11-25", "2026-11-26"]);
  expect([scene.rows("2026-11-26"), scene.rows("2026-11-25"), scene.lines("2026-11-25", "average")?.[0]]).toEqual([
    ...[144, 72, "GPU[0],50.00,50.00,未使用"],
  ]);
  expect(scene.log.filter((line) => /2026-11-25/.test(line) && !/^daily reports/.test(line))).toEqual([
    "daily report of gpu1, 2026-11-25: 72 of 144 rows are missing: GPU[0] (card 1)",
  ]);
});

test("the first evening has them, too, and is completed after midnight", async () => {
  play("2026-11-27 12:00:00");
  await scene.begin(null);
  await scene.passTo("2026-11-27 23:46:00");
  expect(scene.rows("2026-11-27")).toBe(71);
  await scene.passTo("2026-11-28 00:20:00");
  expect(scene.rows("2026-11-27")).toBe(72);
});

test("a gap at the beginning of a day counts as 0 where there is an earlier report, and in gohm report", async () => {
  play("2026-11-26 06:00:00", "2026-11-20 00:00:00");
  const options = {
    ...{ plan: scene.plan, clock: { now: () => scene.now, after: () => () => {} } },
    ...{ read: netdataReader({ clock: { now: () => scene.now, after: () => () => {} } }) },
    signal: new AbortController().signal,
  };
  const zone = scene.plan.zone;
  const day = (date: string) => {
    const from = (zone.startOfDay(date) ?? 0) / 1000;
    return { date, from, to: from + 86_400, zone };
  };
  await makeReports({ ...options, day: day("2026-11-26") });
  expect([scene.rows("2026-11-26"), scene.lines("2026-11-26")?.[0]?.slice(-4)]).toEqual([144, ",0,0"]);
  // The same rows as an earlier report.
  const path = join(scene.root, "gpu1");
  renameSync(join(path, "2026-11-26"), join(path, "2026-11-25"));
  renameSync(join(path, "2026-11-25", "gpu0_2026-11-26.csv"), join(path, "2026-11-25", "gpu0_2026-11-25.csv"));
  await makeReports({ ...options, day: day("2026-11-26"), fromFirstValue: true });
  expect(scene.rows("2026-11-26")).toBe(144);
});

test("what is the same of many days that are made up is one line of the log, with their number", async () => {
  const api = await new PlayedTasks().up();
  try {
    api.fault = "html";
    scene.set({ tasks: { url: api.url, token: api.token, tokenFile: "", folder: join(scene.root, "tasks") } });
    const from = scene.local("2026-10-01 00:00:00") / 1000;
    const value = (at: number) => ((at - from) % 86_400 === 43_200 ? null : 50);
    netdata.nodes.set("gpu1", { cards: [{ card: 1, gpu: value, vram: value }] });
    scene.now = scene.local("2026-11-27 10:00:00");
    await scene.begin(null);
    await scene.pass(10 * 60_000);
    expect(scene.dates()).toHaveLength(31);
    expect(scene.log.filter((line) => !/^daily reports of [0-9-]+: 1 complete/.test(line)).toSorted()).toEqual([
      "daily report of gpu1, 2026-11-26 and 30 more days: 1 rows have no value, and count as 0: GPU[0] (card 1)",
      `daily reports of 2026-11-26 and 30 more days: The task API at ${api.url} answers with HTML instead of JSON: no earlier answer of that day is kept, so users are unknown`,
    ]);
  } finally {
    await api.down();
  }
});
