// What the built `gohm report` says of input that is wrong, of nodes that give nothing, and how it ends.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dayIn } from "./clock.ts";
import { PlayedNetdata } from "./netdata.ts";
import { foldersOf, ReportPlace } from "./place.ts";
import { steady } from "./scene.ts";
import { PlayedTasks, playedTask } from "./tasks.ts";

const day = dayIn("UTC", "2025-08-01", [[0, 0]]);
const env = { GOHM_REPORTS_TIMEZONE: "UTC" };

let place: ReportPlace;
let netdata: PlayedNetdata;

beforeEach(async () => {
  place = new ReportPlace();
  netdata = await PlayedNetdata.start();
});

afterEach(async () => {
  await netdata.stop();
  place.remove();
});

/** Plays steady nodes, and writes them into the settings. @returns the files of their reports */
function play(names: readonly string[], cards: Parameters<typeof steady>[2] = [{ card: 0 }]): Record<string, string> {
  for (const name of names) netdata.nodes.set(name, steady(name, day, cards).played);
  place.write({ nodes: Object.fromEntries(names.map((name) => [name, { netdata: netdata.url(name) }])) });
  return foldersOf(names.map((name) => steady(name, day, cards).wanted));
}

const run = (...args: string[]) => place.report(args, env);

test.each([
  [["2025-08-32"], 1, /2025-08-32.*YYYY-MM-DD/],
  [["2199-01-01"], 1, /2199-01-01.*future/],
  [["--node", "m", "2025-08-01"], 1, /"?m"?.*\bn\b/],
  [["--nodes"], 2, /--nodes.*--node/],
  [["2025-08-01", "2025-08-02"], 2, /2025-08-02/],
])("gohm report %j ends with %i, says what is wrong, asks nobody and writes nothing", async (args, status, words) => {
  play(["n"]);
  const ran = await run(...args);
  expect([ran.status, ran.stdout]).toEqual([status, ""]);
  expect(ran.stderr).toMatch(words);
  expect([place.files, netdata.requests]).toEqual([{}, []]);
});

test.each([
  ['{"reports": {"timezone": "Asia/Taipeh"}}', /reports\.timezone.*"Asia\/Taipeh"/],
  [
    '{"reports": {"nodes": {"n": {"netdata": "http://127.0.0.1:1"}, "n": {"host": "h"}}}}',
    /"(reports\.nodes\.)?n" is there twice/,
  ],
])("settings %s are refused with the place that is wrong", async (settings, words) => {
  place.write(settings);
  const { status, stderr } = await place.report(["2025-08-01"]);
  expect([status, stderr]).toEqual([1, expect.stringMatching(words)]);
  expect(place.files).toEqual({});
});

test("the date may lack zeros, a folder is made, other nodes are left out, and lines without a terminal are plain", async () => {
  const wanted = play(["a", "b", "c"]);
  const out = join(place.reports, "new", "folder");
  const { status, stdout, stderr } = await run("2025-8-1", "--data-dir", out, "--node", "a", "--node=c");
  expect(status).toBe(0);
  const made = Object.entries(wanted).filter(([name]) => !name.startsWith("b/"));
  expect(place.files).toEqual(Object.fromEntries(made.map(([name, text]) => [`new/folder/${name}`, text])));
  // Of the control characters, some of which steer a terminal, only line ends.
  expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n]/u);
  expect(stdout + stderr).toMatch(/^.*\ba\b.*$/m);
});

test("it ends with 3 if no node was complete, and with 0 if one was; the others are whole in either case", async () => {
  const wanted = play(["a", "b"]);
  for (const node of netdata.nodes.values()) node.fault = "error";
  expect((await run("2025-08-01")).status).toBe(3);
  const nothing = (node: string) => ({
    ...steady(node, day, []).wanted,
    overall: ["0.00", "0.00"] as const,
  });
  expect(place.files).toEqual(foldersOf([nothing("a"), nothing("b")]));
  const node = netdata.nodes.get("a");
  if (node) node.fault = undefined;
  expect((await run("2025-08-01")).status).toBe(0);
  const good = Object.entries(wanted).filter(([name]) => name.startsWith("a/"));
  expect(place.files).toEqual({ ...foldersOf([nothing("b")]), ...Object.fromEntries(good) });
});

test("a folder that cannot be used is named, with status 3 and without a word that it was written", async () => {
  play(["n"]);
  const file = join(place.folder, "file");
  writeFileSync(file, "mine");
  const { status, stderr } = await run("2025-08-01", "--data-dir", join(file, "reports"));
  expect([status, stderr]).toEqual([3, expect.stringContaining(join(file, "reports"))]);
  expect(stderr).toContain("is a file, and must be a folder");
});

test("users whose names calculate, break lines or steer a terminal do none of it in files, on the terminal and in the log", async () => {
  play(["n"]);
  const api = await new PlayedTasks().up();
  try {
    const hostile = '=HYPERLINK("http://x")\u001b]0;owned\u0007\u001b[31m,\r\nGPU[9],1.00,1.00,\u202eeve';
    api.tasks = { a: playedTask(hostile, "n", [{ uuid: "GPU-a", id: 0 }], { start: `${day.date} 09:00:00` }) };
    const url = { GOHM_REPORTS_TASKS_URL: api.url, GOHM_REPORTS_TASKS_TOKEN: api.token };
    const { status, stdout, stderr } = await place.report(["2025-08-01"], { ...env, ...url });
    expect(status).toBe(0);
    const averages = place.files["n/2025-08-01/average_2025-08-01.csv"] ?? "";
    expect(averages.split("\n").map((line) => line.split(",")[0])).toEqual(["GPU編號", "GPU[0]", "全部平均", ""]);
    // As a text in quotes that begins with an apostrophe.
    expect(averages).toContain(`GPU[0],1.25,20.00,"'=HYPERLINK(""http://x"")`);
    for (const text of [...Object.values(place.files), stdout, stderr]) {
      expect(text.match(/(?!\n)[\p{Cc}\p{Bidi_C}]/u)).toBeNull();
      expect(text).not.toMatch(/^(GPU\[9\]|=HYPER)/m);
    }
    expect(stdout).toContain("HYPERLINK");
  } finally {
    await api.down();
  }
});
