import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { cleanAll } from "./clean.ts";

test("cleans every text of a message, at any depth, and nothing else", () => {
  const info = create(HostInfoSchema, {
    hostname: "h\n",
    err: "e".repeat(2000),
    gpus: [{ id: 3, name: "H\u0000200", procs: [{ pid: 1, basename: "a\u001b" }] }],
    nics: [{ addresses: ["10.0.0.1\n"] }],
    system: { os: "x\t" },
  });
  cleanAll(HostInfoSchema, info);
  expect(info).toEqual(
    create(HostInfoSchema, {
      hostname: "h",
      err: "e".repeat(1024),
      gpus: [{ id: 3, name: "H200", procs: [{ pid: 1, basename: "a" }] }],
      nics: [{ addresses: ["10.0.0.1"] }],
      system: { os: "x" },
    }),
  );
});

test.each([
  ["a size of 2^53", { disks: [{ mount: "/", total: 2n ** 53n }] }, { disks: [{ mount: "/" }] }],
  ["an amount below 0", { memory: { total: 8n, used: -1n } }, { memory: { total: 8n } }],
  ["a count of more than 32 bits", { cpu: { threads: 2 ** 32, sockets: 1 } }, { cpu: { sockets: 1 } }],
  ["a temperature that is a fraction", { gpus: [{ id: 0, temp: 40.5 }] }, { gpus: [{ id: 0 }] }],
  ["a share that is no number", { cpu: { busy: Number.NaN, iowait: 1 } }, { cpu: { iowait: 1 } }],
  ["an index beyond 31 bits", { gpus: [{ id: 2 ** 31, name: "x" }] }, { gpus: [{ name: "x" }] }],
  ["a counter that is all ones", { nics: [{ name: "a", rxBytes: 2n ** 64n - 1n }] }, { nics: [{ name: "a" }] }],
  ["a message whose one number is none", { gpus: [{ id: 1, instance: { gpuInstance: -1 } }] }, { gpus: [{ id: 1 }] }],
])("%s is absent, the rest is there", (_, given, expected) => {
  const info = create(HostInfoSchema, given);
  cleanAll(HostInfoSchema, info);
  expect(info).toEqual(create(HostInfoSchema, expected));
});

test("a counter beyond 2^53 stays: a fast link passes it in two days", () => {
  const info = create(HostInfoSchema, { nics: [{ name: "ib0", rxBytes: 2n ** 60n, rxRate: 50_000_000_000n }] });
  cleanAll(HostInfoSchema, info);
  expect(info.nics[0]).toMatchObject({ rxBytes: 2n ** 60n, rxRate: 50_000_000_000n });
});

test("whatever the numbers, the answer can be encoded", () => {
  const wide = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n });
  const number = fc.oneof(fc.double(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 }));
  const host = fc.record({
    gpus: fc.array(
      fc.record({ id: number, memUsed: wide, temp: number, instance: fc.record({ gpuInstance: number }) }),
    ),
    disks: fc.array(fc.record({ total: wide, used: wide })),
    nics: fc.array(fc.record({ rxBytes: wide, speed: wide })),
    cpu: fc.record({ busy: number, threads: number }),
  });
  fc.assert(
    fc.property(host, (given) => {
      const info = create(HostInfoSchema, given);
      cleanAll(HostInfoSchema, info);
      expect(() => toBinary(HostInfoSchema, info)).not.toThrow();
    }),
  );
});
