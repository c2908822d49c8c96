import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { canMount, type Disk, smallDisk } from "../test/disk.ts";
import { LogFile, type LogFileOptions } from "./log-file.ts";

let folder: string;
let path: string;
let warned: string[];
const opened: LogFile[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "log-file-"));
  path = join(folder, "logs", "a.log");
  warned = [];
});

afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
  rmSync(folder, { recursive: true, force: true });
});

function logFile(options: Partial<LogFileOptions> = {}): LogFile {
  const usual = { path, size: Number.POSITIVE_INFINITY, keep: 3, setting: 'setting "log.file" (X_LOG_FILE)' };
  const log = new LogFile({ ...usual, warn: (line) => warned.push(line), ...options });
  opened.push(log);
  return log;
}

const read = (file = path): string => readFileSync(file, "utf8");
/** Text of all files in the folder of the log, the oldest first. */
const all = (): string =>
  readdirSync(join(folder, "logs"))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .map((name) => read(join(folder, "logs", name)))
    .join("");
const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `line ${from + i}\n`);

test("lines are appended to a file that was there, and a new one is private", async () => {
  mkdirSync(join(folder, "logs"));
  writeFileSync(path, "before\n");
  const log = logFile();
  log.write("after\n");
  await log.flush();
  expect(read()).toBe("before\nafter\n");
  rmSync(path);
  logFile();
  expect(statSync(path).mode & 0o027).toBe(0);
});

test("at its size the file is renamed, the oldest is deleted, and no line is lost between", async () => {
  const log = logFile({ size: 100, keep: 2 });
  for (const line of numbered(40)) {
    log.write(line);
    await log.flush();
  }
  expect(readdirSync(join(folder, "logs")).sort()).toEqual(["a.log", "a.log.1", "a.log.2"]);
  for (const name of ["a.log", "a.log.1", "a.log.2"]) {
    expect(statSync(join(folder, "logs", name)).size).toBeLessThanOrEqual(100);
  }
  const kept = all().split("\n").filter(Boolean);
  expect(kept.at(-1)).toBe("line 39");
  expect(kept).toEqual(numbered(kept.length, 40 - kept.length).map((line) => line.trim()));
  expect(warned).toEqual([]);
});

test("a file that is over the size at the start is rotated before the first line", async () => {
  mkdirSync(join(folder, "logs"));
  writeFileSync(path, "x".repeat(200));
  const log = logFile({ size: 100 });
  log.write("new\n");
  await log.flush();
  expect([read(), read(`${path}.1`)]).toEqual(["new\n", "x".repeat(200)]);
});

test.each([
  ["moves the file", () => renameSync(path, `${path}-2026`), "one\n"],
  ["deletes the file", () => rmSync(path), undefined],
  ["deletes the folder", () => rmSync(join(folder, "logs"), { recursive: true }), undefined],
  ["copies the file and truncates it", () => writeFileSync(path, ""), undefined],
])("after another program %s, lines are in a new file at the path", async (_what, act, moved) => {
  const log = logFile();
  log.write("one\n");
  await log.flush();
  act();
  log.write("two\n");
  await log.flush();
  expect(read()).toBe("two\n");
  if (moved !== undefined) expect(read(`${path}-2026`)).toBe(moved);
  expect(warned).toEqual([]);
});

