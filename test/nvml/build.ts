// Compiles player.c, which plays recorded NVML calls, into a libnvidia-ml.so.1, once per source and variant.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("player.c", import.meta.url));
const cache = fileURLToPath(new URL("../.cache/nvml", import.meta.url));

/** Differences of an older driver's library. */
export interface Variant {
  /** Symbols that it does not export. */
  readonly lacks?: readonly string[];
  /** Size of an entry in the process lists of ..._v3 in bytes. */
  readonly stride?: 24 | 32;
  /** Cross compiler for another processor. */
  readonly compiler?: string;
}

/** Drivers up to 470: process lists of version 2, no memory version 2, throttle reasons by their first name. */
export const driver470: Variant = {
  lacks: [
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetTemperatureV",
  ],
};

/** Drivers up to 450: process lists of version 1. */
export const driver450: Variant = {
  lacks: [
    ...(driver470.lacks ?? []),
    "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetGraphicsRunningProcesses_v2",
    "nvmlDeviceGetMPSComputeRunningProcesses_v2",
    "nvmlEventSetWait_v2",
  ],
};

/** Drivers 535.43 to 535.86. */
export const driver535Early: Variant = { stride: 32 };

/** Returns the reason why the player cannot be built; undefined if it can. */
export function missingCompiler(): string | undefined {
  const found = spawnSync("cc", ["--version"], { stdio: "ignore" });
  return found.status === 0 ? undefined : "there is no C compiler (cc) to build the NVML player with";
}

/** Compiles the player and returns the path of its libnvidia-ml.so.1. @throws Error if it does not compile */
export function player(variant: Variant = {}): string {
  const { lacks = [], stride = 24, compiler = "cc" } = variant;
  const hidden = lacks.map((symbol) => `${symbol};`).join(" ");
  const key = createHash("sha256")
    .update(readFileSync(source))
    .update(JSON.stringify([hidden, stride, compiler]))
    .digest("hex");
  const folder = join(cache, key.slice(0, 16));
  const library = join(folder, "libnvidia-ml.so.1");
  if (existsSync(library)) return library;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, "draft-"));
  try {
    const script = join(draft, "symbols");
    writeFileSync(script, `{ global: nvml*; local: ${hidden} *; };`);
    const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", `-DSTRIDE_V3=${stride}`];
    const link = ["-Wl,-soname,libnvidia-ml.so.1", `-Wl,--version-script=${script}`];
    execFileSync(compiler, [...flags, ...link, "-o", join(draft, "libnvidia-ml.so.1"), source]);
    // An agent that runs as another user must be able to load it.
    chmodSync(draft, 0o755);
    try {
      renameSync(draft, folder);
    } catch (error) {
      // Another process was faster, with the same result.
      if (!existsSync(library)) throw error;
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return library;
}

if (import.meta.main) process.stdout.write(`${player()}\n`);
