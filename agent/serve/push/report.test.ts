import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HostInfoSchema, State } from "../../../proto/gen/host_pb.js";
import { registration, report, select, shortened, withoutNulls } from "./report.ts";

const all = { gpus: undefined, disks: undefined, nics: undefined, interval: 5 };

const said = {
  hostname: "box",
  ip: "10.0.0.9",
  cpu: { busy: 12.34, cores: 32, threads: 64 },
  memory: { total: 137_438_953_472n, used: 1_610_612_736n },
  system: { uptime: 86_400n, processes: 321, load1: 1.25, load5: 0.35, load15: 0 },
  gpus: [
    {
      id: 0,
      name: "H100",
      utilization: 55,
      memUsed: 1_572_864n,
      memTotal: 85_899_345_920n,
      temp: 40,
      power: 122_500,
      powerLimit: 700_000,
      state: State.OK,
    },
    { id: 1, name: "H100", memTotal: 85_899_345_920n, state: State.OK },
  ],
  disks: [{ mount: "/", total: 1_099_511_627_776n, used: 107_374_182_400n }],
  nics: [
    { name: "eth0", addresses: ["fe80::1", "10.0.0.9"], rxRate: 125_000_000n, txRate: 12_500n },
    { name: "ib0", rxRate: 6_250n, txRate: 0n },
  ],
};
const info = create(HostInfoSchema, said);

test("a report has the portal's names and units, and its numbers are whole or have one decimal as there", () => {
  expect(report(info)).toEqual({
    hostname: "box",
    ip: "10.0.0.9",
    cpuUsagePct: 12.3,
    cpuCores: 64,
    memoryUsedGB: 1.5,
    memoryTotalGB: 128,
    gpus: [
      {
        index: 0,
        name: "H100",
        utilizationPct: 55,
        // Ties go to the even number, as Python has it: 1.5 is 2, and 122.5 is 122.
        memoryUsedMB: 2,
        memoryTotalMB: 81_920,
        temperatureC: 40,
        powerDrawW: 122,
        powerLimitW: 700,
      },
      {
        index: 1,
        name: "H100",
        utilizationPct: null,
        memoryUsedMB: null,
        memoryTotalMB: 81_920,
        temperatureC: null,
        powerDrawW: null,
        powerLimitW: null,
      },
    ],
    disks: [{ mount: "/", totalGB: 1024, usedGB: 100 }],
    nics: [
      { name: "eth0", ipv4: "10.0.0.9", rxMbps: 1000, txMbps: 0.1 },
      { name: "ib0", ipv4: "", rxMbps: 0.1, txMbps: 0 },
    ],
    networkRxMbps: 1000.1,
    networkTxMbps: 0.1,
    uptimeSeconds: 86_400,
    processCount: 321,
    loadAvg: [1.2, 0.3, 0],
  });
});

test("the sum over all interfaces is that of their rates as they are told", () => {
  const rates = [3_100n, 3_100n, 3_100n].map((rxRate, i) => ({ name: `eth${i}`, rxRate, txRate: 18_750n }));
  // 0.0248 Mbit/s each: 0.1 if added first, 0 if rounded first. Python rounds 0.15 to 0.1, because the float is slightly below it.
  expect(report(create(HostInfoSchema, { nics: rates }))).toMatchObject({
    nics: [{ rxMbps: 0, txMbps: 0.1 }, { rxMbps: 0, txMbps: 0.1 }, { rxMbps: 0 }],
    networkRxMbps: 0,
    networkTxMbps: 0.3,
  });
});

test("the first report tells 0 of interfaces that have no rate yet, and null of everything else that is not known", () => {
  const young = create(HostInfoSchema, { cpu: { threads: 8 }, nics: [{ name: "eth0" }], gpus: [{ id: 0 }] });
  expect(report(young, { first: true })).toMatchObject({
    cpuUsagePct: null,
    nics: [{ name: "eth0", ipv4: "", rxMbps: 0, txMbps: 0 }],
    networkRxMbps: 0,
    gpus: [{ temperatureC: null, powerDrawW: null }],
  });
  expect(report(young)).toMatchObject({ nics: [{ rxMbps: null, txMbps: null }], networkRxMbps: null });
  const failed = create(HostInfoSchema, { nics: [{ name: "eth0" }], sources: [{ name: "net", state: State.STALE }] });
  expect(report(failed, { first: true })).toMatchObject({ nics: [{ rxMbps: null }], networkRxMbps: null });
});

