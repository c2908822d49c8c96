import { expect, test } from "vitest";
import { catalog } from "../../proto/catalog.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { find, firstDay, roundStep, samples, typesOf } from "./series.ts";
import type { KnownDevice, SeriesId } from "./store.ts";

const gpu = (host: string, index: number, key: string, last = 1): KnownDevice => ({
  host,
  level: "gpu",
  key,
  index,
  metrics: ["gpu_memory_used"],
  last,
});
const known: KnownDevice[] = [
  gpu("a", 0, "GPU-old", 1),
  gpu("a", 0, "GPU-new", 9),
  gpu("a", 12, "GPU-12"),
  gpu("my_lab_node", 1, "GPU-1"),
  gpu("gone", 0, "GPU-g"),
];
const present = new Map([
  ["a", [0, 12]],
  ["a_0", [0]],
  ["my_lab_node", [1]],
  ["new", [3]],
]);

test.each([
  ["a_12", "gpumem", { host: "a", level: "gpu", key: "GPU-12", metric: "gpumem" }],
  ["a_0", "util", { host: "a", level: "gpu", key: "GPU-new" }],
  ["a_0", "load1", { host: "a_0", level: "host", key: "" }],
  ["a_0_0", "temp", { host: "a_0", level: "gpu", key: "" }],
  ["my_lab_node_1", "fan", { host: "my_lab_node", level: "gpu", key: "GPU-1" }],
  ["my_lab_node", "memory_used", { host: "my_lab_node", level: "host" }],
  ["gone_0", "gpu_power", { host: "gone", level: "gpu", key: "GPU-g" }],
  ["new_3", "util", { host: "new", level: "gpu", key: "" }],
])("%s with type %s is found", (id, type, wanted) => {
  expect(find({ id, type }, known, present)).toMatchObject(wanted);
});

test.each([
  ["stranger_0", "util", "host_unknown", /my_lab_node/],
  ["stranger", "load1", "host_unknown", /ids are <server>_<gpu id> and <server>/],
  ["", "util", "host_unknown", /There is no ""/],
  ["a_7", "util", "device_unknown", /its GPUs are a_0, a_12$/],
  ["a_12", "colour", "metric_unknown", /gpumem, util, temp, fan, gpu_memory_used/],
  ["a", "util", "metric_unknown", /of a host cpu_utilization/],
  ["a", "", "metric_unknown", /of a host/],
  ["a", "cpu_cores", "metric_unknown", /of a host/],
])("%s with type %s is refused as %s", (id, type, code, words) => {
  const refused = expect(() => find({ id, type }, known, present));
  refused.toThrow(expect.objectContaining({ code }));
  refused.toThrow(words);
});

test("no type is both a GPU's and a host's: a name is never in doubt", () => {
  const host = new Set(typesOf("host"));
  expect(typesOf("gpu").filter((type) => host.has(type))).toEqual([]);
});

const all = { range: { from: 0, to: 1e9, step: 0 }, most: 100 };
const metric = (name: string) => catalog.find((one) => one.name === name) ?? expect.fail();

/** A model that holds what a card or the host measured at each time. */
function model(level: "gpu" | "host", polls: readonly (readonly [number, Record<string, number>])[]): Model {
  const held = new Model();
  for (const [at, values] of polls) {
    held.append({ host: "a", at, devices: [{ level, key: "k", values: valuesOf(level, values) }] });
  }
  return held;
}

test("gpumem is memory in use in ten thousandths of memory installed, cut to an integer", async () => {
  const held = model("gpu", [
    [1, { gpu_memory_used: 1, gpu_memory_total: 3 }],
    [2, { gpu_memory_used: 2 }],
    [3, { gpu_memory_used: 9, gpu_memory_total: 0 }],
    [4, { gpu_memory_total: 7 }],
    [5, { gpu_memory_used: 4, gpu_memory_total: 4 }],
  ]);
  const wanted = { host: "a", level: "gpu", key: "k", metric: "gpumem" } as const;
  const fan = { ...wanted, metric: metric("gpu_fan") };
  expect(await samples(held, [fan, wanted], all)).toEqual([
    { t: new Float64Array(), v: new Float64Array() },
    { t: Float64Array.of(1, 5), v: Float64Array.of(3333, 10_000) },
  ]);
});

