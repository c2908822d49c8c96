import fc from "fast-check";
import { expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { hidden } from "../../../proto/clean.ts";
import { Vendor } from "../../../proto/gen/host_pb.js";
import { cases } from "../../../test/cases.ts";
import { hostNameOf } from "../../csv/name.ts";
import { cardOf } from "./card.ts";
import { type ParsedRecord, RecordReader } from "./record.ts";

const shanghai = new Zone("Asia/Shanghai");
const parse = (value: unknown, zone = shanghai): ParsedRecord => new RecordReader(zone).parse(value);

/** As the newest v2 client sends it. */
const sent = {
  timestamp: "2026-11-28 08:30:05",
  gpu_id: 3,
  gpu_name: "NVIDIA A100-SXM4-80GB",
  utilization_gpu: 71.25,
  utilization_memory: 43.0,
  memory_total: 81920,
  memory_used: 70123,
  memory_free: 11796,
  temperature: 61,
  power_draw: 388.12,
  power_limit: 400.0,
  fan_speed: 0,
  client_name: "gpu7",
};

/** The card of a record. @throws Error if the record is bad */
function card(more: object) {
  const read = parse({ ...sent, ...more });
  if ("bad" in read) throw new Error(JSON.stringify(read.bad));
  const { $typeName, procs, ...rest } = cardOf(read.record);
  return rest;
}

/** Errors of a record: field, type. */
function errors(value: unknown): string[] {
  const read = parse(value);
  return "bad" in read ? read.bad.errors.map(({ loc, type }) => `${loc.slice(1).join(".")} ${type}`) : [];
}

test("a record of the client is read, its time in the zone of the hub, its readings in base units", () => {
  const read = parse({ ...sent, unknown: { any: [1] } });
  expect(read).toMatchObject({ record: { client: "gpu7", gpu: 3, at: Date.UTC(2026, 10, 28, 0, 30, 5) } });
  expect(card({})).toMatchObject({
    id: 3,
    name: "NVIDIA A100-SXM4-80GB",
    utilization: 71,
    utilizationExact: 71.25,
    memUtilization: 43,
    memTotal: 81920n * 1048576n,
    temp: 61,
    power: 388_120,
    powerLimit: 400_000,
    fanspeed: 0,
    procsUnknown: true,
  });
  expect(card({}).memUtilizationExact).toBeUndefined();
});

test("used and free memory are given back as they were sent, also where both were rounded down", () => {
  const MiB = 1048576n;
  for (const [total, used, free] of [
    [81920, 70123, 11797],
    [81920, 70123, 11796],
    [24576, 0, 24575],
    [24576, 24576, 0],
  ] as const) {
    const { memTotal = 0n, memUsed = 0n } = card({ memory_total: total, memory_used: used, memory_free: free });
    expect([memTotal / MiB, memUsed / MiB, (memTotal - memUsed) / MiB]).toEqual([total, used, free].map(BigInt));
  }
});

test.each([
  [
    { memory_total: undefined, memory_used: 10, memory_free: 6 },
    { memTotal: 16n << 20n, memUsed: 10n << 20n },
  ],
  [
    { memory_total: 16, memory_used: null, memory_free: 6 },
    { memTotal: 16n << 20n, memUsed: 10n << 20n },
  ],
  [
    { memory_total: 0, memory_used: 0, memory_free: null },
    { memTotal: undefined, memUsed: 0n },
  ],
  [
    { memory_total: 16, memory_used: -1, memory_free: null },
    { memTotal: 16n << 20n, memUsed: undefined },
  ],
  [{ utilization_gpu: null }, { utilization: undefined, utilizationExact: undefined }],
  [{ utilization_gpu: 100.01 }, { utilization: undefined, utilizationExact: undefined }],
  [{ utilization_gpu: -0.5 }, { utilization: undefined, utilizationExact: undefined }],
  // Ties go to the even digit, as in Python.
  [{ utilization_gpu: 0.5 }, { utilization: 0, utilizationExact: 0.5 }],
  [{ utilization_gpu: "71.5" }, { utilization: 72, utilizationExact: 71.5 }],
  [{ temperature: 60.5 }, { temp: 60 }],
  [{ temperature: 1000 }, { temp: undefined }],
  [{ power_draw: 0.0004 }, { power: 0 }],
  [{ power_draw: 1e9 }, { power: undefined }],
  [{ power_draw: "62" }, { power: 62_000 }],
  [{ fan_speed: 250 }, { fanspeed: undefined }],
  [{ gpu_name: null }, { name: undefined }],
])("%o makes %o", (given, wanted) => {
  const made = card(given) as Readonly<Record<string, unknown>>;
  expect(Object.fromEntries(Object.keys(wanted).map((field) => [field, made[field]]))).toEqual(wanted);
});

test.each<[unknown, string[]]>([
  [{}, ["timestamp missing", "gpu_id missing", "client_name missing"]],
  [[], [" model_attributes_type"]],
  [null, [" model_attributes_type"]],
  [3, [" model_attributes_type"]],
  [{ ...sent, timestamp: 5 }, ["timestamp string_type"]],
  [{ ...sent, timestamp: "yesterday" }, ["timestamp datetime_parsing"]],
  [{ ...sent, timestamp: "2026-02-30 08:30:05" }, ["timestamp datetime_parsing"]],
  [{ ...sent, timestamp: null }, ["timestamp string_type"]],
  [{ ...sent, gpu_id: "x" }, ["gpu_id int_parsing"]],
  [{ ...sent, gpu_id: "3.5" }, ["gpu_id int_parsing"]],
  [{ ...sent, gpu_id: 3.5 }, ["gpu_id int_from_float"]],
  [{ ...sent, gpu_id: true }, ["gpu_id int_type"]],
  [{ ...sent, gpu_id: null }, ["gpu_id int_type"]],
  [{ ...sent, gpu_id: -1 }, ["gpu_id greater_than_equal"]],
  [{ ...sent, gpu_id: 1e6 }, ["gpu_id less_than_equal"]],
  [{ ...sent, gpu_id: "0x3" }, ["gpu_id int_parsing"]],
  [{ ...sent, utilization_gpu: "75%" }, ["utilization_gpu float_parsing"]],
  [{ ...sent, utilization_gpu: "" }, ["utilization_gpu float_parsing"]],
  [{ ...sent, utilization_gpu: "nan" }, ["utilization_gpu float_parsing"]],
  [{ ...sent, utilization_gpu: true }, ["utilization_gpu float_type"]],
  [{ ...sent, utilization_gpu: {} }, ["utilization_gpu float_type"]],
  [{ ...sent, utilization_gpu: "1e999" }, ["utilization_gpu finite_number"]],
  [{ ...sent, power_draw: Number.POSITIVE_INFINITY }, ["power_draw finite_number"]],
  [{ ...sent, gpu_name: 5 }, ["gpu_name string_type"]],
  [{ ...sent, client_name: "" }, ["client_name string_pattern_mismatch"]],
  [{ ...sent, client_name: 7 }, ["client_name string_type"]],
])("%o is bad: %j", (value, wanted) => {
  expect(errors(value)).toEqual(wanted);
});

test.each([
  "gpu7",
  "Lab 3 (A100)",
  "实验室服务器1號",
  "訓練機・一號（測試）",
  "node.lab-2_b",
  "R&D #1 [old]",
  "Zoë's PC",
  "_private",
])("a client may be called %j", (name) => {
  expect(hostNameOf(`  ${name} `)).toBe(name.normalize("NFC"));
});

test.each([
  "",
  " ",
  "-rf",
  "=cmd()",
  "+1",
  "@home",
  "..",
  "../etc",
  "a/b",
  "a\\b",
  "a,b",
  "a;b",
  'a"b',
  "a<b>",
  "a|b",
  "a*",
  "a?b",
  "a%b",
  "a$b",
  "a`b`",
  "a:b",
  "a{b}",
  "a=b",
  "a\nb",
  "a\tb",
  "a\u202eb",
  "a\u200bb",
  "a\ud800",
  "x".repeat(65),
])("no client can be called %j", (name) => {
  expect(hostNameOf(name)).toBeUndefined();
});

test("any value is a bad record, or one of a host's name and a card's index without a number that was not sent", () => {
  const field = fc.oneof(
    fc.anything({ maxDepth: 1 }),
    fc.constantFrom(...Object.values(sent)),
    fc.double(),
    fc.string(),
  );
  const record = fc.record(Object.fromEntries(Object.keys(sent).map((name) => [name, field])), { requiredKeys: [] });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), record), (value) => {
      const read = parse(value);
      if ("bad" in read) {
        expect(read.bad.errors.length).toBeGreaterThan(0);
        for (const { msg } of read.bad.errors) expect(msg.length).toBeLessThan(200);
        return;
      }
      const { client, gpu, at, readings } = read.record;
      expect(client.search(hidden)).toBe(-1);
      expect([client.length > 0, Number.isSafeInteger(gpu), Number.isSafeInteger(at)]).toEqual([true, true, true]);
      for (const number of Object.values(readings)) {
        expect(number === undefined || Number.isFinite(number)).toBe(true);
        expect(Object.is(number, -0)).toBe(false);
      }
      expect(cardOf(read.record).id).toBe(gpu);
    }),
    cases,
  );
});

test.each<readonly [string | null, Vendor | undefined]>([
  ["NVIDIA H100 80GB HBM3", Vendor.NVIDIA],
  ["nvidia A40", Vendor.NVIDIA],
  ["GeForce RTX 4090", Vendor.NVIDIA],
  ["Tesla V100-SXM2-32GB", Vendor.NVIDIA],
  ["Quadro RTX 8000", Vendor.NVIDIA],
  ["AMD Instinct MI300X", Vendor.AMD],
  ["Radeon Pro W7900", Vendor.AMD],
  ["Instinct MI210", Vendor.AMD],
  ["Intel(R) Data Center GPU Max 1550", Vendor.INTEL],
  ["Intel Arc A770", Vendor.INTEL],
  ["Intelligent card", undefined],
  ["Amdahl", undefined],
  ["My NVIDIA card", undefined],
  ["", undefined],
  [null, undefined],
])("the vendor of the card %j is %j", (gpu_name, vendor) => {
  expect(card({ gpu_name }).vendor).toBe(vendor);
});
