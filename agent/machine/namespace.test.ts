import { expect, test } from "vitest";
import { machineOf } from "../../test/machine.ts";
import { isContained } from "./namespace.ts";

// As Linux 6.1 writes them: field 9 is 0x208040 for a thread of the kernel.
const kthreadd = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 22 0 0\n";
const shell = "2 (a) b) S 1 2 2 0 -1 4194304 93 0 0 0 0 0 0 0 20 0 1 0 900 0 0\n";
const impostor = shell.replace("a) b", "kthreadd");

test.each([
  ["the host", "pid:[4026531836]", kthreadd, false],
  ["the host, which hides other users' processes", "pid:[4026531836]", undefined, false],
  ["a container", "pid:[4026532201]", shell, true],
  ["a container with one process", "pid:[4026532201]", undefined, true],
  ["a container with a process that is called like the kernel's", "pid:[4026532201]", impostor, true],
  ["a container that has the host's /proc below the root", "pid:[4026532201]", kthreadd, false],
  ["a machine that is played back", undefined, undefined, false],
] as const)("%s: %s with %j is confined: %s", (_, link, stat, wanted) => {
  const files = stat === undefined ? {} : { "/proc/2/stat": stat };
  const machine = machineOf({ files, link: (path) => (path === "/proc/self/ns/pid" ? link : undefined) });
  expect(isContained(machine)).toBe(wanted);
});
