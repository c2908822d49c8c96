import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { accountKey, isExpired, sessionId } from "./book.ts";

const hour = 3_600_000;
const day = 24 * hour;
const now = 1_800_000_000_000;

test.each([
  ["alice", "ALICE"],
  ["Ａｌｉｃｅ", "alice"],
  ["ﬁona", "FIONA"],
  ["ŁUKASZ", "łukasz"],
  ["ÉMILE", "e\u0301mile"],
  ["\u212Aelvin", "kelvin"],
])("%s and %s are one account", (one, other) => expect(accountKey(one)).toBe(accountKey(other)));

test.each([
  ["alice", "аlice"],
  ["emile", "émile"],
  ["张伟", "張偉"],
])("%s and %s are two accounts", (one, other) => expect(accountKey(one)).not.toBe(accountKey(other)));

test("the number of a session is a word on a command line, and never an option", () => {
  for (let byte = 0; byte < 256; byte++) expect(sessionId(Buffer.alloc(32, byte))).toMatch(/^\w{16}$/);
});

test("the key of a key is itself, of any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      expect(accountKey(accountKey(name))).toBe(accountKey(name));
    }),
    cases,
  );
});

test.each<[string, number, number | undefined, number, boolean]>([
  ["before its end", now, now + hour, now + hour - 1, false],
  ["at its end", now, now + hour, now + hour, true],
  ["when the clock was set back an hour", now, now + hour, now - hour, false],
  ["when the clock was set back a day", now, now + hour, now - day, false],
  ["when it was created by a clock of 2500", 16_725_225_600_000, 16_725_225_600_000 + hour, now, true],
  ["without an end", now, undefined, now + 1e12, false],
  ["without an end, in 1970", now, undefined, 0, false],
])("expired %s: %i to %d at %i is %s", (_, created, expires, at, expired) => {
  expect(isExpired({ created, expires }, at)).toBe(expired);
});
