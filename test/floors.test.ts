// The rules of docs/architecture.md, checked on the import statements themselves, type imports included.
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as plan from "../scripts/floor.ts";
import { importsOf, isTest, violations } from "./rule.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string): string => readFileSync(join(top, file), "utf8");

const files = plan.houses.flatMap(({ name }) =>
  readdirSync(join(top, name), { recursive: true, encoding: "utf8" })
    .map((file) => `${name}/${file.split(sep).join("/")}`)
    .filter((file) => /\.tsx?$/.test(file) && !/\/(gen|\.cache)\//.test(file) && !file.endsWith(".d.ts")),
);

test("every import is one that the floors allow, and every floor, door and package that they name is there", () => {
  const imports = files.flatMap((file) => importsOf(file, read(file)));
  expect([files.length > 300, imports.length > 1500]).toEqual([true, true]);
  expect(violations(files, imports, plan)).toEqual([]);
});

test("each package that the programs depend on has its place, and no house imports one above it", () => {
  const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Readonly<Record<string, string>> };
  expect(plan.outside.map(({ name }) => name).sort()).toEqual(Object.keys(dependencies).sort());
  const names = plan.houses.map(({ name }) => name);
  const up = plan.houses.filter(({ imports }, at) => imports.some((name) => names.indexOf(name) >= at));
  expect(up).toEqual([]);
});

test("the page imports nothing but types from the hub", () => {
  const lines = files
    .filter((file) => file.startsWith("web/"))
    .flatMap((file) => [...read(file).matchAll(/^import[^;]*?from "[./]*\/hub\/[^"]+";/gm)].map(([line]) => line));
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.filter((line) => !line.startsWith("import type "))).toEqual([]);
});

test("program/ knows no word of the domain", () => {
  const lines = files
    .filter((file) => file.startsWith("program/") && !isTest(file))
    .flatMap((file) =>
      read(file)
        .split("\n")
        .map((line) => `${file}: ${line.trim()}`),
    );
  expect(lines.length).toBeGreaterThan(500);
  // A domain under .example stands for any.
  const known = lines.filter((line) => plan.domain.test(line.replaceAll(/[\w.]+\.example\b/g, "")));
  expect(known).toEqual([]);
});

test("no barrels, no dumping grounds, no file over 400 lines", () => {
  const styles = readdirSync(join(top, "web", "style")).map((file) => `web/style/${file}`);
  const bad = [...files, ...styles].filter(
    (file) =>
      /(^|\/)(index|utils?|helpers?|common|shared|misc|types)(\.tsx?$|\/)/.test(file) ||
      read(file).split("\n").length > 400,
  );
  expect(bad).toEqual([]);
});
