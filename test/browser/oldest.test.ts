// The page in the oldest browsers it supports: its files name nothing that those lack, and it works where that is gone.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { top } from "../program.ts";
import { patience, signIn } from "./administration.ts";
import { missingBrowser, openPage } from "./browser.ts";
import { Lab } from "./lab.ts";
import { newer } from "./newer.ts";

const folder = join(top, "dist", "web");
const built = (ending: string): string =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");

/** What the page names all the same, and why it may. */
const unneeded: Readonly<Record<string, string>> = {
  "api.Window.devicePixelRatio": "Safari has it and keeps it when the viewer zooms",
  "css.properties.content-visibility": "everything is laid out at once, as before there was such a thing",
  "css.properties.contain-intrinsic-size": "goes with content-visibility",
  "css.properties.print-color-adjust": "the build writes -webkit-print-color-adjust, too",
  "css.properties.user-select": "the build writes -webkit-user-select, too",
  "javascript.builtins.Symbol.dispose": "signals offer it where it is there",
};

const escaped = (word: string): string => word.replace(/[^\w-]/g, "\\$&");
const exact = (word: string, before: string, after = ""): RegExp =>
  new RegExp(`${before}${escaped(word)}(?![\\w-])${after}`);

/** Where a name of MDN's data would stand in a script or a style sheet; undefined where nothing would tell it from others. */
function traceOf(key: string): { in: "js" | "selectors" | "declarations"; as: RegExp } | undefined {
  const path = key.split(".");
  const [kind = "", part = "", name = "", more] = path;
  const js = kind === "api" ? path.slice(1) : kind === "javascript" && part === "builtins" ? path.slice(2) : [];
  const [owner = "", member] = js;
  if (js.length === 1) return { in: "js", as: new RegExp(`(new |instanceof )${owner}\\b|[^.\\w"'\`]${owner}[.(]`) };
  if (js.length === 2) return { in: "js", as: exact(`${owner}.${member?.replace(/_static$/, "")}`, "\\b") };
  if (kind !== "css" || (more !== undefined && part !== "types")) return undefined;
  if (part === "properties") return { in: "declarations", as: exact(name, "[{;]", ":") };
  if (part === "selectors") return { in: "selectors", as: name === "nesting" ? /&/ : exact(name, ":") };
  if (part === "at-rules") return { in: "selectors", as: exact(name, "@") };
  return part === "types" ? { in: "declarations", as: exact(path.at(-1) ?? "", "\\b", "\\(") } : undefined;
}

const lacked = newer.filter((key) => !(key in unneeded));
const traces = lacked.map((key) => ({ key, trace: traceOf(key) }));

function lacking(js: string, css: string): string[] {
  // Selectors are what is left when the innermost blocks are gone.
  const texts = { js, declarations: css, selectors: css.replace(/\{[^{}]*\}/g, "{}") };
  return traces.flatMap(({ key, trace }) => (trace?.as.test(texts[trace.in]) === true ? [key] : []));
}

test("what is newer than the oldest supported browsers is found in scripts and styles", () => {
  const script = "const a=AbortSignal.any([b]),c=Map.groupBy(d,e),f=new CookieStore;";
  expect(lacking(script, "")).toEqual(
    expect.arrayContaining(["api.AbortSignal.any_static", "api.CookieStore", "javascript.builtins.Map.groupBy"]),
  );
  const style = "@scope (a){p{text-wrap:balance;color:color-mix(in srgb,red,blue)}}a:has(b){width:1px}";
  expect(lacking("", style)).toEqual(
    expect.arrayContaining([
      "css.at-rules.scope",
      "css.properties.text-wrap",
      "css.selectors.has",
      "css.types.color.color-mix",
    ]),
  );
  expect(lacking("a.any(b);new Map;c.at(-1)", "a:hover{color:red}@media print{a{width:1px}}")).toEqual([]);
});

test("the built page uses nothing that the oldest supported browsers lack", () => {
  expect(lacking(built(".js"), built(".css"))).toEqual([]);
});

const missing = missingBrowser();

/** Takes away what is newer: members first, then the things they belong to. */
function takeAway(keys: readonly string[]): void {
  const world = globalThis as unknown as Record<string, Record<string, unknown> | undefined>;
  for (const length of [2, 1]) {
    for (const key of keys) {
      const [owner = "", member = ""] = key.split(".");
      if (key.split(".").length !== length || key.endsWith("_event")) continue;
      if (length === 1) delete world[owner];
      else if (owner === "Window") delete world[member];
      else {
        const name = member.replace(/_static$/, "");
        const prototype = world[owner]?.prototype as Record<string, unknown> | undefined;
        // The language's own data does not say which of the two it is.
        if (world[owner] !== undefined && name !== "prototype") delete world[owner][name];
        if (prototype !== undefined && name !== "constructor") delete prototype[name];
      }
    }
  }
}

describe.skipIf(missing)(missing ?? "the page in an old browser", () => {
  const lab = new Lab();

  test("it shows the fleet, the map, a host, its charts and administration without anything that is newer", async () => {
    const { page, errors, close } = await openPage(lab.browser, "about:blank");
    const names = lacked.flatMap((key) => /^(?:api|javascript\.builtins)\.(.+)$/.exec(key)?.[1] ?? []);
    await page.addInitScript(takeAway, names);
    await page.goto(lab.url);
    const left = await page.evaluate(() => [
      "any" in AbortSignal,
      "groupBy" in Map,
      "toSorted" in Array.prototype,
      "CookieStore" in window,
      "abort" in AbortController.prototype,
    ]);
    expect(left).toEqual([false, false, false, false, true]);
    await page.locator("tbody .card").first().waitFor(patience);
    await page.getByRole("button", { name: "Map" }).click();
    await page.locator("canvas").waitFor(patience);
    await page.goto(`${lab.url}/#/host/node`);
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor(patience);
    await page.goBack();
    await page.locator("canvas").waitFor(patience);
    await page.goto(`${lab.url}/#/admin/host/node`);
    await signIn(page);
    await page.getByRole("checkbox", { name: /^1 NVIDIA/ }).uncheck(patience);
    await page.getByRole("button", { name: "Save" }).first().click();
    await page.getByText("Saved as version 1.").waitFor(patience);
    await page.getByRole("button", { name: "Account: ada" }).click();
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByRole("dialog").waitFor(patience);
    expect(errors).toEqual([]);
    await close();
  });
});
