import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { type PlayedFault, PlayedNetdata, type PlayedNode } from "../../test/report/netdata.ts";
import type { Clock } from "../clock.ts";
import { textOf } from "../sentence.ts";
import { checkDay } from "./check.ts";
import { makeReports } from "./make.ts";
import { netdataReader } from "./netdata.ts";
import type { NodeDay, ReportDay, ReportNode } from "./report.ts";

const from = Date.UTC(2025, 7, 1) / 1000;
const day: ReportDay = { date: "2025-08-01", from, to: from + 86_400, zone: new Zone("UTC") };
const list = "";
const gpu = "amdgpu.gpu_utilization_unknown_AMD_GPU_card1";
const vram = "amdgpu.gpu_mem_vram_usage_perc_unknown_AMD_GPU_card1";

let netdata: PlayedNetdata;
let now: number;
/** Time limits that were set and not canceled. */
let limits: Set<() => void>;
const clock: Clock = {
  now: () => now * 1000,
  after(_ms, run) {
    limits.add(run);
    return () => limits.delete(run);
  },
};

beforeEach(async () => {
  now = day.to + 3600;
  limits = new Set();
  netdata = await PlayedNetdata.start();
  netdata.now = () => now;
});
afterEach(() => netdata.stop());

const play = (node: PlayedNode): void => void netdata.nodes.set("gpu1", node);

const read = (more: Partial<ReportNode> = {}, of: ReportDay = day, signal = new AbortController().signal) =>
  netdataReader({ clock })({ name: "gpu1", netdata: netdata.url("gpu1"), ...more }, of, signal);

const issuesOf = ({ issues }: NodeDay): string[] => issues.map(textOf);
const rowsOf = ({ cards }: NodeDay) => cards[0]?.rows;

test("a day has a row for each interval by its end, of the cards that have charts, in the order of their numbers", async () => {
  play({ cards: [57, 9, 1].map((card) => ({ card, gpu: (at) => (at - from) / 600 + card, vram: () => 45.67 })) });
  const result = await read();
  expect(result.cards.map(({ index, card }) => [index, card])).toEqual([
    [0, 1],
    [1, 9],
    [2, 57],
  ]);
  const rows = result.cards[2]?.rows;
  expect(rows).toHaveLength(144);
  expect(rows?.[0]).toMatchObject({ at: from + 600, gpu: 58, vram: 45.67 });
  expect(rows?.at(-1)).toMatchObject({ at: day.to, gpu: 201 });
  expect(issuesOf(result)).toEqual([]);
});

test("cards of a model that Netdata knows, and the map of the settings", async () => {
  const model = "AMD_Instinct_MI300X_card";
  play({ cards: [1, 9, 17].map((card) => ({ card, model, gpu: () => card })) });
  const result = await read({ cards: [17, 1, 9] });
  expect(result.cards.map(({ index, card, rows }) => [index, card, rows?.[0]?.gpu])).toEqual([
    [0, 17, 17],
    [1, 1, 1],
    [2, 9, 9],
  ]);
  expect(issuesOf(result)).toEqual([]);
});

test("numbers keep the form that the JSON had, and null is 0", async () => {
  const values = ["0", "0.0", "100", "1.23e-05", "-0", null, "12345678901234567890", "1e2"];
  play({
    cards: [
      {
        card: 1,
        gpu: (at) => (at <= from + 600 * values.length ? values[(at - from) / 600 - 1] : "7"),
        vram: () => null,
      },
    ],
  });
  const rows = rowsOf(await read())?.slice(0, values.length + 1);
  expect(rows?.map(({ gpu, gpuText }) => [gpu, gpuText])).toEqual([
    [0, "0"],
    [0, undefined],
    [100, "100"],
    [0.0000123, undefined],
    [-0, "0"],
    [0, "0"],
    [12345678901234567000, "12345678901234567890"],
    [100, undefined],
    [7, "7"],
  ]);
  expect(rows?.[0]).toMatchObject({ vram: 0, vramText: "0" });
});

