import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { countSelected, isSelected, listed, type Selection, sameSelection, select } from "./selection.ts";

const device = fc.integer({ min: 0, max: 12 });
const present = fc.uniqueArray(device, { maxLength: 10 });
const selection: fc.Arbitrary<Selection<number>> = fc.option(fc.uniqueArray(device, { maxLength: 10 }), { nil: null });

test("unticking one card of eight keeps the other seven, and ticking it again keeps eight, in the host's order", () => {
  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  const seven = select(null, 2, false, all);
  expect(seven).toEqual([0, 1, 3, 4, 5, 6, 7]);
  expect(select(seven, 2, true, all)).toEqual(all);
});

test("a device that is ticked but away stays ticked, and is listed last", () => {
  expect(listed([9, 1], [0, 1])).toEqual([0, 1, 9]);
  expect(select([9, 1], 0, true, [0, 1])).toEqual([0, 1, 9]);
});

test("a ticked device that the host lacks is not counted: of no GPU, none is recorded", () => {
  expect(countSelected([0, 1], [])).toBe(0);
  expect(countSelected([9, 1], [0, 1])).toBe(1);
  expect(countSelected<number>(null, [0, 1])).toBe(2);
});

test("ticking changes one device and no other, and names none twice", () => {
  fc.assert(
    fc.property(selection, present, fc.boolean(), device, (before, there, on, one) => {
      const after = select(before, one, on, there);
      expect(isSelected(after, one)).toBe(on);
      for (const other of listed(before, there))
        if (other !== one) expect(isSelected(after, other)).toBe(isSelected(before, other));
      if (after !== null) expect(new Set(after).size).toBe(after.length);
    }),
    cases,
  );
});

test("a list of all devices is not the same as everything: it leaves out what comes later", () => {
  expect(sameSelection<number>(null, [0, 1])).toBe(false);
  expect(sameSelection<number>([1, 0], [0, 1])).toBe(true);
  expect(sameSelection<number>([0], [0, 1])).toBe(false);
});
