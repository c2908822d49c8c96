import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { type Ini, IniError, parseIni } from "./ini.ts";

/** Every section with its values, or the kind of error, as the Python program below prints them. */
function told(text: string): unknown {
  let ini: Ini;
  try {
    ini = parseIni(text);
  } catch (error) {
    if (error instanceof IniError) return "error";
    throw error;
  }
  const shared = ini.keys.get("DEFAULT") ?? [];
  const value = (section: string, key: string): string | undefined | null => {
    try {
      return ini.value(section, key);
    } catch (error) {
      if (error instanceof IniError) return null;
      throw error;
    }
  };
  const sections = [...ini.keys].filter(([name]) => name !== "DEFAULT");
  return Object.fromEntries(
    sections.map(([name, own]) => [
      name,
      Object.fromEntries([...new Set([...shared, ...own])].map((key) => [key, value(name, key)])),
    ]),
  );
}

test.each([
  ["= and : both end a key", "[A]\na=1\nb: 2\nc : 3 = 4\nd = 5 : 6", { A: { a: "1", b: "2", c: "3 = 4", d: "5 : 6" } }],
  ["an address keeps its colon", "[A]\nhost = http://10.0.0.5", { A: { host: "http://10.0.0.5" } }],
  ["# and ; comment out a line, even an indented one", "[A]\n# x\n ; y\na = 1", { A: { a: "1" } }],
  [
    "what looks like a comment behind a value is part of it",
    "[A]\na = 1 # x\nb = 2 ; y",
    { A: { a: "1 # x", b: "2 ; y" } },
  ],
  ["keys are in lower case, sections are not", "[A]\nClient_NAME = X", { A: { client_name: "X" } }],
  ["an indented line goes on with the value", "[A]\na = 1\n  2\n\n  3\nb = 4", { A: { a: "1\n2\n\n3", b: "4" } }],
  ["a byte order mark and CRLF are no part of anything", "\uFEFF[A]\r\na = 1\r\n\r\n[B]\r\n", { A: { a: "1" }, B: {} }],
  [
    "%% is a percent sign, %(x)s another value",
    "[A]\na = 5%%\nb = %(A)s of %(c)s\nc = 9",
    { A: { a: "5%", b: "5% of 9", c: "9" } },
  ],
  [
    "[DEFAULT] is in every section",
    "[DEFAULT]\na = 1\nb = 2\n[A]\nb = 3\nc = %(a)s",
    { A: { a: "1", b: "3", c: "1" } },
  ],
  ["a value may be empty", "[A]\na =\nb:", { A: { a: "", b: "" } }],
  [
    "only the value with a wrong percent sign cannot be read",
    "[A]\na = 5%\nb = %(x)s\nc = %(c)s\nd = 1",
    { A: { a: null, b: null, c: null, d: "1" } },
  ],
])("%s", (_fact, text, expected) => {
  expect(told(text)).toEqual(expected);
});

test.each([
  ["a = 1", "line 1: a key before the first section, such as [SERVER]"],
  ["[A]\nonly words", 'line 2: neither a "key = value" nor a [section]'],
  ["[A]\n= 1", 'line 2: neither a "key = value" nor a [section]'],
  ["[A]\na = 1\nA = 2", "line 3: a second a in [A]"],
  ["[A]\n\n[B]\n[A]", "line 4: a second section [A]"],
])("%j is refused, with its line", (text, message) => {
  expect(() => parseIni(text)).toThrow(new IniError(message));
});

test("a value that names itself ends in an error", () => {
  expect(() => parseIni("[A]\na = %(b)s\nb = %(a)s").value("A", "a")).toThrow(/nested deeper than 10 levels/);
});

const python = `
import configparser, io, json, sys
answers = []
for text in json.load(open(sys.argv[1], encoding="utf-8")):
    # As a file that is opened as text.
    file = io.TextIOWrapper(io.BytesIO(text.encode("utf-8")), encoding="utf-8-sig")
    parser = configparser.ConfigParser()
    try:
        parser.read_file(file)
    except configparser.Error:
        answers.append("error")
        continue
    def value(section, key):
        try:
            return parser.get(section, key)
        except configparser.InterpolationError:
            return None
    answers.append({section: {key: value(section, key) for key in parser.options(section)} for section in parser.sections()})
json.dump(answers, sys.stdout)
`;

const hasPython = spawnSync("python3", ["-c", "import configparser"]).status === 0;

const line = fc.oneof(
  fc.constantFrom("[A]", "[B]", "[DEFAULT]", "  [A]", "[A] x", "[]", "", "   ", "# c", "  ; c", "#", "key"),
  fc
    .tuple(
      fc.constantFrom("", " ", "\t", "   "),
      fc.constantFrom("a", "b", "Key", "a b", "", "c%"),
      fc.constantFrom("=", ":", " = ", " : ", " ", "==", ": ="),
      fc.constantFrom(
        "",
        "1",
        "x y",
        "#",
        "a ; b",
        "%%",
        "%(a)s",
        "%(B)s",
        "%(key)s",
        "%",
        "%x",
        "50%",
        "\u00a0é\u2028",
        "[A]",
        "值",
        "\u001c",
      ),
      fc.constantFrom("", " ", "\t", "\u0085", "\u000b"),
    )
    .map((parts) => parts.join("")),
);
const file = fc
  .tuple(fc.constantFrom("", "[A]\n", "\uFEFF[A]\r\n"), fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r"))))
  .map(([begin, lines]) => begin + lines.flat().join(""));

describe.skipIf(!hasPython)("Python's own configparser", () => {
  test("reads every file alike: the same values, and errors in the same files", () => {
    const folder = mkdtempSync(join(tmpdir(), "ini-"));
    try {
      const texts = fc.sample(file, cases.numRuns);
      writeFileSync(join(folder, "texts.json"), JSON.stringify(texts));
      const args = ["-c", python, join(folder, "texts.json")];
      const answers = JSON.parse(execFileSync("python3", args, { encoding: "utf8", maxBuffer: 2 ** 30 })) as unknown[];
      expect(answers.filter((answer) => answer !== "error").length).toBeGreaterThan(texts.length / 10);
      const different = texts.flatMap((text, i) => {
        const ours = told(text);
        return isDeepStrictEqual(ours, answers[i]) ? [] : [{ text, ours, python: answers[i] }];
      });
      expect(different.slice(0, 3)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
