import fc from "fast-check";
import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";

const read = (held: object) => parseConfig(JSON.stringify(held));

test("null and absent both mean everything, an empty list means nothing", () => {
  expect(read({ gpuIndices: null, nicNames: [] })).toEqual({
    gpus: undefined,
    disks: undefined,
    nics: new Set(),
    interval: 5,
  });
  expect(read({ gpuIndices: [0, 7], diskMounts: ["/", "/data"] })).toMatchObject({
    gpus: new Set([0, 7]),
    disks: new Set(["/", "/data"]),
  });
});

test.each([
  [10, 10],
  [1, 1],
  [0.001, 1],
  [0, 5],
  [-3, 5],
  ["10", 5],
  [null, 5],
  [1e9, 3600],
])("reportIntervalSec %j is an interval of %d s", (given, interval) => {
  expect(read({ reportIntervalSec: given }).interval).toBe(interval);
});

test.each([
  ["", "it is not a JSON object"],
  ["<html>", "it is not a JSON object"],
  ["[]", "it is not a JSON object"],
  ["null", "it is not a JSON object"],
  ['{"gpuIndices": "all"}', "it must hold a list of numbers as gpuIndices, or null for everything"],
  ['{"gpuIndices": ["0"]}', "it must hold a list of numbers as gpuIndices, or null for everything"],
  ['{"diskMounts": [1]}', "it must hold a list of texts as diskMounts, or null for everything"],
])("%s is refused: %s", (text, message) => {
  expect(() => parseConfig(text)).toThrow(message);
});

test("anything at all gives a usable interval or an error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        const { interval } = parseConfig(text);
        expect(interval).toBeGreaterThanOrEqual(1);
        expect(interval).toBeLessThanOrEqual(3600);
      } catch (error) {
        expect((error as Error).message).toMatch(/^it (is|must)/);
      }
    }),
  );
});
