// Reports of days whose files are there already: what a source that has less, or none, and the task API change in them.
import {
  existsSync,
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
import { Fault } from "../fault.ts";
import { textOf } from "../sentence.ts";
import { expectedRows, reportDay } from "./day.ts";
import { type MakeOptions, makeReports } from "./make.ts";
import type { GpuTask, ReadNode, ReportCard, ReportDay, TaskReader } from "./report.ts";

const day = reportDay(new Zone("UTC"), "2025-08-01") as ReportDay;
const evening = day.to - 900;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-kept-"));
  path = join(folder, "gpu1", day.date);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A source of two cards, 1 and 9, with so many rows of the day. */
const having =
  (count: number, gpu = 50): ReadNode =>
  async (node) => {
    const rows = expectedRows(day, day.to).slice(0, count);
    const card = (index: number): ReportCard => ({
      ...{ index, card: 1 + 8 * index },
      rows: rows.length === 0 ? undefined : rows.map((at) => ({ at, gpu, vram: 25 })),
    });
    return { node, day, cards: [card(0), card(1)], issues: [] };
  };
const away: ReadNode = async () => {
  throw new Fault("source_failed", "http://127.0.0.1:1: nothing listens there");
};

const task = (user: string): GpuTask => ({
  ...{ user, uuid: "GPU-1", id: 9, index: 1, model: "MI300X", memory: "0", type: "", project: "", image: "" },
  ...{ start: "2025-08-01 08:00:00", end: "", seconds: 60 },
});
/** A task API that knows who has the card 9. */
const heldBy = (user: string): TaskReader => ({
  read: async (_day, cardsOf) => ({
    tasks: new Map([["gpu1", [{ ...task(user), index: cardsOf("gpu1").indexOf(9) }]]]),
    issues: [],
  }),
});
const unknown: TaskReader = { read: async () => ({ tasks: new Map(), issues: ["away"], isUnknown: true }) };

async function make(read: ReadNode, more: Partial<MakeOptions> = {}) {
  const [outcome] = await makeReports({
    ...{ day, read, signal: new AbortController().signal },
    clock: { now: () => 1000 * day.to + 3_600_000, after: () => () => {} },
    plan: { folder, nodes: [{ name: "gpu1", netdata: "http://127.0.0.1:1" }] },
    ...more,
  });
  return outcome;
}

const file = (name: string): string =>
  readFileSync(join(path, `${name}_${day.date}${name === "summary" ? ".txt" : ".csv"}`), "utf8");
const usersOf = (): (string | undefined)[] =>
  file("average")
    .split("\n")
    .slice(1, 3)
    .map((line) => line.split(",")[3]);
const setTime = (): void => utimesSync(path, evening, evening);
const time = (): number => statSync(path).mtimeMs / 1000;

test.each([false, true])(
  "a node that is away gets the users of a report that is there, whose folder keeps its time (made up: %s)",
  async (skipEmpty) => {
    await make(having(144), { tasks: unknown });
    const rows = file("gpu1");
    setTime();
    const outcome = await make(away, { tasks: heldBy("amy"), skipEmpty });
    expect(outcome).toMatchObject({ state: "complete", failure: "source", rows: 288, written: true });
    expect([usersOf(), file("gpu1") === rows, time()]).toEqual([["未使用", "amy"], true, evening]);
    expect(file("summary")).toContain("  GPU 9: amy\n");
    expect(readdirSync(path)).toHaveLength(4);
    // The task API, too, is away later: they stay.
    expect(await make(away, { tasks: unknown, skipEmpty })).toMatchObject({ written: false });
    expect([usersOf(), time()]).toEqual([["未使用", "amy"], evening]);
  },
);

test("its cards are those of that report, whatever the one before it has", async () => {
  await make(having(144));
  const before = join(folder, "gpu1", "2025-07-31");
  const other = reportDay(new Zone("UTC"), "2025-07-31") as ReportDay;
  const cards = [9, 1].map((card, index) => ({ index, card, rows: [{ at: other.to, gpu: 1, vram: 1 }] }));
  await make(async (node) => ({ node, day: other, cards, issues: [] }), { day: other });
  expect(existsSync(before)).toBe(true);
  await make(away, { tasks: heldBy("amy") });
  expect(usersOf()).toEqual(["未使用", "amy"]);
  expect(file("summary")).toContain("GPU[0] -> Card 1\nGPU[1] -> Card 9\n");
});

test("a source that has nothing of a day that is made up leaves the rows and the time, and users come all the same", async () => {
  await make(having(140), { tasks: unknown });
  setTime();
  const outcome = await make(having(0), { tasks: heldBy("amy"), skipEmpty: true });
  expect(outcome).toMatchObject({ state: "partial", rows: 280, expected: 288, written: true });
  expect([usersOf(), time()]).toEqual([["未使用", "amy"], evening]);
});

test("a report is complete by what is there, also with rows that a source has lost since", async () => {
  await make(having(144));
  const before = file("gpu0");
  const outcome = await make(having(72, 60));
  expect(outcome).toMatchObject({ state: "complete", rows: 288, expected: 288, issues: [], written: false });
  expect(file("gpu0")).toBe(before);
  await make(having(100), { plan: { folder, nodes: [{ name: "gpu2", netdata: "http://127.0.0.1:1" }] } });
  const thin = await make(having(72), { plan: { folder, nodes: [{ name: "gpu2", netdata: "http://127.0.0.1:1" }] } });
  expect(thin).toMatchObject({ state: "partial", rows: 200, expected: 288, written: false });
  expect(thin?.issues.map(textOf)).toEqual(["88 of 288 rows are missing: GPU[0] (card 1), GPU[1] (card 9)"]);
});

test("files of the first release get no users, and are complete if they have all rows", async () => {
  await make(having(144));
  const average = join(path, `average_${day.date}.csv`);
  writeFileSync(average, "GPU卡號,平均GPU使用率(%),平均VRAM使用率(%)\ngpu0,1.00,2.00\ngpu1,1.00,2.00\n");
  const before = file("average");
  expect(await make(away, { tasks: heldBy("amy") })).toMatchObject({ state: "complete", rows: 288, written: false });
  expect(file("average")).toBe(before);
});