test("a day that has not ended has no rows of the day before, and those up to now", async () => {
  play({ cards: [{ card: 1, gpu: () => 1.5 }] });
  now = from + 3 * 3600 + 60;
  const rows = rowsOf(await read());
  expect(netdata.requests.find(({ chart }) => chart === gpu)?.query).toMatchObject({
    ...{ after: String(from), before: String(day.to), points: "144", group: "average", format: "json" },
  });
  expect(rows?.map(({ at }) => at)).toEqual(Array.from({ length: 19 }, (_, i) => from + 600 * (i + 1)));
});

test("a Netdata that has rows of the future has them here only once they have begun", async () => {
  play({ cards: [{ card: 1 }] });
  now = from + 7200;
  const fetch: typeof globalThis.fetch = async (url, init) => {
    if (!String(url).includes("/data?")) return globalThis.fetch(url, init);
    const data = Array.from({ length: 144 }, (_, i) => [day.to - 600 * i, null]);
    return new Response(JSON.stringify({ labels: ["time", "utilization"], data }), {
      headers: { date: new Date(now * 1000).toUTCString(), "content-type": "application/json" },
    });
  };
  const reader = netdataReader({ clock, fetch });
  const result = await reader({ name: "gpu1", netdata: netdata.url("gpu1") }, day, new AbortController().signal);
  expect(rowsOf(result)).toHaveLength(12);
});

test.each([
  ["23 hours, New York in spring", "America/New_York", Date.UTC(2025, 2, 9, 5), 23],
  ["25 hours, New York in autumn", "America/New_York", Date.UTC(2025, 10, 2, 4), 25],
  ["Taipei", "Asia/Taipei", Date.UTC(2025, 7, 1) - 8 * 3_600_000, 24],
])("a day of %s has its own rows", async (_name, zone, start, hours) => {
  const begin = start / 1000;
  const other: ReportDay = { date: "2025-01-01", from: begin, to: begin + hours * 3600, zone: new Zone(zone) };
  now = other.to + 100;
  play({ cards: [{ card: 1, gpu: (at) => (at - begin) / 600 }] });
  const rows = rowsOf(await read({}, other));
  expect(rows?.map(({ gpu }) => gpu)).toEqual(Array.from({ length: hours * 6 }, (_, i) => i + 1));
});

test("a day of a zone a quarter of an hour off has all rows, which end in the middle of its intervals", async () => {
  const begin = from - (5 * 60 + 45) * 60;
  const other: ReportDay = { date: "2025-08-01", from: begin, to: begin + 86_400, zone: new Zone("Asia/Kathmandu") };
  play({ cards: [{ card: 1 }] });
  const result = await read({}, other);
  expect(rowsOf(result)?.map(({ at }) => at)).toEqual(Array.from({ length: 144 }, (_, i) => begin + 300 + 600 * i));
  expect(checkDay(result, other.to, undefined)).toMatchObject({ rows: 144, expected: 144, issues: [] });
});

test("a card without one of its charts, or with nothing of that day, has no rows, and the others have theirs", async () => {
  play({ cards: [{ card: 1, vram: false }, { card: 2 }, { card: 3 }] });
  const one = await read({ cards: [1, 2, 4] });
  expect(one.cards.map(({ rows }) => rows?.length)).toEqual([undefined, 144, undefined]);
  expect(issuesOf(one)).toEqual([
    "its Netdata has no charts of GPU[2] (card 4)",
    "its Netdata has charts of cards that the settings do not name: card 3",
    expect.stringMatching(/^no rows of GPU\[0\] \(card 1\), GPU\[2\] \(card 4\): .*no such chart/),
  ]);
  play({ cards: [{ card: 1 }], since: day.to + 1200 });
  expect(rowsOf(await read())).toBe(undefined);
});

test("a VRAM value that is missing at a time is 0, and an answer without rows is a file without rows", async () => {
  const at = from + 1200;
  play({ cards: [{ card: 1, gpu: () => 1.5, vram: (time) => (time === at ? undefined : 2.5) }] });
  const result = await read();
  expect(rowsOf(result)?.[1]).toEqual({ at, gpu: 1.5, gpuText: undefined, vram: 0, vramText: "0" });
  expect(issuesOf(result)).toEqual(["1 rows have no value of VRAM, which counts as 0: GPU[0] (card 1)"]);
  play({ cards: [{ card: 1 }], fault: (chart) => (chart === list ? undefined : "empty") });
  expect(rowsOf(await read())).toEqual([]);
});

