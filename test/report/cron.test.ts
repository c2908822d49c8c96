// A line of a crontab with deploy/cron/daily-report.sh in place of the tool before GOHM, in the environment of Debian's cron:
// four variables, no terminal, the home folder.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { top } from "../program.ts";
import { program } from "../system/gohm.ts";
import { clock, middayZone } from "./clock.ts";
import { PlayedNetdata } from "./netdata.ts";
import { differences, filesIn, foldersOf, type Ran, ReportPlace } from "./place.ts";
import { steady } from "./scene.ts";
import { PlayedTasks, playedTask } from "./tasks.ts";

const script = join(top, "deploy", "cron", "daily-report.sh");

let place: ReportPlace;
let netdata: PlayedNetdata;
let api: PlayedTasks;
let home: string;

beforeEach(async () => {
  place = new ReportPlace();
  netdata = await PlayedNetdata.start();
  api = await new PlayedTasks().up();
  home = join(place.folder, "home");
  mkdirSync(home);
  writeFileSync(join(home, "token"), `${api.token}\n`, { mode: 0o600 });
  writeFileSync(join(home, "gohm.env"), `GOHM_SETTINGS=${place.settings}\nGOHM_DATA=${place.data}\n`);
  // As deploy/install.sh --hub writes it.
  const command = `#!/bin/sh\nexec '${process.execPath}' --env-file='${join(home, "gohm.env")}' '${program}' "$@"\n`;
  writeFileSync(join(home, "gohm"), command, { mode: 0o755 });
});

afterEach(async () => {
  await netdata.stop();
  await api.down();
  place.remove();
});

/** Runs a line as cron does. */
async function cron(line: string): Promise<Ran> {
  const child = spawn("/bin/sh", ["-c", line], {
    cwd: home,
    env: { HOME: home, LOGNAME: "lab", PATH: "/usr/bin:/bin", SHELL: "/bin/sh" },
    stdio: ["ignore", "pipe", "pipe"],
    // A session of its own, which has no terminal.
    detached: true,
    timeout: 30_000,
  });
  const [out, err] = [child.stdout, child.stderr].map((stream) => stream.setEncoding("utf8").toArray());
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout: (await out)?.join("") ?? "", stderr: (await err)?.join("") ?? "" };
}

test("the line of a crontab writes today's report, and later the rest of it; without the task API users stay", async () => {
  const day = clock(middayZone());
  const { zone, date } = day;
  const soon = Math.floor(Date.now() / 1000 / 600) * 600;
  const play = (until: number, user?: string): Record<string, string> => {
    const card = user === undefined ? { card: 1 } : { card: 1, user };
    const { played, wanted } = steady("gpu1", day, [card, { card: 9 }], until);
    netdata.nodes.set("gpu1", played);
    const tasks =
      user &&
      `\ngpu1 GPU 任務資訊:\n  GPU 1: ${user}\n    - GPU 型號: AMD Instinct MI300X\n    - GPU 記憶體: 196592 MB\n    - 任務類型: notebook\n` +
        "    - 專案 UUID: 6f1b2c3d-0000-4000-8000-000000000001\n    - 映像檔: rocm/pytorch:latest\n" +
        `    - 開始時間: ${date} 00:30:00\n    - 狀態: 執行中\n    - 使用時長: 3600.0 秒\n    - GPU UUID: GPU-a\n\n`;
    return foldersOf([{ ...wanted, ...(tasks === undefined ? {} : { tasks }) }]);
  };
  api.tasks = { a: playedTask("王小明", "gpu1", [{ uuid: "GPU-a", id: 1 }], { start: `${date} 00:30:00` }) };
  const tasks = { url: api.url, token_file: join(home, "token") };
  place.write({ timezone: zone, nodes: { gpu1: { netdata: netdata.url("gpu1") } }, tasks });
  const log = join(home, "report.log");
  // The old tool's folder beside the home folder, by a path that is relative to it.
  const line = `GOHM_COMMAND=./gohm GOHM_REPORT_LOG='${log}' ${script} --data-dir ../reports`;
  const early = play(soon - 3600, "王小明");
  // Rows of the last hour are missing.
  expect(await cron(line)).toEqual({ status: 3, stdout: "", stderr: "" });
  expect(differences(place.files, early)).toEqual([]);
  await api.down();
  const late = play(soon, "王小明");
  expect(await cron(line)).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(differences(place.files, late)).toEqual([]);
  const lines = readFileSync(log, "utf8");
  expect(lines.match(/info gpu1: .*/g)).toEqual([
    expect.stringMatching(/^info gpu1: partial, /),
    expect.stringMatching(/^info gpu1: complete, /),
  ]);
  expect(lines).toMatch(/warn The task API at \S+ cannot be reached: nothing listens there: users are those of its /);
  expect(lines).not.toContain(api.token);
  expect(lines).not.toMatch(/[^\P{Cc}\n]/u);
});

test("a folder in which nothing can be written is named in what cron sends, with the exit status 3, and no file is made elsewhere", async () => {
  const day = clock(middayZone(), 1);
  netdata.nodes.set("gpu1", steady("gpu1", day, [{ card: 1 }]).played);
  place.write({ timezone: day.zone, nodes: { gpu1: { netdata: netdata.url("gpu1") } } });
  writeFileSync(join(home, "full"), "");
  const before = Object.keys(filesIn(place.folder));
  const old = `${day.date} --data-dir full/reports --skip-task-info`;
  const { status, stdout, stderr } = await cron(`GOHM_COMMAND='${home}/gohm' '${script}' ${old}`);
  expect([status, stdout]).toEqual([3, expect.stringMatching(/^gpu1 +failed +144 +144 +no$/m)]);
  expect(stderr).toMatch(
    /warn gpu1: files cannot be written to full\/reports: \S+\/home\/full is a file, and must be a folder$/m,
  );
  expect(Object.keys(filesIn(place.folder))).toEqual(before);
});
