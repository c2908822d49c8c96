import { expect, test } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { gpuSourceNames, sourceNames } from "../../proto/source.ts";
import { sources } from "./all.ts";
import { Baseline, dropImplausible, type Gpu } from "./source.ts";

const card: Gpu = { id: 3, uuid: "GPU-3", name: "H100", memTotal: 80n, memUsed: 1n, utilization: 0, state: State.OK };

test.each([
  ["memory and its only vital reading", { memTotal: 0n, temp: 0 }],
  ["memory, and has no vital reading,", { memTotal: 0n }],
  ["all vital readings", { temp: 0, power: 0, clockSm: 0, clockMem: 0 }],
  ["all vital readings that it has", { power: 0, clockMem: 0 }],
])("a card that answers 0 for %s keeps nothing but its names, and says so", (_, zeros) => {
  expect(dropImplausible({ ...card, ...zeros })).toEqual({
    id: 3,
    uuid: "GPU-3",
    name: "H100",
    state: State.STALE,
    err: "The driver answers 0 for what never is 0: the card starts, or is being reset",
  });
});

test.each([
  ["a single reading of 0 is absent", { temp: 41, power: 0, powerLimit: 0 }, { temp: 41 }],
  ["one that is all a card has proves nothing", { power: 0 }, {}],
  ["a card that rests is read", { temp: 30, power: 9000 }, { temp: 30, power: 9000 }],
  [
    "a card with memory of 0 that works is read, without memory",
    { memTotal: 0n, temp: 40, power: 70_000 },
    { memTotal: undefined, memUsed: undefined, temp: 40, power: 70_000 },
  ],
  [
    "a card that tells no memory is read",
    { memTotal: undefined as never, temp: 30 },
    { memTotal: undefined, temp: 30 },
  ],
])("%s", (_, readings, wanted) => {
  expect(dropImplausible({ ...card, ...readings })).toEqual({ ...card, ...wanted });
});

test("there is nothing to count from at first", () => {
  expect(new Baseline<number>().take(0, 1)).toBeUndefined();
});

test("a reading that follows within a second has no rate yet, a later one counts from the first", () => {
  const baseline = new Baseline<number>();
  baseline.take(0, 10);
  expect(baseline.take(999, 11)).toBeUndefined();
  expect(baseline.take(1000, 12)).toEqual({ from: 10, span: 1000 });
});

test("readings in quick succession all count over at least a second", () => {
  const baseline = new Baseline<number>();
  baseline.take(0, 0);
  baseline.take(5000, 5);
  expect(baseline.take(5003, 6)).toEqual({ from: 0, span: 5003 });
  expect(baseline.take(6000, 7)).toEqual({ from: 5, span: 1000 });
  expect(baseline.take(6500, 8)).toEqual({ from: 5, span: 1500 });
});

test("the sources of an agent are those whose names the wire declares, in that order", () => {
  expect(sources.map(({ name }) => name)).toEqual(sourceNames);
  expect(sources.filter(({ gpus }) => gpus).map(({ name }) => name)).toEqual(gpuSourceNames);
});
