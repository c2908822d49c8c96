import { expect, test, vi } from "vitest";

vi.stubGlobal("location", { hash: "" });
const { hostPath, routeAt } = await import("./route.ts");

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
