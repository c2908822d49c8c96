// Licences of third-party software go wherever that software goes.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { notices } from "../../scripts/notices.ts";
import { top } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "gohm-notices-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const dist = (file: string): string => readFileSync(join(top, "dist", file), "utf8");
const licences = {
  agent: dist("hmonitor.licenses.txt"),
  hub: dist("gohm.licenses.txt"),
  page: dist("web/licenses.txt"),
};

/** "name version" of each package of a text. */
const packages = (text: string): string[] =>
  [...text.matchAll(/^={80}\n(\S+ \S+) \(.*\)\n={80}$/gm)].map((m) => m[1] ?? "");

test("every bundled package is listed with its version and licence", () => {
  const { dependencies } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const named = new Set(Object.values(licences).flatMap(packages));
  expect(Object.entries(dependencies).filter(([name, version]) => !named.has(`${name} ${version}`))).toEqual([]);
});

/** Sentences without which a licence of this kind is not complete. */
const essence: Readonly<Record<string, RegExp>> = {
  MIT: /The above copyright notice and this permission notice\s+shall be\s+included/,
  "Apache-2.0": /END OF TERMS AND CONDITIONS/,
  "BSD-3-Clause": /Redistributions in binary form must reproduce/,
};

test.each(Object.entries(licences))("of the %s each licence is there as a whole, with its copyright", (_, text) => {
  const parts = text.split(/^={80}\n(?=\S+ \S+ \()/m).slice(1);
  expect(parts.length).toBeGreaterThan(4);
  for (const part of parts) {
    const [title = ""] = part.split("\n");
    const kinds = Object.keys(essence).filter((kind) => title.includes(kind));
    expect(kinds, title).not.toEqual([]);
    for (const kind of kinds) expect(part, title).toMatch(essence[kind] ?? /$^/);
    expect(part, title).toMatch(/copyright/i);
  }
});

test("Swagger UI and ReDoc come with the notices that their licences ask for, and with those of what is in them", () => {
  const text = licences.page;
  expect(packages(text)).toEqual(expect.arrayContaining(["redoc 2.5.4", "swagger-ui-dist 5.35.0"]));
  for (const [name, file] of [
    ["swagger-ui-dist", "NOTICE"],
    ["swagger-ui-dist", "swagger-ui-bundle.js.LICENSE.txt"],
    ["redoc", "bundles/redoc.standalone.js.LICENSE.txt"],
  ] as const) {
    const whole = readFileSync(join(top, "node_modules", name, file), "utf8").trim();
    expect(text.includes(`\n${file}:\n\n${whole}\n`), file).toBe(true);
  }
  // Both scripts name the file.
  for (const script of ["swagger-ui-bundle.js", "redoc.standalone.js"]) {
    const code = gunzipSync(readFileSync(join(top, "dist/web/docs", `${script}.gz`))).toString();
    expect(code.startsWith("/*! For license information please see licenses.txt */")).toBe(true);
    // Its map is not shipped, and its logo is not fetched.
    expect(/\n\/\/# sourceMappingURL=\S+\s*$|cdn\.redoc\.ly/.test(code), script).toBe(false);
  }
});

test("the agent, which is copied as one file, ends with the licences", () => {
  expect(dist("hmonitor").endsWith(`/*\n${licences.agent.replaceAll("*/", "* /")}*/\n`)).toBe(true);
});

test("a package without a licence file is refused by name", () => {
  const at = join(folder, "node_modules", "@some", "thing");
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "package.json"), JSON.stringify({ version: "1.2.3", license: "MIT" }));
  const metafile = { inputs: { "node_modules/@some/thing/index.js": { bytes: 1, imports: [] } }, outputs: {} };
  const make = (): string => notices({ modules: join(folder, "node_modules"), metafile });
  expect(make).toThrow("@some/thing 1.2.3 is bundled and has no licence file");
  writeFileSync(join(at, "LICENSE.md"), "Copyright Some\r\n");
  expect(make()).toContain("@some/thing 1.2.3 (MIT)");
  expect(make()).toContain("\nCopyright Some\n");
});
