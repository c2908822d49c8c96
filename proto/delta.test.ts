import { clone, create, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { apply, diff } from "./delta.ts";
import { DeltaSchema } from "./gen/feed_pb.js";
import { type HostInfo, HostInfoSchema } from "./gen/host_pb.js";

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const big = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });

/** Readings of a host with two cards, one with two processes; everything may be absent. */
const readings = fc
  .record({
    gpus: fc.tuple(gpu(2), gpu(0)),
    load1: maybe(fc.double({ noNaN: true })),
    busy: maybe(fc.double({ min: 0, max: 100, noNaN: true })),
    rx: maybe(big),
    up: maybe(fc.boolean()),
  })
  .map(
    ({ gpus, load1, busy, rx, up }): HostInfo =>
      create(
        HostInfoSchema,
        present({
          hostname: "node7",
          gpus: gpus.map((g) => present(g)),
          cpu: present({ busy }),
          system: present({ load1 }),
          nics: [present({ name: "eth0", addresses: ["10.0.0.7"], rxBytes: rx, up })],
        }) as MessageInitShape<typeof HostInfoSchema>,
      ),
  );

function gpu(procs: number) {
  return fc.record({
    utilization: maybe(fc.integer({ min: -1, max: 100 })),
    utilizationExact: maybe(fc.integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100)),
    memUsed: maybe(big),
    power: maybe(fc.nat(700_000)),
    state: maybe(fc.constantFrom(1, 2, 3, 4)),
    sampled: maybe(big),
    procs: fc.array(
      fc.record({ pid: fc.nat(4_000_000), mem: maybe(big) }).map((p) => present(p)),
      { minLength: procs, maxLength: procs },
    ),
  });
}

function present<T extends object>(held: T): T {
  return Object.fromEntries(Object.entries(held).filter(([, v]) => v !== undefined)) as T;
}

test("applying the difference of two answers to the first gives the second, over the wire too", () => {
  fc.assert(
    fc.property(readings, readings, (before, after) => {
      const delta = diff(before, after);
      if (delta === undefined) throw new Error("same shape, so a delta was wanted");
      const there = fromBinary(DeltaSchema, toBinary(DeltaSchema, delta));
      const page = clone(HostInfoSchema, before);
      apply(page, there);
      expect(equals(HostInfoSchema, page, after)).toBe(true);
      expect(toBinary(HostInfoSchema, page)).toEqual(toBinary(HostInfoSchema, after));
    }),
  );
});

const one = (init: MessageInitShape<typeof HostInfoSchema>): HostInfo => create(HostInfoSchema, init);

test.each([
  ["a process came", one({ gpus: [{ id: 0 }] }), one({ gpus: [{ id: 0, procs: [{ pid: 1 }] }] })],
  ["a card was renamed", one({ gpus: [{ name: "A" }] }), one({ gpus: [{ name: "B" }] })],
  ["a group appeared", one({}), one({ cpu: {} })],
  ["a name vanished", one({ hostname: "a" }), one({})],
])("the host is sent whole when %s", (_, before, after) => {
  expect(diff(before, after)).toBeUndefined();
});

test("the host is sent whole when a number does not fit a double", () => {
  expect(diff(one({ sampled: 1n }), one({ sampled: 2n ** 60n }))).toBeUndefined();
});

test("an unchanged host needs no slot", () => {
  const same = one({ gpus: [{ utilization: 3 }] });
  expect(
    toBinary(DeltaSchema, diff(same, clone(HostInfoSchema, same)) ?? create(DeltaSchema, { number: 1 })),
  ).toHaveLength(0);
});

test("a delta for another shape is refused with an error", () => {
  const delta = diff(one({ gpus: [{ power: 1 }] }), one({ gpus: [{ power: 2 }] }));
  expect(() => apply(one({}), delta ?? create(DeltaSchema))).toThrow(/slot \d+ of/);
});
