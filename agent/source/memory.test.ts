import { expect, test } from "vitest";
import { machineOf, never, options } from "../../test/machine.ts";
import { parseArc } from "../machine/meminfo.ts";
import { memory, part } from "./memory.ts";

const text = `MemTotal:       24684092 kB
MemFree:        20512340 kB
MemAvailable:   24221040 kB
Buffers:          102400 kB
Cached:          3400000 kB
SwapCached:            0 kB
SwapTotal:       8388604 kB
SwapFree:        8380000 kB
HugePages_Total:       0
Active(anon):     200000 kB
`;

test("used is total less available, in bytes", () => {
  expect(part(text).memory).toEqual({
    total: 24_684_092n * 1024n,
    available: 24_221_040n * 1024n,
    used: 463_052n * 1024n,
    cached: 3_400_000n * 1024n,
    swapTotal: 8_388_604n * 1024n,
    swapUsed: 8604n * 1024n,
  });
});

test("a kernel that does not say what is available gets an estimate from free and cached memory", () => {
  expect(part(text.replace(/MemAvailable.*\n/, "")).memory?.available).toBe(
    (20_512_340n + 102_400n + 3_400_000n) * 1024n,
  );
});

const arcstats = `9 1 0x01 147 39984 7217316166 2245411110611
name                            type data
hits                            4    123
c                               4    33554432000
c_min                           4    2097152000
c_max                           4    60000000000
size                            4    52428800000
memory_available_bytes          3    1000000000
`;

test("ZFS gives back its cache down to the least that it keeps", () => {
  expect(parseArc(arcstats)).toBe(50_331_648_000n);
  expect(parseArc(arcstats.replace("52428800000", "1000000000"))).toBe(0n);
  expect(parseArc("")).toBeUndefined();
});

const zfs = "MemTotal: 65536000 kB\nMemFree: 2048000 kB\nMemAvailable: 4096000 kB\nCached: 1900000 kB\n";

test("what ZFS gives back is available, and holds copies of files", async () => {
  const files = { "/proc/meminfo": zfs, "/proc/spl/kstat/zfs/arcstats": arcstats };
  const reader = await memory.open(machineOf({ files }), options);
  expect((await reader?.read(never))?.memory).toMatchObject({
    total: 67_108_864_000n,
    used: 12_582_912_000n,
    available: 54_525_952_000n,
    cached: 50_331_648_000n + 1_900_000n * 1024n,
  });
});

test("a container's own /proc/meminfo knows nothing of the machine's ZFS", async () => {
  const files = {
    "/proc/meminfo": zfs,
    "/proc/spl/kstat/zfs/arcstats": arcstats,
    "/proc/mounts": "proc /proc proc rw 0 0\nlxcfs /proc/meminfo fuse.lxcfs rw 0 0\n",
  };
  const reader = await memory.open(machineOf({ files }), options);
  expect((await reader?.read(never))?.memory?.available).toBe(4_096_000n * 1024n);
});

test("pages that graphics drivers keep for later are available", () => {
  expect(part(`${zfs}GPUActive: 9 kB\nGPUReclaim: 1000 kB\n`).memory?.available).toBe(4_097_000n * 1024n);
});

test("no more is available than there is", () => {
  expect(part(zfs, 2n ** 60n).memory).toMatchObject({ available: 67_108_864_000n, used: 0n });
});

test("shared memory is neither copies of files nor given back", () => {
  const shared = text.replace(
    "Cached:          3400000 kB",
    "Cached:          3400000 kB\nShmem:           3000000 kB",
  );
  expect(part(shared).memory?.cached).toBe(400_000n * 1024n);
  expect(part(shared.replace(/MemAvailable.*\n/, "")).memory?.available).toBe(
    (20_512_340n + 102_400n + 400_000n) * 1024n,
  );
});

test("more copies of files than there is memory are not known", () => {
  expect(part("MemTotal: 4 kB\nMemAvailable: 1 kB\nCached: 5 kB\n").memory).toEqual({
    total: 4096n,
    available: 1024n,
    used: 3072n,
  });
});

test("a machine without swap has 0 of it, one that does not speak of swap has none stated", () => {
  expect(part("MemTotal: 4 kB\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n").memory).toMatchObject({
    swapTotal: 0n,
    swapUsed: 0n,
  });
  expect(part("MemTotal: 4 kB\n").memory).toEqual({ total: 4096n });
});

test("more available than there is counts as nothing used", () => {
  expect(part("MemTotal: 4 kB\nMemAvailable: 5 kB\n").memory?.used).toBe(0n);
});

test("what is no /proc/meminfo is an error", () => {
  expect(() => part("")).toThrow("MemTotal");
});

test("reads anew each time", async () => {
  const files = { "/proc/meminfo": text };
  const reader = await memory.open(machineOf({ files }), options);
  files["/proc/meminfo"] = "MemTotal: 4 kB\n";
  expect((await reader?.read(never))?.memory?.total).toBe(4096n);
});

test("a machine without /proc/meminfo has no memory source", async () => {
  expect(await memory.open(machineOf({}), options)).toBeUndefined();
});
