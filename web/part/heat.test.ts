import fc from "fast-check";
import { expect, test } from "vitest";
import { cell, cellPosition, cellUnder, domainOf, type HeatRow, layOut } from "./heat.ts";

const row = (cards: number): HeatRow => ({
  name: "n",
  cells: Array.from({ length: cards }, () => ({ verdict: "busy" as const, utilization: 50 })),
});

test("the middle of every cell hits that cell, whatever the width and however many hosts and cards", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 16 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 300, max: 2400 }),
      (counts, width) => {
        const rows = counts.map(row);
        const layout = layOut(rows, width);
        counts.forEach((cards, r) => {
          for (let c = 0; c < cards; c++) {
            const at = cellPosition(layout, r, c, cards);
            expect(cellUnder(layout, rows, at.x + at.size / 2, at.y + cell.size / 2)).toEqual({ row: r, card: c });
          }
        });
      },
    ),
    { numRuns: 60 },
  );
});

test("no cell lies outside the map", () => {
  const rows = Array.from({ length: 25 }, () => row(16));
  for (const width of [320, 700, 1400]) {
    const layout = layOut(rows, width);
    rows.forEach((_, r) => {
      const at = cellPosition(layout, r, 15, 16);
      expect(at.x + at.size).toBeLessThanOrEqual(width);
      expect(at.y + cell.size).toBeLessThanOrEqual(layout.height + 2);
    });
  }
});

test("a long name has room where there is some, without what all names share", () => {
  const rows = ["gpu-cluster-node-001.example.org", "gpu-cluster-node-002.example.org"].map((name) => ({
    ...row(8),
    name,
  }));
  expect(layOut(rows, 1400).label).toBe(20 * cell.letter + 12);
  expect(layOut([row(8)], 1400).label).toBe(cell.label);
  expect(layOut(rows, 290).label).toBe(cell.label);
});

test("beside the cells there is nothing to cellUnder, and on a name there is the host", () => {
  const rows = [row(2)];
  const layout = layOut(rows, 800);
  expect(cellUnder(layout, rows, 700, 5)).toBeUndefined();
  expect(cellUnder(layout, rows, 10, 500)).toBeUndefined();
  expect(cellUnder(layout, rows, 10, 8)).toEqual({ row: 0, card: -1 });
});

test.each([
  [["gpu-1.hpc.example.org", "gpu-2.hpc.example.org"], ".hpc.example.org"],
  [["gpu-1.a.example.org", "gpu-2.b.example.org"], ".example.org"],
  [["gpu-1.example.org", "node"], ""],
  [["10.0.0.1", "10.1.0.1"], ""],
  [["one.example.org"], ""],
  [[".org", ".org"], ""],
  [[], ""],
])("of names %j the part that all share is %j", (names, domain) => {
  expect(domainOf(names)).toBe(domain);
});
