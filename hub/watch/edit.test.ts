import fc from "fast-check";
import { findNodeAtLocation, type Node, parseTree } from "jsonc-parser";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import type { ServerChange, Servers } from "../servers.ts";
import { parseFile } from "../settings.ts";
import { editServer } from "./edit.ts";

/** Many cases, and each parses its file many times. */
const slow = { timeout: 30 * cases.numRuns };

const defaults: Servers = { local: "127.0.0.1:9203" };
const edited = (text: string, name: string, change?: ServerChange): string =>
  editServer(text, { name, change, defaults });

test.each<[string, string, ServerChange | undefined, string]>([
  [
    "an address",
    '{\n\t"servers": {\n\t\t"a": "x:1", // first\n\t\t"b": "y:2"\n\t}\n}\n',
    { address: "z:3" },
    '{\n\t"servers": {\n\t\t"a": "z:3", // first\n\t\t"b": "y:2"\n\t}\n}\n',
  ],
  [
    "an address in an object, with a byte order mark and CRLF",
    '\uFEFF{\r\n  "servers": { "a": { "group": "g", "address": "x:1" } },\r\n}\r\n',
    { address: "z:3" },
    '\uFEFF{\r\n  "servers": { "a": { "group": "g", "address": "z:3" } },\r\n}\r\n',
  ],
  [
    "a group beside an address alone, which stays as it is written",
    '{"servers": {"a": "x\\u003a1" /* rack 3 */}}',
    { group: "lab" },
    '{"servers": {"a": { "address": "x\\u003a1", "group": "lab" } /* rack 3 */}}',
  ],
  [
    "a group on a line of its own",
    '{"servers": {"a": {\r\n    "address": "x:1" // rack 3\r\n}}}',
    { group: "lab" },
    '{"servers": {"a": {\r\n    "address": "x:1", // rack 3\r\n    "group": "lab"\r\n}}}',
  ],
  [
    "a group after a trailing comma",
    '{"servers": {"a": {\n  "address": "x:1", // rack 3\n}}}',
    { group: "lab" },
    '{"servers": {"a": {\n  "address": "x:1", // rack 3\n  "group": "lab",\n}}}',
  ],
  [
    "no group",
    '{"servers": {"a": {\n  "address": "x:1", // why\n  "group": "lab" // because\n}}}',
    { group: null },
    '{"servers": {"a": {\n  "address": "x:1" // why\n  // because\n}}}',
  ],
  [
    "labels where there are none",
    '{"servers": {"a": "x:1"}}',
    { labels: { rack: "b2", "": null, 'q"': "\u2028" } },
    `{"servers": {"a": { "address": "x:1", "labels": { "rack": "b2", "q\\"": "\u2028" } }}}`,
  ],
  [
    "one label of three",
    '{"servers": {"a": {"address": "x:1", "labels": {"a": "1", /* b */ "b": "2", "c": "3"}}}}',
    { labels: { b: null, c: "4" } },
    '{"servers": {"a": {"address": "x:1", "labels": {"a": "1", /* b */ "c": "4"}}}}',
  ],
  [
    "the first of two servers",
    '{ "servers": {\n  // machines\n  "a": "x:1",\n  // the new one\n  "b": "y:2",\n} }',
    undefined,
    '{ "servers": {\n  // machines\n  // the new one\n  "b": "y:2",\n} }',
  ],
  [
    "the last of two servers, with the comma before it",
    '{"servers": {"b": "y:2" /* , */ , // comma\n "a": {\n  "address": "x:1"\n }\n}}',
    undefined,
    '{"servers": {"b": "y:2" /* , */  // comma\n}}',
  ],
  ["the only server", '{ "servers": { "a": "x:1" } }', undefined, '{ "servers": { } }'],
  [
    "a server with a comma of its own line",
    '{"servers": {"a": "x:1"\n, "b": "y:2"}}',
    undefined,
    '{"servers": {\n "b": "y:2"}}',
  ],
  [
    "a name that is written with escapes",
    '{"servers": {"\\u0061": "x:1"}}',
    { address: "z:3" },
    '{"servers": {"\\u0061": "z:3"}}',
  ],
])("changed is %s", (_, before, change, after) => {
  expect(edited(before, "a", change)).toBe(after);
});

test.each([
  ["{}", '{"servers": {"local":"h:1"}}'],
  ['{\n  "hub": {},\n}', '{\n  "hub": {},\n  "servers": {"local":"h:1"},\n}'],
])("a file without servers, %j, gets those that apply, with the change", (before, after) => {
  expect(edited(before, "local", { address: "h:1" })).toBe(after);
});

