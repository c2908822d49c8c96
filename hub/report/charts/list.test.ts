import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { ChartList } from "./list.ts";

const any = /^/;

function read(text: string, cuts: readonly number[]): ChartList {
  const list = new ChartList(any);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    list.push(text.slice(from, cut));
    from = cut;
  }
  list.push(text.slice(from));
  return list;
}

const cuts = fc.array(fc.nat(400), { maxLength: 12 });
const space = fc.constantFrom(undefined, 1, "\t");

test("ids are the keys of charts, wherever the answer is cut into pieces", () => {
  const chart = fc.oneof(
    fc.jsonValue(),
    fc.record({ id: fc.string(), dimensions: fc.dictionary(fc.string(), fc.jsonValue()) }),
  );
  // A key with an escape is none of Netdata's, and is not decoded.
  const id = fc.string().filter((text) => JSON.stringify(text) === `"${text}"`);
  const answer = fc.record({ before: fc.jsonValue(), charts: fc.dictionary(id, chart), after: fc.jsonValue() });
  fc.assert(
    fc.property(answer, cuts, space, (value, at, indent) => {
      const list = read(JSON.stringify(value, undefined, indent), at);
      expect(list.complete).toBe(true);
      expect(list.ids).toEqual(new Set(Object.keys(value.charts)));
    }),
    cases,
  );
});

test("a list that ends half-way, or has more behind it, is not complete", () => {
  const text = JSON.stringify({ version: "v1.37.1", charts: { "a.b": { id: "a.b" } }, hosts: [{ hostname: "x" }] });
  fc.assert(
    fc.property(fc.nat(text.length - 1), cuts, (length, at) => {
      expect(read(text.slice(0, length), at).complete).toBe(false);
    }),
    cases,
  );
  expect(read(`${text} \n`, []).complete).toBe(true);
  for (const more of [",", "{}", "x", "]", "[1]", '""']) expect(read(text + more, []).complete).toBe(false);
});

test("any text is read without an error, and none but an object with charts is complete", () => {
  const piece = fc.constantFrom("{", "}", "[", "]", '"', "\\", ",", ":", "charts", " ", "1", "x", "<html>");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), cuts, (pieces, at) => {
      const text = pieces.join("");
      const { complete, ids } = read(text, at);
      if (complete) expect(text.replaceAll(" ", "")).toMatch(/^\{.*"charts".*\{.*\}$/);
      expect(ids.size).toBeLessThanOrEqual(40);
    }),
    cases,
  );
});

test("a hostile list keeps no more than 4096 ids, and none that is longer than 1024 characters", () => {
  const ids = Array.from({ length: 5000 }, (_, i) => `c${i}`);
  const list = read(
    JSON.stringify({ charts: Object.fromEntries([["x".repeat(1025), 0], ...ids.map((id) => [id, 0])]) }),
    [],
  );
  expect(list.ids.size).toBe(4096);
  expect(list.ids.has("x".repeat(1025))).toBe(false);
});
