import { expect, test, vi } from "vitest";
import { packSeries, packSpan } from "../proto/history.ts";
import { align, type ChartData, type ChartSeries, extend, fetchChart, gaps, newestSample } from "./history.ts";

const series = (id: string, ...points: readonly (readonly [number, number])[]): ChartSeries => ({
  id,
  t: Float64Array.from(points, ([at]) => at),
  min: Float64Array.from(points, ([, value]) => value - 1),
  avg: Float64Array.from(points, ([, value]) => value),
  max: Float64Array.from(points, ([, value]) => value + 1),
});
const answer = (from: number, to: number, ...all: ChartSeries[]): ChartData => ({
  ...{ from, to, step: 0 },
  series: new Map(all.map((one) => [one.id, one])),
});

const pace = { step: 0, interval: 1000 };
const above = (one: ChartSeries | undefined, factor = 1) => ({ series: one, factor });
const every = (spacing: number, from: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => from + i * spacing);
const gapsOf = (times: readonly number[], step = 0): number[] =>
  gaps(Float64Array.from(times), { step, interval: 5000 }).map(({ after }) => times[after] ?? -1);

test("series share one axis of times; a line goes on over what was measured of others only", () => {
  const table = align(
    [above(series("a", [1000, 5], [2000, 6], [3000, 6])), above(series("b", [1000, 7], [3000, 8]))],
    pace,
  );
  expect(table).toEqual([
    [1, 2, 3],
    [5, 6, 6],
    [4, 5, 5],
    [6, 7, 7],
    [7, undefined, 8],
    [6, undefined, 7],
    [8, undefined, 9],
  ]);
});

test("a silence longer than expected breaks the line", () => {
  const [times, line] = align([above(series("a", [0, 1], [1000, 2], [9000, 3]))], pace);
  expect(times).toEqual([0, 1, 2.25, 9]);
  expect(line).toEqual([1, 2, null, 3]);
});

test("the silence of one series breaks its line also where others were measured", () => {
  const long = series("a", ...every(1000, 0, 12).map((at): [number, number] => [at, 1]));
  const short = series("b", ...[0, 1000, 2000, 9000, 10_000].map((at): [number, number] => [at, 2]));
  const [times, one, , , other] = align([above(long), above(short)], pace);
  expect(one).not.toContain(null);
  expect(times.filter((_, i) => other?.[i] === null)).toEqual([3, 3.25, 4, 5, 6, 7, 8]);
});

test("a series that is not there is empty all along, and the factor applies to every column", () => {
  const table = align([above(undefined), above(series("p", [1000, 3000]), 0.001)], pace);
  expect(table).toEqual([[1], [undefined], [undefined], [undefined], [3], [2.999], [3.001]]);
});

test("below the axis the least and the greatest change places", () => {
  expect(align([above(series("out", [1000, 3]), -1)], pace)).toEqual([[1], [-3], [-4], [-2]]);
});

test("what was not measured of a sample is null, never 0", () => {
  const one = series("a", [1000, 1], [2000, Number.NaN], [3000, 3]);
  expect(align([above(one)], pace)[1]).toEqual([1, null, 3]);
});

test("nothing at all gives a table without rows", () => {
  expect(align([], pace)).toEqual([[]]);
  expect(align([above(series("a"))], pace)).toEqual([[], [], [], []]);
});

test.each([
  ["one sample a minute, while polls are now every 5 s", every(60_000, 0, 25), []],
  ["every second or third poll", [0, 5, 10, 20, 35, 45, 50, 65, 70, 80, 95].map((s) => s * 1000), []],
  ["a minute apart, then 5 s apart", [...every(60_000, 0, 10), ...every(5000, 545_000, 10)], []],
  ["5 s apart with an outage of a minute", [...every(5000, 0, 10), ...every(5000, 105_000, 10)], [45_000]],
  [
    "outages one after the other",
    [...every(1000, 0, 3), ...every(1000, 60_000, 3), ...every(1000, 120_000, 3)],
    [2000, 62_000],
  ],
  ["one poll missed", [0, 5, 10, 20, 25].map((s) => s * 1000), []],
  ["two samples far apart", [0, 60_000], [0]],
  ["a lone sample before the next begins", [...every(60_000, 0, 5), 1_000_000, 1_500_000], [240_000, 1_000_000]],
  ["three samples", every(60_000, 0, 3), []],
  ["one sample", [5], []],
])("the line breaks by the spacing of the samples themselves: %s", (_, times, gaps) => {
  expect(gapsOf(times)).toEqual(gaps);
});