test("rows without samples count as 0, and the report says how many", async () => {
  play({
    cards: [
      { card: 0, gpu: () => 50 },
      { card: 1, gpu: () => 50 },
    ],
    since: from + 43_201,
  });
  const result = await read();
  expect(rowsOf(result)?.filter(({ gpu }) => gpu === 0)).toHaveLength(72);
  expect(issuesOf(result)).toEqual(["144 rows have no value, and count as 0: GPU[0], GPU[1]"]);
});

test("a Netdata with samples of another interval gives rows of another, and the report says so", async () => {
  play({ cards: [{ card: 1, gpu: () => 1 }], everySec: 7 });
  const result = await read();
  const [first, second] = rowsOf(result) ?? [];
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBe(602);
  expect(issuesOf(result)).toEqual(["its rows are 602 s apart, and not 600 s: GPU[0] (card 1)"]);
});

test("a clock that is minutes off is an issue, and one that is seconds off is none", async () => {
  play({ cards: [{ card: 1 }], aheadSec: 300 });
  expect(issuesOf(await read())).toEqual(["its clock is 5 min ahead of this one"]);
  play({ cards: [{ card: 1 }], aheadSec: -30 });
  expect(issuesOf(await read())).toEqual([]);
});

test("an answer that takes minutes is no error of a clock", async () => {
  play({ cards: [{ card: 1 }] });
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const answer = await globalThis.fetch(url, init);
    if (!String(url).includes("/data?")) now += 90;
    return answer;
  };
  const node = { name: "gpu1", netdata: netdata.url("gpu1") };
  expect(issuesOf(await netdataReader({ clock, fetch })(node, day, new AbortController().signal))).toEqual([]);
});

test("a page with status 404 is none of Netdata's, and the report says so", async () => {
  play({ cards: [{ card: 1 }] });
  const fetch: typeof globalThis.fetch = async () =>
    new Response("<html></html>", { status: 404, headers: { "content-type": "text/html" } });
  const node = { name: "gpu1", netdata: netdata.url("gpu1") };
  await expect(netdataReader({ clock, fetch })(node, day, new AbortController().signal)).rejects.toThrow(
    "it answers with status 404",
  );
});

test("charts that were renamed during the day are one card's", async () => {
  const half = from + 43_200;
  const old = { card: 1, gpu: (at: number) => (at <= half ? 10 : null) };
  const renamed = { card: 1, model: "AMD_Instinct_MI300X", gpu: (at: number) => (at > half ? 20 : null) };
  play({ cards: [old, renamed] });
  const rows = rowsOf(await read());
  expect([rows?.length, rows?.[0]?.gpu, rows?.[143]?.gpu]).toEqual([144, 10, 20]);
});

test.each<[PlayedFault, RegExp]>([
  ["html", /answers with a page \(HTML\) and not with JSON/],
  ["half", /not whole/],
  ["cut", /connection was cut|answer was cut off/],
  ["down", /connection was cut/],
  ["array", /its answer has no list "data"/],
  ["nan", /not valid JSON/],
  ["redirect", /redirects to .*settings must have the address itself/],
  ["refused", /answers with status 401/],
  ["error", /answers with status 500/],
  ["endless", /an answer of more than 0\.25 MiB/],
])("one chart with the fault %s leaves its card without rows, and the others whole", async (fault, why) => {
  play({ cards: [{ card: 1 }, { card: 9 }], fault: (chart) => (chart === gpu ? fault : undefined) });
  const result = await read();
  expect(result.cards.map(({ rows }) => rows?.length)).toEqual([undefined, 144]);
  const [sentence, ...others] = issuesOf(result);
  expect(sentence).toMatch(/^no rows of GPU\[0\] \(card 1\): /);
  expect(sentence).toMatch(why);
  expect(others).toEqual([]);
});

test.each<[PlayedFault, RegExp]>([
  ["types", /^144 rows cannot be read/],
  ["time", /^144 rows cannot be read/],
])("rows that cannot be read by the fault %s are left out", async (fault, why) => {
  play({ cards: [{ card: 1 }], fault: (chart) => (chart === gpu ? fault : undefined) });
  const result = await read();
  expect(rowsOf(result)).toEqual([]);
  expect(issuesOf(result)).toEqual([expect.stringMatching(why)]);
});