test("two programs that write to one file and rotate it lose no line", async () => {
  const logs = [logFile({ size: 2000, keep: 400 }), logFile({ size: 2000, keep: 400 })];
  for (let i = 0; i < 300; i++) {
    logs.forEach((log, who) => {
      log.write(`${who} ${i} ${"x".repeat(40)}\n`);
    });
    await Promise.all(logs.map((log) => log.flush()));
  }
  const lines = all().split("\n").filter(Boolean);
  expect(readdirSync(join(folder, "logs")).length).toBeGreaterThan(10);
  for (const who of [0, 1]) {
    const own = lines.filter((line) => line.startsWith(`${who} `)).map((line) => Number(line.split(" ")[1]));
    expect(own.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  }
  expect(warned).toEqual([]);
});

test("while another program rotates the file it is left alone, but not because of one that is gone", async () => {
  const log = logFile({ size: 10 });
  log.write("0123456789\n");
  await log.flush();
  writeFileSync(`${path}.rotating`, "");
  log.write("more\n");
  await log.flush();
  expect(existsSync(`${path}.1`)).toBe(false);
  utimesSync(`${path}.rotating`, 0, 0);
  log.write("last\n");
  await log.flush();
  expect([read(), read(`${path}.1`)]).toEqual(["last\n", "0123456789\nmore\n"]);
  expect(existsSync(`${path}.rotating`)).toBe(false);
});

test("a file that cannot be rotated grows, which is said once", async () => {
  mkdirSync(join(folder, "logs", "a.log.1", "x"), { recursive: true });
  const log = logFile({ size: 10, keep: 1 });
  for (const line of numbered(5)) {
    log.write(line);
    await log.flush();
  }
  expect(read()).toBe(numbered(5).join(""));
  expect(warned).toEqual([expect.stringMatching(/^Cannot rotate the log file .*a\.log, which grows: /)]);
});

test("what was not written yet is written at the exit of the program", () => {
  const program = `
    const { LogFile } = await import(${JSON.stringify(new URL("./log-file.ts", import.meta.url).href)});
    const log = new LogFile({ path: ${JSON.stringify(path)}, size: Infinity, keep: 3, setting: "x", warn() {} });
    log.write("the reason\\n");
    process.exit(1);`;
  expect(() => execFileSync(process.execPath, ["--input-type=module", "-e", program], { stdio: "ignore" })).toThrow();
  expect(read()).toBe("the reason\n");
});

test.each([
  ["a folder", () => mkdirSync(path, { recursive: true }), /a\.log is a directory, not a regular file/],
  ["a FIFO", () => fifo(), /a\.log is a FIFO, not a regular file/],
  ["below a file", () => writeFileSync(join(folder, "logs"), ""), /ENOTDIR|EEXIST/],
])("%s at the path is an error at the start that names the setting", (_what, prepare, reason) => {
  prepare();
  expect(() => logFile()).toThrow(reason);
  expect(() => logFile()).toThrow(
    /^Cannot read setting "log\.file" \(X_LOG_FILE\): must be a file that can be written, in a folder that can be written: /,
  );
});

function fifo(): void {
  mkdirSync(join(folder, "logs"));
  execFileSync("mkfifo", [path]);
}

test("a FIFO that takes the place of the file blocks nothing, and lines wait until it is gone", async () => {
  const log = logFile();
  rmSync(path);
  execFileSync("mkfifo", [path]);
  log.write("one\n");
  await log.flush();
  expect(warned).toEqual([expect.stringMatching(/^Cannot write the log file .*; lines wait until it can be written/)]);
  rmSync(path);
  log.write("two\n");
  await log.flush();
  expect(read()).toBe("one\ntwo\n");
  expect(warned[1]).toMatch(/can be written again; 0 lines are missing in it$/);
});

const mounts = canMount();

describe.skipIf(!mounts)("a full disk", () => {
  const disks: Disk[] = [];
  afterAll(() => {
    for (const disk of disks) disk.remove();
  });

  test("half a line that had still fit is not joined with a whole one", async () => {
    const disk = smallDisk("1m");
    disks.push(disk);
    path = join(disk.path, "a.log");
    const log = logFile();
    log.write("first\n");
    await log.flush();
    disk.fill();
    // The page of the file has room for some more bytes.
    log.write(`${"y".repeat(6000)}\n`);
    await log.flush();
    disk.free();
    await log.flush();
    const lines = read().split("\n");
    expect(lines.filter((line) => line.length === 6000)).toEqual(["y".repeat(6000)]);
    expect(lines.filter((line) => /^y+$/.test(line))).toHaveLength(2);
  });

  test("lines wait while there is no room, whole, and those that do not fit in memory are counted", async () => {
    const disk = smallDisk("1m");
    disks.push(disk);
    path = join(disk.path, "a.log");
    const log = logFile();
    log.write("first\n");
    await log.flush();
    disk.fill();
    const long = "x".repeat(1000);
    for (let i = 0; i < 300; i++) log.write(`${i} ${long}\n`);
    for (let i = 0; i < 3; i++) await log.flush();
    expect(warned).toEqual([expect.stringMatching(/^Cannot write the log file .*: ENOSPC/)]);
    disk.free();
    await log.flush();
    const [first, ...rest] = read()
      .split("\n")
      .filter((line) => line !== "");
    const missing = Number(/again; (\d+) lines are missing in it$/.exec(warned[1] ?? "")?.[1]);
    expect(missing).toBeGreaterThan(30);
    // What is there is whole and in order; half a line that had still fit is there whole a second time.
    const whole = rest.filter((line) => /^\d+ x{1000}$/.test(line));
    const numbers = whole.map((line) => Number(line.split(" ")[0]));
    expect(first).toBe("first");
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(numbers.at(-1)).toBe(299);
    expect(new Set(numbers).size + missing).toBe(300);
    expect(rest.length - whole.length).toBeLessThanOrEqual(1);
  });
});
