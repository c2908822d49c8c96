// The oracle of the history's property tests is itself held to examples worked out by hand.
import { expect, test } from "vitest";
import { type Aggregate, kept, type Measured, type SeriesId } from "../hub/history/store.ts";
import { Model } from "./model.ts";

const gpu = (key: string, temperature: number, index = 0): Measured => ({
  level: "gpu",
  key,
  index,
  values: kept.gpu.map(({ name }) => (name === "gpu_temperature" ? temperature : Number.NaN)),
});
const temperature = (key: string): SeriesId => ({ host: "a", level: "gpu", key, metric: "gpu_temperature" });
const of: readonly Aggregate[] = ["avg", "count", "last", "max", "min", "p95"];

test("a bucket tells mean, count, newest, greatest, least and nearest-rank p95 of the samples in the half-open range", async () => {
  const model = new Model();
  for (let i = 1; i <= 21; i++) model.append({ host: "a", at: 1000 * i, devices: [gpu("x", 100 - i)] });
  const range = { from: 2000, to: 21_000, step: 20_000 };
  // 99 is before the range and 79 at its end: 98 to 81 stand in the first bucket, 80 alone in the second.
  expect(await model.read({ series: [temperature("x"), temperature("y")], range, of, most: 5 })).toEqual([
    {
      t: Float64Array.of(0, 20_000),
      avg: Float64Array.of(89.5, 80),
      count: Float64Array.of(18, 1),
      last: Float64Array.of(81, 80),
      max: Float64Array.of(98, 80),
      min: Float64Array.of(81, 80),
      p95: Float64Array.of(98, 80),
      cut: false,
    },
    { t: new Float64Array(), cut: false, ...Object.fromEntries(of.map((name) => [name, new Float64Array()])) },
  ]);
});

test.each([
  [19, 19],
  [20, 19],
  [21, 20],
  [100, 95],
  [1, 1],
])("p95 of 1 to %d is %d", async (count, wanted) => {
  const model = new Model();
  for (let i = 1; i <= count; i++) model.append({ host: "a", at: i, devices: [gpu("x", count + 1 - i)] });
  const range = { from: 0, to: 1000, step: 1000 };
  const [column] = await model.read({ series: [temperature("x")], range, of: ["p95"], most: 1 });
  expect(column?.p95).toEqual(Float64Array.of(wanted));
});

test("of two values at one time the later one counts, absence takes nothing back, and only the newest points are given", async () => {
  const model = new Model();
  model.append({ host: "a", at: 2, devices: [gpu("x", 7)] });
  model.append({ host: "a", at: 1, devices: [gpu("x", 5)] });
  model.append({ host: "a", at: 1, devices: [gpu("x", 6)] });
  model.append({ host: "a", at: 1, devices: [gpu("x", Number.NaN)] });
  const question = { series: [temperature("x")], range: { from: 0, to: 9, step: 0 }, of: ["last"] as const };
  const [both] = await model.read({ ...question, most: 2 });
  expect(both).toEqual({ t: Float64Array.of(1, 2), last: Float64Array.of(6, 7), cut: false });
  const [newest] = await model.read({ ...question, most: 1 });
  expect(newest).toEqual({ t: Float64Array.of(2), last: Float64Array.of(7), cut: true });
});

test("a group counts every series once, with its mean", async () => {
  const model = new Model();
  for (const [at, x] of [
    [1, 10],
    [2, 20],
    [3, 30],
  ] as const)
    model.append({ host: "a", at, devices: [gpu("x", x)] });
  model.append({ host: "a", at: 2, devices: [gpu("y", 50, 1)] });
  const groups = [[temperature("x"), temperature("y"), temperature("x")], []];
  const [all, none] = await model.fold({ groups, range: { from: 0, to: 10, step: 10 } });
  expect(all).toEqual({
    t: Float64Array.of(0),
    avg: Float64Array.of(35),
    count: Float64Array.of(2),
    max: Float64Array.of(50),
    min: Float64Array.of(10),
    sum: Float64Array.of(70),
  });
  expect(none?.t.length).toBe(0);
});

test("a device is known by its newest poll, and one of which nothing was measured is not", async () => {
  const model = new Model();
  model.append({ host: "a", at: 5, devices: [gpu("x", 1, 3), gpu("y", Number.NaN, 4)] });
  model.append({ host: "a", at: 4, devices: [gpu("x", 1, 2)] });
  expect(await model.known({ host: "a" })).toEqual([
    { host: "a", level: "gpu", key: "x", index: 3, metrics: ["gpu_temperature"], last: 5 },
  ]);
  expect(await model.known({ host: "a", level: "host" })).toEqual([]);
  expect(await model.known({ level: "gpu" })).toEqual(await model.known({ host: "a" }));
  expect(await model.known({ host: "b" })).toEqual([]);
});
