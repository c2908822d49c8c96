import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GPUInfoSchema, type ProcInfo } from "../gen/host_pb.js";
import { sharesOf } from "./people.ts";

type Proc = Omit<Partial<ProcInfo>, "$typeName" | "$unknown">;
const shares = (...procs: Proc[]) => sharesOf(create(GPUInfoSchema, { procs }));

test("processes of one user are one share", () => {
  const ada = { uid: 1, username: "ada" };
  expect(
    shares(
      { pid: 1, ...ada, mem: 10n, utilization: 30 },
      { pid: 2, ...ada, mem: 5n },
      { pid: 3, uid: 2, username: "bob" },
    ),
  ).toEqual([
    { user: "ada", processes: 2, memory: 15, utilization: 30 },
    { user: "bob", processes: 1 },
  ]);
});

test("what a user holds is not known where it is not known of one process", () => {
  const ada = { uid: 1, username: "ada" };
  for (const procs of [
    [
      { pid: 1, ...ada, mem: 10n },
      { pid: 2, ...ada },
    ],
    [
      { pid: 1, ...ada },
      { pid: 2, ...ada, mem: 10n },
    ],
  ]) {
    expect(shares(...procs)).toEqual([{ user: "ada", processes: 2 }]);
  }
});

test("who has no name goes by the number, ids above 2^31 included; who has neither is unknown", () => {
  const users = shares({ pid: 1, uid: 1234 }, { pid: 2, uid: -2 }, { pid: 3 }, { pid: 4 }).map(({ user }) => user);
  expect(users).toEqual(["1234", "4294967294", "unknown"]);
});

test("5,000 users are 64 and the rest together, and nothing is lost", () => {
  const procs = Array.from({ length: 5000 }, (_, i) => ({ pid: i, username: `u${i}`, mem: BigInt(i) }));
  const all = shares(...procs);
  expect(all.length).toBe(65);
  expect(all[0]).toEqual({ user: "u4999", processes: 1, memory: 4999 });
  expect(all.at(-1)?.user).toBe("other");
  const sum = (read: (share: (typeof all)[number]) => number) => all.reduce((total, share) => total + read(share), 0);
  expect(sum(({ processes }) => processes)).toBe(5000);
  expect(sum(({ memory }) => memory ?? 0)).toBe((4999 * 5000) / 2);
});

test("a user who is really called other is not lost among the rest", () => {
  const procs = Array.from({ length: 100 }, (_, i) => ({
    pid: i,
    username: i === 99 ? "other" : `u${i}`,
    mem: BigInt(i),
  }));
  const others = shares(...procs).filter(({ user }) => user === "other");
  expect(others).toEqual([{ user: "other", processes: 37, memory: 99 + (35 * 36) / 2 }]);
});
