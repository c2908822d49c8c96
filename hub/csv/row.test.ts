import fc from "fast-check";
import { expect, test } from "vitest";
import { clean } from "../../proto/clean.ts";
import { cases } from "../../test/cases.ts";
import { type CsvCell, csvRow } from "./row.ts";

test.each<readonly [CsvCell, string]>([
  ["=HYPERLINK(1)", "'=HYPERLINK(1)"],
  ["+1", "'+1"],
  ["-1", "'-1"],
  ["@sum", "'@sum"],
  ["＝1+1", "'＝1+1"],
  [" =1", "' =1"],
  ["\t=1", "'=1"],
  ["\u200b=1", "'=1"],
  [["=a", "b"], "'=a; b"],
  ['=1,"2"', '"\'=1,""2"""'],
  [-1, "-1"],
  [-0.5, "-0.5"],
  [1e21, "1e+21"],
  [Number.NaN, ""],
  [undefined, ""],
  [null, ""],
  [false, "false"],
  ["1=2", "1=2"],
  ["机器", "机器"],
])("the cell %j is %j", (cell, text) => {
  expect(csvRow([cell])).toBe(`${text}\r\n`);
});

/** Cells of one row, as RFC 4180 has them. */
function parsed(row: string): string[] {
  const cells = [""];
  let isQuoted = false;
  for (const [i, character] of [...row].entries()) {
    // Two quotes inside a quoted cell are one, which the second of them adds.
    if (character === '"' && isQuoted) isQuoted = false;
    else if (character === '"') {
      if (row[i - 1] === '"') cells.push(`${cells.pop()}"`);
      isQuoted = true;
    } else if (character === "," && !isQuoted) cells.push("");
    else cells.push(`${cells.pop()}${character}`);
  }
  return cells;
}

const hostile = fc.string({
  unit: fc.constantFrom(..."a1=+-@＝＠\",;' ", "\r", "\n", "\t", "\u202e", "\u200b"),
  maxLength: 8,
});

test("whatever machines call things, a row stays one line with its cells, and none of its texts is calculated", () => {
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 5 }), (texts) => {
      const row = csvRow(texts);
      expect(row.slice(0, -2)).not.toMatch(/[\r\n]/);
      const cells = parsed(row.slice(0, -2));
      const plain = (text: string): string => clean(text).replaceAll("'", "");
      expect(cells.map(plain)).toEqual(texts.map(plain));
      for (const cell of cells) expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠]/);
    }),
    cases,
  );
});

test("a finite number is read back as it was", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(csvRow([value]).trimEnd())).toBe(value + 0);
    }),
    cases,
  );
});
