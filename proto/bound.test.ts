import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decode, hostLimits } from "./bound.ts";
import { HistRespSchema } from "./gen/history_pb.js";
import { HostInfoSchema } from "./gen/host_pb.js";

const host = toBinary(
  HostInfoSchema,
  create(HostInfoSchema, {
    id: "7",
    gpus: Array.from({ length: 8 }, (_, id) => ({
      id,
      name: "H100",
      procs: [{ pid: 4, username: "li" }],
      throttle: [1, 3],
    })),
    nics: [{ name: "eth0", addresses: ["10.0.0.7", "fe80::1"] }],
  }),
);

test("a message within the limits decodes as it would without them", () => {
  expect(decode(HostInfoSchema, host, hostLimits)).toEqual(fromBinary(HostInfoSchema, host));
});

test("a message over the byte limit is refused with both sizes", () => {
  expect(() => decode(HostInfoSchema, host, { bytes: 10, elements: 1000 })).toThrow(
    `message of ${host.length} bytes is over the limit of 10`,
  );
});

test("a megabyte of empty submessages is refused by count, before any is made", () => {
  const flood = new Uint8Array(1024 * 1024).map((_, i) => (i % 2 === 0 ? 0x12 : 0x00));
  expect(() => decode(HostInfoSchema, flood, hostLimits)).toThrow("message has more than 20000 elements");
});

test("a host with 5,000 processes on its GPUs is within the limits", () => {
  const procs = Array.from({ length: 5000 }, (_, i) => ({
    pid: 1_000_000 + i,
    uid: 20_000,
    username: "somebody.with.a.long.name",
    basename: "python3",
    mem: 80n * 2n ** 30n,
    utilization: 100,
    compute: true,
    graphics: false,
    started: 1_795_242_787_617n,
    container: "4f1c9a8b7d6e",
    pod: "b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b",
    job: "184467",
  }));
  const crowded = toBinary(HostInfoSchema, create(HostInfoSchema, { gpus: [{ id: 0, procs }] }));
  expect(decode(HostInfoSchema, crowded, hostLimits).gpus[0]?.procs).toHaveLength(5000);
});

test("fields that are not known count, since they are kept", () => {
  const unknown = Uint8Array.from({ length: 300 }, (_, i) => [0xf8, 0x3e, 0x01][i % 3] ?? 0);
  expect(() => decode(HostInfoSchema, unknown, { bytes: 1e6, elements: 99 })).toThrow("more than 99 elements");
  expect(decode(HostInfoSchema, unknown, { bytes: 1e6, elements: 100 })).toBeDefined();
});

test("packed numbers count as one element a byte", () => {
  const packed = toBinary(HistRespSchema, create(HistRespSchema, { t: Array.from({ length: 100 }, () => 1n) }));
  expect(() => decode(HistRespSchema, packed, { bytes: 1e6, elements: 50 })).toThrow("more than 50 elements");
  expect(decode(HistRespSchema, packed, { bytes: 1e6, elements: 101 }).t).toHaveLength(100);
});

test("groups nested without end are refused instead of recursed into", () => {
  expect(() => decode(HostInfoSchema, new Uint8Array(100_000).fill(0x0b), { bytes: 1e6, elements: 50_000 })).toThrow(
    "group",
  );
});

test("any bytes either decode or throw an Error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decode(HostInfoSchema, bytes, hostLimits);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
  );
});

test("a message cut short anywhere is refused or decodes to fewer fields, never hangs", () => {
  fc.assert(
    fc.property(fc.nat(host.length), (length) => {
      try {
        decode(HostInfoSchema, host.subarray(0, length), hostLimits);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
  );
});
