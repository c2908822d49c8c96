// What `hmonitor capture` writes of a driver is what the player plays: recorded, played back, read the same.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { capturedMachine } from "../../agent/machine/capture.ts";
import { recordNvml } from "../../agent/source/nvml/record.ts";
import type { GPUInfo, HostInfo } from "../../proto/gen/host_pb.js";
import { driver450, missingCompiler, player } from "./build.ts";
import { a100, h100, h200, mig, readers, rig, rtx4090 } from "./rig.ts";

const reason = missingCompiler();

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-record-"));
});
afterEach(() => {
  delete process.env.GOHM_PLAYER;
  rmSync(folder, { recursive: true, force: true });
});

async function reading(capture: string): Promise<HostInfo> {
  const at = await rig(capture);
  try {
    return await at.read();
  } finally {
    await at.close();
  }
}

/** What passes in 20 ms depends on how long those really were. */
function untimed(gpu: GPUInfo): GPUInfo {
  const { pcieRxRate, pcieTxRate, ...rest } = gpu;
  return { ...rest, ...(pcieRxRate !== undefined && pcieTxRate !== undefined && { pcieRxRate: 1n, pcieTxRate: 1n }) };
}

describe.skipIf(reason !== undefined)(`recordings${reason ? `: ${reason}` : ""}`, () => {
  test.each([h100, h200, rtx4090, a100, mig])("%s recorded and played back reads the same", async (capture) => {
    const expected = await reading(capture);
    process.env.GOHM_PLAYER = capture;
    await recordNvml(folder, { machine: capturedMachine(capture), nvml: player() });
    await vi.waitFor(() => expect(readers()).toEqual([]));
    const at = await rig(capture);
    // The recording holds the driver only; the machine's other files are the capture's.
    process.env.GOHM_PLAYER = folder;
    const { gpus, system } = await at.read();
    await at.close();
    expect({ gpus: gpus.map(untimed), system }).toEqual({ gpus: expected.gpus.map(untimed), system: expected.system });
  });

  test("counters that advance between two calls of one reading advance in playback, too", async () => {
    process.env.GOHM_PLAYER = h200;
    await recordNvml(folder, { machine: capturedMachine(h200), nvml: player() });
    const text = readFileSync(join(folder, "nvml.txt"), "utf8");
    expect(text).toContain("nvmlDeviceGetFieldValues 1 198 : 0 1 220511744+61000000\n");
    expect(text).toContain("nvmlDeviceGetFieldValues 0 138 all : 0 3 88214667264\n");
  });

  test("an old driver is recorded in the same format", async () => {
    process.env.GOHM_PLAYER = rtx4090;
    await recordNvml(folder, { machine: capturedMachine(rtx4090), nvml: player(driver450) });
    const text = readFileSync(join(folder, "nvml.txt"), "utf8");
    expect(text).toContain("nvmlDeviceGetMemoryInfo 0 : 0 25757220864 0 16218128384 9539092480");
    expect(text).toContain("nvmlDeviceGetTotalEccErrors 0 1 0 : 3");
  });

  test("a machine without a driver leaves no recording, and says why", async () => {
    const recorded = recordNvml(folder, { machine: capturedMachine(rtx4090), nvml: "/nowhere/libnvidia-ml.so.1" });
    await expect(recorded).rejects.toThrow("/nowhere/libnvidia-ml.so.1 (GOHM_NVML) is not there");
    expect(() => readFileSync(join(folder, "nvml.txt"))).toThrow("ENOENT");
  });
});