test("answers without labels, or with several dimensions, are read by their first value", async () => {
  play({
    cards: [{ card: 1, gpu: () => 12.5 }],
    fault: (chart) => (chart === vram ? "dimensions" : chart === gpu ? "labels" : undefined),
  });
  expect(rowsOf(await read())?.[0]).toMatchObject({ gpu: 12.5, vram: 1 });
});

test.each<[PlayedFault, RegExp]>([
  ["html", /page \(HTML\)/],
  ["half", /list of charts is not whole/],
  ["array", /list of charts is not whole/],
  ["redirect", /redirects/],
  ["endless", /list of charts has more than 32 MiB/],
])("a list of charts with the fault %s is no reason not to read the cards of the settings", async (fault, why) => {
  play({ cards: [{ card: 1, gpu: () => 3 }], fault: (chart) => (chart === list ? fault : undefined) });
  await expect(read()).rejects.toMatchObject({ code: "source_failed", message: expect.stringMatching(why) });
  const result = await read({ cards: [1] });
  expect(rowsOf(result)?.[0]?.gpu).toBe(3);
  expect(issuesOf(result)).toEqual([expect.stringMatching(/^its charts cannot be listed/)]);
});

test("a node that is down, or without AMD GPUs, is a fault that names it", async () => {
  play({ cards: [], others: 20 });
  await expect(read()).rejects.toMatchObject({
    code: "source_failed",
    message: expect.stringMatching(/no charts of AMD GPUs/),
  });
  await netdata.stop();
  await expect(read({ cards: [1] })).rejects.toMatchObject({
    code: "source_failed",
    message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/host\/gpu1: nothing listens there/),
  });
});

test.each<PlayedFault>(["hang", "drip"])(
  "a node with the fault %s is given up when its time is over",
  async (fault) => {
    play({ cards: [{ card: 1 }], fault });
    const reading = read({ cards: [1] });
    await expect.poll(() => netdata.requests.length).toBe(1);
    for (const end of limits) end();
    await expect(reading).rejects.toMatchObject({ code: "source_failed" });
    expect(limits.size).toBe(0);
  },
);

test("what a node has answered when its time is over is in its report", async () => {
  const slow = "amdgpu.gpu_utilization_unknown_AMD_GPU_card9";
  play({ cards: [{ card: 1 }, { card: 9 }], fault: (chart) => (chart === slow ? "hang" : undefined) });
  const timers = new Map<() => void, number>();
  const own: Clock = {
    now: clock.now,
    after(ms, run) {
      timers.set(run, ms);
      return () => timers.delete(run);
    },
  };
  const folder = mkdtempSync(join(tmpdir(), "gohm-slow-"));
  try {
    const making = makeReports({
      ...{ day, clock: own, read: netdataReader({ clock: own }), signal: new AbortController().signal },
      plan: { folder, nodes: [{ name: "gpu1", netdata: netdata.url("gpu1") }] },
    });
    await expect.poll(() => netdata.requests.some(({ chart }) => chart === slow)).toBe(true);
    await expect.poll(() => timers.size).toBe(3);
    // The limit of the node that ends first.
    const [first] = [...timers].filter(([, ms]) => ms > 60_000).sort(([, a], [, b]) => a - b);
    first?.[0]();
    expect(await making).toMatchObject([{ state: "partial", rows: 144, expected: 288, written: true }]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a report that is canceled ends at once", async () => {
  play({ cards: [{ card: 1 }], fault: "hang" });
  const canceling = new AbortController();
  const reading = read({}, day, canceling.signal);
  await expect.poll(() => netdata.requests.length).toBe(1);
  canceling.abort();
  await expect(reading).rejects.toMatchObject({ code: expect.stringMatching(/source_failed|canceled/) });
  expect(limits.size).toBe(0);
});

test("a node is asked for four charts at a time at most", async () => {
  play({ cards: Array.from({ length: 16 }, (_, card) => ({ card })) });
  await read();
  expect(netdata.most).toBeLessThanOrEqual(4);
});