test("a file of four megabytes of blanks is changed without delay", () => {
  const blanks = " ".repeat(600_000);
  const before = `{"servers":${blanks}{${blanks}"a"${blanks}:${blanks}"x:1"${blanks},${blanks}}${blanks}}`;
  const after = edited(before, "a");
  expect([after.length < before.length, parseFile(after, "s")]).toEqual([true, { servers: {} }]);
});

// A settings file as a person may write it: any blanks, line endings and comments between any two tokens. The pieces are
// generated once for a file, and used in turn: arbitraries for each place would take minutes.

interface Style {
  readonly line: string;
  /** What is between tokens. */
  readonly gaps: readonly string[];
  /** Characters that are written as escapes, and objects with a comma at their end. */
  readonly turns: readonly boolean[];
}

const ending = fc.constantFrom("\n", "\r\n", "\r");
const note = fc.string({ unit: "binary", maxLength: 6 }).map((text) => text.replaceAll(/[\r\n*]/g, ""));
const gap = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("", " ", "\t", "  ") },
  { weight: 4, arbitrary: fc.constantFrom("\n", "\n  ", "\n\t", " \n ") },
  { weight: 2, arbitrary: note.map((text) => ` //${text}\n`) },
  { weight: 2, arbitrary: note.map((text) => `/*${text}\n*/ `) },
  { weight: 1, arbitrary: fc.tuple(note, note).map(([a, b]) => `/*${a}*/ //${b}\n /*${b}*/`) },
);
const style: fc.Arbitrary<Style> = fc
  .record({
    line: ending,
    gaps: fc.array(gap, { minLength: 1, maxLength: 8 }),
    turns: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
  })
  .map(({ line, gaps, turns }) => ({ line, turns, gaps: gaps.map((one) => one.replaceAll("\n", line)) }));

type Plain = string | { readonly [key: string]: Plain };

/** Text of a settings file in a style. */
function textOf(value: Plain, { gaps, turns }: Style): string {
  let places = 0;
  let choices = 0;
  const space = (): string => gaps[places++ % gaps.length] ?? "";
  const turn = (): boolean => turns[choices++ % turns.length] ?? false;
  const unit = (one: string): string =>
    turn() ? `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}` : JSON.stringify(one).slice(1, -1);
  const string = (text: string): string =>
    `"${Array.from({ length: text.length }, (_, i) => unit(text.charAt(i))).join("")}"`;
  const write = (one: Plain): string => {
    if (typeof one === "string") return string(one);
    const members = Object.entries(one).map(
      ([key, inner]) => `${space()}${string(key)}${space()}:${space()}${write(inner)}${space()}`,
    );
    return `{${members.join(",")}${members.length > 0 && turn() ? "," : ""}${space()}}`;
  };
  return `${space()}${write(value)}${space()}`;
}

const names = ["a", "gpu1", "constructor", "x-y.z_9", "toString"];
const addresses = fc.constantFrom("127.0.0.1:1", "tls://gpu1:9203", "[::1]:9203", "h:65535");
const group = fc.string({ unit: "grapheme", minLength: 1, maxLength: 9 }).filter((text) => !/\p{Cc}/u.test(text));
const label = fc
  .oneof(fc.constantFrom("rack", "constructor", "é", '"', "\\", "//", "/*"), group)
  .filter((text) => text !== "__proto__");
const value = fc.oneof(fc.constantFrom("", '"}, "', "*/", "// x", "\u2028", "\ud83d\ude00"), group);
const labels = fc.dictionary(label, value, { maxKeys: 3 });
const server = fc.oneof(
  addresses,
  fc.record({ address: addresses, group, labels }, { requiredKeys: ["address"] }),
  fc.record({ labels, address: addresses }, { requiredKeys: ["address"] }),
);
const file = fc
  .record({
    servers: fc.option(fc.dictionary(fc.constantFrom(...names), server, { maxKeys: 3 }), { nil: undefined }),
    others: fc.dictionary(fc.constantFrom("hub", "push", "$schema"), fc.constantFrom<Plain>("x", {}, { name: "n" })),
    first: fc.boolean(),
    style,
    mark: fc.constantFrom("", "\uFEFF"),
  })
  .map(({ servers, others, first, style: how, mark }) => {
    const own = servers === undefined ? {} : { servers: servers as Plain };
    const all = first ? { ...own, ...others } : { ...others, ...own };
    return { text: mark + textOf(all, how), held: (servers ?? defaults) as Servers };
  });
const change = fc.record(
  {
    address: addresses,
    group: fc.option(group),
    labels: fc.dictionary(label, fc.option(value), { maxKeys: 3 }),
  },
  { requiredKeys: [] },
);
const edits = fc.array(fc.tuple(fc.nat(), fc.option(change, { nil: undefined, freq: 4 })), {
  minLength: 1,
  maxLength: 4,
});

