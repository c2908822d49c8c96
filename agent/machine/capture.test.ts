import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { machineOf } from "../../test/machine.ts";
import { makeEmpty, withoutPeople, writeCapture } from "../capture.ts";
import { capturedMachine, isCapture, recordingMachine } from "./capture.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "capture-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const said = () =>
  machineOf({
    files: { "/proc/stat": "cpu 1\n", "/etc/passwd": "alice:x:1000:\n", "/proc/secret": "no\n" },
    lists: { "/proc": ["1", "2", "stat"] },
    link: (path) => (path === "/a" ? "b" : undefined),
    space: (mount) =>
      mount === "/" ? Promise.resolve({ size: 9, free: 5, available: 4 }) : Promise.reject(new Error("x")),
    addresses: () => [{ nic: "eth0", address: "10.0.0.1", family: 4, loopback: false }],
    users: async () =>
      new Map([
        [0, "root"],
        [1000, "alice"],
      ]),
  });

test("of a process's environment no more is written down than what is read of it", () => {
  const files = {
    "/proc/7/environ": "TOKEN=secret\0SLURM_JOB_ID=12\0HOME=/root\0",
    "/proc/8/environ": "TOKEN=secret\0",
  };
  const machine = recordingMachine(machineOf({ files }));
  expect(machine.read("/proc/7/environ")).toContain("secret");
  machine.read("/proc/8/environ");
  expect([...machine.recorded().files]).toEqual([
    ["/proc/7/environ", "SLURM_JOB_ID=12"],
    ["/proc/8/environ", ""],
  ]);
});

test("files that are no text come back byte for byte", () => {
  const table = Uint8Array.from({ length: 256 }, (_, i) => i);
  const bytes = (path: string) => (path === "/sys/table" ? table : undefined);
  const machine = recordingMachine(machineOf({ bytes }));
  expect(machine.bytes("/sys/table")).toEqual(table);
  expect(machine.bytes("/sys/nothing")).toBeUndefined();
  writeCapture(folder, machine.recorded(), "{}\n");
  const played = capturedMachine(folder);
  expect([...(played.bytes("/sys/table") ?? [])]).toEqual([...table]);
  expect(played.bytes("/sys/nothing")).toBeUndefined();
});

async function record() {
  const machine = recordingMachine(said());
  machine.read("/proc/stat");
  machine.read("/etc/passwd");
  machine.read("/nothing");
  machine.list("/proc");
  machine.link("/a");
  await machine.space("/", { network: false, deadline: 1 });
  await machine.space("/hung", { network: true, deadline: 1 }).catch(() => undefined);
  await machine.users([0, 1000]);
  return machine.recorded();
}

test("what was read comes back, what was not read is not in the folder", async () => {
  writeCapture(folder, await record(), "{}\n");
  const played = capturedMachine(folder);
  expect(isCapture(folder)).toBe(true);
  expect(played.read("/proc/stat")).toBe("cpu 1\n");
  expect(played.read("/proc/secret")).toBeUndefined();
  expect(played.list("/proc")).toEqual(["1", "2", "stat"]);
  expect(played.link("/a")).toBe("b");
  expect(await played.space("/", { network: false, deadline: 1 })).toEqual({ size: 9, free: 5, available: 4 });
  expect(played.addresses()).toEqual(said().addresses());
  expect([played.hostname(), played.now(), played.ticks()]).toEqual(["box", 1_700_000_000_000, 0]);
  expect((await played.users([0, 1000, 5])).get(1000)).toBe("alice");
});

test("a mount that did not answer does not answer when played either", async () => {
  writeCapture(folder, await record(), "{}\n");
  const asked = capturedMachine(folder).space("/hung", { network: true, deadline: 1 });
  await expect(asked).rejects.toMatchObject({ name: "SpaceTimeout" });
});

test("pods are played back as they were given, and stay out with the names of people", async () => {
  const given = [{ namespace: "lab", pod: "ada-0", container: "c", resource: "nvidia.com/gpu", devices: ["GPU-0"] }];
  const lists = { "/var/log/pods": ["lab_ada-0_b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b"] };
  const machine = recordingMachine(machineOf({ lists, grants: () => Promise.resolve(given) }));
  await machine.grants("/socket", 1);
  machine.list("/var/log/pods");
  writeCapture(folder, machine.recorded(), "{}\n");
  expect(await capturedMachine(folder).grants("/socket", 1)).toEqual(given);
  expect(JSON.stringify(withoutPeople(machine.recorded()).capture)).not.toContain("ada");
});

test("a machine without a kubelet has none when played", async () => {
  writeCapture(folder, await record(), "{}\n");
  expect(capturedMachine(folder).grants("/socket", 1)).toBeUndefined();
});

test("names of people stay out unless asked for, the system's own stay", async () => {
  const { capture, files } = withoutPeople(await record());
  expect(capture.users).toEqual({ "0": "root" });
  expect([...files.keys()]).toEqual(["/proc/stat"]);
});

test("a folder with something in it is refused", async () => {
  makeEmpty(join(folder, "new"));
  makeEmpty(join(folder, "new"));
  expect(() => makeEmpty(folder)).toThrow("is not empty");
});

test("a path cannot leave the folder", async () => {
  writeCapture(folder, await record(), "{}\n");
  expect(capturedMachine(folder).read("/../../../../../proc/version")).toBeUndefined();
});

test("a capture of a later version is refused by its number", async () => {
  writeCapture(folder, await record(), "{}\n");
  writeFileSync(join(folder, "capture.json"), '{"format": 2}');
  expect(() => capturedMachine(folder)).toThrow("format 2");
});

test("a folder without capture.json is no capture", () => {
  expect(isCapture(tmpdir())).toBe(false);
});
