import { expect, test, vi } from "vitest";

vi.stubGlobal("location", { hash: "" });
const { hostPath, parse } = await import("./route.ts");

test.each([
  ["", { page: "fleet" }],
  ["#/", { page: "fleet" }],
  ["#/host/", { page: "fleet" }],
  ["#/host/node-1.lab", { page: "host", name: "node-1.lab" }],
  ["#/host/a%2Fb", { page: "host", name: "a/b" }],
  ["#/host/100%", { page: "host", name: "100%" }],
])("the address %j leads to %j", (hash, wanted) => {
  expect(parse(hash)).toEqual(wanted);
});

test("a host's path leads back to the host, whatever its name", () => {
  for (const name of ["a", "节点 1", "50%", "a/b#c?d"]) expect(parse(hostPath(name))).toEqual({ page: "host", name });
});
