import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readRegular, readText } from "./file.ts";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-file-"));
  execFileSync("mkfifo", [at("fifo")]);
  symlinkSync("fifo", at("link"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["fifo", /fifo is a FIFO, not a regular file$/],
  ["link", /link is a FIFO, not a regular file$/],
  [".", /is a directory, not a regular file$/],
  ["missing", /ENOENT/],
])("what is at %s is refused without blocking", (name, wanted) => {
  expect(() => readRegular(at(name))).toThrow(wanted);
});

test("a device is refused by name", () => {
  expect(() => readRegular("/dev/zero")).toThrow("/dev/zero is a device, not a regular file");
});

test("a file of /proc, which states no size, is read whole", () => {
  expect(readText("/proc/self/status")).toMatch(/^Name:[\s\S]*nonvoluntary_ctxt_switches:\t\d+\n$/);
});

test("a file is read as it is up to the limit, and refused beyond it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9000 }), fc.integer({ min: 0, max: 9000 }), (bytes, limit) => {
      writeFileSync(at("file"), bytes);
      if (bytes.length <= limit) expect(readRegular(at("file"), limit)).toEqual(Buffer.from(bytes));
      else expect(() => readRegular(at("file"), limit)).toThrow(`is larger than ${limit} bytes`);
    }),
    { numRuns: 50 },
  );
});

test("a sparse file of a terabyte costs no memory", () => {
  writeFileSync(at("huge"), "");
  truncateSync(at("huge"), 2 ** 40);
  expect(() => readRegular(at("huge"))).toThrow("is larger than 4194304 bytes");
});

test("a text that is not UTF-8 is refused by name, and any other one is read as it is", () => {
  writeFileSync(at("latin"), Buffer.from('{"hub": {"name": "caf\xe9"}}', "latin1"));
  expect(() => readText(at("latin"))).toThrow(/latin is not text in UTF-8$/);
  writeFileSync(at("utf8"), "café 机器");
  expect(readText(at("utf8"))).toBe("café 机器");
});
