import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { inOrder } from "../fleet.ts";
import { jsonTexts, type Page, type Position, pageOf } from "./list.ts";

const sorted = (names: Iterable<string>): string[] => [...names].sort(inOrder);
const position = (name: string): Position => [name, name.length, "x"];
const page = (names: readonly string[], limit?: number, cursor?: string): Page<string> =>
  pageOf(names, position, { limit, cursor });

test("pages have every row that stays, once and in order, whatever comes and goes between them", () => {
  const name = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.constantFrom("gpu1", "gpu2", "gpu10", "GPU1", "Gpu10", "é", "é"),
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(name),
      fc.uniqueArray(name),
      fc.uniqueArray(name),
      fc.integer({ min: 1, max: 4 }),
      (staying, leaving, coming, limit) => {
        const left = leaving.filter((one) => !staying.includes(one));
        const before = sorted(new Set([...staying, ...left]));
        const after = sorted(new Set([...staying, ...coming.filter((one) => !left.includes(one))]));
        const got: string[] = [];
        let cursor: string | undefined;
        for (let i = 0; i < 100; i++) {
          const { rows, next } = page(i % 2 === 0 ? before : after, limit, cursor);
          got.push(...rows);
          if (next === null) break;
          cursor = next;
        }
        expect(new Set(got).size).toBe(got.length);
        expect(got).toEqual(sorted(got));
        expect(got.filter((one) => staying.includes(one))).toEqual(sorted(staying));
      },
    ),
    cases,
  );
});

test("a page says how many rows there are, and where the next one begins", () => {
  const names = ["a", "b", "c"];
  expect(page(names, 3)).toEqual({ rows: names, total: 3, next: null });
  expect(page(names)).toEqual({ rows: names, total: 3, next: null });
  const { next, ...first } = page(names, 2);
  expect(first).toEqual({ rows: ["a", "b"], total: 3 });
  expect(page(names, 2, next ?? "")).toEqual({ rows: ["c"], total: 3, next: null });
  expect(page([], 2, next ?? "")).toEqual({ rows: [], total: 0, next: null });
});

test("what is no cursor is refused, and no cursor makes it fail in another way", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => Buffer.from(json).toString("base64url")),
      ),
      (cursor) => {
        try {
          expect(page(["a", "b"], 1, cursor).total).toBe(2);
        } catch (error) {
          expect(String(error)).toContain('"cursor" must be "next" of an answer');
        }
      },
    ),
    cases,
  );
});

test("an object that is written with its lists in pieces is the JSON of it", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      expect([...jsonTexts(object)].join("")).toBe(JSON.stringify(object));
    }),
    { numRuns: 200 },
  );
});
