import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { clean, cleanAll } from "./clean.ts";

test.each([
  ["python3", "python3"],
  ["Übung 数据 🙂", "Übung 数据 🙂"],
  ["a\u0000b\u001b[31mc\nd\u007fe\u0085", "ab[31mcde"],
  ["a\u202egnp.exe", "agnp.exe"],
  ["a\u2028b", "ab"],
])("%j becomes %j", (text, expected) => {
  expect(clean(text)).toBe(expected);
});

test("a long name is cut to 256 bytes, never inside a character", () => {
  expect(clean("x".repeat(300))).toBe("x".repeat(256));
  expect(clean("数".repeat(100))).toBe("数".repeat(85));
  expect(clean(`x${"数".repeat(100)}`)).toBe(`x${"数".repeat(85)}`);
});

test("whatever the text, it becomes valid UTF-8 of at most 256 bytes without control characters, and stays so", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
      const cleaned = clean(text);
      const bytes = new TextEncoder().encode(cleaned);
      expect(bytes.length).toBeLessThanOrEqual(256);
      expect(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)).toBe(cleaned);
      expect(cleaned).not.toMatch(/\p{Cc}/u);
      expect(clean(cleaned)).toBe(cleaned);
    }),
  );
});

test("a lone surrogate does not reach the wire", () => {
  expect(clean("a\ud800b")).toBe("a\ufffdb");
});

test("cleans every text of a message, at any depth, and nothing else", () => {
  const info = create(HostInfoSchema, {
    hostname: "h\n",
    err: "e".repeat(2000),
    gpus: [{ id: 3, name: "H\u0000200", procs: [{ pid: 1, basename: "a\u001b" }] }],
    nics: [{ addresses: ["10.0.0.1\n"] }],
    system: { os: "x\t" },
  });
  cleanAll(HostInfoSchema, info);
  expect(info).toEqual(
    create(HostInfoSchema, {
      hostname: "h",
      err: "e".repeat(1024),
      gpus: [{ id: 3, name: "H200", procs: [{ pid: 1, basename: "a" }] }],
      nics: [{ addresses: ["10.0.0.1"] }],
      system: { os: "x" },
    }),
  );
});
