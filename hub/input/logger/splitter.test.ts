import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { Splitter } from "./splitter.ts";

/** Elements as texts, of a text that comes in pieces; null for one that is too long. */
function split(text: string | Buffer, cuts: readonly number[] = [], limit = 65_536) {
  const bytes = Buffer.from(text as string);
  const splitter = new Splitter(limit);
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const elements = edges
    .slice(1)
    .flatMap((end, i) => [...splitter.push(bytes.subarray(edges[i], end))])
    .map((element) => element?.toString("utf8").trim() ?? null);
  return { elements, complete: splitter.complete, form: splitter.form };
}

test.each([
  ["[]", [], true, "array"],
  [" [ \n] \r\n", [], true, "array"],
  ["\ufeff[1]", ["1"], true, "array"],
  ['[{"a":"]},["}, 2]', ['{"a":"]},["}', "2"], true, "array"],
  ['{"a":[1,{"b":"}"}]}', ['{"a":[1,{"b":"}"}]}'], true, "object"],
  ['{"a":1} x', ['{"a":1}'], false, "object"],
  ["[1] 2", ["1"], false, "array"],
  // What is complete is an element, and what is not valid is one for the reader to refuse.
  ['[{"a":1},{"b":', ['{"a":1}'], false, "array"],
  ['[{"a":1},{"b":"', ['{"a":1}'], false, "array"],
  ["[1,2", ["1"], false, "array"],
  ["[1,,2]", ["1", "", "2"], true, "array"],
  ["[1,]", ["1", ""], true, "array"],
  ["[,]", ["", ""], true, "array"],
  ['[{"a":1]]', ['{"a":1]'], true, "array"],
  ["[1}", ["1"], false, "array"],
  ["3", [], false, undefined],
  ["", [], false, undefined],
  ["\ufeff", [], false, undefined],
])("%j has the elements %j", (text, elements, complete, form) => {
  expect(split(text)).toEqual({ elements, complete, form });
});

test("an element that is too long is left out, and the next one is read", () => {
  const long = `"${"x".repeat(100)}"`;
  for (const cuts of [[], [50], [3, 50, 90]]) {
    expect(split(`[1,${long},2]`, cuts, 64)).toEqual({ elements: ["1", null, "2"], complete: true, form: "array" });
  }
});

test("an escape that a piece ends with counts for the next byte, also past an empty piece", () => {
  for (const cuts of [[4], [4, 4]])
    expect(split('["a\\"]",1]', cuts)).toEqual({ elements: ['"a\\"]"', "1"], complete: true, form: "array" });
});

test("any array has the elements that JSON.parse gives it, wherever it is cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }), { maxLength: 8 }),
      fc.array(fc.nat(2000), { maxLength: 6 }),
      fc.constantFrom(undefined, 1, "\t"),
      (values, cuts, space) => {
        const { elements, complete } = split(JSON.stringify(values, undefined, space), cuts);
        expect(complete).toBe(true);
        expect(elements.map((element) => JSON.parse(element ?? ""))).toEqual(JSON.parse(JSON.stringify(values)));
      },
    ),
    cases,
  );
});

test("a text that stops anywhere gives the elements that were complete, and is not complete", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ maxDepth: 3 }), { minLength: 1, maxLength: 8 }),
      fc.nat(2000),
      fc.array(fc.nat(2000), { maxLength: 4 }),
      (values, stop, cuts) => {
        const whole = Buffer.from(JSON.stringify(values));
        const { elements, complete } = split(whole.subarray(0, stop % whole.length), cuts);
        expect(complete).toBe(false);
        expect(elements.length).toBeLessThanOrEqual(values.length);
        expect(elements).toEqual(split(whole).elements.slice(0, elements.length));
      },
    ),
    cases,
  );
});

test("any bytes are split, in whatever pieces they come, into the same elements", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        fc.string({ unit: fc.constantFrom(...'[]{},:"\\a1 \n'), maxLength: 60 }).map((text) => Buffer.from(`[${text}`)),
      ),
      fc.array(fc.nat(100), { maxLength: 6 }),
      (bytes, cuts) => {
        expect(split(bytes, cuts)).toEqual(split(bytes));
      },
    ),
    cases,
  );
});
