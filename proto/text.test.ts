import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readExposition } from "../test/exposition.ts";
import { catalog } from "./catalog.ts";
import { GPUInfoSchema } from "./gen/host_pb.js";
import { Kind } from "./gen/metric_pb.js";
import { exposition, type Format, histogramSamples, labels, type MetricFamily, scaled, withLabels } from "./text.ts";

const formats: readonly Format[] = ["text", "openmetrics"];
const gauge = (name: string, ...samples: MetricFamily["samples"]): MetricFamily => ({
  name,
  help: "h",
  kind: Kind.GAUGE,
  samples,
});
const one = { labels: "", value: 1 };

test("HELP and TYPE come once, before the samples", () => {
  const samples = [
    { labels: labels({ node: "a" }), value: 1.5 },
    { labels: labels({ node: "b" }), value: 2 },
  ];
  expect(exposition([gauge("hw_load1", ...samples)], { format: "text" })).toBe(
    '# HELP hw_load1 h\n# TYPE hw_load1 gauge\nhw_load1{node="a"} 1.5\nhw_load1{node="b"} 2\n',
  );
});

test("OpenMetrics names the unit and ends with EOF", () => {
  expect(exposition([gauge("hw_swap_used_bytes", one)], { format: "openmetrics" })).toBe(
    "# HELP hw_swap_used_bytes h\n# TYPE hw_swap_used_bytes gauge\n# UNIT hw_swap_used_bytes bytes\nhw_swap_used_bytes 1\n# EOF\n",
  );
});

test("a counter's family loses _total in OpenMetrics, its samples keep it in both", () => {
  const family: MetricFamily = { name: "hw_gpu_xid_total", help: "h", kind: Kind.COUNTER, samples: [one] };
  expect(readExposition(exposition([family], { format: "text" }), "text")).toMatchObject([
    { name: "hw_gpu_xid_total", type: "counter", samples: [{ name: "hw_gpu_xid_total" }] },
  ]);
  expect(readExposition(exposition([family], { format: "openmetrics" }), "openmetrics")).toMatchObject([
    { name: "hw_gpu_xid", type: "counter", samples: [{ name: "hw_gpu_xid_total" }] },
  ]);
});

test.each([
  ["hw_node_uptime_seconds", Kind.COUNTER, "untyped", "counter", "unknown"],
  ["hw_gpu_count", Kind.GAUGE, "untyped", "gauge", "gauge"],
  ["hw_gpu_xid_total", Kind.COUNTER, "counter", "counter", "counter"],
  ["hw_cpu_cores", Kind.GAUGE, "gauge", "gauge", "gauge"],
])("%s keeps its name in every form", (name, kind, plain, typed, open) => {
  const family: MetricFamily = { name, help: "h", kind, samples: [one] };
  const type = (text: string, format: Format) => {
    const [read] = readExposition(text, format);
    expect(read?.samples[0]?.name).toBe(name);
    return read?.type;
  };
  expect(type(exposition([family], { format: "text" }), "text")).toBe(plain);
  expect(type(exposition([family], { format: "text", typed: true }), "text")).toBe(typed);
  expect(type(exposition([family], { format: "openmetrics" }), "openmetrics")).toBe(open);
});

test("NaN is left out, and so is a family without samples", () => {
  const families = [gauge("a", { labels: "", value: Number.NaN }), gauge("b"), gauge("c", one)];
  expect(readExposition(exposition(families, { format: "text" }), "text").map(({ name }) => name)).toEqual(["c"]);
  expect(exposition([], { format: "text" })).toBe("");
});

test("a second sample with the same labels is left out", () => {
  const text = exposition([gauge("a", one, { labels: "", value: 2 })], { format: "text" });
  expect(readExposition(text, "text")[0]?.samples).toMatchObject([{ value: 1 }]);
});

test("any text survives as a label's value and as help", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom('"', "\\", "n", "\n", "}", " ", ",") }),
  );
  fc.assert(
    fc.property(texts, texts, texts, fc.constantFrom(...formats), (a, b, help, format) => {
      const family = { ...gauge("a", { labels: withLabels(labels({ a }), { b }), value: 1 }), help };
      const [read] = readExposition(exposition([family], { format }), format);
      expect(read?.samples[0]?.labels).toEqual({ a, b });
      expect(read?.help).toBe(help);
    }),
  );
});

test("half a surrogate pair becomes the replacement character, as in UTF-8", () => {
  expect(labels({ a: "x\ud800y\udc00" })).toBe('{a="x\ufffdy\ufffd"}');
});

test("any value survives", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), fc.constantFrom(...formats), (value, format) => {
      const [read] = readExposition(exposition([gauge("a", { labels: "", value })], { format }), format);
      expect(read?.samples[0]?.value).toBe(value === 0 ? 0 : value);
    }),
  );
});

test("values come in the unit of the name, without the crumbs of binary fractions", () => {
  const metric = (name: string) => catalog.filter((m) => m.name === name);
  expect(metric("gpu_power").map((m) => scaled(m, { power: 287_316 }))).toEqual([287.316]);
  expect(metric("gpu_clock_sm").map((m) => scaled(m, { clockSm: 1065 }))).toEqual([1_065_000_000]);
  expect(metric("gpu_power").map((m) => scaled(m, {}))).toEqual([undefined]);
});

test("a reading with decimals is written with them", () => {
  const card = create(GPUInfoSchema, { utilization: 37, utilizationExact: 37.45, memUtilization: 8, power: 412_340 });
  const written = ["gpu_utilization", "gpu_memory_utilization", "gpu_power"].map((name) => {
    const metric = catalog.find((one) => one.name === name) ?? expect.fail();
    return scaled(metric, card);
  });
  expect(written).toEqual([37.45, 8, 412.34]);
});

test.each(formats)("a histogram in %s has cumulative buckets up to +Inf, their count and sum", (format) => {
  const set = labels({ query: "read" });
  const samples = [
    ...histogramSamples(set, [0.5, 1, 2.5], { counts: [2, 0, 1, 4], sum: 61.5 }),
    ...histogramSamples("", [0.5, 1, 2.5], { counts: [0, 0, 0, 0], sum: 0 }),
  ];
  const text = exposition([{ name: "wait_seconds", help: "h", kind: "histogram", samples }], { format });
  const [family] = readExposition(text, format);
  expect(family).toMatchObject({ name: "wait_seconds", type: "histogram" });
  expect(text.split("\n").filter((line) => line.includes("read"))).toEqual([
    'wait_seconds_bucket{query="read",le="0.5"} 2',
    'wait_seconds_bucket{query="read",le="1.0"} 2',
    'wait_seconds_bucket{query="read",le="2.5"} 3',
    'wait_seconds_bucket{query="read",le="+Inf"} 7',
    'wait_seconds_count{query="read"} 7',
    'wait_seconds_sum{query="read"} 61.5',
  ]);
  expect(text).toContain('\nwait_seconds_bucket{le="1.0"} 0\n');
});
