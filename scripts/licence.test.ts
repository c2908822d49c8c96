import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { top } from "../test/program.ts";
import { allows, type LockedPackage, wrongChangelog, wrongPackages } from "./licence.ts";

const whole = { version: "1.0.0", integrity: "sha512-x" };

test("no package of this project has a licence that may not be in it, and each has a checksum", () => {
  const text = readFileSync(join(top, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as { packages: Record<string, LockedPackage> };
  expect(Object.keys(packages).length).toBeGreaterThan(200);
  expect(wrongPackages(packages)).toEqual([]);
});

test("a package with another licence, without one, or without a checksum is named", () => {
  expect(
    wrongPackages({
      "": { version: "0.2.0" },
      "node_modules/fine": { ...whole, license: "MIT" },
      "node_modules/tool": { ...whole, license: "MPL-2.0", dev: true },
      "node_modules/inside": { ...whole, license: "MPL-2.0" },
      "node_modules/a/node_modules/@b/strict": { ...whole, license: "GPL-3.0-only", dev: true },
      "node_modules/bare": whole,
      "node_modules/loose": { version: "1.0.0", license: "ISC" },
    }),
  ).toEqual([
    "inside 1.0.0 has the licence MPL-2.0",
    "@b/strict 1.0.0 has the licence GPL-3.0-only",
    "bare 1.0.0 names no licence",
    "loose 1.0.0 has no checksum",
  ]);
});

test("of two licences one is enough if there is a choice, else both count", () => {
  const allowed = new Set(["MIT", "Apache-2.0"]);
  const licences = ["MIT", "(MIT OR GPL-2.0)", "GPL-2.0 OR GPL-3.0", "(Apache-2.0 AND MIT)", "MIT AND GPL-2.0", ""];
  expect(licences.map((one) => allows(one, allowed))).toEqual([true, true, false, true, false, false]);
});

test("a version is released with its section of the changelog, and nothing after it", () => {
  const done = "# Changelog\n\n## 0.3.0 (2027-01-01)\n\n- [FEATURE] x\n\n## 0.2.0\n";
  expect(wrongChangelog(done, "0.3.0")).toEqual([]);
  expect(wrongChangelog(done, "0.3")).toEqual(["CHANGELOG.md has no section 0.3"]);
  expect(wrongChangelog(done.replace("## 0.3.0", "## Unreleased\n\n- y\n\n## 0.3.0"), "0.3.0")).toEqual([
    "CHANGELOG.md has unreleased changes",
  ]);
});
