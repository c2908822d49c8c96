import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { GPUInfoSchema, HostInfoSchema, State } from "../../../proto/gen/host_pb.js";
import { cases } from "../../../test/cases.ts";
import type { Readings } from "./config.ts";
import { encodeReading, gapsOf, type LoggerRecord, localTime, recordsOf } from "./record.ts";

type Gpu = Parameters<typeof create<typeof GPUInfoSchema>>[1];
const all: Readings = { utilization: true, memory: true, temperature: true, power: true, fanSpeed: true };
const whole = {
  id: 3,
  name: "NVIDIA H100",
  utilization: 97,
  memUtilization: 61,
  memTotal: 85_520_809_984n,
  memUsed: 79_989_440_512n,
  temp: 62,
  power: 672_345,
  powerLimit: 700_000,
  fanspeed: 30,
} satisfies Gpu;

function records(gpus: readonly Gpu[], readings: Readings = all, begun = 1_795_831_500_000): LoggerRecord[] {
  const info = create(HostInfoSchema, { gpus: gpus.map((gpu) => create(GPUInfoSchema, gpu)) });
  const reading = encodeReading(info, begun);
  return reading === undefined ? [] : recordsOf(reading.bytes, "box", readings);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a record has the client's fields: megabytes rounded down, watts with two decimals", () => {
  vi.stubEnv("TZ", "Asia/Taipei");
  expect(records([whole])).toEqual([
    {
      timestamp: "2026-11-28 10:05:00",
      gpu_id: 3,
      gpu_name: "NVIDIA H100",
      utilization_gpu: 97,
      utilization_memory: 61,
      memory_total: 81_559,
      memory_used: 76_283,
      memory_free: 5275,
      temperature: 62,
      power_draw: 672.35,
      power_limit: 700,
      fan_speed: 30,
      client_name: "box",
    },
  ]);
});

test.each([
  [612_345, 612.35],
  [612_355, 612.36],
  [125, 0.12],
  [375, 0.38],
  [62_000, 62],
])("%i mW are %d W, as Python rounds", (power, expected) => {
  expect(records([{ ...whole, power }])[0]?.power_draw).toBe(expected);
});

test("a reading that failed is null, but that of a fan is 0", () => {
  expect(records([{ id: 0, name: "x" }])[0]).toMatchObject({
    utilization_gpu: null,
    utilization_memory: null,
    memory_total: null,
    memory_used: null,
    memory_free: null,
    temperature: null,
    power_draw: null,
    power_limit: null,
    fan_speed: 0,
  });
});

test("memory in use that is more than there is leaves the free memory unknown", () => {
  const [record] = records([{ ...whole, memUsed: whole.memTotal + 1n }]);
  expect(record).toMatchObject({ memory_total: 81_559, memory_used: 81_559, memory_free: null });
});

test.each([
  ["utilization", ["utilization_gpu", "utilization_memory"]],
  ["memory", ["memory_total", "memory_used", "memory_free"]],
  ["temperature", ["temperature"]],
  ["power", ["power_draw", "power_limit"]],
  ["fanSpeed", ["fan_speed"]],
] as const)("without %s, its fields are absent and all others there", (reading, fields) => {
  const [record = {}] = records([whole], { ...all, [reading]: false });
  const [full = {}] = records([whole]);
  expect(Object.keys(full).filter((key) => !(key in record))).toEqual(fields);
});

test("old values of a card that hangs are no readings, and a card that is gone has no record", () => {
  const [stale, ...more] = records([
    { ...whole, state: State.STALE },
    { ...whole, id: 4, state: State.LOST },
    { ...whole, id: 5, state: State.UNSUPPORTED },
  ]);
  expect(more).toEqual([]);
  expect(stale).toMatchObject({ gpu_id: 3, gpu_name: "NVIDIA H100", utilization_gpu: null, power_limit: null });
});

test("parts of a card and graphics of the processor have no records", () => {
  const gpus: Gpu[] = [
    { ...whole, uuid: "GPU-a" },
    { ...whole, id: 4000, parent: "GPU-a" },
    { ...whole, id: 9, integrated: true },
  ];
  expect(records(gpus).map((record) => record.gpu_id)).toEqual([3]);
});

test("a reading without a card makes no record to wait", () => {
  expect(records([])).toEqual([]);
});

test.each([
  ["a whole card", whole, ""],
  ["a card without a fan", { ...whole, fanspeed: undefined }, ""],
  [
    "a card that tells its temperature only",
    { id: 1, name: "x", temp: 1 },
    "utilization_gpu, utilization_memory, memory_total, memory_used, memory_free, power_draw, power_limit",
  ],
])("%s has its gaps", (_card, gpu, gaps) => {
  const known = Object.fromEntries(Object.entries(gpu).filter(([, value]) => value !== undefined));
  expect(records([known]).map(gapsOf)).toEqual([gaps]);
});

test("a field that is switched off is a gap for servers that want all", () => {
  expect(records([whole], { ...all, fanSpeed: false }).map(gapsOf)).toEqual(["fan_speed"]);
});

test("the beginning of a reading is the time of its records, in the zone of the machine", () => {
  vi.stubEnv("TZ", "America/New_York");
  // Of the hour that comes twice, both times are the same text, as in the client.
  expect(records([whole], all, 1_793_511_000_000)[0]?.timestamp).toBe("2026-11-01 01:30:00");
  expect(records([whole], all, 1_793_514_600_000)[0]?.timestamp).toBe("2026-11-01 01:30:00");
});

test("local times have the client's form in every year", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_370_764_800_000 }), (ms) => {
      expect(localTime(ms)).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      expect(new Date(localTime(ms)).getTime()).toBeLessThanOrEqual(ms);
    }),
    cases,
  );
});
