import fc from "fast-check";
import { expect, test } from "vitest";
import { clean } from "./clean.ts";

test.each([
  ["python3", "python3"],
  ["Übung 数据 🙂", "Übung 数据 🙂"],
  ["a\u0000b\u001b[31mc\nd\u007fe\u0085", "ab[31mcde"],
  ["a\u202egnp.exe", "agnp.exe"],
  ["a\u2028b\u2029c", "abc"],
  ["\u202etoor", "toor"],
  ["ro\u200bo\u2060t\ufeff\u00ad", "root"],
  ["\u2066a\u2069\u061cb\u200f", "ab"],
  ["x\u{e0041}\u{e0001}y\u034f\u3164\u180e\ufe0f", "xy"],
  ["\ufff9a\ufffab\ufffb", "ab"],
])("%j becomes %j", (text, expected) => {
  expect(clean(text)).toBe(expected);
});

test("a long name is cut to 256 bytes, never inside a character", () => {
  expect(clean("x".repeat(300))).toBe("x".repeat(256));
  expect(clean("数".repeat(100))).toBe("数".repeat(85));
  expect(clean(`x${"数".repeat(100)}`)).toBe(`x${"数".repeat(85)}`);
});

test("a text of megabytes is read only as far as it can be kept", () => {
  expect(clean("😀".repeat(1_000_000))).toBe("😀".repeat(64));
  expect(clean(`${"\u200b".repeat(2_000_000)}x`)).toBe("");
});

test("any text becomes valid UTF-8 of at most 256 bytes without control characters, and is not changed again", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
      const cleaned = clean(text);
      const bytes = new TextEncoder().encode(cleaned);
      expect(bytes.length).toBeLessThanOrEqual(256);
      expect(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)).toBe(cleaned);
      expect(cleaned).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(clean(cleaned)).toBe(cleaned);
    }),
  );
});

test("a lone surrogate does not reach the wire", () => {
  expect(clean("a\ud800b")).toBe("a\ufffdb");
});
