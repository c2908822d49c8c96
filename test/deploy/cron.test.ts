// The script that stands in a crontab in place of the tool before GOHM.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { top } from "../program.ts";

const script = join(top, "deploy", "cron", "daily-report.sh");

let folder: string;
let program: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-cron-"));
  // Stands in for gohm: prints what it was given.
  program = join(folder, "a gohm");
  writeFileSync(program, '#!/bin/sh\nprintf "<%s>" "$@"\necho problem >&2\nexit 3\n');
  chmodSync(program, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (args: readonly string[], env: Readonly<Record<string, string>>) =>
  spawnSync("/bin/sh", [script, ...args], {
    env: { PATH: "/usr/bin:/bin", GOHM_COMMAND: program, ...env },
    encoding: "utf8",
  });

test("the old command line reaches gohm report as it is, and its status cron", () => {
  const { status, stdout, stderr } = run(["2025-08-01", "--data-dir", "/data/all gpus", "--skip-task-info"], {});
  expect([status, stdout, stderr]).toEqual([
    3,
    "<report><2025-08-01><--data-dir></data/all gpus><--skip-task-info>",
    "problem\n",
  ]);
});

test("output and messages are appended to the log, which others may not read, and which is renamed when it is large", () => {
  const log = join(folder, "report.log");
  for (const day of ["1", "2"]) {
    expect(run([day], { GOHM_REPORT_LOG: log })).toMatchObject({ status: 3, stdout: "", stderr: "" });
  }
  expect(readFileSync(log, "utf8")).toBe("<report><1>problem\n<report><2>problem\n");
  expect(statSync(log).mode & 0o777).toBe(0o600);
  writeFileSync(log, "x".repeat(10_000_001));
  run(["3"], { GOHM_REPORT_LOG: log });
  expect([readFileSync(log, "utf8"), statSync(`${log}.1`).size]).toEqual(["<report><3>problem\n", 10_000_001]);
});

test("a log that cannot be written costs no report: its output is cron's, and it says why", () => {
  const log = join(folder, "missing", "report.log");
  const { status, stdout, stderr } = run(["2025-08-01"], { GOHM_REPORT_LOG: log });
  expect([status, stdout, stderr]).toEqual([
    3,
    "<report><2025-08-01>",
    `daily-report.sh: the log ${log} (GOHM_REPORT_LOG) cannot be written by ${userInfo().username}: output follows here\nproblem\n`,
  ]);
});

test("a large log that cannot be renamed is emptied", () => {
  const log = join(folder, "report.log");
  writeFileSync(log, "x".repeat(10_000_001));
  // Cannot be renamed for root either, as in /var/log for a user who has only this file there.
  mkdirSync(`${log}.1/report.log/taken`, { recursive: true });
  expect(run(["1"], { GOHM_REPORT_LOG: log })).toMatchObject({ status: 3, stderr: "" });
  expect(readFileSync(log, "utf8")).toBe("<report><1>problem\n");
});

test("a program that is not there is named", () => {
  const { status, stderr } = run([], { GOHM_COMMAND: join(folder, "missing") });
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`there is no program ${join(folder, "missing")}: install it`),
  ]);
});

const noCheck = spawnSync("shellcheck", ["--version"]).status === 0 ? "" : ": there is no shellcheck";
test.skipIf(noCheck !== "")(`shellcheck finds nothing in the script${noCheck}`, () => {
  expect(spawnSync("shellcheck", ["--shell=sh", script], { encoding: "utf8" }).stdout).toBe("");
});