test("cores are hardware threads, and not known where only cores are", () => {
  expect(report(create(HostInfoSchema, { cpu: { cores: 8 } })).cpuCores).toBe(null);
});

test("what is too long for a portal loses the last entries of its longest lists, and nothing else", () => {
  const nics = Array.from({ length: 4000 }, (_, i) => ({ name: `veth${i}`, addresses: ["10.0.0.9"] }));
  const many = create(HostInfoSchema, { ...said, nics });
  for (const body of [report(many), registration(many, "x")]) {
    const short = shortened(body, 100 * 1024);
    const text = JSON.stringify(short);
    expect(JSON.stringify(body).length).toBeGreaterThan(100 * 1024);
    expect(text.length).toBeLessThanOrEqual(100 * 1024);
    expect(text.length).toBeGreaterThan(80 * 1024);
    expect(short).toMatchObject(
      "capabilities" in body ? { capabilities: { cpuCores: 64 } } : { loadAvg: [1.2, 0.3, 0] },
    );
    expect(text.match(/"memoryTotalMB"/g)).toHaveLength(2);
  }
  expect(shortened(report(info), 100 * 1024)).toEqual(report(info));
});

test("a registration names what there is to choose from", () => {
  expect(registration(info, "node1")).toEqual({
    hostname: "node1",
    capabilities: {
      cpuCores: 64,
      memoryTotalGB: 128,
      gpus: [
        { index: 0, name: "H100", memoryTotalMB: 81_920 },
        { index: 1, name: "H100", memoryTotalMB: 81_920 },
      ],
      disks: [{ mount: "/", totalGB: 1024 }],
      nics: [{ name: "eth0", ipv4: "10.0.0.9" }],
    },
  });
});

test("only what was chosen is told, the machine itself always", () => {
  const some = select(info, { ...all, gpus: new Set([1]), disks: new Set(), nics: new Set(["ib0"]) }, "node1");
  expect(report(some)).toMatchObject({
    hostname: "node1",
    cpuCores: 64,
    gpus: [{ index: 1 }],
    disks: [],
    nics: [{ name: "ib0" }],
    networkRxMbps: 0.1,
  });
  expect(info.gpus).toHaveLength(2);
  expect(info.hostname).toBe("box");
});

const divided = create(HostInfoSchema, {
  gpus: [
    {
      id: 0,
      name: "A100",
      uuid: "GPU-0",
      divided: true,
      memTotal: 40_960n << 20n,
      memUsed: 9000n << 20n,
      temp: 40,
      power: 90_000,
    },
    {
      id: 1000,
      name: "A100 MIG 1g.5gb",
      uuid: "MIG-a",
      parent: "GPU-0",
      memTotal: 4864n << 20n,
      memUsed: 4500n << 20n,
    },
    {
      id: 1001,
      name: "A100 MIG 1g.5gb",
      uuid: "MIG-b",
      parent: "GPU-0",
      memTotal: 4864n << 20n,
      memUsed: 4500n << 20n,
    },
    {
      id: 1,
      name: "A100",
      uuid: "GPU-1",
      memTotal: 40_960n << 20n,
      memUsed: 0n,
      utilization: 3,
      temp: 30,
      power: 50_000,
    },
  ],
});

test("a divided card is one card in a report, and every byte of memory is told once", () => {
  expect(report(divided).gpus).toMatchObject([
    { index: 0, memoryTotalMB: 40_960, memoryUsedMB: 9000, temperatureC: 40 },
    { index: 1, memoryTotalMB: 40_960, memoryUsedMB: 0 },
  ]);
  expect(registration(divided, "x")).toMatchObject({
    capabilities: {
      gpus: [
        { index: 0, name: "A100", memoryTotalMB: 40_960 },
        { index: 1, name: "A100", memoryTotalMB: 40_960 },
      ],
    },
  });
});

test("who takes whole samples gets a chosen card with its instances, and none of a card that was not chosen", () => {
  const ids = (...chosen: number[]) => select(divided, { ...all, gpus: new Set(chosen) }, "x").gpus.map(({ id }) => id);
  expect(ids(0)).toEqual([0, 1000, 1001]);
  expect(ids(1)).toEqual([1]);
  expect(ids()).toEqual([]);
});

