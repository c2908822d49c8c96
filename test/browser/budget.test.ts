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

/** Files that a script loads before it runs, and those they load. */
function loaded(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, next] of read(name).matchAll(/(?:from|import)"\.\/([^"]+)"/g))
    if (next !== undefined) loaded(next, found);
  return found;
}

test("the fleet page is at most 60 KB compressed, everything with charts at most 100 KB", () => {
  const html = read("index.html");
  const script = /src="([^"]+\.js)"/.exec(html)?.[1] ?? "";
  const style = /href="([^"]+\.css)"/.exec(html)?.[1] ?? "";
  const first = packed([...loaded(script), style]);
  // Nobody loads a second language.
  const languages = names.filter((name) => /^zh-.*\.js$/.test(name)).sort((a, b) => packed([a]) - packed([b]));
  expect(languages).toHaveLength(2);
  const all = packed(names.filter((name) => /\.(js|css)$/.test(name) && name !== languages[0]));
  console.log(`fleet ${(first / 1000).toFixed(1)} KB, with charts ${(all / 1000).toFixed(1)} KB`);
  expect(first).toBeGreaterThan(20_000);
  expect(first).toBeLessThanOrEqual(60_000);
  expect(all).toBeLessThanOrEqual(100_000);
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