test.each([
  ["one bucket is empty", [0, 60_000, 120_000, 240_000, 300_000], [120_000]],
  ["samples are rarer than buckets", [0, 60_000, 180_000, 240_000, 360_000, 480_000, 540_000, 660_000], []],
])("among buckets: %s", (_, times, gaps) => {
  expect(gapsOf(times, 60_000)).toEqual(gaps);
});

test("what came later replaces the end of what is held, and what is too old falls out", () => {
  const held = answer(0, 3000, series("a", [0, 1], [1000, 2], [2000, 3]), series("gone", [1000, 1]));
  const tail = answer(2000, 4000, series("a", [2000, 30], [3000, 40]), series("new", [3000, 5]));
  const made = extend(held, tail, 500);
  expect(made).toEqual(answer(500, 4000, series("a", [1000, 2], [2000, 30], [3000, 40]), series("new", [3000, 5])));
});

test("an empty tail takes nothing away but what is too old", () => {
  const held = answer(0, 3000, series("a", [0, 1], [1000, 2]));
  expect(extend(held, answer(2000, 4000, series("a")), 500)).toEqual(answer(500, 4000, series("a", [1000, 2])));
  // Everything that is held is too old.
  expect(extend(held, answer(9000, 9500, series("a")), 9000)).toEqual(answer(9000, 9500, series("a")));
});

test("the tail is asked for from the newest poll: a card that fell out long ago does not make it long", () => {
  expect(newestSample(answer(0, 1, series("a", [5, 1]), series("b", [3, 1]), series("c")))).toBe(5);
  expect(newestSample(answer(0, 1))).toBeUndefined();
});

test("one request asks for all devices, and its answer is read by what each series is of", async () => {
  const packed = packSeries({
    ...{ host: "h", level: "gpu", key: "GPU-1", metric: "gpu_power", unit: "milliwatts", cut: false },
    t: Float64Array.of(1000, 2000),
    columns: { min: Float64Array.of(1, 2), avg: Float64Array.of(1.5, 2), max: Float64Array.of(2, 2) },
  });
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string, init: { headers: Record<string, string> }) => {
    asked.push(`${url} ${init.headers.Accept}`);
    const headers = { "Content-Type": "application/x-protobuf" };
    return new Response(Buffer.concat([packSpan({ from: 5, to: 9, step: 0 }), packed]), { headers });
  });
  const question = { host: "h", metrics: ["gpu_power", "load1"], keys: ["GPU-1", "e&h"], from: 0.5, to: 9.5 };
  const { signal } = new AbortController();
  const got = await fetchChart({ ...question, step: 0 }, signal);
  await fetchChart({ ...question, step: undefined }, signal);
  vi.unstubAllGlobals();
  const words = "api/history?host=h&metric=gpu_power%2Cload1&from=0&to=10";
  expect(asked).toEqual([
    `${words}&step=0&key=GPU-1&key=e%26h application/x-protobuf`,
    `${words}&most=500&key=GPU-1&key=e%26h application/x-protobuf`,
  ]);
  expect([...(got.series.get("gpu GPU-1 gpu_power")?.avg ?? [])]).toEqual([1.5, 2]);
});

test("many devices are asked for in several requests, all with the step that the hub chose for the first", async () => {
  const asked: URLSearchParams[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    const words = new URLSearchParams(url.slice(url.indexOf("?")));
    asked.push(words);
    const series = words.getAll("key").map((key) =>
      packSeries({
        ...{ host: "h", level: "gpu", key, metric: "gpu_power", unit: "milliwatts", cut: false },
        t: Float64Array.of(1000),
        columns: { avg: Float64Array.of(1) },
      }),
    );
    const headers = { "Content-Type": "application/x-protobuf" };
    const body = Buffer.concat([packSpan({ from: 600, to: 1200, step: asked.length * 60 }), ...series]);
    return new Response(body, { headers });
  });
  const keys = Array.from({ length: 70 }, (_, i) => `GPU-${i}`);
  const question = { host: "h", metrics: ["gpu_power"], keys, from: 0, to: 1200, step: undefined };
  const got = await fetchChart(question, new AbortController().signal);
  vi.unstubAllGlobals();
  expect(asked.map((words) => words.getAll("key").length)).toEqual([32, 32, 6]);
  expect(asked.map((words) => [words.get("from"), words.get("step")])).toEqual([
    ["0", null],
    ["600", "60"],
    ["600", "60"],
  ]);
  expect(got.step).toBe(60);
  expect([...got.series.keys()]).toEqual(keys.map((key) => `gpu ${key} gpu_power`));
});
