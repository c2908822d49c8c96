import { create } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { ProcInfoSchema } from "../../proto/gen/host_pb.js";
import { pair, size } from "./part.tsx";
import { groups } from "./row.tsx";
import { fullest, rates } from "./vitals.tsx";

vi.mock("../route.ts", () => ({ hostPath: (name: string) => name }));

const GiB = 1024 ** 3;

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 KiB"],
  [1.4 * GiB, "1.4 GiB"],
  [79.4 * GiB, "79 GiB"],
  [1000 * GiB, "1.0 TiB"],
])("%d bytes are written %s", (bytes, written) => {
  expect(size(bytes)).toBe(written);
});

test("used and total are written in the total's unit", () => {
  expect(pair(45.2 * GiB, 80 * GiB)).toEqual({ used: "45.2", total: "80", unit: "GiB" });
  expect(pair(21.5 * GiB, 23.99 * GiB)).toEqual({ used: "21.5", total: "24", unit: "GiB" });
  expect(pair(undefined, 80 * GiB).used).toBeUndefined();
  expect(pair(0, 0)).toEqual({ used: "0", total: "0", unit: "B" });
});

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
