import { expect, test } from "vitest";
import { commands } from "./all.ts";
import {
  type Command,
  checkWords,
  invocationOf,
  localTime,
  Misuse,
  shownOptions,
  takenOptions,
  usageOf,
} from "./command.ts";

const call = (line: string) => {
  const { command, named, line: read } = invocationOf(line === "" ? [] : line.split(" "), commands);
  return { name: command.name, named, ...read };
};

test.each([
  ["", { name: "serve", named: false, flags: {}, words: [] }],
  ["--data x", { name: "serve", named: false, flags: { data: "x" }, words: [] }],
  ["serve --poll-interval 5", { name: "serve", named: true, flags: { "poll-interval": "5" }, words: [] }],
  ["--data serve backup f", { name: "backup", named: true, flags: { data: "serve" }, words: ["f"] }],
  ["backup f --poll-interval 5", { name: "backup", named: true, flags: { "poll-interval": "5" }, words: ["f"] }],
  ["--history-reflection true", { name: "serve", named: false, flags: { "history-reflection": "true" }, words: [] }],
  ["status -P --hub http://h", { name: "status", named: true, flags: { parsable: true, hub: "http://h" }, words: [] }],
  ["--json status", { name: "status", named: true, flags: { json: true }, words: [] }],
  ["backup --no-color -- --json", { name: "backup", named: true, flags: { "no-color": true }, words: ["--json"] }],
  ["node list --json", { name: "node list", named: true, flags: { json: true }, words: [] }],
  ["--json node approve a b", { name: "node approve", named: true, flags: { json: true }, words: ["a", "b"] }],
  [
    "node set a --label x=1 --label=y=2",
    { name: "node set", named: true, flags: { label: "y=2" }, words: ["a"], lists: { label: ["x=1", "y=2"] } },
  ],
  ["help backup", { name: "help", named: true, flags: {}, words: ["backup"] }],
])('"gohm %s" is understood', (line, wanted) => {
  expect(call(line)).toEqual(wanted);
});

test.each([
  ["statsu", 'There is no command "statsu": did you mean "status"? See gohm --help.', 1],
  ["stats --jsn", 'There is no command "stats": did you mean "status"? See gohm --help.', 1],
  ["stats status --jsn", 'There is no command "stats": did you mean "status"? See gohm --help.', 1],
  ["start", 'There is no command "start": did you mean "serve"? See gohm --help.', 1],
  ["version", 'There is no command "version": did you mean "--version"? See gohm --help.', 1],
  ["node", '"node" needs one more word: list, approve, set, reset, rename, delete, add, refused. See gohm --help.', 1],
  ["node lst", 'There is no command "node lst": did you mean "node list"? See gohm --help.', 1],
  ["hosts", 'There is no command "hosts": did you mean "node list"? See gohm --help.', 1],
  ["token create t --scop read", "There is no option --scop: did you mean --scope? See gohm help token create.", 2],
  ["constructor", 'There is no command "constructor". See gohm --help.', 1],
  ["status --json --csv", "--json and --csv exclude each other: name one form of output. See gohm help status.", 2],
  [
    "-P status --csv --json",
    "--json and --csv and --parsable exclude each other: name one form of output. See gohm help status.",
    2,
  ],
  ["--dta x backup f", "There is no option --dta: did you mean --data? See gohm help backup.", 1],
  ["--colour red", "There is no option --colour. See gohm --help.", 1],
  ["status --jsno", "There is no option --jsno: did you mean --json? See gohm help status.", 2],
  ["status --poll-interval 5", "There is no option --poll-interval. See gohm help status.", 2],
  ["backup f --data", "--data needs a value after it. See gohm help backup.", 1],
  ["restore f --data", "--data needs a value after it. See gohm help restore.", 2],
])('"gohm %s" is refused: %s, with status %d', (line, message, status) => {
  const read = () => call(line);
  expect(read).toThrow(Misuse);
  expect(read).toThrow(expect.objectContaining({ message, status }));
});

const row = (name: string): Command => {
  const found = commands.find((command) => command.name === name);
  if (found === undefined) throw new Error(`no command ${name}`);
  return found;
};

test.each([
  ["backup", [], "gohm backup wants one file or one folder: it was given none. See gohm help backup."],
  ["backup", ["x", "y"], 'gohm backup wants one file or one folder: it was given "x y". See gohm help backup.'],
  ["backup", [""], 'gohm backup wants one file or one folder: it was given "". See gohm help backup.'],
  ["import", [], "gohm import wants at least one file or folder: it was given none. See gohm help import."],
  ["status", ["x"], 'gohm status wants no further word: it was given "x". See gohm help status.'],
])("gohm %s with the words %j is refused", (name, words, message) => {
  expect(() => checkWords(row(name), words)).toThrow(expect.objectContaining({ message }));
});

test("gohm backup takes one file, gohm help any words", () => {
  expect(() => checkWords(row("backup"), ["x"])).not.toThrow();
  expect(() => checkWords(row("help"), ["node", "list"])).not.toThrow();
});

test("an option has a value for all commands or for none, so that one may be before the verb", () => {
  const forms = Map.groupBy(commands.flatMap(takenOptions), ({ name }) => name);
  const bad = [...forms].filter(([, same]) => new Set(same.map(({ value, bare }) => `${value} ${!!bare}`)).size > 1);
  expect(bad).toEqual([]);
});

test("no option of a command is there twice, nor a letter", () => {
  for (const command of commands) {
    const names = takenOptions(command).flatMap(({ name, short }) => [name, ...(short ? [short] : [])]);
    expect([...new Set(names)]).toEqual(names);
  }
});

test("a command line that cannot be understood ends with 2, but for the commands that version 0.1.0 had", () => {
  const one = commands.filter(({ exits }) => exits[2] === undefined).map(({ name }) => name);
  expect(one).toEqual(["serve", "backup", "schema"]);
});

test("every command says what 0 and 1 or 2 mean, and that it prints rows only where it has their forms", () => {
  for (const command of commands) {
    expect([0 in command.exits, 1 in command.exits || 2 in command.exits]).toEqual([true, true]);
    expect(shownOptions(command).some(({ name }) => name === "csv")).toBe(command.lists === true);
  }
});

test.each([
  [new Date(2027, 0, 5, 9, 5, 7).getTime(), "2027-01-05 09:05:07"],
  [new Date(2027, 11, 31, 23, 59, 59, 999).getTime(), "2027-12-31 23:59:59"],
  [9e15, "9000000000000000"],
])("the time %d is %s for people", (time, text) => {
  expect(localTime(time)).toBe(text);
});

test("a command is written with its words", () => {
  expect([usageOf(row("node approve")), usageOf(row("account link"))]).toEqual([
    "gohm node approve [OPTIONS] NAME...",
    "gohm account link [OPTIONS] [NAME]",
  ]);
  expect([usageOf(row("backup")), usageOf(row("help")), usageOf(row("schema"))]).toEqual([
    "gohm backup [OPTIONS] FILE|FOLDER/",
    "gohm help [COMMAND...]",
    "gohm schema",
  ]);
});
