import { expect, test } from "vitest";
import { nameIn, namesOf } from "./names.ts";

test.each([
  ["gpus.lab", "gpus.lab"],
  ["GPUs.Lab:5000", "gpus.lab"],
  ["gpus.lab.:80", "gpus.lab"],
  ["localhost:", "localhost"],
  ["127.0.0.1:5000", "127.0.0.1"],
  ["[::1]:5000", "::1"],
  ["[FD00::1]", "fd00::1"],
  ["::1", undefined],
  ["[gpus]", undefined],
  ["[1.2]", undefined],
  ["a b", undefined],
  ["a@b", undefined],
  ["a/b", undefined],
  ["a:b", undefined],
  ["a:123456", undefined],
  ["[::1]:65535", "::1"],
  ["[::1]:65536", undefined],
  ["", undefined],
  [".", undefined],
  ["ü.example", undefined],
  ["a,b", undefined],
])("the name in Host: %s is %s", (host, name) => {
  expect(nameIn(host)).toBe(name);
});

test("a machine's names are its host name, long and short, what its files make of it, and that of mDNS; nobody else's", () => {
  const hosts = [
    "127.0.0.1 localhost",
    "127.0.1.1 hub.lab.example hub   # its own line",
    "10.0.0.7 hub.evil.example other",
    "10.0.0.8 gpu1.lab.example gpu1 hub2",
    "# 10.0.0.9 hub.comment.example hub",
    "",
  ].join("\n");
  const resolv = "nameserver 10.0.0.1\nsearch lab.example. cs.example\n";
  expect([...namesOf("Hub", { hosts, resolv })].sort()).toEqual([
    "hub",
    "hub.cs.example",
    "hub.lab.example",
    "hub.local",
  ]);
  expect([...namesOf("hub.campus.example", { hosts: "", resolv: "" })].sort()).toEqual([
    "hub",
    "hub.campus.example",
    "hub.local",
  ]);
});
