import { create } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { ProcInfoSchema } from "../../proto/gen/host_pb.js";
import { groups } from "./row.tsx";
import { fullest, rates } from "./vitals.tsx";

vi.mock("../route.ts", () => ({ hostPath: (name: string) => name }));

test("processes of one user and command are one chip, the largest first", () => {
  const proc = (pid: number, username: string, basename: string, mem: bigint, utilization?: number) =>
    create(ProcInfoSchema, { pid, username, basename, mem, ...(utilization === undefined ? {} : { utilization }) });
  expect(
    groups([proc(1, "bob", "jupyter", 1n), proc(2, "ada", "python", 5n, 40), proc(3, "ada", "python", 5n, 50)]),
  ).toEqual([
    { user: "ada", command: "python", count: 2, memory: 10, utilization: 90 },
    { user: "bob", command: "jupyter", count: 1, memory: 1, utilization: undefined },
  ]);
});

test("a network that was not measured has no rate, rather than none", async () => {
  const { HostInfoSchema, DiskInfoSchema } = await import("../../proto/gen/host_pb.js");
  expect(rates(create(HostInfoSchema, { nics: [{ name: "a" }] }))).toEqual({ rx: undefined, tx: undefined });
  const bond = [{ rxRate: 1n }, { rxRate: 2n, txRate: 5n }, { rxRate: 3n, txRate: 5n, lower: ["eth0", "eth1"] }];
  expect(rates(create(HostInfoSchema, { nics: bond }))).toEqual({
    rx: 3,
    tx: 5,
  });
  const disk = (mount: string, used: bigint, readOnly = false) =>
    create(DiskInfoSchema, { mount, used, total: 100n, readOnly });
  expect(fullest([disk("/", 50n), disk("/data", 80n), disk("/cd", 100n, true)])?.mount).toBe("/data");
  expect(fullest([])).toBeUndefined();
});

test("memory that is known of no process of a chip is not 0", () => {
  const unknown = create(ProcInfoSchema, { pid: 1, username: "ada", basename: "firefox" });
  const known = create(ProcInfoSchema, { pid: 2, username: "ada", basename: "firefox", mem: 5n });
  expect(groups([unknown])[0]?.memory).toBeUndefined();
  expect(groups([unknown, known])[0]?.memory).toBe(5);
});
