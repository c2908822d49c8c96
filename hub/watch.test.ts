import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Fault } from "./fault.ts";
import { silent } from "./log.ts";
import type { Settings } from "./settings.ts";
import { type LoadedSettings, loadSettings, SettingsFile } from "./watch.ts";

let folder = "";
let path = "";
let timers: (() => void)[] = [];
let heard: (Settings | Fault)[] = [];
let env: { token?: string } = {};
let loaded: LoadedSettings;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-settings-"));
  path = join(folder, "settings.json");
  timers = [];
  heard = [];
  env = {};
});

afterEach(() => rmSync(folder, { recursive: true }));

const clock = {
  now: () => 0,
  after: (_ms: number, run: () => void) => {
    timers.push(run);
    return () => {
      timers = timers.filter((timer) => timer !== run);
    };
  },
};

function follow(): () => void {
  const given = { flags: {}, env: { GOHM_SETTINGS: path, GOHM_POLL_TOKEN_FILE: env.token } };
  loaded = loadSettings(given);
  return new SettingsFile(given, loaded).watch({
    clock,
    log: silent,
    good: (settings) => heard.push(settings),
    bad: (fault) => heard.push(fault),
  });
}

/** What is heard when the file is looked at next. */
function look(): Settings | Fault | undefined {
  heard = [];
  for (const run of timers.splice(0)) run();
  return heard[0];
}

const interval = (seconds: number): string => JSON.stringify({ poll: { interval: seconds } });

test("an edit is seen, one that replaces the file by another too, and nothing is said when nothing changed", () => {
  writeFileSync(path, interval(2));
  follow();
  expect(look()).toBeUndefined();
  writeFileSync(path, interval(33));
  expect(look()).toMatchObject({ byName: { "poll.interval": 33 } });
  writeFileSync(`${path}.new`, interval(44));
  renameSync(`${path}.new`, path);
  expect(look()).toMatchObject({ byName: { "poll.interval": 44 } });
  expect(look()).toBeUndefined();
});

test("a link that is turned to another file is seen, as Kubernetes changes a ConfigMap", () => {
  writeFileSync(join(folder, "one"), interval(2));
  writeFileSync(join(folder, "two"), interval(3));
  symlinkSync("one", path);
  follow();
  symlinkSync("two", `${path}.new`);
  renameSync(`${path}.new`, path);
  expect(look()).toMatchObject({ byName: { "poll.interval": 3 } });
});

test("a bad edit and a file that is gone are told as faults, and the next good edit as settings", () => {
  writeFileSync(path, interval(2));
  const stop = follow();
  writeFileSync(path, "{");
  expect(look()).toMatchObject({ code: "setting_bad" });
  rmSync(path);
  expect(look()).toMatchObject({ code: "setting_bad", message: expect.stringContaining("is gone") });
  writeFileSync(path, interval(5));
  expect(look()).toMatchObject({ byName: { "poll.interval": 5 } });
  stop();
  expect(timers).toEqual([]);
});

test("settings that cannot be applied are logged, and the next edit is seen", () => {
  writeFileSync(path, interval(2));
  const given = { flags: {}, env: { GOHM_SETTINGS: path } };
  const lines: string[] = [];
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  const good = (settings: Settings): void => {
    heard.push(settings);
    throw new Error("no room");
  };
  new SettingsFile(given, loadSettings(given)).watch({ clock, log, good, bad: (fault) => heard.push(fault) });
  for (const seconds of [3, 4]) {
    writeFileSync(path, interval(seconds));
    expect(look()).toMatchObject({ byName: { "poll.interval": seconds } });
    expect(heard).toHaveLength(1);
    expect(lines.splice(0)).toEqual([expect.stringMatching(/^cannot apply changed settings: Error: no room\n/)]);
  }
});

test("an edit made between the first reading and the first look is seen", () => {
  writeFileSync(path, interval(2));
  const given = { flags: {}, env: { GOHM_SETTINGS: path } };
  const first = loadSettings(given);
  writeFileSync(path, interval(3));
  new SettingsFile(given, first).watch({
    clock,
    log: silent,
    good: (settings) => heard.push(settings),
    bad: (fault) => heard.push(fault),
  });
  expect(look()).toMatchObject({ byName: { "poll.interval": 3 } });
});

