import { expect, test } from "vitest";
import { catalog } from "../../proto/catalog.ts";
import { find, integers, typesOf } from "./series.ts";
import type { Columns, Known } from "./store.ts";

const gpu = (host: string, index: number, key: string, last = 1): Known => ({
  host,
  level: "gpu",
  key,
  index,
  metrics: ["gpu_memory_used"],
  last,
});
const known: Known[] = [
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

const columns = (t: number[], v: number[]): Columns => {
  const values = Float64Array.from(v);
  return { t: Float64Array.from(t), min: values, avg: values, max: values };
};
const all = { from: 0, to: 1e9, step: 0 };

test("gpumem is memory in use in ten thousandths of memory installed, cut to an integer, times in nanoseconds", () => {
  const series: Record<string, Columns> = {
    gpu_memory_used: columns([1, 2, 3, 5], [1, 2, 9, 4]),
    gpu_memory_total: columns([1, 3, 4, 5], [3, 0, 7, 4]),
  };
  const history = { read: ({ metric }: { metric: string }) => series[metric] ?? columns([], []) };
  const wanted = { host: "a", level: "gpu", key: "k", metric: "gpumem" } as const;
  expect(integers(history, wanted, all)).toEqual({ t: [1_000_000n, 5_000_000n], v: [3333n, 10_000n] });
});

test("a fraction is given in hundredths, and what no unsigned integer can hold is left out", () => {
  const metric = catalog.find(({ name }) => name === "load1") ?? expect.fail();
  const history = { read: () => columns([1, 2, 3, 4], [0.125, -1, Number.POSITIVE_INFINITY, 1e300]) };
  const wanted = { host: "a", level: "host", key: "", metric } as const;
  expect(integers(history, wanted, all)).toEqual({ t: [1_000_000n], v: [13n] });
});
