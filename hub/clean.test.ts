import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { clean } from "./clean.ts";

const today = { agentVersion: "1" };

function cleaned(init: Parameters<typeof create<typeof HostInfoSchema>>[1]): HostInfo {
  const info = create(HostInfoSchema, { ...today, ...(init as object) });
  clean(info);
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

test("texts are cut to 256 characters without splitting one, and steer no terminal", () => {
  const { hostname } = cleaned({ hostname: `${"x".repeat(255)}😀` });
  expect(hostname).toBe("x".repeat(255));
  expect(cleaned({ nics: [{ name: "a\u001b[2Jb", addresses: ["1\n2"] }] }).nics[0]).toMatchObject({
    name: "a [2Jb",
    addresses: ["1 2"],
  });
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
  clean(info);
  expect(toBinary(HostInfoSchema, info).length).toBe(0);
});

test("an agent of today that leaves a reading out means that it has none", () => {
  expect(cleaned({ gpus: [{ name: "x", memTotal: 5n }] }).gpus[0]?.utilization).toBeUndefined();
});

test("an agent of the first GOHM left zeros out: they are put back, but no card has 0 °C or 0 bytes", () => {
  const info = create(HostInfoSchema, { gpus: [{ name: "x", procs: [{}] }], disks: [{ mount: "/", total: 5n }] });
  clean(info);
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
        clean(info);
        expect(toBinary(HostInfoSchema, info)).toEqual(once);
      },
    ),
  );
});
