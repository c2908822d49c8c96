import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { jsonNumber } from "../number.ts";
import { readRows } from "./rows.ts";

const at = 1_753_999_200;

test("values keep how they were written", () => {
  const text = `{"labels": ["time", "free", "used"], "data": [[${at}, 0.0, 100], [${at - 600}, null, 1e-05]]}`;
  const answer = readRows(text);
  expect(answer?.labels).toEqual(["free", "used"]);
  expect([...(answer?.rows ?? [])]).toMatchObject([
    [
      at,
      [
        { value: 0, source: "0.0" },
        { value: 100, source: "100" },
      ],
    ],
    [
      at - 600,
      [
        { value: null, source: "null" },
        { value: 0.00001, source: "1e-05" },
      ],
    ],
  ]);
});

test("however a number is written, alone or among others, a file has it as Python prints it", () => {
  // Whole numbers that a float does not keep have 17 digits and more.
  const digits = fc.stringMatching(/^(0|[1-9]\d{0,19})$/, { size: "max" });
  const number = fc
    .tuple(
      fc.constantFrom("", "-"),
      digits,
      fc.stringMatching(/^(\.\d{1,20})?$/),
      fc.stringMatching(/^([eE][+-]?\d{1,2})?$/),
    )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.array(fc.oneof(number, fc.nat(100).map(String)), { minLength: 1, maxLength: 5 }), (numbers) => {
      const data = numbers.map((text, i) => `[${at - 600 * i}, ${text}]`).join(",");
      const { rows } = readRows(`{"labels": ["time", "used"], "data": [${data}]}`) ?? {};
      const read = [...(rows?.values() ?? [])].map(([one]) => {
        const { value, source } = one ?? {};
        return source === undefined ? { value, text: undefined } : jsonNumber(source);
      });
      expect(read).toEqual(numbers.map(jsonNumber));
    }),
    cases,
  );
});

test("the time is found by its label, a repeated row counts once, and what is not a number is not a value", () => {
  const text = `{"labels": ["used", "time"], "data": [[1, ${at}], [2, ${at}], ["3", ${at - 600}], [[4], ${at - 1200}], [1e999, ${at - 1800}]]}`;
  const { labels, rows, bad } = readRows(text) ?? {};
  expect(labels).toEqual(["used"]);
  expect([...(rows ?? [])].map(([time, values]) => [time, values[0]?.value])).toEqual([
    [at, 1],
    [at - 600, undefined],
    [at - 1200, undefined],
    [at - 1800, undefined],
  ]);
  expect(bad).toBe(0);
});

test("any answer is read, or refused as no JSON", () => {
  const odd = fc.oneof(fc.integer(), fc.double(), fc.constant(null), fc.string(), fc.constant([]), fc.constant({}));
  const row = fc.oneof(odd, fc.array(fc.oneof(odd, fc.constant(at)), { maxLength: 4 }));
  const label = fc.oneof(fc.constantFrom("time", "used"), odd);
  const answer = fc.oneof(
    odd,
    fc.record({ labels: fc.oneof(odd, fc.array(label)), data: fc.oneof(odd, fc.array(row)) }),
  );
  const limit = fc.option(fc.nat(200), { nil: undefined });
  fc.assert(
    fc.property(answer, limit, (value, end) => {
      const text = JSON.stringify(value).slice(0, end);
      let whole = true;
      try {
        JSON.parse(text);
      } catch {
        whole = false;
      }
      if (!whole) expect(() => readRows(text)).toThrow(SyntaxError);
      else {
        const result = readRows(text);
        for (const [time, values] of result?.rows ?? []) {
          expect(Number.isSafeInteger(time)).toBe(true);
          for (const one of values)
            expect(one === undefined || one.value === null || Number.isFinite(one.value)).toBe(true);
        }
      }
    }),
    cases,
  );
});