test("a fraction is given in hundredths, and what no unsigned integer can hold is left out", async () => {
  const held = model("host", [
    [1, { load1: 0.125 }],
    [2, { load1: -1 }],
    [3, { load1: 1e300 }],
    [18_446_744_073_710, { load1: 1 }],
  ]);
  const wanted = { host: "a", level: "host", key: "k", metric: metric("load1") } as const;
  const range = { from: 0, to: 1e15, step: 0 };
  expect(await samples(held, [wanted], { range, most: 100 })).toEqual([
    { t: Float64Array.of(1), v: Float64Array.of(13) },
  ]);
});

test("a percentage with decimals is an integer, rounded half to even, as is the mean of a bucket", async () => {
  const values = [2.5, 3.5, 37.45, 4.51, 0];
  const held = model(
    "gpu",
    values.map((value, i) => [i, { gpu_utilization: value, gpu_memory_utilization: value }]),
  );
  const wanted = ["gpu_utilization", "gpu_memory_utilization"].map(
    (name) => ({ host: "a", level: "gpu", key: "k", metric: metric(name) }) as const,
  );
  const raw = await samples(held, wanted, all);
  expect(raw.map(({ v }) => v)).toEqual([Float64Array.of(2, 4, 37, 5, 0), Float64Array.of(2, 4, 37, 5, 0)]);
  // (2.5 + 3.5) / 2, (37.45 + 4.51) / 2, 0
  const [buckets] = await samples(held, wanted, { ...all, range: { from: 0, to: 6, step: 2 } });
  expect(buckets?.v).toEqual(Float64Array.of(3, 21, 0));
  const even = model("gpu", [
    [1, { gpu_utilization: 2 }],
    [2, { gpu_utilization: 3 }],
  ]);
  const [mean] = await samples(even, wanted.slice(0, 1), { ...all, range: { from: 0, to: 10, step: 10 } });
  expect(mean?.v).toEqual(Float64Array.of(2));
});

test("a bucket is told by its mean, and of a counter by what it had reached", async () => {
  const held = model("gpu", [
    [1, { gpu_temperature: 40, gpu_xid: 1 }],
    [2, { gpu_temperature: 45, gpu_xid: 2 }],
    [9, { gpu_temperature: 45, gpu_xid: 9 }],
    [10, { gpu_temperature: 50, gpu_xid: 9 }],
  ]);
  const card = { host: "a", level: "gpu", key: "k" } as const;
  const wanted = [metric("gpu_temperature"), metric("gpu_xid")].map((one) => ({ ...card, metric: one }));
  expect(await samples(held, wanted, { range: { from: 0, to: 20, step: 10 }, most: 100 })).toEqual([
    { t: Float64Array.of(0, 10), v: Float64Array.of(43, 50) },
    { t: Float64Array.of(0, 10), v: Float64Array.of(9, 9) },
  ]);
});

test("the first day with samples is found however far back it is", async () => {
  const day = 86_400_000;
  const held = model("gpu", [
    [3 * day + 5, { gpu_temperature: 40 }],
    [9000 * day, { gpu_temperature: 40 }],
  ]);
  const id: SeriesId = { host: "a", level: "gpu", key: "k", metric: "gpu_temperature" };
  expect(await firstDay(held, [{ ...id, key: "other" }, id], 1e15)).toBe(3 * day);
  expect(await firstDay(held, [{ ...id, key: "other" }], 1e15)).toBeUndefined();
});

test.each([
  [0.1, 1000],
  [60_000, 60_000],
  [60_001, 120_000],
  [86_400_001, 172_800_000],
])("the round step for %d ms is %d", (least, step) => {
  expect(roundStep(least)).toBe(step);
});
