import { expect, test } from "vitest";
import { joinTables, valuesOf } from "./part.ts";
import { load, number, type Row, row, type Table, text } from "./setting.ts";

const one = (name: string, more: Partial<Row<string>> = {}): Row<string> => ({
  name,
  env: `X_${name.replaceAll(/[.-]/g, "_").toUpperCase()}`,
  default: "",
  help: "A text.",
  reader: text("a text"),
  ...more,
});

const part = (name: string, ...rows: Row<string>[]): { name: string; table: Table } => ({
  name,
  table: Object.fromEntries(rows.map((each, i) => [`row${i}`, each])),
});

test.each([
  ["name", one("a.b"), one("a.b", { env: "Y", flag: "y" }), 'the name "a.b"'],
  ["flag", one("a.b"), one("a-b", { env: "Y" }), "the flag --a-b"],
  ["variable", one("a"), one("b", { env: "X_A" }), "the variable X_A"],
  ["variable of a secret's file", one("a", { secret: true }), one("b", { env: "X_A_FILE" }), "the variable X_A_FILE"],
])("two parts cannot have a setting of one %s", (_what, first, second, wanted) => {
  expect(() => joinTables([part("left", first), part("right", second)])).toThrow(
    `Two settings have ${wanted}: one of "left" and one of "right"`,
  );
});

test("a setting cannot be a value and a group of settings", () => {
  expect(() => joinTables([part("left", one("a.b")), part("right", one("a"))])).toThrow(
    'The setting "a" cannot have a value: "a.b" is inside it',
  );
});

test("settings of the file alone have neither flag nor variable, so that those may be empty", () => {
  const file = { env: "", only: "file" } as const;
  expect(Object.keys(joinTables([part("left", one("a", file), one("b", file))]))).toEqual(["a", "b"]);
});

test("rows keep their order, those that are fixed at the start come last", () => {
  const joined = joinTables([part("left", one("a", { only: "start" }), one("b")), part("right", one("c"))]);
  expect(Object.keys(joined)).toEqual(["b", "c", "a"]);
});

test("a part gets the values of its own table, by its own keys, though another part has the same keys", () => {
  const seconds = { name: "left.pace", env: "L", default: 1, help: "Seconds.", reader: number("seconds", 1, 9) };
  const left = { name: "left", table: { pace: row(seconds) } };
  const right = { name: "right", table: { pace: row({ ...seconds, name: "right.pace", env: "R" }) } };
  const all = load(joinTables([left, right]), { flags: {}, env: { L: "3" }, file: { right: { pace: 4 } } });
  expect([valuesOf(left.table, all), valuesOf(right.table, all)]).toEqual([{ pace: 3 }, { pace: 4 }]);
});
