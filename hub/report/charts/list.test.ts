import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { ChartList } from "./list.ts";

const any = /^/;

function read(text: string, cuts: readonly number[]): ChartList {
  const list = new ChartList(any);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    list.push(text.slice(from, cut));
    from = cut;
  }
  list.push(text.slice(from));
  return list;
}

const cuts = fc.array(fc.nat(400), { maxLength: 12 });
const space = fc.constantFrom(undefined, 1, "\t");

/** Parts of texts: what JSON is made of, what it escapes, what is in ids. */
const plain = [
  "a",
  "charts",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  " ",
  "é",
  "😀",
  "__proto__",
  ".",
  "_card1",
  "id",
  "x".repeat(40),
];
const parts = [...plain, '"', "\\", "\n", "\u0000", "\u2028", "\ud800", "/"];
const numbers = [0, -1, 1.5, 1e-7, 1e21, -0.25, 123_456_789];

/** Makes JSON values of bytes, which are choices: arbitraries in one another cost twenty times as much. */
class Choices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #next(count: number): number {
    return (this.#bytes[this.#at++] ?? 0) % count;
  }

  text(of = parts): string {
    return Array.from({ length: this.#next(4) }, () => of[this.#next(of.length)]).join("");
  }

  list<T>(make: () => T): T[] {
    return Array.from({ length: this.#next(5) }, make);
  }

  value(depth = 0): unknown {
    const kind = this.#next(depth > 5 ? 4 : 8);
    if (kind === 0) return [null, true, false][this.#next(3)];
    if (kind === 1) return numbers[this.#next(numbers.length)];
    if (kind < 4) return this.text();
    if (kind < 6) return this.list(() => this.value(depth + 1));
    return this.object(() => this.text(), depth);
  }

  object(key: () => string, depth = 0): object {
    return Object.fromEntries(this.list(() => [key(), this.value(depth + 1)]));
  }
}

test("ids are the keys of charts, wherever the answer is cut into pieces", () => {
  const bytes = fc.uint8Array({ maxLength: 120 });
  fc.assert(
    fc.property(bytes, fc.uint8Array({ maxLength: 12 }), space, (made, at, indent) => {
      const choices = new Choices(made);
      // A key with an escape is none of Netdata's, and is not decoded.
      const charts = choices.object(() => choices.text(plain));
      const text = JSON.stringify({ before: choices.value(), charts, after: choices.value() }, undefined, indent);
      const list = read(
        text,
        Array.from(at, (byte) => Math.round((byte / 255) * text.length)),
      );
      expect([list.complete, ...[...list.ids].sort()].join("\n")).toBe(
        ["true", ...Object.keys(charts).sort()].join("\n"),
      );
    }),
    cases,
  );
});

test("a list that ends half-way, or has more behind it, is not complete", () => {
  const text = JSON.stringify({ version: "v1.37.1", charts: { "a.b": { id: "a.b" } }, hosts: [{ hostname: "x" }] });
  fc.assert(
    fc.property(fc.nat(text.length - 1), cuts, (length, at) => {
      expect(read(text.slice(0, length), at).complete).toBe(false);
    }),
    cases,
  );
  expect(read(`${text} \n`, []).complete).toBe(true);
  for (const more of [",", "{}", "x", "]", "[1]", '""']) expect(read(text + more, []).complete).toBe(false);
});

test("any text is read without an error, and none but an object with charts is complete", () => {
  const piece = fc.constantFrom("{", "}", "[", "]", '"', "\\", ",", ":", "charts", " ", "1", "x", "<html>");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), cuts, (pieces, at) => {
      const text = pieces.join("");
      const { complete, ids } = read(text, at);
      if (complete) expect(text.replaceAll(" ", "")).toMatch(/^\{.*"charts".*\{.*\}$/);
      expect(ids.size).toBeLessThanOrEqual(40);
    }),
    cases,
  );
});

test("a hostile list keeps no more than 4096 ids, and none that is longer than 1024 characters", () => {
  const ids = Array.from({ length: 5000 }, (_, i) => `c${i}`);
  const list = read(
    JSON.stringify({ charts: Object.fromEntries([["x".repeat(1025), 0], ...ids.map((id) => [id, 0])]) }),
    [],
  );
  expect(list.ids.size).toBe(4096);
  expect(list.ids.has("x".repeat(1025))).toBe(false);
});
