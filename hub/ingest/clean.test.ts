import { create, fromBinary, ScalarType, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { catalog, value } from "../../proto/catalog.ts";
import {
  type ComputeMode,
  type HostInfo,
  HostInfoSchema,
  State,
  Throttle,
  type Vendor,
} from "../../proto/gen/host_pb.js";
import { rangeOf } from "../../proto/range.ts";
import { sanitize } from "./clean.ts";

const today = { agentVersion: "1" };

function cleaned(init: Parameters<typeof create<typeof HostInfoSchema>>[1]): HostInfo {
  const info = create(HostInfoSchema, { ...today, ...(init as object) });
  sanitize(info);
  return info;
}

test("what NVML calls not available, 2^64-1, is absent", () => {
  const [gpu] = cleaned({ gpus: [{ memUsed: 18446744073709551615n, memTotal: 5n }] }).gpus;
  expect(gpu?.memUsed).toBeUndefined();
  expect(gpu?.memTotal).toBe(5n);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("a share of %d is absent", (busy) => {
  expect(cleaned({ cpu: { busy, threads: 2 } }).cpu).toMatchObject({ busy: undefined, threads: 2 });
});

test("texts are cut to 256 bytes without splitting a character, what went wrong to 1024", () => {
  const { hostname, err, sources } = cleaned({
    hostname: `${"x".repeat(255)}😀`,
    err: "数".repeat(2000),
    sources: [{ name: "n".repeat(2000), err: "e".repeat(2000) }],
  });
  expect(hostname).toBe("x".repeat(255));
  expect(err).toBe("数".repeat(341));
  expect([sources[0]?.name?.length, sources[0]?.err?.length]).toEqual([256, 1024]);
});

test("no text steers a terminal, turns the writing direction or holds what is not seen, at any depth", () => {
  const bad = "\u202eto\u200bor\u001b[2J\u2028x\u2066";
  const info = cleaned({
    hostname: bad,
    err: bad,
    gpus: [{ uuid: bad, name: bad, procs: [{ username: bad, basename: bad }], holders: [{ pod: bad }] }],
    disks: [{ mount: bad }],
    nics: [{ name: bad, addresses: [bad] }],
    sources: [{ name: bad, err: bad }],
    system: { os: bad },
  });
  const json = JSON.stringify(toJson(HostInfoSchema, info));
  expect(json.split("toor[2Jx")).toHaveLength(14);
  expect(json).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});

test.each([
  ["gpus", { utilization: 808_334_905 }, { utilization: undefined }],
  ["gpus", { utilization: -1, memUtilization: 101, fanspeed: 150 }, { utilization: undefined, fanspeed: 150 }],
  ["gpus", { utilization: 100, memUtilization: 0, encoder: 255 }, { utilization: 100, memUtilization: 0 }],
  ["gpus", { temp: 2 ** 32 - 1, memTemp: 255, power: 2 ** 32 - 1 }, { temp: undefined, power: undefined }],
  ["gpus", { temp: 0, power: 0, clockSm: 4_000_000_000 }, { temp: 0, power: 0, clockSm: undefined }],
  ["gpus", { memUsed: 9n, memTotal: 8n }, { memUsed: undefined, memTotal: 8n }],
  ["gpus", { memUsed: 8n, memTotal: 8n }, { memUsed: 8n, memTotal: 8n }],
  ["gpus", { hostMemUsed: 9n, hostMemTotal: 8n, id: -7 }, { hostMemUsed: undefined, id: undefined }],
  ["gpus", { eccCorrected: 2n ** 40n, xidCount: 2n ** 53n }, { eccCorrected: 2n ** 40n, xidCount: undefined }],
  ["disks", { used: 3n, total: 2n }, { used: undefined, total: 2n }],
  ["nics", { rxRate: 10n ** 15n, txRate: 1n, speed: 2n ** 52n }, { rxRate: undefined, txRate: 1n, speed: undefined }],
] as const)("%s: of %o what no machine can have is absent", (list, given, wanted) => {
  expect(cleaned({ [list]: [given] })[list][0]).toMatchObject(wanted);
});

test("a share above 100 %, a load of 10^308 and swap in use where there is none are absent", () => {
  const info = cleaned({
    cpu: { busy: 100.5, iowait: -5, temp: 4_000_000_000 },
    memory: { total: 10n, used: 11n, swapTotal: 0n, swapUsed: 1n },
    system: { load1: 1e308, load5: 0.5, uptime: 2n ** 50n },
    gpus: [{ procs: [{ utilization: 808_334_905 }, { utilization: 250 }, { utilization: -3 }] }],
  });
  expect(info.cpu).toMatchObject({ busy: undefined, iowait: undefined, temp: undefined });
  expect(info.memory).toMatchObject({ total: 10n, used: undefined, swapTotal: 0n, swapUsed: undefined });
  expect(info.system).toMatchObject({ load1: undefined, load5: 0.5, uptime: undefined });
  expect(info.gpus[0]?.procs.map(({ utilization }) => utilization)).toEqual([undefined, 250, undefined]);
});

test("what a newer or a foreign agent has a number for, and this hub no word, is never shown as if all were well", () => {
  const info = cleaned({
    gpus: [
      {
        state: 77 as State,
        vendor: 77 as Vendor,
        computeMode: 77 as ComputeMode,
        throttle: [Throttle.POWER_CAP, 77 as Throttle, 78 as Throttle],
      },
      { state: State.LOST, throttle: [77 as Throttle] },
    ],
    sources: [{ state: -1 as State }],
  });
  expect(info.gpus[0]).toMatchObject({ state: State.STALE, vendor: undefined, computeMode: undefined });
  expect(info.gpus[0]?.throttle).toEqual([Throttle.POWER_CAP, Throttle.OTHER]);
  expect([info.gpus[1]?.state, info.gpus[1]?.throttle]).toEqual([State.LOST, [Throttle.OTHER]]);
  expect(info.sources[0]?.state).toBe(State.STALE);
});

test("every metric of the catalogue has its range at the door: one below it is absent", () => {
  const refined = catalog.flatMap((metric) => (metric.exact === undefined ? [] : { ...metric, path: metric.exact }));
  expect(refined).toHaveLength(2);
  for (const metric of [...catalog, ...refined]) {
    const field = metric.path.at(-1);
    // A field that has no presence cannot be absent; it is never negative either.
    if (field === undefined || field.presence === 3 || field.fieldKind !== "scalar") continue;
    const [least, greatest] = rangeOf(metric);
    const wide = field.scalar === ScalarType.UINT64;
    const beyond = wide ? BigInt(greatest) + 1n : Math.min(greatest + 1, 2 ** 31 - 1);
    if (!wide && beyond <= greatest) continue;
    const leaf = { [field.localName]: beyond };
    const inner = metric.path.slice(0, -1).reduceRight<object>((at, { localName }) => ({ [localName]: at }), leaf);
    const list = { gpu: "gpus", disk: "disks", nic: "nics" } as const;
    const info = cleaned(metric.level === "host" ? inner : { [list[metric.level]]: [inner] });
    const message = metric.level === "host" ? info : info[list[metric.level]][0];
    expect(message && value(metric, message), `${metric.name} beyond ${least} to ${greatest}`).toBeUndefined();
  }
});

test("a percentage with decimals has two of them, and one out of range leaves the whole number", () => {
  const cards = [
    { utilization: 2, utilizationExact: 2.499_999, memUtilizationExact: 33.333_333_333 },
    { utilization: 99, utilizationExact: 101, memUtilization: 7, memUtilizationExact: Number.NaN },
  ];
  const { gpus } = cleaned({ gpus: cards });
  const readings = gpus.map((gpu) =>
    catalog.filter(({ exact }) => exact !== undefined).map((metric) => value(metric, gpu)),
  );
  expect(readings).toEqual([
    [2.5, 33.33],
    [99, 7],
  ]);
});

test("no list is longer than its limit", () => {
  const many = <T>(item: T): T[] => Array.from({ length: 5000 }, () => item);
  const info = cleaned({ gpus: many({ procs: [] }), disks: many({}), nics: many({ addresses: many("x") }) });
  expect([info.gpus.length, info.disks.length, info.nics.length, info.nics[0]?.addresses.length]).toEqual([
    256, 512, 512, 64,
  ]);
});

test("fields of a newer agent are not kept", () => {
  const newer = new BinaryWriter().tag(9999, WireType.LengthDelimited).string("x".repeat(1000)).finish();
  const info = fromBinary(HostInfoSchema, newer);
  sanitize(info);
  expect(toBinary(HostInfoSchema, info).length).toBe(0);
});

test("an agent of today that leaves a reading out means that it has none", () => {
  expect(cleaned({ gpus: [{ name: "x", memTotal: 5n }] }).gpus[0]?.utilization).toBeUndefined();
});

test("an agent of the first GOHM left zeros out: they are put back, but no card has 0 °C or 0 bytes", () => {
  const info = create(HostInfoSchema, { gpus: [{ name: "x", procs: [{}] }], disks: [{ mount: "/", total: 5n }] });
  sanitize(info);
  expect(info.gpus[0]).toMatchObject({ id: 0, utilization: 0, fanspeed: 0, procs: [{ pid: 0, uid: 0, mem: 0n }] });
  expect([info.gpus[0]?.temp, info.gpus[0]?.memTotal, info.gpus[0]?.memUsed]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(info.disks[0]?.used).toBe(0n);
});

test("whatever could be decoded can be encoded again once cleaned, and a second cleaning changes nothing", () => {
  fc.assert(
    fc.property(
      fc.record({
        hostname: fc.string({ unit: "binary", maxLength: 600 }),
        busy: fc.double(),
        mem: fc.bigInt(0n, 2n ** 64n - 1n),
      }),
      ({ hostname, busy, mem }) => {
        const info = cleaned({ hostname: hostname.toWellFormed(), cpu: { busy }, gpus: [{ memUsed: mem }] });
        const once = toBinary(HostInfoSchema, info);
        sanitize(info);
        expect(toBinary(HostInfoSchema, info)).toEqual(once);
      },
    ),
  );
});
