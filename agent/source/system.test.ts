import { expect, test } from "vitest";
import { machineOf, never, options } from "../../test/machine.ts";
import { countProcesses, parseLoad, parseRelease, parseUptime, system } from "./system.ts";

test.each([
  ['PRETTY_NAME="Debian GNU/Linux 12"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n', "Debian GNU/Linux", "12"],
  ["NAME=Fedora\nVERSION_ID=42\n", "Fedora", "42"],
  ["NAME='Arch Linux'\nBUILD_ID=rolling\n", "Arch Linux", undefined],
  ['NAME="A \\"B\\" \\$C"\n', 'A "B" $C', undefined],
])("os-release %j is %s %s", (text, os, osVersion) => {
  expect(parseRelease(text)).toEqual({ os, ...(osVersion && { osVersion }) });
});

test("an empty os-release names nothing", () => {
  expect(parseRelease('NAME=""\n')).toEqual({});
});

test("reads the load", () => {
  expect(parseLoad("0.52 0.58 12.03 3/1234 5678\n")).toEqual({ load1: 0.52, load5: 0.58, load15: 12.03 });
});

// A kernel that counted one process too few prints the last kind.
const noLoads = [
  "",
  "   ",
  "a b c",
  "1 2",
  "0x1 0x1 0x1 1/2 3",
  "-1.00 0.00 0.00 1/2 3",
  "4294967295.81 0.10 0.10 1/2 3",
];

test.each(noLoads)("%j is no load", (text) => {
  expect(parseLoad(text)).toEqual({});
});

test("uptime is in whole seconds", () => {
  expect(parseUptime("350735.47 234388.90\n")).toBe(350_735n);
  expect(parseUptime("")).toBeUndefined();
});

test("only the numbers in /proc are processes", () => {
  expect(countProcesses(["1", "4242", "self", "sys", "17", "acpi"])).toBe(3);
});

test("where the system hides other users' processes, how many there are is not known", () => {
  expect(countProcesses(["4242", "self", "17"])).toBeUndefined();
  expect(countProcesses([])).toBeUndefined();
});

test("a system that was upgraded while the agent runs is told by its new name", async () => {
  const files = { "/etc/os-release": "NAME=Debian\nVERSION_ID=12\n", "/proc/sys/kernel/osrelease": "6.1.0\n" };
  let ticks = 0;
  const reader = await system.open(machineOf({ files, ticks: () => ticks }), options);
  expect((await reader?.read(never))?.system).toEqual({ os: "Debian", osVersion: "12", kernel: "6.1.0" });
  files["/etc/os-release"] = "NAME=Debian\nVERSION_ID=13\n";
  ticks = 60_000;
  expect((await reader?.read(never))?.system).toMatchObject({ osVersion: "13" });
});

test("what cannot be read is absent, the rest is there", async () => {
  const files = { "/proc/uptime": "5.01 4.00\n", "/etc/os-release": "NAME=X\n" };
  const reader = await system.open(machineOf({ files }), options);
  expect(await reader?.read(never)).toEqual({ hostname: "box", system: { os: "X", uptime: 5n } });
});

test("in a container with the host's os-release, the host is named and not the image", async () => {
  const files = { "/host/etc/os-release": "NAME=Ubuntu\n", "/etc/os-release": "NAME=Alpine\n" };
  const reader = await system.open(machineOf({ files }), options);
  expect((await reader?.read(never))?.system).toEqual({ os: "Ubuntu" });
});

test.each([
  ["NAME=Ubuntu\nVERSION_ID=24.04\n", "NAME=Alpine\nVERSION_ID=3\n", "Ubuntu 24.04"],
  ["NAME=Arch\n", "NAME=Debian\nVERSION_ID=12\n", "Debian 12"],
  ["VERSION_ID=24.04\n", "NAME=Debian\nVERSION_ID=12\n", "Debian 12"],
  ["", "NAME=Debian\n", "Debian undefined"],
])("os-release %j counts with name and version, else %j: %s", async (host, own, told) => {
  const reader = await system.open(
    machineOf({ files: { "/host/etc/os-release": host, "/etc/os-release": own } }),
    options,
  );
  const { os, osVersion } = (await reader?.read(never))?.system ?? {};
  expect(`${os} ${osVersion}`).toBe(told);
});

test("tells kernel and boot id without their line ends", async () => {
  const files = { "/proc/sys/kernel/osrelease": "6.1.0-40\n", "/proc/sys/kernel/random/boot_id": "dd34-6de6\n" };
  const reader = await system.open(machineOf({ files }), options);
  expect((await reader?.read(never))?.system).toEqual({ kernel: "6.1.0-40", bootId: "dd34-6de6" });
});