test("an edit of the same size within the same tick of the disk's clock is seen", () => {
  const at = new Date(1_800_000_000_000);
  writeFileSync(path, interval(2));
  utimesSync(path, at, at);
  follow();
  writeFileSync(path, interval(3));
  utimesSync(path, at, at);
  expect(look()).toMatchObject({ byName: { "poll.interval": 3 } });
});

test.each(["", "\n", " \uFEFF "])(
  "a file that becomes empty (%j) changes nothing, and the next good one ends that",
  (content) => {
    writeFileSync(path, interval(2));
    follow();
    writeFileSync(path, content);
    expect(look()).toMatchObject({ code: "setting_bad", message: expect.stringContaining("the file is empty") });
    expect(look()).toBeUndefined();
    // As it was before: what was wrong is over all the same.
    writeFileSync(path, interval(2));
    expect(look()).toMatchObject({ byName: { "poll.interval": 2 } });
  },
);

test("a file nested 5,000 deep changes nothing, and says why", () => {
  writeFileSync(path, interval(2));
  follow();
  writeFileSync(path, `{"servers":${"[".repeat(5000)}${"]".repeat(5000)}}`);
  expect(look()).toMatchObject({ code: "setting_bad", message: expect.stringContaining("nested deeper than 32") });
});

test("a file that could not be read is read again, though nothing about it has changed since", () => {
  // A link to nowhere and back: neither size nor times of the file change, as after EMFILE, EIO or a wrong owner.
  const real = join(folder, "real");
  writeFileSync(real, interval(2));
  symlinkSync("real", path);
  follow();
  renameSync(path, `${path}.held`);
  mkdirSync(path);
  writeFileSync(real, interval(7));
  expect(look()).toMatchObject({ message: expect.stringMatching(/is a directory, not a regular file/) });
  expect(look()).toBeUndefined();
  rmdirSync(path);
  renameSync(`${path}.held`, path);
  expect(look()).toMatchObject({ byName: { "poll.interval": 7 } });
});

test("an edit that would make the file too large to be read again is refused, and one that makes it smaller is not", () => {
  const servers = '{"servers": {"a": "x:1", "b": "y:2"}} //';
  writeFileSync(path, servers.padEnd(4 * 2 ** 20, "-"));
  const given = { flags: {}, env: { GOHM_SETTINGS: path } };
  const file = new SettingsFile(given, loadSettings(given));
  expect(() => file.edit("a", { group: "lab" })).toThrow("larger than 4194304 bytes");
  file.edit("a", undefined).make(1);
  expect(loadSettings(given).settings.servers).toEqual({ b: "y:2" });
});

test("a FIFO in the place of the file is refused without blocking", () => {
  writeFileSync(path, interval(2));
  follow();
  rmSync(path);
  execFileSync("mkfifo", [path]);
  expect(look()).toMatchObject({ message: expect.stringMatching(/is a FIFO, not a regular file/) });
  rmSync(path);
  writeFileSync(path, interval(4));
  expect(look()).toMatchObject({ byName: { "poll.interval": 4 } });
});

test("without a file the defaults hold until there is one, and it is missed from then on", () => {
  follow();
  expect([loaded.found, loaded.settings.byName["poll.interval"]]).toEqual([false, 10]);
  expect(look()).toBeUndefined();
  writeFileSync(path, interval(6));
  expect(look()).toMatchObject({ byName: { "poll.interval": 6 } });
  rmSync(path);
  expect(look()).toMatchObject({ message: expect.stringContaining("is gone") });
});

test("a secret's file that is written anew is read again", () => {
  env = { token: join(folder, "token") };
  writeFileSync(join(folder, "token"), "one\n");
  follow();
  expect(loaded.settings.byName["poll.token"]).toBe("one");
  rmSync(join(folder, "token"));
  expect(look()).toMatchObject({ message: expect.stringMatching(/GOHM_POLL_TOKEN_FILE\): there is no file/) });
  writeFileSync(join(folder, "token"), "two\n");
  expect(look()).toMatchObject({ byName: { "poll.token": "two", "poll.interval": 10 } });
});
