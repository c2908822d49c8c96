import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { ask, StoreFixture } from "../../test/store.ts";
import { viewOf } from "../../test/view.ts";
import { heading } from "../csv/form.ts";
import type { HostReading } from "../ingest.ts";
import { ReportRuns } from "../report/runs.ts";
import { dailyExport } from "./export.ts";
import type { RunningTask, TaskContext } from "./task.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

let folder: string;
let now: number;
let timers: { at: number; run: () => void }[];
let model: Model;
let zone: Zone;
let retentionMs: number;
let reads: number;
let heard: ((reading: HostReading) => void) | undefined;
let notices: (string | undefined)[];
let log: string[];
let task: RunningTask | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-export-"));
  zone = new Zone("Europe/Berlin");
  now = local("2026-11-28 00:09:00");
  timers = [];
  model = new Model();
  retentionMs = 30 * day;
  reads = 0;
  notices = [];
  log = [];
  task = undefined;
});

afterEach(async () => {
  await task?.close();
  rmSync(folder, { recursive: true });
});

const local = (text: string): number => zone.parse(text) ?? Number.NaN;

interface Settings {
  readonly folder: string;
  readonly time: string;
}

async function begin(settings: Partial<Settings> = {}): Promise<void> {
  const say = (text: string): void => void log.push(text);
  const view = viewOf({
    history: {
      known: (filter) => model.known(filter),
      fold: (query) => model.fold(query),
      read: (query) => {
        reads++;
        return model.read(query);
      },
    },
    clock: {
      now: () => now,
      after(ms, run) {
        const timer = { at: now + ms, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
    },
    log: { info: say, warn: say, error: say },
    zone: () => zone,
  });
  const context: TaskContext = {
    view,
    desk: { do: () => undefined as never },
    onReading: (listener) => {
      heard = listener;
      return () => {
        heard = undefined;
      };
    },
    notice: (_, words) => notices.push(words?.text),
    reportRuns: new ReportRuns(),
    retentionMs: () => retentionMs,
  };
  task = await dailyExport.open(context, { folder, time: "00:10", ...settings });
  await pass(0);
}

/** Lets time pass, minute by minute, with what is done in it. */
async function pass(ms: number): Promise<void> {
  const end = now + ms;
  for (;;) {
    const next = Math.min(...timers.map(({ at }) => at), end);
    now = Math.max(now, next);
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { run } of due) run();
    if (due.length > 0) await expect.poll(() => timers.length, { interval: 1, timeout: 15_000 }).toBeGreaterThan(0);
    else if (now >= end) return;
  }
}

/** Adds a sample of a card. */
function put(at: number, { late = false, power = 1000 } = {}): void {
  const device = { level: "gpu" as const, key: "#0", index: 0, values: valuesOf("gpu", { gpu_power: power }) };
  model.append({ host: "gpu1", at, devices: [device] });
  heard?.({ host: "gpu1", at, devices: [device], late } as unknown as HostReading);
}

/** Names of the files, and the rows of one of them. */
const files = (): string[] => readdirSync(folder).sort();
const rows = (name: string): string[] => readFileSync(join(folder, name), "utf8").split("\r\n").slice(1, -1);
const yesterday = "gpu_metrics_20261127.csv";

test("after a day its file is written at the time of the settings, with the samples of that local day", async () => {
  for (const time of ["26 23:59:59", "27 00:00:00", "27 12:00:00", "27 23:59:59", "28 00:00:00"]) {
    put(local(`2026-11-${time}`));
  }
  // The day before is complete already.
  writeFileSync(join(folder, "gpu_metrics_20261126.csv"), `${heading}x\r\n`);
  await begin();
  expect(files()).toEqual(["gpu_metrics_20261126.csv"]);
  await pass(minute);
  expect(files()).toEqual(["gpu_metrics_20261126.csv", yesterday]);
  expect(readFileSync(join(folder, yesterday), "utf8").startsWith(heading)).toBe(true);
  expect(rows(yesterday).map((row) => row.slice(0, 19))).toEqual([
    "2026-11-27 00:00:00",
    "2026-11-27 12:00:00",
    "2026-11-27 23:59:59",
  ]);
  await pass(day);
  expect(files()).toHaveLength(3);
});

test("without a folder nothing is read and written, and one that is set later is filled", async () => {
  put(now - hour);
  await begin({ folder: "" });
  await pass(2 * day);
  expect([files(), reads, timers]).toEqual([[], 0, []]);
  task?.change({ folder, time: "00:10" });
  await pass(0);
  expect(files()).toEqual([yesterday]);
});

test("days that a hub was off are made up for, as far as samples are kept; days without samples have no file", async () => {
  for (const daysAgo of [1, 2, 4, 5, 40]) put(now - daysAgo * day);
  retentionMs = 4.5 * day;
  await begin();
  await pass(minute);
  expect(files()).toEqual(["gpu_metrics_20261124.csv", "gpu_metrics_20261126.csv", yesterday]);
  const before = reads;
  await pass(hour);
  expect(reads).toBe(before);
});

test.each(["Europe/Berlin", "Asia/Kolkata"])(
  "a day of whose samples summaries are left has no file, although retention was raised, until they come again: %s",
  async (name) => {
    zone = new Zone(name);
    now = local("2026-11-28 00:11:00");
    const scene = new StoreFixture();
    try {
      scene.now = now;
      scene.retention = { ...scene.retention, raw: 2 * day, fiveMinutes: 3 * day };
      const store = scene.open();
      model = store as unknown as Model;
      const fill = (date: number): void => {
        for (let i = 0; i < 600; i++) put(local(`2026-11-${date} 00:00:00`) + i * 2 * minute);
      };
      // Of the second day only the first hours are gone.
      for (const date of [22, 26, 27]) fill(date);
      const id = { host: "gpu1", level: "gpu", key: "#0", metric: "gpu_power" } as const;
      const left = async (date: number): Promise<number> => {
        const from = local(`2026-11-${date} 00:00:00`);
        return (await ask(store, id, { from, to: from + day, step: 0 }, "count")).t.length;
      };
      // Deletion waits for turns of the event loop, of which a busy machine needs more.
      for (let i = 0; i < 60 && ((await left(22)) > 24 || (await left(26)) === 600); i++) await scene.pass(10 * minute);
      scene.retention = { ...scene.retention, raw: 30 * day, fiveMinutes: 30 * day };
      await begin();
      await pass(minute);
      expect(files()).toEqual([yesterday]);
      for (const date of [22, 26])
        expect(log.join()).toMatch(new RegExp(`202611${date}.csv is not written: of \\d+ samples .* \\d+ rows`));
      fill(22);
      await scene.pass(2 * hour);
      put(local("2026-11-22 00:00:00"), { late: true });
      await pass(20 * minute);
      expect(files()).toEqual(["gpu_metrics_20261122.csv", yesterday]);
      expect(rows("gpu_metrics_20261122.csv")).toHaveLength(600);
    } finally {
      scene.remove();
    }
  },
);

test.each([
  ["2026-03-29", "2026-03-29 01:59:59", "2026-03-29 03:00:00", 23],
  ["2026-10-25", "2026-10-25 02:30:00", "2026-10-25 23:59:59", 25],
])("the file of %s, when clocks are set, has its samples alone", async (date, first, second, hours) => {
  const start = local(`${date} 00:00:00`);
  now = start + hours * hour + 10 * minute;
  for (const at of [
    start - 1000,
    start,
    local(first),
    local(second),
    start + hours * hour - 1000,
    start + hours * hour,
  ]) {
    put(at);
  }
  await begin();
  const name = `gpu_metrics_${date.replaceAll("-", "")}.csv`;
  expect(new Set(rows(name).map((row) => row.slice(0, 10)))).toEqual(new Set([date]));
  expect([rows(name)[0]?.slice(11, 19), rows(name).at(-1)?.slice(11, 19)]).toEqual(["00:00:00", "23:59:59"]);
});

test("a file with more rows, as another program wrote it, is never replaced", async () => {
  put(now - hour);
  const full = `${heading}a\r\nb\r\nc`;
  writeFileSync(join(folder, yesterday), full);
  await begin();
  await pass(minute);
  put(now - 2 * hour, { late: true });
  await pass(20 * minute);
  expect(readFileSync(join(folder, yesterday), "utf8")).toBe(full);
  expect(log.filter((line) => line.includes("is left as it is"))[0]).toMatch(/it has 3 rows, and history 1/);
  expect(files()).toEqual([yesterday]);
});

test("late samples bring a day's file up to date once no more of them come", async () => {
  put(now - hour);
  await begin();
  await pass(minute);
  expect(rows(yesterday)).toHaveLength(1);
  for (let i = 0; i < 5; i++) {
    put(now - 2 * hour - i * 1000, { late: true });
    await pass(5 * minute);
  }
  expect(rows(yesterday)).toHaveLength(1);
  await pass(10 * minute);
  expect(rows(yesterday)).toHaveLength(6);
  const { mtimeMs } = statSync(join(folder, yesterday));
  const before = reads;
  await pass(hour);
  expect([statSync(join(folder, yesterday)).mtimeMs, reads]).toEqual([mtimeMs, before]);
});

test("late samples of a day whose samples are not kept any more write nothing", async () => {
  await begin();
  await pass(minute);
  const before = reads;
  put(now - 31 * day, { late: true });
  await pass(hour);
  expect([reads, files()]).toEqual([before, []]);
});

test("late samples that never cease bring it up to date every hour", async () => {
  put(now - hour);
  await begin();
  await pass(minute);
  for (let i = 0; i < 13; i++) {
    put(now - 2 * hour, { late: true });
    await pass(5 * minute);
  }
  expect(rows(yesterday).length).toBeGreaterThan(10);
});

test("late samples that came before a restart are in the file after it", async () => {
  writeFileSync(join(folder, yesterday), `${heading}a\r\n`);
  put(now - hour);
  put(now - 2 * hour);
  await begin();
  await pass(minute);
  expect(rows(yesterday)).toHaveLength(2);
});

test("a folder that is missing is told to administrators, and filled once it is there", async () => {
  put(now - hour);
  const missing = join(folder, "nas");
  await begin({ folder: missing });
  await pass(minute);
  const told = `The daily CSV file cannot be written to ${missing} (export.folder): the folder does not exist. It is tried again every 10 minutes.`;
  expect(notices.at(-1)).toBe(told);
  await pass(30 * minute);
  expect([log.filter((line) => line === told).length, existsSync(missing)]).toEqual([1, false]);
  mkdirSync(missing);
  await pass(10 * minute);
  expect([readdirSync(missing), notices.at(-1)]).toEqual([[yesterday], undefined]);
  expect(log.at(-1)).toMatch(/daily files are written to .* again/);
});

test("a file that cannot be completed leaves nothing, and the one before it as it was", async () => {
  put(now - hour);
  writeFileSync(join(folder, yesterday), heading);
  const broken = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const read = model.read.bind(model);
  model.read = () => Promise.reject(broken);
  await begin();
  await pass(minute);
  expect([files(), readFileSync(join(folder, yesterday), "utf8")]).toEqual([[yesterday], heading]);
  expect(notices.at(-1)).toContain("the disk is full");
  model.read = read;
  await pass(11 * minute);
  expect(rows(yesterday)).toHaveLength(1);
});

test("late samples of a day whose file could not be written then are in it once it can", async () => {
  put(now - hour);
  await begin();
  await pass(minute);
  put(now - 2 * hour, { late: true });
  const read = model.read.bind(model);
  model.read = () => Promise.reject(new Error("no history"));
  await pass(15 * minute);
  expect([rows(yesterday).length, notices.at(-1)]).toEqual([1, expect.stringContaining("no history")]);
  model.read = read;
  await pass(15 * minute);
  expect([rows(yesterday).length, notices.at(-1)]).toEqual([2, undefined]);
});

test("a link that others left in the folder leads nowhere: what it names stays as it is", async () => {
  put(now - hour);
  const others = join(folder, "others");
  writeFileSync(others, "precious");
  symlinkSync(others, join(folder, `.${yesterday}.partial`));
  await begin();
  await pass(minute);
  expect([readFileSync(others, "utf8"), rows(yesterday).length, files()]).toEqual([
    "precious",
    1,
    [yesterday, "others"],
  ]);
});

test.each([yesterday, `.${yesterday}.partial`])("a pipe called %s does not hold up the files", async (name) => {
  put(now - hour);
  execFileSync("mkfifo", [join(folder, name)]);
  await begin();
  await pass(minute);
  expect([files(), rows(yesterday).length]).toEqual([[yesterday], 1]);
});

test.each([
  [0o750, 0o640],
  [0o1777, 0o644],
])("files can be read by those who may read the folder, and written by the hub alone: %i, %i", async (mode, wanted) => {
  put(now - hour);
  chmodSync(folder, mode);
  await begin();
  await pass(minute);
  expect(statSync(join(folder, yesterday)).mode & 0o777).toBe(wanted);
});

test("a hub that ends while a file is written leaves no part of it", async () => {
  put(now - hour);
  let asked = (): void => {};
  const begun = new Promise<void>((done) => {
    asked = done;
  });
  const read = model.read.bind(model);
  model.read = async (query) => {
    asked();
    await new Promise((done) => setImmediate(done));
    return read(query);
  };
  await begin();
  now += minute;
  for (const { run } of timers.splice(0)) run();
  await begun;
  await task?.close();
  expect([files(), timers]).toEqual([[], []]);
});
