import fc from "fast-check";
import { expect, test } from "vitest";
import { edits, nearest } from "./hint.ts";

test("nearest() finds a swapped letter and refuses a stranger", () => {
  expect(nearest("servres", ["servers", "poll.interval"])).toBe("servers");
  expect(nearest("colour", ["servers", "poll.interval"])).toBeUndefined();
});

test.each([
  ["x", ["ca", "for"], undefined],
  ["fro", ["ca", "for"], "for"],
  ["up", ["who", "free"], undefined],
  ["statsu", ["schema", "status"], "status"],
  ["interval", ["poll.deadline", "poll.interval"], "poll.interval"],
  ["", ["ca"], undefined],
])("%j, where %j are known, hints at %j", (name, known, hint) => {
  expect(nearest(name, known)).toBe(hint);
});

const word = fc.string({ unit: fc.constantFrom("a", "b", "c", "-"), maxLength: 8 });

test("a swap, a letter more, fewer or another one is one edit, and the order of the two words does not matter", () => {
  fc.assert(
    fc.property(word, word, fc.nat(8), (a, b, at) => {
      const i = Math.min(at, a.length);
      const [head, tail] = [a.slice(0, i), a.slice(i)];
      expect(edits(a, a)).toBe(0);
      expect(edits(a, `${head}x${tail}`)).toBe(1);
      expect(edits(a, `${head}${tail.slice(1)}`)).toBe(tail === "" ? 0 : 1);
      const swapped = `${head}${tail.slice(1, 2)}${tail.slice(0, 1)}${tail.slice(2)}`;
      expect(edits(a, swapped)).toBe(swapped === a ? 0 : 1);
      expect(edits(a, b)).toBe(edits(b, a));
    }),
  );
});
