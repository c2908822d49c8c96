import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { CsvReader, defused, quoted, undefused } from "./csv.ts";

/** The records of a text that comes in pieces; the last one without a line end, too. */
function records(...pieces: readonly string[]): (readonly string[] | undefined)[] {
  const reader = new CsvReader();
  const all = pieces.flatMap((piece) => [...reader.read(piece)]);
  const last = reader.end();
  return [...all, ...(last === undefined ? [] : [last])].map(({ cells }) => cells);
}

const written = (rows: readonly (readonly string[])[], end: string): string =>
  rows.map((row) => row.map(quoted).join(",") + end).join("");

/** Cells with all that has a meaning in CSV, but lone CR, which Python takes for a line end. */
const cell = fc.string({
  unit: fc.constantFrom("a", "é", "显", '"', ",", "\n", "\r\n", " ", "'", "=", "1"),
  maxLength: 8,
});
const row = fc.array(cell, { minLength: 1, maxLength: 5 }).filter((cells) => cells.length > 1 || cells[0] !== "");
const rows = fc.array(row, { minLength: 1, maxLength: 6 });

/** A text cut into pieces. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => text.slice(start, at[i]));
}

test("records that are written are read back, wherever the text is cut into pieces", () => {
  fc.assert(
    fc.property(rows, fc.constantFrom("\n", "\r\n"), fc.array(fc.nat(), { maxLength: 4 }), (all, end, cuts) => {
      expect(records(...pieces(written(all, end), cuts))).toEqual(all);
    }),
    cases,
  );
});

const python = "/usr/bin/python3";

test.skipIf(!existsSync(python))("Python's csv module writes the same bytes, and reads the same cells of them", () => {
  const some = fc.sample(fc.tuple(rows, fc.constantFrom("\n", "\r\n")), { numRuns: 500, seed: 7 });
  const script = `
import csv, io, json, sys
answers = []
for rows, end in json.load(sys.stdin):
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    text = out.getvalue()
    answers.append([text, list(csv.reader(io.StringIO(text, newline="")))])
json.dump(answers, sys.stdout)
`;
  const options = { input: JSON.stringify(some), encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  const answers = JSON.parse(execFileSync(python, ["-c", script], options)) as [string, string[][]][];
  for (const [i, [all, end]] of some.entries()) {
    const [text, read] = answers[i] ?? ["", []];
    expect(written(all, end)).toBe(text);
    expect(records(text)).toEqual(read);
  }
});

test("each record has the number of the line at which it begins, and empty lines are none", () => {
  const reader = new CsvReader();
  const all = [...reader.read('a,b\r\n\r\n"x\r\ny",2\n\nc,d\n')];
  expect(all).toEqual([
    { line: 1, cells: ["a", "b"] },
    { line: 3, cells: ["x\r\ny", "2"] },
    { line: 6, cells: ["c", "d"] },
  ]);
});

test.each<[string, (readonly string[] | undefined)[]]>([
  ['a,"b\nc,d\ne,f\n', [undefined, ["c", "d"], ["e", "f"]]],
  ['a,"b"x,c\nd,e\n', [undefined, ["d", "e"]]],
  ['a,"b\nc,"d",e\nf,g\n', [undefined, ["c", "d", "e"], ["f", "g"]]],
  [
    'a"b,c"\nd,e\n',
    [
      ['a"b', 'c"'],
      ["d", "e"],
    ],
  ],
])("a quote that makes no sense costs its own line alone: %j", (text, wanted) => {
  // A quote that is never closed is given up once too much text has come.
  expect(records(text, "z,z\n".repeat(100_000)).filter((cells) => cells?.[0] !== "z")).toEqual(wanted);
});

test("a line of any length takes no more memory than a record may have, and the next one is read", () => {
  const reader = new CsvReader();
  const all = [...reader.read("a,b\n")];
  for (let i = 0; i < 100; i++) all.push(...reader.read("x".repeat(100_000)));
  all.push(...reader.read("\nc,d\n"));
  expect(all).toEqual([
    { line: 1, cells: ["a", "b"] },
    { line: 2, cells: undefined, isLong: true },
    { line: 3, cells: ["c", "d"] },
  ]);
});

test.each<[string, readonly string[] | undefined, boolean]>([
  ["a,b", ["a", "b"], false],
  ['a,"b"', ["a", "b"], true],
  ['a,"b"\r', ["a", "b"], true],
  ['a,"b', undefined, false],
  ['"a","', undefined, false],
])("a last record without a line end is given apart: %j", (text, cells, closed) => {
  const reader = new CsvReader();
  expect([...reader.read(text)]).toEqual([]);
  expect(reader.end()).toEqual({ line: 1, cells, closed });
});

test.each([
  "=1+1",
  "+1",
  "-1",
  "@SUM(A1)",
  "\t=1",
  "\r=1",
  "  =1",
  "\u3000=1",
  "＝1",
  "＋1",
  "－1",
  "＠x",
  "\n=1",
  "'=1",
  "\ufeff=1",
])("a spreadsheet does not calculate %j", (text) => {
  expect(defused(text)).toBe(`'${text}`);
});

test.each(["", "a", "1=1", "NVIDIA H100", "'", "'a", "显卡", "a=b"])("%j is left as it is", (text) => {
  expect([defused(text), undefused(text)]).toEqual([text, text]);
});

test("what is defused is restored, and what was read is written again, whatever the text", () => {
  const unit = fc.constantFrom("'", "=", "+", "-", "@", "\t", " ", "a", "＝", "\u3000", "\r");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 6 }), (text) => {
      expect(undefused(defused(text))).toBe(text);
      // A text of a file that a spreadsheet would calculate is written defused.
      const again = defused(undefused(text));
      expect([text, `'${text}`]).toContain(again);
    }),
    cases,
  );
});
