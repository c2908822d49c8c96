import { expect, test } from "vitest";
import { Throttle } from "../../../proto/gen/host_pb.js";
import { busId, merge, throttles } from "./card.ts";

test("a process that computes and draws is one process", () => {
  const both = merge([{ pid: 5, memory: 100n }], [{ pid: 5, memory: 120n }], new Map());
  expect(both).toEqual([{ pid: 5, compute: true, graphics: true, mem: 120n }]);
});

test("a process on several GPU instances holds the sum of their memory", () => {
  const list = [
    { pid: 5, memory: 100n },
    { pid: 5, memory: 20n },
  ];
  expect(merge(list, [], new Map())).toEqual([{ pid: 5, compute: true, graphics: false, mem: 120n }]);
});

test("memory of 0 bytes is kept, unknown memory is absent", () => {
  const list = [
    { pid: 5, memory: 0n },
    { pid: 6, memory: undefined },
  ];
  expect(merge(list, [], new Map()).map(({ mem }) => mem)).toEqual([0n, undefined]);
});

test("utilization of a process is absent when it was not measured, 0 when it was", () => {
  const list = [5, 6, 7].map((pid) => ({ pid, memory: 1n }));
  const samples = new Map([
    [5, { sm: 0 }],
    // Seen from drivers that fill the struct only in part.
    [7, { sm: 4_294_967_295 }],
  ]);
  expect(merge(list, [], samples).map(({ utilization }) => utilization)).toEqual([0, undefined, undefined]);
});

test.each([
  [0n, []],
  [undefined, []],
  [1n, [Throttle.IDLE]],
  [4n | 0x40n, [Throttle.POWER_CAP, Throttle.HW_THERMAL]],
  [0x100n, [Throttle.DISPLAY_CLOCKS]],
  // A reason that NVIDIA invents later is left out, not mistaken for another.
  [0x8000n, []],
])("throttle reasons %s are %j", (reasons, expected) => {
  expect(throttles(reasons)).toEqual(expected);
});

test("a bus address is written as lspci writes it", () => {
  expect(busId({ domain: 0, bus: 0x1b, device: 0 })).toBe("0000:1b:00.0");
  expect(busId({ domain: 0x10000, bus: 1, device: 31 })).toBe("10000:01:1f.0");
});
