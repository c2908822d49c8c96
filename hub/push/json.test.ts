import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { Fault } from "../fault.ts";
import { numberOf, objectsIn, parseJson, textOf, wholeOf } from "./json.ts";

const limits = { depth: 8, values: 1000 };
const parse = (text: string | Buffer) => parseJson(Buffer.from(text), limits);

test.each([
  ['{"a": NaN, "b": [-Infinity, Infinity]}', { a: null, b: [null, null] }],
  ['{"NaN": "Infinity, \\"NaN\\" and -Infinity", "x": 1}', { NaN: 'Infinity, "NaN" and -Infinity', x: 1 }],
  ['["\\\\", NaN]', ["\\", null]],
  ["NaN", null],
])("%s: what Python writes for no number is null, and texts stay", (text, value) => {
  expect(parse(text)).toEqual(value);
});

test.each([
  ["[".repeat(9), "nested deeper than 8 levels"],
  [`[${"{},".repeat(600)}{}]`, "of more than 1000 values"],
  [`[${"0,".repeat(1000)}0]`, "of more than 1000 values"],
  ["{", "valid JSON"],
  ['{"a": "', "valid JSON"],
  ["", "valid JSON"],
  ["NaNny", "valid JSON"],
])("%.20s… is refused, without quoting it", (text, wanted) => {
  expect(() => parse(text)).toThrow(new RegExp(`^The body .*${wanted}.$`));
});

test("commas, brackets and braces in texts do not count", () => {
  const text = "[{,".repeat(2000);
  expect(parse(JSON.stringify({ text }))).toEqual({ text });
});

test("a megabyte of nothing is refused in less time than it takes to parse it", () => {
  const objects = Buffer.from(`[${"{},".repeat(350_000)}{}]`);
  expect(() => parse(objects)).toThrow("of more than 1000 values");
});

test("any JSON within the limits is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value);
      fc.pre((text.match(/[[{,]/g)?.length ?? 0) < 900 && !/N|I/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "")));
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
    cases,
  );
});

test("any bytes are JSON or a fault", () => {
  const pieces = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    ",",
    ":",
    "NaN",
    "-Infinity",
    "Inf",
    "null",
    "0",
    "-",
    "é",
    "\0",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        fc.array(pieces).map((all) => Buffer.from(all.join(""))),
      ),
      (bytes) => {
        try {
          parse(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
          expect((error as Fault).code).toBe("bad_request");
        }
      },
    ),
    cases,
  );
});

test.each([
  [numberOf(1.5, 2), 1.5],
  [numberOf(-0, 2), 0],
  [numberOf(-1, 2), undefined],
  [numberOf(3, 2), undefined],
  [numberOf("1", 2), undefined],
  [numberOf(null, 2), undefined],
  [wholeOf(1.5, 2), 2],
  [wholeOf(Number.POSITIVE_INFINITY, 2), undefined],
  [textOf("a\u202eb"), "ab"],
  [textOf("\0"), undefined],
  [textOf(""), undefined],
  [textOf(5), undefined],
  [textOf("x".repeat(1000), 10), "x".repeat(10)],
])("a value that is not as wanted is absent: case %#", (value, wanted) => {
  expect(value).toEqual(wanted);
});

test("of a list its objects are read, up to a number", () => {
  expect(objectsIn([1, null, { a: 1 }, [], "x", { b: 2 }], 3)).toEqual([{ a: 1 }]);
  expect(objectsIn({ length: 1 }, 3)).toEqual([]);
});
