import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { query, show } from "./choice.ts";
import { reload, takeOver } from "./renew.ts";

const storage = new Map<string, string>();

beforeEach(() => {
  storage.clear();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
    removeItem: (key: string) => storage.delete(key),
  });
  vi.stubGlobal("location", { reload: vi.fn() });
});
afterEach(() => {
  vi.unstubAllGlobals();
  show.value = "all";
  query.value = "";
});

test("a page that replaces this one shows the same filter, once", () => {
  show.value = "held";
  query.value = "h100";
  reload();
  show.value = "all";
  query.value = "";
  takeOver();
  expect([show.value, query.value]).toEqual(["held", "h100"]);
  show.value = "all";
  takeOver();
  expect(show.value).toBe("all");
});

test.each([
  ["fault", "broken"],
  ["broken", "broken"],
  ["a filter of a later version", "all"],
  [7, "all"],
])("the filter %j of another version of the page becomes %s", (before, after) => {
  storage.set("gohm.passing", JSON.stringify({ show: before, query: "node" }));
  takeOver();
  expect([show.value, query.value]).toEqual([after, "node"]);
});
