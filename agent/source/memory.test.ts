import { expect, test } from "vitest";
import { machineOf, never, options } from "../../test/machine.ts";
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
