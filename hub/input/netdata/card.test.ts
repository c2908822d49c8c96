import { expect, test } from "vitest";
import { cardOf, nameOf } from "./card.ts";

const none = { index: 3, utilization: undefined, used: undefined, free: undefined };

test("a card has what its means say, with decimals and bytes; what no card can have is not known", () => {
  expect(cardOf({ ...none, utilization: 12.5, used: 2.5, free: 7.5 }, "MI300X")).toMatchObject({
    ...{ id: 3, name: "MI300X", utilization: 12, utilizationExact: 12.5, memUsed: 3n, memTotal: 10n },
  });
  for (const utilization of [-0.1, 100.1, 250, Number.NaN]) {
    expect(cardOf({ ...none, utilization }, undefined)).toBe(undefined);
    const card = cardOf({ ...none, utilization, used: 1, free: 1 }, undefined);
    expect([card?.utilization, card?.utilizationExact, card?.memTotal]).toEqual([undefined, undefined, 2n]);
  }
  for (const [used, free] of [
    [-1, 2],
    [0, 0],
    [1, undefined],
    [1e300, 1],
  ]) {
    const card = cardOf({ ...none, utilization: 5, used, free }, undefined);
    expect([card?.utilization, card?.memUsed, card?.memTotal]).toEqual([5, undefined, undefined]);
  }
});

test("a model has the name that people know, unless Netdata does not know it", () => {
  expect(["AMD_Instinct_MI300X_OAM", "unknown_AMD_GPU", undefined].map(nameOf)).toEqual([
    "AMD Instinct MI300X OAM",
    undefined,
    undefined,
  ]);
});