/** What the settings say of a server after a change. */
function changed(before: Servers[string], { address, group, labels = {} }: ServerChange): unknown {
  const { ...parts } = typeof before === "string" ? { address: before } : before;
  const after: { address: string; group?: string; labels?: Record<string, string> } = { ...parts };
  if (address !== undefined) after.address = address;
  if (group === null) delete after.group;
  else if (group !== undefined) after.group = group;
  for (const [name, text] of Object.entries(labels)) {
    if (text !== null) after.labels = { ...after.labels, [name]: text };
    else if (after.labels !== undefined) after.labels = without(after.labels, name);
  }
  const isBare = typeof before === "string" && after.group === undefined && after.labels === undefined;
  return isBare ? after.address : after;
}

const without = <T>(all: Readonly<Record<string, T>>, name: string): Record<string, T> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => key !== name));

/** Comments in their order. Texts in quotation marks are skipped. */
const commentsOf = (text: string): string[] =>
  [...text.matchAll(/"(?:[^"\\]|\\.)*"|(\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)/g)].flatMap(([, comment]) => comment ?? []);

/** A text without the properties that a change removes, whose own comments go with them. */
function withoutRemoved(text: string, name: string, wanted: ServerChange | undefined): string {
  const bare = text.replace(/^\uFEFF/, "");
  const root = parseTree(bare, [], { allowTrailingComma: true }) as Node;
  const labels = Object.entries(wanted?.labels ?? {}).flatMap(([label, one]) =>
    one === null ? [["labels", label]] : [],
  );
  const removed = wanted === undefined ? [[]] : [...(wanted.group === null ? [["group"]] : []), ...labels];
  const ranges = removed
    .flatMap((path) => findNodeAtLocation(root, ["servers", name, ...path])?.parent ?? [])
    .toSorted((a, b) => b.offset - a.offset);
  return ranges.reduce((left, { offset, length }) => left.slice(0, offset) + left.slice(offset + length), bare);
}

/** The text before and after what an edit may touch: the server, from the end of the one before to the beginning of the next. */
function around(text: string, name: string): readonly [string, string] {
  const bare = text.replace(/^\uFEFF/, "");
  const root = parseTree(bare, [], { allowTrailingComma: true }) as Node;
  const all = findNodeAtLocation(root, ["servers"]);
  if (all === undefined) return ["", ""];
  const property = findNodeAtLocation(all, [name])?.parent as Node;
  const siblings = all.children ?? [];
  const at = siblings.indexOf(property);
  const [before, after] = [siblings[at - 1], siblings[at + 1]];
  const from = before === undefined ? all.offset + 1 : before.offset + before.length;
  return [
    text.slice(0, text.length - bare.length) + bare.slice(0, from),
    bare.slice(after === undefined ? all.offset + all.length - 1 : after.offset),
  ];
}

test(
  "any sequence of edits of any file is read as what was asked, and leaves everything else byte for byte",
  slow,
  () => {
    fc.assert(
      fc.property(file, edits, (start, all) => {
        let { text } = start;
        const held: Record<string, unknown> = { ...start.held };
        const { servers: _, ...others } = parseFile(text, "s") as Record<string, unknown>;
        for (const [pick, wanted] of all) {
          const present = Object.keys(held);
          const name = present[pick % present.length];
          if (name === undefined) return;
          const after = edited(text, name, wanted);
          if (wanted === undefined) delete held[name];
          else held[name] = changed(held[name] as Servers[string], wanted);
          expect(parseFile(after, "s")).toEqual({ ...others, servers: held });
          expect(commentsOf(after)).toEqual(commentsOf(withoutRemoved(text, name, wanted)));
          const [before, behind] = around(text, name);
          expect([after.startsWith(before), after.endsWith(behind)]).toEqual([true, true]);
          text = after;
        }
      }),
      cases,
    );
  },
);

test("an address that is changed alone is all that differs", slow, () => {
  fc.assert(
    fc.property(file, addresses, ({ text, held }, address) => {
      const [name] = Object.keys(held);
      const before = name === undefined ? undefined : held[name];
      if (name === undefined || before === undefined) return;
      fc.pre((typeof before === "string" ? before : before.address) !== address);
      const once = edited(text, name, { address: "one:1" });
      expect(once.replace('"one:1"', () => JSON.stringify(address))).toBe(edited(text, name, { address }));
      expect(edited(once, name, { address: "one:1" })).toBe(once);
    }),
    cases,
  );
});
