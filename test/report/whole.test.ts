// The built `gohm report` beside played nodes and a played task API: what is in its folder, byte for byte.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clock, dayIn, hour, middayZone, utc } from "./clock.ts";
import { PlayedNetdata } from "./netdata.ts";
import { differences, filesIn, foldersOf, type Ran, ReportPlace } from "./place.ts";
import { type LocalDay, playedNodes, sceneNames, sceneSettings, sceneTasks, steady, wantedNodes } from "./scene.ts";
import { PlayedTasks, playedTask } from "./tasks.ts";

let place: ReportPlace;
let netdata: PlayedNetdata;
let api: PlayedTasks;

beforeEach(async () => {
  place = new ReportPlace();
  netdata = await PlayedNetdata.start();
  api = await new PlayedTasks().up();
});

afterEach(async () => {
  await netdata.stop();
  await api.down();
  place.remove();
});

const run = ({ zone, date }: Pick<LocalDay, "zone" | "date">, ...args: string[]): Promise<Ran> =>
  place.report([date, ...args], { GOHM_REPORTS_TIMEZONE: zone, GOHM_REPORTS_TASKS_TOKEN: api.token });

const succeeded = ({ status, stderr }: Ran): void => expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);

test.each([
  dayIn("UTC", "2025-08-01", [[0, 0]]),
  dayIn("Asia/Taipei", "2025-08-01", [[0, 8 * hour]]),
  dayIn("America/New_York", "2025-08-01", [[0, -4 * hour]]),
])("a day of ten nodes in $zone: each has its files, whatever ails the others", async (day) => {
  for (const [name, node] of Object.entries(playedNodes(day))) netdata.nodes.set(name, node);
  api.tasks = sceneTasks;
  place.write({ nodes: sceneSettings((node) => netdata.url(node)), tasks: { url: api.url } });
  const ran = await run(day);
  succeeded(ran);
  const { stdout, stderr } = ran;
  expect(differences(place.files, foldersOf(wantedNodes(day)))).toEqual([]);
  expect(api.wrong).toEqual([]);
  expect(api.requests.map(({ start, end }) => [start, end])).toEqual([
    [`${day.date} 00:00:00`, `${day.date} 23:59:59`],
  ]);
  for (const name of sceneNames) expect(stdout + stderr).toContain(name);
  expect(stdout + stderr).not.toContain(api.token);
});

test.each([
  // At 02:00 clocks are set to 03:00.
  [
    138,
    dayIn(
      "America/New_York",
      "2025-03-09",
      [
        [0, -5 * hour],
        [utc(2025, 3, 9, 7), -4 * hour],
      ],
      23,
    ),
  ],
  // At 02:00 clocks are set to 01:00.
  [
    150,
    dayIn(
      "America/New_York",
      "2025-11-02",
      [
        [0, -4 * hour],
        [utc(2025, 11, 2, 6), -5 * hour],
      ],
      25,
    ),
  ],
])("a day on which clocks are set has %i rows; ids of GPUs that count through the nodes", async (rows, day) => {
  const node = steady("colab-gpu2", day, [
    { card: 1, user: "alice" },
    { card: 9, user: "bob" },
  ]);
  netdata.nodes.set("colab-gpu2", node.played);
  const started = { start: `${day.date} 09:00:00` };
  api.tasks = {
    a: playedTask("alice", "colab-gpu2", [{ uuid: "GPU-a", id: 17 }], started),
    b: playedTask("bob", "colab-gpu2", [{ uuid: "GPU-b", id: 18 }], started),
  };
  const settings = { "colab-gpu2": { netdata: netdata.url("colab-gpu2") } };
  place.write({ nodes: settings, tasks: { url: api.url, ids: "node", first: { "colab-gpu2": 17 } } });
  succeeded(await run(day));
  const text = (id: number, user: string, uuid: string): string =>
    `  GPU ${id}: ${user}\n    - GPU 型號: AMD Instinct MI300X\n    - GPU 記憶體: 196592 MB\n    - 任務類型: notebook\n` +
    "    - 專案 UUID: 6f1b2c3d-0000-4000-8000-000000000001\n    - 映像檔: rocm/pytorch:latest\n" +
    `    - 開始時間: ${day.date} 09:00:00\n    - 狀態: 執行中\n    - 使用時長: 3600.0 秒\n    - GPU UUID: ${uuid}\n\n`;
  const tasks = `\ncolab-gpu2 GPU 任務資訊:\n${text(17, "alice", "GPU-a")}${text(18, "bob", "GPU-b")}`;
  const wanted = foldersOf([{ ...node.wanted, tasks }]);
  expect(differences(place.files, wanted)).toEqual([]);
  expect(wanted[`colab-gpu2/${day.date}/gpu0_${day.date}.csv`]?.split("\n")).toHaveLength(rows + 2);
});

test("today's report has the rows of intervals that have begun, and none of yesterday", async () => {
  const { zone, date, from, to, offsets } = clock(middayZone());
  const day = { zone, date, from, to, offsets };
  netdata.nodes.set("n", steady("n", day, [{ card: 0 }]).played);
  place.write({ nodes: { n: { netdata: netdata.url("n") } } });
  const begun = Date.now() / 1000;
  succeeded(await place.report([], { GOHM_REPORTS_TIMEZONE: zone }));
  const ended = Date.now() / 1000;
  // The next interval may begin while it runs.
  const left = [begun, ended].map((now) => {
    const last = Math.ceil(now / 600) * 600;
    return differences(place.files, foldersOf([steady("n", day, [{ card: 0 }], last).wanted]));
  });
  expect(left.find(({ length }) => length === 0) ?? left[1]).toEqual([]);
});

test("a task API that is away leaves users as its last answer had them, and says so; of a day never heard of nobody is named", async () => {
  const day = dayIn("Asia/Taipei", "2025-08-01", [[0, 8 * hour]]);
  const next = dayIn("Asia/Taipei", "2025-08-02", [[0, 8 * hour]]);
  const whole = { ...day, to: next.to };
  netdata.nodes.set("n", steady("n", whole, [{ card: 0 }]).played);
  place.write({ nodes: { n: { netdata: netdata.url("n") } }, tasks: { url: api.url } });
  api.tasks = { a: playedTask("alice", "n", [{ uuid: "GPU-a", id: 0 }], { end: "2025-08-01 12:00:00" }) };
  succeeded(await run(day));
  const first = place.files;
  expect(first["n/2025-08-01/average_2025-08-01.csv"]).toContain("alice\n");
  const away = async (asked: LocalDay, words: RegExp, ...args: string[]): Promise<void> => {
    const { status, stdout, stderr } = await run(asked, ...args);
    expect([status, stderr]).toEqual([0, expect.stringMatching(words)]);
    expect(stdout + stderr).not.toContain(api.token);
  };
  api.fault = "unauthorized";
  await away(day, /task API.*401/);
  expect(differences(place.files, first)).toEqual([]);
  api.fault = "html";
  await away(next, /task API.*HTML/);
  await api.down();
  // The last answer is there also where no report is.
  const other = join(place.folder, "other");
  await away(day, /task API.*(refuse|nothing listens)/, "--data-dir", other);
  expect(differences(filesIn(other), first)).toEqual([]);
  const second = foldersOf([steady("n", next, [{ card: 0 }]).wanted]);
  expect(differences(place.files, { ...first, ...second })).toEqual([]);
  expect(Object.values(filesIn(place.folder)).join("")).not.toContain(api.token);
});
