import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { catalog, value } from "./catalog.ts";
import { GPUInfoSchema, HostInfoSchema } from "./gen/host_pb.js";
import { Kind, Unit } from "./gen/metric_pb.js";

const named = (name: string) => {
  const metric = catalog.find((m) => m.name === name);
  if (metric === undefined) throw new Error(`no metric ${name}`);
  return metric;
};

test("every metric has a name of its own, a unit, a kind and help", () => {
  expect(new Set(catalog.map((m) => m.name)).size).toBe(catalog.length);
  for (const metric of catalog) {
    expect(metric.name, "catalogue names are snake case").toMatch(/^[a-z][a-z0-9_]*$/);
    expect(metric.unit, metric.name).not.toBe(Unit.UNSPECIFIED);
    expect(metric.kind, metric.name).not.toBe(Kind.UNSPECIFIED);
    expect(metric.help, metric.name).toMatch(/^[A-Z].*\.$/);
  }
});

test("Prometheus names are distinct, and only counters end in _total", () => {
  const named = catalog.filter((m) => m.prometheus !== "");
  expect(new Set(named.map((m) => m.prometheus)).size).toBe(named.length);
  for (const { prometheus, kind } of named) {
    // The uptime keeps the name that the System Info Exporter gave it.
    if (prometheus === "node_uptime_seconds") continue;
    expect(prometheus.endsWith("_total"), prometheus).toBe(kind === Kind.COUNTER);
  }
});

test("the first GOHM's history types are all there", () => {
  expect(
    catalog
      .map((m) => m.legacy)
      .filter(Boolean)
      .sort(),
  ).toEqual(["fan", "temp", "util"]);
});

test("a reading of 0 is 0 and an absent one is undefined", () => {
  expect(value(named("gpu_utilization"), create(GPUInfoSchema, { utilization: 0 }))).toBe(0);
  expect(value(named("gpu_utilization"), create(GPUInfoSchema))).toBeUndefined();
});

test("host metrics are read through their group, absent groups included", () => {
  expect(value(named("memory_used"), create(HostInfoSchema, { memory: { used: 5n } }))).toBe(5);
  expect(value(named("memory_used"), create(HostInfoSchema))).toBeUndefined();
});
