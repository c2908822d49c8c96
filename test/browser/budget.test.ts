// What a visitor has to load, measured on the built files.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { catalog } from "../../proto/catalog.ts";
import { top } from "../program.ts";

const folder = join(top, "dist", "web");
const names = readdirSync(folder);
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const packed = (files: Iterable<string>): number =>
  [...files].reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0);

/** Files that a script imports: all of them, or only those that it loads before it runs. */
function importsOf(name: string, all: boolean): string[] {
  const found = [...read(name).matchAll(/(?:from|import)"\.\/([^"]+)"|import\("\.\/([^"]+)"\)/g)];
  return found.flatMap(([, before, later]) => before ?? (all && later !== undefined ? later : []));
}

/** Files that a script loads before it runs, and those they load. With a filter also what it may load later. */
function loaded(name: string, later?: (name: string) => boolean, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const next of importsOf(name, later !== undefined)) if (later?.(next) ?? true) loaded(next, later, found);
  return found;
}

/** Scripts of accounts and administration, which nobody loads without signing in. */
const isAdministration = (name: string): boolean => /^(account|admin|link|sign-in)-/.test(name);
/** Those of daily reports, which nobody loads without any. */
const isReports = (name: string): boolean => /^reports?-/.test(name);

/** Files that nobody loads in more than one language: of each kind the largest one counts. */
const kinds = ["", "said-", "admin-", "report-"].map((kind) => {
  const all = names.filter((name) => new RegExp(`^${kind}(en|zh-CN|zh-TW)-\\w+\\.js$`).test(name));
  return { kind, all: all.sort((a, b) => packed([b]) - packed([a])) };
});
const spare = new Set(kinds.flatMap(({ all }) => all.slice(1)));

test("the fleet page is at most 60 KB compressed in any language, everything with charts at most 100 KB, administration at most 25 KB more, reports at most 8 KB more", () => {
  // What the hub says is never loaded in its own language.
  expect(kinds.map(({ all }) => all.length)).toEqual([3, 2, 3, 3]);
  const html = read("index.html");
  const script = /src="([^"]+\.js)"/.exec(html)?.[1] ?? "";
  const style = /href="([^"]+\.css)"/.exec(html)?.[1] ?? "";
  const [language = ""] = kinds[0]?.all ?? [];
  const first = packed(new Set([...loaded(script), style, language]));
  const viewers = loaded(script, (name) => !spare.has(name) && !isAdministration(name) && !isReports(name));
  const all = packed([...viewers, style]);
  const others = names.filter((name) => /\.(js|css)$/.test(name) && ![...viewers, style, ...spare].includes(name));
  const reports = packed(others.filter(isReports));
  const administration = packed(others.filter((name) => !isReports(name)));
  const sizes = { fleet: first, "with charts": all, administration, reports };
  console.log(
    Object.entries(sizes)
      .map(([name, bytes]) => `${name} ${(bytes / 1000).toFixed(1)} KB`)
      .join(", "),
  );
  expect(first).toBeGreaterThan(20_000);
  expect(first).toBeLessThanOrEqual(60_000);
  expect(all).toBeGreaterThan(first + 30_000);
  expect(all).toBeLessThanOrEqual(100_000);
  expect(administration).toBeGreaterThan(10_000);
  expect(administration).toBeLessThanOrEqual(25_000);
  expect(reports).toBeGreaterThan(2000);
  expect(reports).toBeLessThanOrEqual(8000);
});

test("the page loads one language, and before its script runs it names the file that the script imports", () => {
  const html = read("index.html");
  const script = /src="([^"]+\.js)"/.exec(html)?.[1] ?? "";
  const before = [...loaded(script)];
  expect(before.filter((name) => kinds.some(({ all }) => all.includes(name)))).toEqual([]);
  expect(/<link rel="modulepreload" href="([^"]+)"/.exec(html)?.[1]).toBe(before.find((name) => name !== script));
  // Files of texts have no second file that would be asked for after them, except those that the script has loaded.
  for (const { all } of kinds)
    for (const name of all)
      expect(
        importsOf(name, false).filter((one) => !before.includes(one)),
        name,
      ).toEqual([]);
});

test("the page names no other host and holds no inline script", () => {
  const html = read("index.html");
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  for (const name of names.filter((name) => /\.(html|css)$/.test(name)))
    expect(read(name), name).not.toMatch(/(https?:)?\/\/[a-z]/i);
  expect([...loaded(/src="([^"]+\.js)"/.exec(html)?.[1] ?? "")].some((name) => read(name).includes("%SCRIPT%"))).toBe(
    false,
  );
});

test("the built page knows the unit of every metric that history keeps, and none of the catalogue's help", () => {
  const scripts = names.filter((name) => name.endsWith(".js")).map(read);
  const units = scripts.flatMap((script) => /new Map\((\[\["gpu_[^)]*\]\])\)/.exec(script)?.[1] ?? []);
  expect(units).toHaveLength(1);
  const kept = catalog.filter(({ keep }) => keep);
  expect(JSON.parse(units[0] ?? "")).toEqual(kept.map(({ name, unit }) => [name, unit]));
  for (const { help } of kept) expect(scripts.some((script) => script.includes(help.slice(0, 40)))).toBe(false);
});
