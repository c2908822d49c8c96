import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import type { Clock } from "../clock.ts";
import { Fault } from "../fault.ts";
import { textOf } from "../sentence.ts";
import { expectedRows, reportDay } from "./day.ts";
import { type MakeOptions, makeReports } from "./make.ts";
import type {
  GpuTask,
  NodeDay,
  NodeOutcome,
  ReadNode,
  ReportCard,
  ReportDay,
  ReportNode,
  TaskReader,
} from "./report.ts";

let folder: string;
let abort: AbortController;
let timers: { ms: number; run: () => void }[];
let now: number;
let clock: Clock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-make-"));
  abort = new AbortController();
  timers = [];
  now = 1000 * dayOf("2025-08-01").to + 3_600_000;
  clock = {
    now: () => now,
    after(ms, run) {
      const timer = { ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function dayOf(date: string): ReportDay {
  const day = reportDay(new Zone("UTC"), date);
  if (day === undefined) throw new Error(`${date} is not a day`);
  return day;
}

const node = (name: string, more: Partial<ReportNode> = {}): ReportNode => ({
  name,
  netdata: "http://127.0.0.1:1",
  ...more,
});
const nodes = (count: number): ReportNode[] => Array.from({ length: count }, (_, i) => node(`gpu${i}`));

/** A card with all rows of a day, but the last ones that are left out. */
function card(index: number, day: ReportDay, { left = 0, number = index, gpu = 50 } = {}): ReportCard {
  const times = expectedRows(day, Number.POSITIVE_INFINITY);
  const rows = times.slice(0, times.length - left).map((at) => ({ at, gpu, vram: 25 }));
  return { index, card: number, rows: rows.length === 0 ? undefined : rows };
}

const whole: ReadNode = async (node, day) => ({ node, day, cards: [card(0, day), card(1, day)], issues: [] });

/** A source of other cards. */
const giving =
  (...cards: ((day: ReportDay) => ReportCard)[]): ReadNode =>
  async (node, day): Promise<NodeDay> => ({ node, day, cards: cards.map((make) => make(day)), issues: [] });

const make = (read: ReadNode, more: Partial<MakeOptions> & { nodes?: readonly ReportNode[] } = {}) =>
  makeReports({
    ...{ day: dayOf("2025-08-01"), read, clock, signal: abort.signal },
    plan: { folder, nodes: more.nodes ?? nodes(1) },
    ...more,
  });

const issuesOf = (outcome: NodeOutcome | undefined): string[] => outcome?.issues.map(textOf) ?? [];
const average = (name: string, date = "2025-08-01"): string =>
  readFileSync(join(folder, name, date, `average_${date}.csv`), "utf8");

test("eight nodes are read at a time, and each is one outcome, in the order of the settings", async () => {
  let open = 0;
  let most = 0;
  const outcomes = await make(
    async (node, day, signal) => {
      most = Math.max(most, ++open);
      await new Promise((done) => setImmediate(done));
      open--;
      return await whole(node, day, signal);
    },
    { nodes: nodes(30) },
  );
  expect(most).toBe(8);
  expect(outcomes.map(({ node }) => node)).toEqual(nodes(30).map(({ name }) => name));
  expect(outcomes[29]).toEqual({
    node: "gpu29",
    state: "complete",
    rows: 288,
    expected: 288,
    issues: [],
    written: true,
  });
  expect(timers).toEqual([]);
});

test("a node that does not answer in time, or fails, leaves the others whole, and has files without data", async () => {
  const signals: AbortSignal[] = [];
  const making = make(
    async (node, day, signal) => {
      if (node.name === "gpu0") {
        signals.push(signal);
        return await new Promise<never>(() => {});
      }
      if (node.name === "gpu1") throw new Fault("source_failed", "http://gpu1:19999 answers with HTML");
      if (node.name === "gpu2") throw new TypeError("x is undefined");
      return await whole(node, day, signal);
    },
    { nodes: [node("gpu0", { cards: [1, 9] }), ...nodes(5).slice(1)] },
  );
  for (let turns = 0; timers.length !== 1 && turns < 10_000; turns++) await new Promise((done) => setImmediate(done));
  expect(timers.map(({ ms }) => ms)).toEqual([120_000]);
  timers[0]?.run();
  const outcomes = await making;
  expect(outcomes.map(({ state, failure, written }) => [state, failure, written])).toEqual([
    ["failed", "source", true],
    ["failed", "source", true],
    ["failed", "source", true],
    ["complete", undefined, true],
    ["complete", undefined, true],
  ]);
  expect(outcomes.slice(0, 3).map(issuesOf)).toEqual([
    ["gpu0 was not read within 120 s"],
    ["http://gpu1:19999 answers with HTML"],
    ["x is undefined"],
  ]);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  expect(average("gpu0").split("\n").slice(1, 3)).toEqual(["GPU[0],N/A,N/A,未使用", "GPU[1],N/A,N/A,未使用"]);
  expect(readFileSync(join(folder, "gpu0", "2025-08-01", "summary_2025-08-01.txt"), "utf8")).toContain(
    "GPU[1] -> Card 9\n",
  );
});

test("a node that cannot be read has the cards of its last report", async () => {
  const before = (day: ReportDay): ReportCard => card(0, day, { number: 1 });
  const other = (day: ReportDay): ReportCard => card(1, day, { number: 9 });
  await make(giving(before, other), { day: dayOf("2025-07-28") });
  await make(() => Promise.reject(new Error("away")), { day: dayOf("2025-07-30") });
  for (const read of [() => Promise.reject(new Error("away")), giving()]) {
    const [outcome] = await make(read);
    expect([outcome?.state, outcome?.expected]).toEqual(["failed", 288]);
    expect(readFileSync(join(folder, "gpu0", "2025-08-01", "summary_2025-08-01.txt"), "utf8")).toContain(
      "GPU[0] -> Card 1\nGPU[1] -> Card 9\n",
    );
  }
});

test("tasks are asked for once, with the cards of all nodes by index, and their users are in the files", async () => {
  const task = (index: number, user: string): GpuTask => ({
    ...{ user, uuid: `GPU-${index}`, id: index, index, model: "", memory: "0", type: "", project: "", image: "" },
    ...{ start: "", end: "", seconds: 1 },
  });
  const asked: unknown[] = [];
  const heard: unknown[] = [];
  await make(
    giving(
      (day) => card(0, day, { number: 1 }),
      (day) => card(2, day, { number: 17 }),
    ),
    {
      nodes: nodes(2),
      tasks: {
        async read(day, cardsOf) {
          asked.push([day.date, cardsOf("gpu0"), cardsOf("gpu9")]);
          return { tasks: new Map([["gpu1", [task(2, "amy")]]]), issues: ["late"] };
        },
      },
      onTasks: ({ issues }) => heard.push(issues),
    },
  );
  expect([asked, heard]).toEqual([[["2025-08-01", [1, -1, 17], []]], [["late"]]]);
  expect([average("gpu0").includes("amy"), average("gpu1").includes("GPU[2],50.00,25.00,amy")]).toEqual([false, true]);
});

test("rows of intervals that have just ended may be missing", async () => {
  const day = dayOf("2025-08-01");
  const until = (minutes: number): ReadNode =>
    giving(() => ({
      index: 0,
      card: 0,
      rows: expectedRows(day, day.from + 60 * minutes).map((at) => ({ at, gpu: 1, vram: 1 })),
    }));
  now = 1000 * (day.from + 3600) + 59_000;
  expect(await make(until(50))).toMatchObject([{ state: "complete", rows: 5, expected: 5 }]);
  now += 1000;
  const [outcome] = await make(until(50));
  expect(outcome).toMatchObject({ state: "partial", rows: 5, expected: 6 });
  expect(issuesOf(outcome)).toEqual(["1 of 6 rows are missing: GPU[0]"]);
  // A source may have a row of the interval that runs.
  expect(await make(until(70))).toMatchObject([{ state: "complete", rows: 6, expected: 6 }]);
  now = 1000 * day.from + 300_000;
  expect(await make(until(0))).toMatchObject([{ state: "complete", rows: 0, expected: 0, issues: [] }]);
});

test.each<[string, ReadNode, string[]]>([
  [
    "missing rows",
    giving(
      (day) => card(0, day),
      (day) => card(1, day, { number: 9, left: 6 }),
      (day) => card(2, day, { left: 144 }),
    ),
    [
      "150 of 432 rows are missing: GPU[1] (card 9), GPU[2]",
      "no data of cards that the report of 2025-07-31 has: GPU[1], GPU[2]",
    ],
  ],
  [
    "values below 0 and above 100",
    giving(
      (day) => card(0, day, { gpu: -0.01 }),
      (day) => card(1, day, { gpu: 100.01 }),
      (day) => card(2, day),
    ),
    ["288 rows have a value below 0 % or above 100 %: GPU[0], GPU[1]"],
  ],
  [
    "cards that are gone",
    giving((day) => card(0, day)),
    ["no data of cards that the report of 2025-07-31 has: GPU[1], GPU[2]"],
  ],
  [
    "values of 0 and 100",
    giving(
      (day) => card(0, day, { gpu: 0 }),
      (day) => card(1, day, { gpu: 100 }),
      (day) => card(2, day),
    ),
    [],
  ],
])("checks find %s", async (_, read, issues) => {
  await make(
    giving(
      (day) => card(0, day),
      (day) => card(1, day),
      (day) => card(2, day),
    ),
    { day: dayOf("2025-07-31") },
  );
  const [outcome] = await make(read);
  expect(issuesOf(outcome)).toEqual(issues);
});

test("cards are looked for in the newest report before the day that has data", async () => {
  await make(
    giving(
      (day) => card(0, day),
      (day) => card(5, day),
    ),
    { day: dayOf("2025-07-29") },
  );
  await make(
    giving(
      (day) => card(0, day),
      (day) => card(1, day),
    ),
    { day: dayOf("2025-07-30") },
  );
  await make(
    giving((day) => card(0, day, { left: 144 })),
    { day: dayOf("2025-07-31") },
  );
  await make(
    giving(
      (day) => card(0, day),
      (day) => card(7, day),
    ),
    { day: dayOf("2025-08-02") },
  );
  const [outcome] = await make(giving((day) => card(0, day)));
  expect(issuesOf(outcome)).toEqual(["no data of cards that the report of 2025-07-30 has: GPU[1]"]);
  // A node without any data is missing as a whole.
  const [none] = await make(
    giving((day) => card(0, day, { left: 144 })),
    { day: dayOf("2025-08-03") },
  );
  expect(issuesOf(none)).toEqual([]);
});

test("users are on one card at the same time only if their tasks overlap, and are counted, not named", async () => {
  const day = dayOf("2025-08-01");
  const run = async (...tasks: [user: string, index: number | undefined, start: string, end: string][]) => {
    const held = tasks.map(
      ([user, index, start, end], i): GpuTask => ({
        ...{ user, uuid: `GPU-${i}`, id: i, index, model: "", memory: "0", type: "", project: "", image: "" },
        ...{ start: start && `2025-08-01 ${start}`, end: end && `2025-08-01 ${end}`, seconds: 1 },
      }),
    );
    const [outcome] = await make(whole, {
      day,
      tasks: { read: async () => ({ tasks: new Map([["gpu0", held]]), issues: [] }) },
    });
    return issuesOf(outcome);
  };
  expect(await run(["amy", 0, "08:00", "09:00"], ["bob", 0, "09:00", "10:00"], ["bob", 1, "08:00", ""])).toEqual([]);
  expect(await run(["amy", 0, "08:00", ""], ["amy", 0, "08:00", ""], ["bob", undefined, "08:00", ""])).toEqual([]);
  expect(await run(["amy", 1, "08:00", "09:00"], ["bob", 1, "08:59", ""], ["eve", 1, "", "08:30"])).toEqual([
    "tasks of 2 users at the same time on one card: GPU[1]",
  ]);
  expect(await run(["amy", 1, "08:00", ""], ["bob", 1, "08:59", ""], ["eve", 1, "09:00", ""])).toEqual([
    "tasks of 3 users at the same time on one card: GPU[1]",
  ]);
});

test("a node whose files cannot be written has failed, and says why; the others are written", async () => {
  writeFileSync(join(folder, "gpu1"), "a file, not a folder");
  const outcomes = await make(whole, { nodes: nodes(3) });
  expect(outcomes.map(({ state, failure, written }) => [state, failure, written])).toEqual([
    ["complete", undefined, true],
    ["failed", "folder", false],
    ["complete", undefined, true],
  ]);
  expect(issuesOf(outcomes[1])[0]).toMatch(/^files cannot be written to /);
});

test("a report with less than the files that are there leaves them", async () => {
  await make(whole);
  const before = average("gpu0");
  const [outcome] = await make(
    giving(
      (day) => card(0, day, { left: 1, gpu: 1 }),
      (day) => card(1, day),
    ),
  );
  expect([outcome?.written, average("gpu0")]).toEqual([false, before]);
});

test("a source that is away leaves a report that is there as it was, also the time of its folder", async () => {
  await make(giving((day) => card(0, day, { left: 6 })));
  const path = join(folder, "gpu0", "2025-08-01");
  const evening = 1000 * dayOf("2025-08-01").from;
  utimesSync(path, evening / 1000, evening / 1000);
  const [outcome] = await make(() => Promise.reject(new Error("away")));
  expect([outcome?.failure, outcome?.state, outcome?.rows, outcome?.written, statSync(path).mtimeMs]).toEqual([
    ...["source", "partial", 138, false, evening],
  ]);
});

test("without data, no files are made of a day that is made up", async () => {
  mkdirSync(join(folder, "gpu1"));
  const days: string[] = [];
  const tasks: TaskReader = { read: async ({ date }) => ({ issues: [], tasks: new Map(), days: days.push(date) }) };
  const empty = giving((day) => card(0, day, { left: 144 }));
  const [outcome] = await make(empty, { skipEmpty: true, tasks });
  expect([outcome?.state, outcome?.written, readdirSync(folder)]).toEqual(["failed", false, ["gpu1"]]);
  // Nor is the task API asked who had its cards.
  expect(days).toEqual([]);
  await make(empty, { tasks });
  expect(days).toEqual(["2025-08-01"]);
});

test("an end of the program ends it: nothing is written", async () => {
  const making = make(() => new Promise<never>(() => {}), { nodes: nodes(20) });
  const failed = expect(making).rejects.toMatchObject({ code: "canceled" });
  for (let turns = 0; timers.length < 8 && turns < 10_000; turns++) await new Promise((done) => setImmediate(done));
  abort.abort();
  await failed;
  expect([readdirSync(folder), timers]).toEqual([[], []]);
});

test("progress counts nodes that were read, then those that were written", async () => {
  const steps: string[] = [];
  await make(whole, {
    nodes: nodes(2),
    onRead: (done, total) => steps.push(`read ${done}/${total}`),
    onNode: ({ node }, done, total) => steps.push(`${node} ${done}/${total}`),
  });
  expect(steps.slice(0, 2)).toEqual(["read 1/2", "read 2/2"]);
  expect(steps.slice(2).map((step) => step.slice(-3))).toEqual(["1/2", "2/2"]);
});
