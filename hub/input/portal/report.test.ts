import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type HostInfo, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { verdict } from "../../../proto/verdict.ts";
import { cases } from "../../../test/cases.ts";
import type { Fault } from "../../fault.ts";
import { Ingest } from "../../ingest.ts";
import { Live } from "../../live.ts";
import { parseReport, parseSample } from "./report.ts";

const MiB = 1024 ** 2;

const live = new Live(() => 0);
const ingest = new Ingest({ live, history: { append: () => {}, rename: () => false }, now: () => 1_800_000_000_000 });
const owner = { input: "test", origin: "push" } as const;
ingest.claim("h", owner, "x");

/** A report as views see it. */
function taken(info: HostInfo): HostInfo {
  ingest.received("h", info, owner);
  return live.host("h")?.info ?? info;
}

const read = (body: unknown): HostInfo => parseReport(Buffer.from(JSON.stringify(body)));

/** As the newest release of the exporter sends it. */
const newest = {
  hostname: "gpu7",
  ip: "10.0.0.7",
  cpuUsagePct: 12.5,
  cpuCores: 64,
  memoryUsedGB: 100.5,
  memoryTotalGB: 503.6,
  gpus: [
    {
      index: 0,
      name: "NVIDIA A100-SXM4-80GB",
      utilizationPct: 0,
      memoryUsedMB: 4,
      memoryTotalMB: 81920,
      temperatureC: 31,
      powerDrawW: 62,
      powerLimitW: 400,
    },
  ],
  disks: [{ mount: "/", device: "/dev/sda1", fstype: "ext4", totalGB: 1800.5, usedGB: 0 }],
  nics: [
    { name: "eth0", ipv4: "10.0.0.7", rxMbps: 1.6, txMbps: 0 },
    { name: "ib0", ipv4: "", rxMbps: 0, txMbps: 0 },
  ],
  networkRxMbps: 1.6,
  networkTxMbps: 0,
  uptimeSeconds: 86_400,
  processCount: 512,
  loadAvg: [0.5, 1, 2],
};

test("every number of a report arrives in the wire's units", () => {
  expect(toJson(HostInfoSchema, read(newest))).toEqual({
    id: "7",
    ip: "10.0.0.7",
    hostname: "gpu7",
    agentVersion: "Lab Exporter",
    cpu: { busy: 12.5, threads: 64 },
    memory: { total: `${Math.round(503.6 * 2 ** 30)}`, used: `${100.5 * 2 ** 30}` },
    system: { uptime: "86400", processes: 512, load1: 0.5, load5: 1, load15: 2 },
    disks: [{ mount: "/", device: "/dev/sda1", fstype: "ext4", total: `${1800.5 * 2 ** 30}`, used: "0" }],
    nics: [
      { name: "eth0", addresses: ["10.0.0.7"], rxRate: "200000", txRate: "0" },
      { name: "ib0", rxRate: "0", txRate: "0" },
    ],
    gpus: [
      {
        id: 0,
        name: "NVIDIA A100-SXM4-80GB",
        utilization: 0,
        memUsed: `${4 * MiB}`,
        memTotal: `${80 * 1024 * MiB}`,
        temp: 31,
        power: 62_000,
        powerLimit: 400_000,
        procsUnknown: true,
      },
    ],
  });
});

test("an idle card of a report is free, and an absent utilization is not made 0", () => {
  const idle = taken(read(newest));
  const blind = taken(read({ ...newest, gpus: [{ ...newest.gpus[0], utilizationPct: null }] }));
  expect(idle.gpus.map((gpu) => verdict(gpu, true))).toEqual(["free"]);
  expect(blind.gpus.map((gpu) => [gpu.utilization, verdict(gpu, true)])).toEqual([[undefined, "unknown"]]);
});

test("the first release lists no interfaces: their sum is one", () => {
  const { nics: _, ...first } = newest;
  expect(read(first).nics).toMatchObject([{ name: "total", addresses: [], rxRate: 200_000n, txRate: 0n }]);
  const { networkRxMbps: __, networkTxMbps: ___, ...none } = first;
  expect(read(none).nics).toEqual([]);
  expect(read({ ...newest, nics: [] }).nics).toEqual([]);
});

test("0 means unknown for temperature, power, power limit and sizes; for the others it is 0", () => {
  const zero = {
    hostname: "h",
    ...{ cpuUsagePct: 0, cpuCores: 0, memoryUsedGB: 0, memoryTotalGB: 0, processCount: 0, loadAvg: [0, 0, 0] },
    gpus: [
      {
        index: 0,
        utilizationPct: 0,
        memoryUsedMB: 0,
        memoryTotalMB: 0,
        temperatureC: 0,
        powerDrawW: 0,
        powerLimitW: 0,
      },
      { index: 1, utilizationPct: 0, memoryUsedMB: 0, memoryTotalMB: 1 },
    ],
    disks: [{ mount: "/", totalGB: 0, usedGB: 0 }],
    uptimeSeconds: 0,
  };
  expect(toJson(HostInfoSchema, read(zero))).toEqual({
    hostname: "h",
    agentVersion: "Lab Exporter",
    cpu: { busy: 0 },
    memory: {},
    system: { load1: 0, load5: 0, load15: 0, uptime: "0" },
    disks: [{ mount: "/" }],
    gpus: [
      { id: 0, utilization: 0, procsUnknown: true },
      { id: 1, utilization: 0, memUsed: "0", memTotal: `${MiB}`, procsUnknown: true },
    ],
  });
});

