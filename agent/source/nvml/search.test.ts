import { expect, test } from "vitest";
import type { Machine } from "../../machine/machine.ts";
import { Unsupported } from "../source.ts";
import { findLibraries, libraries } from "./search.ts";

const name = "libnvidia-ml.so.1";
const files = (present: readonly string[], cache = "") => ({
  exists: (path: string) => present.includes(path),
  bytes: (path: string) => (path === "/etc/ld.so.cache" && cache !== "" ? Buffer.from(cache) : undefined),
});

test("a library that is asked for by its path is the only one tried", () => {
  const there = files(["/opt/x.so", `/usr/lib64/${name}`]);
  expect(libraries("/opt/x.so", {}, there)).toEqual(["/opt/x.so"]);
  expect(libraries("/opt/gone.so", {}, there)).toEqual([]);
});

test("a library that is asked for by its name is left to the loader", () => {
  expect(libraries("libnvidia-ml.so", {}, files([]))).toEqual(["libnvidia-ml.so"]);
});

test("the search takes LD_LIBRARY_PATH, what the loader knows, then the usual places", () => {
  const there = files([`/own/${name}`, `/usr/lib/wsl/lib/${name}`], `…/libnvidia-ml.so.1\0…`);
  expect(libraries("", { LD_LIBRARY_PATH: "relative:/own" }, there)).toEqual([
    `/own/${name}`,
    name,
    `/usr/lib/wsl/lib/${name}`,
  ]);
});

test("in a container, its own library comes before the host's", () => {
  const there = files([`/host/usr/lib64/${name}`, `/usr/lib64/${name}`]);
  expect(libraries("", {}, there, "/host")).toEqual([`/usr/lib64/${name}`, `/host/usr/lib64/${name}`]);
  expect(libraries("", {}, there)).toEqual([`/usr/lib64/${name}`]);
});

test("where there is no library, nothing is tried", () => {
  expect(libraries("", {}, files([], "libc.so.6"))).toEqual([]);
});

const machine = (paths: readonly string[], devices: readonly string[] = []): Machine =>
  ({
    read: (path: string) => (paths.includes(path) ? "NVRM version: …" : undefined),
    list: (path: string) => (path === "/dev" ? [...devices] : []),
  }) as unknown as Machine;

test("without a driver the library is not touched, though it is installed: opening it would make device files", () => {
  expect(() => findLibraries(machine([]), "")).toThrow(new Unsupported("NVML: no NVIDIA driver is loaded"));
});

test.each([
  ["the kernel module is loaded", machine(["/proc/driver/nvidia/version"])],
  ["a container has only that file of the host", machine(["/host/proc/driver/nvidia/version"])],
  ["its device file is there", machine([], ["null", "nvidiactl"])],
  ["WSL passes the host's driver on", machine([], ["dxg"])],
])("a library is looked for when %s", (_, there) => {
  // This machine may or may not have one: either answer shows that it was looked for.
  const found = (): number => findLibraries(there, "").length;
  try {
    expect(found()).toBeGreaterThan(0);
  } catch (error) {
    expect(String(error)).toContain("libnvidia-ml.so.1 was not found");
  }
});

test("a library that is named but not there is named in the answer", () => {
  expect(() => findLibraries(machine([]), "/opt/gone.so")).toThrow(/Library Not Found: \/opt\/gone\.so \(GOHM_NVML\)/);
});
