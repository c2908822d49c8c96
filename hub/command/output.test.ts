import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Listing, ListingColumn } from "./command.ts";
import { cut, type Flags, type OutputSink, show, sinkOf, width } from "./output.ts";

interface Card {
  readonly host: string;
  readonly used?: number;
  readonly users: readonly string[];
}

const columns: readonly ListingColumn<Card>[] = [
  { name: "host", value: ({ host }) => host },
  { name: "mem_used", value: ({ used }) => used, text: ({ used }) => (used === undefined ? undefined : `${used} MB`) },
  { name: "users", value: ({ users }) => users, tone: ({ users }) => (users.length > 0 ? "bad" : "good") },
];

const cards: readonly Card[] = [
  { host: "gpu1", used: 5, users: [] },
  { host: "机器二", used: 1200, users: ["alice", "bob"] },
  { host: "gpu3", users: ["陈"] },
];

const listing = (rows: readonly Card[], more: object = {}): Listing<Card> => ({ columns, rows, json: rows, ...more });

function shown(of: Listing<Card>, flags: Flags = {}, sink: Partial<OutputSink> = {}): string {
  let text = "";
  const write = (piece: string): void => {
    text += piece;
  };
  show(of, flags, { write, columns: undefined, colors: false, ...sink });
  return text;
}

test("a table is aligned by the width of its characters; what is not known is a dash, never 0", () => {
  expect(shown(listing(cards))).toBe(
    ["HOST    MEM USED  USERS", "gpu1    5 MB      –", "机器二  1200 MB   alice; bob", "gpu3    –         陈", ""].join(
      "\n",
    ),
  );
});

test("upright, a row has a line a value, and a list a line an entry", () => {
  expect(shown(listing(cards.slice(1, 2), { upright: true }))).toBe(
    ["host      机器二", "mem_used  1200 MB", "users     alice", "          bob", ""].join("\n"),
  );
});

test("numbers are on the right, and without rows only the head is printed", () => {
  const count: Listing<number> = { columns: [{ name: "n", value: (n) => n }], rows: [5, 1200], json: [] };
  let text = "";
  show(count, {}, { write: (piece) => (text += piece), columns: undefined, colors: false });
  expect(text).toBe("   N\n   5\n1200\n");
  expect(shown(listing([]))).toBe("HOST  MEM USED  USERS\n");
});

test("a hidden column is there for programs only", () => {
  const some = [{ ...columns[0], name: "key", hidden: true } as ListingColumn<Card>, ...columns.slice(1, 2)];
  const of: Listing<Card> = { columns: some, rows: cards.slice(0, 1), json: [] };
  expect([shown(of), shown({ ...of, upright: true })]).toEqual(["MEM USED\n    5 MB\n", "mem_used  5 MB\n"]);
  expect([shown(of, { csv: true }), shown(of, { parsable: true })]).toEqual([
    "key,mem_used\r\ngpu1,5\r\n",
    "key|mem_used\ngpu1|5\n",
  ]);
});

test("a table is cut to the terminal, the widest column first, and nowhere else", () => {
  const long = listing([{ host: "gpu1", used: 5, users: ["a".repeat(40), "机".repeat(20)] }]);
  for (const room of [20, 31, 40, 60]) {
    const lines = shown(long, {}, { columns: room }).trimEnd().split("\n");
    expect(Math.max(...lines.map(width))).toBeLessThanOrEqual(Math.max(room, 26));
    expect(lines[1]).toMatch(/^gpu1 .*…$/);
  }
  expect(shown(long)).not.toContain("…");
});

test("--csv is RFC 4180, without units, and no text is a formula", () => {
  const rows = [
    { host: 'say "hi", you', used: -5, users: ["a", "b"] },
    { host: "=HYPERLINK(1)", users: ["@x"] },
    { host: "-1+1", used: 0, users: ["+2"] },
  ];
  expect(shown(listing(rows), { csv: true })).toBe(
    'host,mem_used,users\r\n"say ""hi"", you",-5,a; b\r\n\'=HYPERLINK(1),,\'@x\r\n\'-1+1,0,\'+2\r\n',
  );
});