test("what is no number, not a number, negative or impossible is absent", () => {
  const bad =
    '"memoryUsedMB": -1, "memoryTotalMB": 1e300, "temperatureC": NaN, "powerDrawW": "62", "powerLimitW": [400]';
  const body = `{"hostname": "h", "cpuUsagePct": 101, "loadAvg": [-1, null, Infinity], "uptimeSeconds": 1e99, "gpus": [{"index": 0, "utilizationPct": 250, ${bad}}]}`;
  const { gpus, cpu, system } = parseReport(Buffer.from(body));
  expect(
    toJson(HostInfoSchema, create(HostInfoSchema, { gpus, ...(cpu && { cpu }), ...(system && { system }) })),
  ).toEqual({
    gpus: [{ id: 0, procsUnknown: true }],
    cpu: {},
    system: {},
  });
});

test("cards that nothing names, and devices without a name, are left out", () => {
  const gpus = [{ name: "A100" }, { index: -1 }, { index: 1e9 }, { index: null, uuid: "GPU-1" }, { index: 2 }, 7, null];
  const info = read({ hostname: "h", gpus, disks: [{}, { mount: "\0" }], nics: [{}, { name: 5 }] });
  expect(info.gpus.map(({ id, uuid }) => [id, uuid])).toEqual([
    [undefined, "GPU-1"],
    [2, undefined],
  ]);
  expect([info.disks, info.nics]).toEqual([[], []]);
});

test.each([
  ["[]", "must be a JSON object"],
  ["null", "must be a JSON object"],
  ["{}", 'must have a "hostname"'],
  ['{"hostname": 5}', 'must have a "hostname"'],
  ['{"hostname": ""}', 'must have a "hostname"'],
  [
    JSON.stringify({ hostname: "h", gpus: Array.from({ length: 10_000 }, (_, index) => ({ index, name: "x" })) }),
    "of more than",
  ],
  ['{"hostname": "h"', "not valid JSON"],
])("%.30s is refused", (body, wanted) => {
  expect(() => parseReport(Buffer.from(body))).toThrow(wanted);
});

test.each([
  ["nothing", new Uint8Array(), 'must have a "hostname"'],
  ["other bytes", Buffer.from("{}"), "The body is not a gpu.HostInfo"],
  ["two million empty processes", empties(500_000), "more than 20000 elements"],
  ["too many bytes", Buffer.alloc(1_100_000), "over the limit"],
])("a sample of %s is refused", (_, bytes, wanted) => {
  expect(() => parseSample(bytes)).toThrow(wanted);
});

/** A card with empty processes, two bytes each. */
function empties(count: number): Uint8Array {
  const procs = Buffer.alloc(2 * count, Buffer.from([0x42, 0x00]));
  const length: number[] = [];
  for (let rest = procs.length; rest > 0; rest >>>= 7) length.push((rest & 127) | (rest > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from([0x12, ...length]), procs]);
}

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(0, -1, 1e300, -0, 5e-324, 2 ** 53, "\u0000", "\ud800"),
);
const device = fc.dictionary(
  fc.constantFrom(
    ..."index name uuid utilizationPct memoryUsedMB memoryTotalMB temperatureC powerDrawW powerLimitW mount totalGB usedGB".split(
      " ",
    ),
    ..."device fstype ipv4 rxMbps txMbps __proto__ toString".split(" "),
  ),
  anything,
);
const hostile = fc.record(
  {
    hostname: fc.oneof({ weight: 4, arbitrary: fc.string({ unit: "binary" }) }, anything),
    ...Object.fromEntries(
      "ip cpuUsagePct cpuCores memoryUsedGB memoryTotalGB networkRxMbps networkTxMbps uptimeSeconds processCount loadAvg"
        .split(" ")
        .map((key) => [key, anything]),
    ),
    gpus: fc.oneof(fc.array(device), anything),
    disks: fc.oneof(fc.array(device), anything),
    nics: fc.oneof(fc.array(device), anything),
  },
  { requiredKeys: [] },
);

test("any report is refused as bad_request, or is one that can be sanitized and encoded, without a number that was not sent", () => {
  fc.assert(
    fc.property(hostile, (body) => {
      let info: HostInfo;
      try {
        info = read(body);
      } catch (error) {
        expect(error).toMatchObject({ name: "Fault", code: "bad_request" } satisfies Partial<Fault>);
        return;
      }
      const bytes = toBinary(HostInfoSchema, taken(info));
      expect(toBinary(HostInfoSchema, fromBinary(HostInfoSchema, bytes))).toEqual(bytes);
      for (const gpu of info.gpus) {
        expect(gpu.temp).not.toBe(0);
        expect(gpu.power).not.toBe(0);
        expect(gpu.powerLimit).not.toBe(0);
      }
    }),
    cases,
  );
});

test("any bytes are refused as bad_request, or are a sample", () => {
  const sample = toBinary(HostInfoSchema, read(newest));
  const mutated = fc
    .array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const bytes = Uint8Array.from(sample);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (bytes) => {
      try {
        toBinary(HostInfoSchema, taken(parseSample(bytes)));
      } catch (error) {
        expect(error).toMatchObject({ name: "Fault", code: "bad_request" });
      }
    }),
    cases,
  );
});
