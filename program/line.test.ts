import fc from "fast-check";
import { expect, test } from "vitest";
import { formOf, helpLines, type Option, readLine, UsageError, verbOf } from "./line.ts";

const truth = (word: string): boolean => word === "true" || word === "false";

const options: readonly Option[] = [
  { name: "data", value: "FOLDER", help: "Where it is." },
  { name: "help", short: "h", help: "Explains." },
  { name: "fast", value: "VALUE", bare: truth, help: "Makes it fast." },
  { name: "loud", value: "VALUE", bare: truth, takesNext: true, help: "Makes it loud." },
  { name: "parsable", short: "P", help: "Parsable." },
  { name: "label", value: "KEY=VALUE", many: true, help: "Labels it." },
];

test.each<readonly [string, Record<string, string | boolean>, readonly string[]]>([
  ["", {}, []],
  ["a --data x b", { data: "x" }, ["a", "b"]],
  ["--data=x=y", { data: "x=y" }, []],
  ["--data= a", { data: "" }, ["a"]],
  ["-data x", { data: "x" }, []],
  ["--data a --data b", { data: "b" }, []],
  ["--data -1", { data: "-1" }, []],
  ["--h --P", { help: true, parsable: true }, []],
  ["-h -P", { help: true, parsable: true }, []],
  ["--fast a", { fast: true }, ["a"]],
  ["--fast=false a", { fast: "false" }, ["a"]],
  ["--loud a", { loud: true }, ["a"]],
  ["--loud false a", { loud: "false" }, ["a"]],
  ["a - b", {}, ["a", "-", "b"]],
  ["a -- --data x --", {}, ["a", "--data", "x", "--"]],
])("%j is %j and %j", (line, flags, words) => {
  expect(readLine(line === "" ? [] : line.split(" "), options)).toEqual({ flags, words });
});

test("of an option that may be there several times, all values are kept, in order", () => {
  const args = ["--label", "a=1", "x", "--label=b=2", "--label", "a=1"];
  const label = ["a=1", "b=2", "a=1"];
  expect(readLine(args, options)).toEqual({ flags: { label: "a=1" }, words: ["x"], lists: { label } });
  expect(formOf(options.at(-1) as Option)).toBe("--label KEY=VALUE...");
});

test.each([
  ["--dtaa x", "There is no option --dtaa: did you mean --data?"],
  ["--zebra", "There is no option --zebra"],
  ["--=x", "There is no option --"],
  ["-x", "There is no option --x"],
  ["--data", "--data needs a value after it"],
  ["--data --help", "--data needs a value after it"],
  ["--help=yes", '--help takes no value, and "yes" was given'],
  ["--fast true", "--fast takes its value after an equals sign: --fast=true"],
])("%j is refused: %s", (line, message) => {
  const read = () => readLine(line.split(" "), options);
  expect(read).toThrow(UsageError);
  expect(read).toThrow(new UsageError(message));
});

test("any arguments are read or refused in words", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom("--", "-", "--data", "--data=", "-h", "--fast", "true", "--loud"),
  );
  fc.assert(
    fc.property(fc.array(piece), (args) => {
      try {
        const { words } = readLine(args, options);
        expect(args).toEqual(expect.arrayContaining([...words]));
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
      }
    }),
  );
});

const verbs = ["serve", "status", "node list", "node add"].map((name) => ({ name }));

test.each([
  [["serve"], "serve", []],
  [["status", "a", "b"], "status", ["a", "b"]],
  [["node", "add", "gpu1"], "node add", ["gpu1"]],
])("the words %j name the verb %s and leave %j", (words, name, rest) => {
  expect(verbOf(words, verbs)).toEqual({ verb: { name }, rest });
});

test("no words name no verb", () => expect(verbOf([], verbs)).toBeUndefined());

test.each([
  [["statsu"], 'There is no command "statsu": did you mean "status"?'],
  [["nod"], 'There is no command "nod": did you mean "node"?'],
  [["zebra"], 'There is no command "zebra"'],
  [["node"], '"node" needs one more word: list, add'],
  [["node", "lits"], 'There is no command "node lits": did you mean "node list"?'],
])("the words %j are refused: %s", (words, message) => {
  expect(() => verbOf(words, verbs)).toThrow(new UsageError(message));
});

test("help writes an option as it is typed, and below it what it does", () => {
  expect(options.map(formOf)).toEqual([
    "--data FOLDER",
    "-h, --help",
    "--fast[=VALUE]",
    "--loud[=VALUE]",
    "-P, --parsable",
    "--label KEY=VALUE...",
  ]);
  expect(helpLines(options.slice(0, 1))).toEqual(["  --data FOLDER\n      Where it is."]);
});