test("-P is a line a row with | between, also where a value has one", () => {
  const rows = [
    { host: "a|b", used: 7, users: ["x", "y"] },
    { host: "", users: [] },
  ];
  expect(shown(listing(rows), { parsable: true })).toBe("host|mem_used|users\na¦b|7|x; y\n||\n");
});

test("--json is what was answered, indented", () => {
  expect(JSON.parse(shown(listing(cards), { json: true }))).toEqual(cards);
  expect(shown(listing([]), { json: true })).toBe("[]\n");
});

/** Strings made of what steers terminals, ends lines and turns the writing direction, among usual letters. */
const hostile = fc.string({
  unit: fc.constantFrom(
    ..."ab机👍|,\"'=",
    "\u001b[31m",
    "\u009b1m",
    "\u0007",
    "\r",
    "\n",
    "\t",
    "\u202e",
    "\u2028",
    "\u0000",
    "\ud800",
  ),
  maxLength: 30,
});
const hostileCard = fc.record({ host: hostile, used: fc.integer(), users: fc.array(hostile, { maxLength: 3 }) });

test("no name steers a terminal or ends a line, in any form; JSON reads back as it was", () => {
  fc.assert(
    fc.property(fc.array(hostileCard, { maxLength: 4 }), fc.boolean(), (rows, upright) => {
      const of = listing(rows, upright ? { upright } : {});
      for (const flags of [{}, { csv: true }, { parsable: true }, { json: true }]) {
        const text = shown(of, flags, { columns: 60 });
        const steering = text.replaceAll(flags.csv ? "\r\n" : "\n", "");
        expect(steering).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        if (flags.csv || flags.parsable) expect(text.split("\n").length).toBe(rows.length + 2);
        if (flags.parsable) for (const line of text.trimEnd().split("\n")) expect(line.split("|").length).toBe(3);
        if (flags.json) expect(JSON.parse(text)).toEqual(rows);
      }
    }),
  );
});

describe("colours", () => {
  const stream = { write: () => true, isTTY: true, columns: 80 };
  test.each([
    [stream, {}, {}, true],
    [{ ...stream, isTTY: false }, {}, {}, false],
    [stream, { "no-color": true }, {}, false],
    [stream, {}, { NO_COLOR: "1" }, false],
    [stream, {}, { NO_COLOR: "" }, true],
    [stream, {}, { TERM: "dumb" }, false],
  ])("case %#: %j with %j and %j: %s", (to, flags, env, colors) => {
    expect(sinkOf(to, { flags, env }).colors).toBe(colors);
  });

  test("change no column", () => {
    const plain = shown(listing(cards));
    const coloured = shown(listing(cards), {}, { colors: true });
    expect(coloured).toContain("\u001b[31malice");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what colours are made of
    expect(coloured.replaceAll(/\u001b\[\d+m/g, "")).toBe(plain);
  });
});

test("a pipe has no width", () => {
  const stream = { write: () => true, columns: 80 };
  expect(sinkOf(stream, { flags: {}, env: {} }).columns).toBeUndefined();
});

test.each([
  ["", 0],
  ["gpu1", 4],
  ["机器", 4],
  ["ｗｉｄｅ", 8],
  ["カタカナ", 8],
  ["ｶﾀｶﾅ", 4],
  ["한국어", 6],
  ["한국", 4],
  ["é", 1],
  ["👍", 2],
  ["🇫🇷", 2],
  ["❤", 1],
  ["…–", 2],
  ["𠀀", 2],
])("%j takes %d cells", (text, cells) => {
  expect(width(text)).toBe(cells);
});

test("a text that is cut fits, and is whole if it did before", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(20), (text, cells) => {
      const short = cut(text, cells);
      expect(width(short)).toBeLessThanOrEqual(cells);
      if (width(text) <= cells) expect(short).toBe(text);
    }),
  );
});
