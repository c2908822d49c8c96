import { expect, test } from "vitest";
import { type Answer, align, extend, newest, type Series } from "./history.ts";

const series = (metric: string, ...points: readonly (readonly [number, number])[]): Series => ({
  metric,
  t: points.map(([at]) => at),
  min: points.map(([, value]) => value - 1),
  avg: points.map(([, value]) => value),
  max: points.map(([, value]) => value + 1),
});
const answer = (from: number, to: number, ...all: Series[]): Answer => ({ from, to, step: 0, series: all });

test("series share one axis of times; where one was not measured it has a gap", () => {
  const table = align([series("a", [1000, 5], [2000, 6]), series("b", [2000, 7])], 2500);
  expect(table).toEqual([
    [1, 2],
    [5, 6],
    [4, 5],
    [6, 7],
    [null, 7],
    [null, 6],
    [null, 8],
  ]);
});

test("a silence longer than expected breaks the line", () => {
  const [times, line] = align([series("a", [0, 1], [1000, 2], [9000, 3])], 2500);
  expect(times).toEqual([0, 1, 2.25, 9]);
  expect(line).toEqual([1, 2, null, 3]);
});

test("a series that is not there is a gap all along, and the factor applies to every column", () => {
  const table = align([undefined, series("p", [1000, 3000])], 2500, 0.001);
  expect(table).toEqual([[1], [null], [null], [null], [3], [2.999], [3.001]]);
});

test("nothing at all gives a table without rows", () => {
  expect(align([], 1000)).toEqual([[]]);
  expect(align([series("a")], 1000)).toEqual([[], [], [], []]);
});

test("what came later replaces the end of what is held, and what is too old falls out", () => {
  const held = answer(0, 3000, series("a", [0, 1], [1000, 2], [2000, 3]));
  const tail = answer(2000, 4000, series("a", [2000, 30], [3000, 40]));
  const {
    series: [made],
    from,
    to,
  } = extend(held, tail, 500);
  expect(made?.t).toEqual([1000, 2000, 3000]);
  expect(made?.avg).toEqual([2, 30, 40]);
  expect([from, to]).toEqual([500, 4000]);
});

test("an empty tail takes nothing away but what is too old", () => {
  const held = answer(0, 3000, series("a", [0, 1], [1000, 2]));
  expect(extend(held, answer(2000, 4000, series("a")), 500).series[0]?.avg).toEqual([2]);
});

test("the tail is asked for from where every series is known", () => {
  expect(newest(answer(0, 1, series("a", [5, 1]), series("b", [3, 1]), series("c")))).toBe(3);
  expect(newest(answer(0, 1))).toBeUndefined();
});
