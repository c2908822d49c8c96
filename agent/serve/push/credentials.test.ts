import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SettingError } from "../../../program/setting.ts";
import { defaultPath, isToken, loadCredentials, reserveTokenFile } from "./credentials.ts";

const folder = mkdtempSync(join(tmpdir(), "token-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(folder, String(++count), "deep", "push.json");
const hub = "http://hub:5000";
const silent = (): void => undefined;

const written = (text: string, mode = 0o600): string => {
  const path = join(folder, `${++count}.json`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

test("a kept token is read back, in a file that only its owner may read", () => {
  const path = fresh();
  expect(loadCredentials(path, hub, silent)).toBeUndefined();
  const before = process.umask(0);
  reserveTokenFile(path).write({ token: "t0ken", server: hub });
  process.umask(before);
  expect(readFileSync(path, "utf8")).toBe(`{\n  "token": "t0ken",\n  "server": "${hub}"\n}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  expect(loadCredentials(path, hub, silent)).toEqual({ token: "t0ken", server: hub });
});

test("a place that was not used leaves nothing behind, one that was used nothing but the file", () => {
  const path = fresh();
  reserveTokenFile(path).release();
  expect(readdirSync(join(path, ".."))).toEqual([]);
  const place = reserveTokenFile(path);
  expect(existsSync(path)).toBe(false);
  place.write({ token: "a", server: hub });
  place.release();
  expect(readdirSync(join(path, ".."))).toEqual(["push.json"]);
});

test("a place that cannot be written to is told before there is a token", () => {
  const path = join(written("{}"), "push.json");
  expect(() => reserveTokenFile(path)).toThrow(SettingError);
  expect(() => reserveTokenFile(path)).toThrow(`Cannot write the token file ${path}`);
});

test.each([
  "",
  "{",
  "null",
  "[]",
  '{"server": "http://hub:5000"}',
  '{"token": "", "server": "x"}',
  '{"token": "a\\nb", "server": "x"}',
])("a file with %j is refused, and stays as it is", (text) => {
  const path = written(text);
  expect(() => loadCredentials(path, hub, silent)).toThrow(`Cannot read the token file ${path}: must be {"token"`);
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("the token of one hub is never shown to another", () => {
  const path = written('{"token": "a", "server": "HTTP://Other:5000/"}');
  expect(() => loadCredentials(path, hub, silent)).toThrow(
    `The token in ${path} is for http://other:5000, not for ${hub}`,
  );
  expect(loadCredentials(path, "http://other:5000", silent)?.token).toBe("a");
});

test("a file that others may read is used, and warned of", () => {
  const told: string[] = [];
  loadCredentials(written(`{"token": "a", "server": "${hub}"}`, 0o640), hub, (line) => told.push(line));
  expect(told).toEqual([expect.stringMatching(/^push: others may read the token in .*: chmod 600 /)]);
});

test.each([
  [{ STATE_DIRECTORY: "/var/lib/hmonitor", HOME: "/home/a" }, "/var/lib/hmonitor/push.json"],
  [{ STATE_DIRECTORY: "/var/lib/a:/var/lib/b" }, "/var/lib/a/push.json"],
  [{ XDG_CONFIG_HOME: "/cfg" }, "/cfg/hmonitor/push.json"],
  [{ XDG_CONFIG_HOME: "relative" }, "/home/me/.config/hmonitor/push.json"],
  [{}, "/home/me/.config/hmonitor/push.json"],
])("with %j the file is %s", (env, path) => {
  expect(defaultPath(env, () => "/home/me")).toBe(path);
});

test("a user without a home must name a file", () => {
  expect(() => defaultPath({}, () => "")).toThrow("--config");
});

test.each([
  ["abc.DEF-1_2~3+/=", true],
  ["", false],
  ["a b", false],
  ["a\r\nX: y", false],
  ["é", false],
  ["x".repeat(4097), false],
  [5, false],
])("%j can be a token: %s", (value, expected) => {
  expect(isToken(value)).toBe(expected);
});

test("a FIFO in the place of the token file is named, and does not keep the agent waiting", () => {
  const path = join(folder, `${++count}.fifo`);
  execFileSync("mkfifo", [path]);
  expect(() => loadCredentials(path, hub, silent)).toThrow(`Cannot read the token file ${path}: ${path} is a FIFO`);
});
