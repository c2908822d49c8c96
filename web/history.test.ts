import { expect, test, vi } from "vitest";
import { packSeries, packSpan } from "../proto/history.ts";
import { type Answer, align, ask, extend, newest, type Series } from "./history.ts";

const series = (id: string, ...points: readonly (readonly [number, number])[]): Series => ({
  id,
  t: Float64Array.from(points, ([at]) => at),
  min: Float64Array.from(points, ([, value]) => value - 1),
  avg: Float64Array.from(points, ([, value]) => value),
  max: Float64Array.from(points, ([, value]) => value + 1),
});
const answer = (from: number, to: number, ...all: Series[]): Answer => ({
  ...{ from, to, step: 0 },
  series: new Map(all.map((one) => [one.id, one])),
});

test("series share one axis of times; where one was not measured it has a gap", () => {
  const table = align([series("a", [1000, 5], [2000, 6]), series("b", [2000, 7])], 2500);
  expect(table).toEqual([
    [1, 2],
    [5, 6],
    [4, 5],
    [6, 7],
    [null, 7],
    [null, 6],
    [null, 8],
  ]);
});

test("a silence longer than expected breaks the line", () => {
  const [times, line] = align([series("a", [0, 1], [1000, 2], [9000, 3])], 2500);
  expect(times).toEqual([0, 1, 2.25, 9]);
  expect(line).toEqual([1, 2, null, 3]);
});

test("a series that is not there is a gap all along, and the factor applies to every column", () => {
  const table = align([undefined, series("p", [1000, 3000])], 2500, 0.001);
  expect(table).toEqual([[1], [null], [null], [null], [3], [2.999], [3.001]]);
});

test("nothing at all gives a table without rows", () => {
  expect(align([], 1000)).toEqual([[]]);
  expect(align([series("a")], 1000)).toEqual([[], [], [], []]);
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
  expect(newest(answer(0, 1, series("a", [5, 1]), series("b", [3, 1]), series("c")))).toBe(5);
  expect(newest(answer(0, 1))).toBeUndefined();
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
    return new Response(Buffer.concat([packSpan({ from: 5, to: 9, step: 0 }), packed]));
  });
  const question = { host: "h", metrics: ["gpu_power", "load1"], keys: ["GPU-1", "e&h"], from: 0.5, to: 9.5 };
  const { signal } = new AbortController();
  const got = await ask({ ...question, step: 0 }, signal);
  await ask({ ...question, step: undefined }, signal);
  vi.unstubAllGlobals();
  const words = "api/history?host=h&metric=gpu_power%2Cload1&from=0&to=10";
  expect(asked).toEqual([
    `${words}&step=0&key=GPU-1&key=e%26h application/x-protobuf`,
    `${words}&most=500&key=GPU-1&key=e%26h application/x-protobuf`,
  ]);
  expect([...(got.series.get("gpu GPU-1 gpu_power")?.avg ?? [])]).toEqual([1.5, 2]);
});
