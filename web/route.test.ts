import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { cases } from "../test/cases.ts";

const location = { hash: "" };
const listeners: (() => void)[] = [];
vi.stubGlobal("location", location);
vi.stubGlobal("history", {
  state: { visit: "v" },
  replaceState(_: unknown, __: string, hash: string) {
    location.hash = hash;
  },
});
vi.stubGlobal("addEventListener", (kind: string, call: () => void) => kind === "hashchange" && listeners.push(call));
const { address, hostAdminPath, hostPath, linkToken, routeAt, takeLinks } = await import("./route.ts");

interface Row {
  readonly path: string;
}
const rows: readonly [Row, ...Row[]] = [{ path: "/" }, { path: "/host/:name" }, { path: "/usage/:by/:key" }];

test.each([
  ["", "/", {}],
  ["#/", "/", {}],
  ["#/host/", "/", {}],
  ["#/nowhere", "/", {}],
  ["#/host/node-1.lab", "/host/:name", { name: "node-1.lab" }],
  ["#/host/a%2Fb", "/host/:name", { name: "a/b" }],
  ["#/host/a/b", "/host/:name", { name: "a/b" }],
  ["#/host/100%", "/host/:name", { name: "100%" }],
  ["#/usage/user/ada%20l/x", "/usage/:by/:key", { by: "user", key: "ada l/x" }],
  ["#/usage/user", "/", {}],
  ["#/host/__proto__", "/host/:name", { name: "__proto__" }],
])("the address %j leads to %j", (hash, path, params) => {
  expect(routeAt(rows, hash)).toEqual({ row: { path }, params });
});

test("a host's path leads back to the host, whatever its name", () => {
  for (const name of ["a", "节点 1", "50%", "a/b#c?d"])
    expect(routeAt(rows, hostPath(name))).toEqual({ row: { path: "/host/:name" }, params: { name } });
});

/** The pages of the list, which only a browser can import. */
const pages = [...readFileSync(new URL("page/all.ts", import.meta.url), "utf8").matchAll(/path: "([^"]+)"/g)].map(
  ([, path = ""]) => ({ path }),
) as [Row, ...Row[]];
const pieces = [
  ...pages.flatMap(({ path }) => path.split("/")),
  "/",
  "%",
  "%2F",
  "%E0%A4",
  "#",
  "?",
  "..",
  "__proto__",
  "\u202e",
];
const typed = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((all) => all.join("/")),
);

test("whatever is in the address, there is a page for it, and a host of any name is found again, in administration, too", () => {
  expect(pages.length).toBeGreaterThan(7);
  fc.assert(
    fc.property(typed, (text) => {
      expect(pages).toContain(routeAt(pages, `#${text}`).row);
      const name = text.toWellFormed();
      if (name === "") return;
      expect(routeAt(pages, hostPath(name))).toEqual({ row: { path: "/host/:name" }, params: { name } });
      expect(routeAt(pages, hostAdminPath(name))).toEqual({ row: { path: "/admin/host/:name" }, params: { name } });
    }),
    cases,
  );
});

test("the token of a one-time link is taken out of the address, at the start and later", () => {
  location.hash = "#/link/se%63ret";
  takeLinks();
  expect([location.hash, address.peek(), linkToken.peek()]).toEqual(["#/link", "#/link", "secret"]);
  location.hash = "#/link/another";
  for (const call of listeners) call();
  expect([location.hash, linkToken.peek()]).toEqual(["#/link", "another"]);
  location.hash = "#/host/link/x";
  for (const call of listeners) call();
  expect([location.hash, linkToken.peek()]).toEqual(["#/host/link/x", "another"]);
});
