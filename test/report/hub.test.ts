// A real hub with nodes to report on: it makes up the report of yesterday by itself.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { clock, middayZone } from "./clock.ts";
import { PlayedNetdata } from "./netdata.ts";
import { filesIn, foldersOf } from "./place.ts";
import { steady } from "./scene.ts";
import { PlayedTasks, playedTask } from "./tasks.ts";

let at: HubFolder;
let hub: RunningHub | undefined;
let netdata: PlayedNetdata;
let api: PlayedTasks;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });

beforeEach(async () => {
  at = hubFolder();
  netdata = await PlayedNetdata.start();
  api = await new PlayedTasks().up();
});

afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  await netdata.stop();
  await api.down();
  at.remove();
});

/** What the hub answers to a path as JSON. */
async function json(path: string): Promise<unknown> {
  const answer = await fetch(`${hub?.url}${path}`);
  return answer.json();
}

test("a hub that was off makes up yesterday's report, its rows are in history, and the token is nowhere", async () => {
  const zone = middayZone();
  const day = clock(zone, 1);
  const { date } = day;
  const node = steady("gpu1", day, [{ card: 1, user: "alice" }, { card: 9 }]);
  // It has nothing of the days before.
  netdata.nodes.set("gpu1", { ...node.played, since: day.from });
  netdata.nodes.set("off", { cards: [], fault: "down" });
  const started = { start: `${date} 09:00:00`, end: `${date} 10:00:00` };
  api.tasks = { a: playedTask("alice", "gpu1", [{ uuid: "GPU-a", id: 1 }], started) };
  const nodes = { gpu1: { netdata: netdata.url("gpu1") }, off: { netdata: netdata.url("off"), cards: [0] } };
  at.write({ servers: {}, reports: { timezone: zone.zone, nodes, tasks: { url: api.url } } });
  hub = await startHub(at, { GOHM_REPORTS_TASKS_TOKEN: api.token });
  const tasks =
    "\ngpu1 GPU 任務資訊:\n  GPU 1: alice\n    - GPU 型號: AMD Instinct MI300X\n    - GPU 記憶體: 196592 MB\n    - 任務類型: notebook\n" +
    "    - 專案 UUID: 6f1b2c3d-0000-4000-8000-000000000001\n    - 映像檔: rocm/pytorch:latest\n" +
    `    - 開始時間: ${date} 09:00:00\n    - 結束時間: ${date} 10:00:00\n    - 使用時長: 3600.0 秒\n    - GPU UUID: GPU-a\n\n`;
  const wanted = foldersOf([{ ...node.wanted, tasks }]);
  const files = await until(() => {
    const made = filesIn(`${at.data}/reports`);
    expect(Object.keys(made)).toEqual(expect.arrayContaining(Object.keys(wanted)));
    return made;
  });
  expect(files).toMatchObject(wanted);
  const reports = (await json(`/api/v1/reports?from=${date}&to=${date}&node=gpu1`)) as { reports: object[] };
  expect(reports.reports).toEqual([
    expect.objectContaining({
      ...{ node: "gpu1", date, state: "complete", gpu_percent: 1.25, vram_percent: 20, rows: 288, expected: 288 },
      ...{ cards: 2, users: ["alice"] },
    }),
  ]);
  const file = await fetch(`${hub.url}/api/v1/reports/gpu1/${date}/summary_${date}.txt`);
  expect(await file.text()).toBe(wanted[`gpu1/${date}/summary_${date}.txt`]);
  const [from, to] = [day.from * 1000, day.to * 1000 + 1];
  const history = await until(async () => {
    const path = `/api/v1/history?host=gpu1&metric=gpu_utilization&step=0&from=${from}&to=${to}`;
    const { series } = (await json(path)) as { series: { t: number[]; avg: number[] }[] };
    expect(series.map(({ t }) => t.length)).toEqual([144, 144]);
    return series;
  });
  const rows = Array.from({ length: 144 }, (_, i) => i);
  for (const { t, avg } of history) {
    // In the middle of their intervals.
    expect(t).toEqual(rows.map((i) => (day.from + 600 * i + 300) * 1000));
    expect(avg).toEqual(rows.map((i) => 1 + (i % 2) / 2));
  }
  // A node that is off is no trouble of the hub, but is said.
  const health = (await json("/api/health")) as { status: string; notices: string[] };
  expect([health.status, health.notices]).toEqual(["ok", [expect.stringMatching(/report.*\boff\b/)]]);
  expect(hub.output()).toMatch(/warn .*report of off/);
  const all = JSON.stringify(filesIn(at.folder)) + hub.output();
  expect(all.replaceAll(api.token, "TOKEN")).toBe(all);
});
