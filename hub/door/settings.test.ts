import { expect, test } from "vitest";
import { load } from "../../program/setting.ts";
import { pagePolicy } from "./document.ts";
import { table } from "./settings.ts";

const embedOf = (value: unknown): readonly string[] =>
  load(table, { flags: {}, env: {}, file: { hub: { embed: value } } }).embed;

test("sites that may show the page are addresses without a path", () => {
  const sites = ["https://wiki.lab.example", "https://*.lab.example", "http://wall:8080", "http://10.0.0.5:*"];
  expect(embedOf(sites)).toEqual(sites);
  expect(embedOf("https://wiki.lab.example/, http://wall")).toEqual(["https://wiki.lab.example", "http://wall"]);
  expect(embedOf("")).toEqual([]);
  expect(pagePolicy(embedOf("http://wall"))).toMatch(/; frame-ancestors 'self' http:\/\/wall;/);
});

test.each([
  "wiki.lab.example",
  "*",
  "https:",
  "https://*",
  "https://wiki.lab.example/page",
  "https://wiki.lab.example; script-src *",
  "https://wiki.lab.example http://evil.example",
  "data:",
  "'unsafe-inline'",
])("%s is no site, and adds nothing to the policy of the page", (site) => {
  expect(() => embedOf([site])).toThrow(/hub\.embed.*addresses of sites without a path/);
});