test("an old value is not told as a live one", () => {
  const old = create(HostInfoSchema, {
    ...said,
    gpus: said.gpus.map((gpu) => ({ ...gpu, state: State.STALE })),
    disks: [{ mount: "/nfs", state: State.HUNG, used: 1n, total: 2n }],
    sources: ["cpu", "memory", "net", "system"].map((name) => ({ name, state: State.HUNG })),
  });
  expect(report(old)).toMatchObject({
    cpuUsagePct: null,
    cpuCores: 64,
    memoryUsedGB: null,
    memoryTotalGB: 128,
    gpus: [{ index: 0, utilizationPct: null, memoryUsedMB: null, memoryTotalMB: 81_920 }, { index: 1 }],
    disks: [{ mount: "/nfs", usedGB: null }],
    nics: [{ rxMbps: null }, { rxMbps: null }],
    networkRxMbps: null,
    uptimeSeconds: null,
    processCount: null,
    loadAvg: null,
  });
});

test("the sum over interfaces that could not be listed is not known, and that over none is 0", () => {
  const sources = [{ name: "net", state: State.HUNG }];
  expect(report(create(HostInfoSchema, { sources }), { first: true })).toMatchObject({ networkRxMbps: null, nics: [] });
  expect(report(create(HostInfoSchema))).toMatchObject({ networkRxMbps: 0, nics: [] });
});

test("a machine of which nothing is known makes up nothing", () => {
  const numbers = Object.values(report(create(HostInfoSchema))).filter((value) => typeof value === "number");
  // No interface: the sum over none is 0 both ways.
  expect(numbers).toEqual([0, 0]);
});

test("for a portal that takes no null, a device that lacks a reading is left out, and so is a single reading", () => {
  const bare = withoutNulls(report(create(HostInfoSchema, { ...said, memory: {} })));
  expect(bare).toMatchObject({ gpus: [{ index: 0 }], disks: [{ mount: "/" }], loadAvg: [1.2, 0.3, 0] });
  expect(bare).not.toHaveProperty("memoryUsedGB");
  expect(withoutNulls(registration(create(HostInfoSchema, { gpus: [{ id: 0 }] }), "x"))).toEqual({
    hostname: "x",
    capabilities: { gpus: [], disks: [], nics: [] },
  });
});

const layered = create(HostInfoSchema, {
  nics: [
    { name: "eth0", rxRate: 6_250_000n },
    { name: "eth1", rxRate: 6_250_000n },
    { name: "bond0", rxRate: 12_500_000n, lower: ["eth0", "eth1"] },
    { name: "bond0.100", rxRate: 12_500_000n, lower: ["eth0", "eth1", "bond0"] },
    { name: "ib0", rxRate: 125_000n },
  ],
});

test.each([
  [undefined, 101],
  [["bond0", "bond0.100", "ib0"], 101],
  [["eth0", "bond0.100"], 50],
  [["bond0.100"], 100],
])("of the interfaces %j the bytes that pass through several are counted once", (names, sum) => {
  const nics = names && new Set(names);
  const chosen = select(layered, { ...all, nics }, "box");
  expect(report(chosen).networkRxMbps).toBe(sum);
});

const big = fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined });
const double = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1e9 }), { nil: undefined });

test("whatever a machine says, a report is JSON with whole numbers and numbers of one decimal, and without gaps it has no null", () => {
  fc.assert(
    fc.property(big, big, double, (memory, rate, busy) => {
      const made = create(HostInfoSchema, {
        cpu: { ...(busy !== undefined && { busy }) },
        memory: { ...(memory !== undefined && { used: memory }) },
        nics: [{ name: "a", ...(rate !== undefined && { rxRate: rate, txRate: rate }) }],
        gpus: [{ id: 0, ...(memory !== undefined && { memUsed: memory }) }],
      });
      const body = JSON.parse(JSON.stringify(report(made)));
      for (const value of [body.cpuUsagePct, body.memoryUsedGB, body.networkRxMbps]) {
        if (value !== null) expect(Math.round(value * 10) / 10).toBe(value);
      }
      const { memoryUsedMB } = body.gpus[0];
      if (memoryUsedMB !== null) expect(Math.round(memoryUsedMB)).toBe(memoryUsedMB);
      expect(body.memoryUsedGB === null).toBe(memory === undefined);
      expect(JSON.stringify(withoutNulls(body))).not.toContain("null");
    }),
  );
});
