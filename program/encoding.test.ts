import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { LineDecoder } from "./encoding.ts";

function decode(...pieces: readonly Uint8Array[]) {
  const decoder = new LineDecoder();
  const text = pieces.map((piece) => decoder.read(piece)).join("") + decoder.end();
  return [text, decoder.encoding];
}

/** "机房\n" as a program on a Chinese Windows writes it. */
const gbk = Buffer.from([0xbb, 0xfa, 0xb7, 0xbf, 0x0a]);

test("a text is the same wherever it is cut into pieces", () => {
  const texts = fc.string({ unit: fc.constantFrom("a", ",", "\n", "é", "机", "🙂"), maxLength: 30 });
  fc.assert(
    fc.property(texts, fc.array(fc.nat(), { maxLength: 5 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
      const [read] = decode(...[0, ...at].map((start, i) => bytes.subarray(start, at[i])));
      expect(read).toBe(text);
    }),
    cases,
  );
});

test.each<[string, Buffer[], string, string | undefined]>([
  ["ASCII", [Buffer.from("a,b\n")], "a,b\n", undefined],
  ["UTF-8 with a mark", [Buffer.from("\ufeffa,b\n")], "a,b\n", "utf-8"],
  ["a mark that is cut", [Buffer.from([0xef]), Buffer.from([0xbb, 0xbf, 0x61])], "a", "utf-8"],
  ["GBK", [Buffer.from("a\n"), gbk, gbk], "a\n机房\n机房\n", "gb18030"],
  ["GBK within a character", [gbk.subarray(0, 3), gbk.subarray(3)], "机房\n", "gb18030"],
  ["UTF-8, then something else", [Buffer.from("é\n"), gbk], "é\n\ufffd\ufffd\ufffd\ufffd\n", "utf-8"],
  ["neither", [Buffer.from([0x61, 0xff, 0x0a])], "a\ufffd\n", "utf-8"],
])("%s is decoded", (_, pieces, text, encoding) => {
  expect(decode(...pieces)).toEqual([text, encoding]);
});

test("a text without line ends is not kept until its end", () => {
  const decoder = new LineDecoder();
  let length = 0;
  for (let i = 0; i < 40; i++) length += decoder.read(Buffer.alloc(65_536, "x")).length;
  expect(length).toBeGreaterThan(2 ** 20);
});
