import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { table as agent } from "../agent/settings.ts";
import { table as hub } from "../hub/settings.ts";
import type { Table } from "../program/setting.ts";
import { documents } from "../scripts/docs.ts";
import { floors, houses } from "../scripts/floor.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const text = (path: string): string => readFileSync(join(top, path), "utf8");

test.each(Object.keys(documents))("%s is what the code says; npm run docs brings it up to date", (path) => {
  expect(text(path)).toBe(documents[path]?.());
});

const pages = [
  "README.md",
  "README.zh-CN.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "docs/accounts.md",
  "docs/api.md",
  "docs/architecture.md",
  "docs/cli.md",
  "docs/deploy.md",
  "docs/develop.md",
  "docs/exporter.md",
  "docs/history.md",
  "docs/logger.md",
  "docs/prometheus.md",
  "docs/push.md",
  "docs/security.md",
  "docs/settings.md",
];

test.each(pages)("%s links to nothing that is not there", (page) => {
  const links = [...text(page).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, target = ""]) => target);
  const lost = links.filter((target) => !/^https?:/.test(target) && !existsSync(join(top, dirname(page), target)));
  expect(lost).toEqual([]);
});

test.each(pages)("%s links to headings that are there", (page) => {
  const links = [...text(page).matchAll(/\]\(([^)#:]*)#([^)]*)\)/g)].map(([, to = "", anchor = ""]) => ({
    to: to === "" ? page : join(dirname(page), to),
    anchor,
  }));
  const lost = links.filter(({ to, anchor }) => to.endsWith(".md") && !anchorsOf(to).includes(anchor));
  expect(lost).toEqual([]);
});

/** Names under which GitHub has the headings of a document. */
const anchorsOf = (document: string): string[] =>
  [...text(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

test("every threat of security.md has a test, which is there under that name", () => {
  const [, table = ""] = /<!-- threats -->\n([\s\S]*)<!-- end -->/.exec(text("docs/security.md")) ?? [];
  const rows = table
    .trim()
    .split("\n")
    .slice(2)
    .map((row) => /^\| .+ \| .+ \| `([\w./-]+\.test\.ts)` "(.+)" \|$/.exec(row)?.slice(1) ?? [row, ""]);
  expect(rows.length).toBeGreaterThan(40);
  const lost = rows.filter(([file = "", name]) => !existsSync(join(top, file)) || !text(file).includes(`"${name}"`));
  expect(lost).toEqual([]);
});

/** Files and folders of the houses; a folder ends in "/". */
const paths = houses.flatMap(({ name }) => [
  `${name}/`,
  ...readdirSync(join(top, name), { recursive: true, withFileTypes: true }).map(
    (one) => `${relative(top, join(one.parentPath, one.name))}${one.isDirectory() ? "/" : ""}`,
  ),
]);

/** Whether a name from a table is there: below a house if that is given, else anywhere. "*" stands for any name. */
function isThere(name: string, house?: string): boolean {
  const pattern = name.replaceAll(".", "\\.").replaceAll("*", "[^/]+");
  const whole = new RegExp(`^${house === undefined ? "(.*/)?" : `${house}/`}${pattern}$`);
  return paths.some((path) => whole.test(path));
}

test("the tables of architecture.md name files and folders that are there", () => {
  const lost: string[] = [];
  let checked = 0;
  for (const section of text("docs/architecture.md").split(/^## /m)) {
    const [, house] = /^The (agent|hub)\n/.exec(section) ?? [];
    for (const [row] of section.matchAll(/^\|.*$/gm)) {
      const [, first = "", ...others] = row.split("|");
      for (const [cell, of] of [[first, house] as const, ...others.map((other) => [other, undefined] as const)]) {
        for (const [, name = ""] of cell.matchAll(/`([\w./*-]+(?:\.tsx?|\.proto|\/))`/g)) {
          checked++;
          if (!isThere(name, of)) lost.push(`${name}: ${row}`);
        }
      }
    }
  }
  expect(checked).toBeGreaterThan(80);
  expect(lost).toEqual([]);
});

test.each(["agent", "hub"])("the table of the %s has a row for each file and room on its floors", (house) => {
  const [, section = ""] = text("docs/architecture.md").split(`\n## The ${house}\n`);
  const rows = section.slice(0, section.indexOf("\n## ")).match(/^\| `[^|]+\|/gm) ?? [];
  const named = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
  const entries = floors[`${house}/`]?.flat() ?? [];
  expect(entries.length).toBeGreaterThan(10);
  const lost = entries.filter((entry) =>
    entry.endsWith("/") ? !named.some((name) => name.startsWith(entry)) : !named.includes(entry),
  );
  expect(lost).toEqual([]);
});

const shape = (page: string) => ({
  headings: text(page).match(/^#+ /gm),
  code: text(page).match(/^```[\s\S]*?^```/gm),
  rows: text(page).match(/^\|/gm)?.length,
  bullets: text(page).match(/^- /gm)?.length,
  names: [...new Set(text(page).match(/`[^`\n]+`/g))].sort(),
});

test("the Chinese README has the headings, commands, tables and names of the English one", () => {
  expect(shape("README.zh-CN.md")).toEqual(shape("README.md"));
});

test.each([
  ["hub", hub],
  ["agent", agent],
])("every setting of the %s has a row in settings.md", (_, table) => {
  const known = text("docs/settings.md");
  const rows = Object.values<Table[string]>(table);
  expect(rows.length).toBeGreaterThan(5);
  const lost = rows.filter((row) => !known.includes(`| \`${row.only === "file" ? row.name : row.env}\` |`));
  expect(lost).toEqual([]);
});

test("every environment variable that the README names is a setting", () => {
  const known = text("docs/settings.md");
  const named = [...new Set(text("README.md").match(/GOHM_[A-Z_]+/g))];
  expect(named.filter((name) => !known.includes(`\`${name}\``))).toEqual([]);
});
