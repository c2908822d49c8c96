// Readings of whole machines, and of older drivers, through the real FFI path within this process.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { capturedMachine } from "../../agent/machine/capture.ts";
import { loadLibrary } from "../../agent/source/nvml/koffi.ts";
import { Nvml } from "../../agent/source/nvml/library.ts";
import { GpuReader } from "../../agent/source/nvml/reader.ts";
import { describe as describeProcesses } from "../../agent/source/process.ts";
import { type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { driver450, driver470, driver535Early, missingCompiler, player, type Variant } from "./build.ts";
import { a100, gpu, h100, mig, rtx4090 } from "./rig.ts";

const reason = missingCompiler();

let folder = "";
let ticks = 0;
let opened: Nvml[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-nvml-"));
  process.env.GOHM_PLAYER_CONTROL = join(folder, "control");
  ticks = 0;
});
afterEach(() => {
  for (const nvml of opened) nvml.shutdown();
  opened = [];
  delete process.env.GOHM_PLAYER;
  delete process.env.GOHM_PLAYER_CONTROL;
  rmSync(folder, { recursive: true, force: true });
});

const control = (lines: string): void => writeFileSync(join(folder, "control"), `${lines}\n`);

function open(capture: string, variant?: Variant): { read(): HostInfo } {
  process.env.GOHM_PLAYER = capture;
  const nvml = new Nvml(loadLibrary(player(variant)));
  opened.push(nvml);
  const reader = new GpuReader(nvml, { now: () => Date.now(), ticks: () => ticks });
  return { read: () => create(HostInfoSchema, reader.read()) };
}

describe.skipIf(reason !== undefined)(`readings${reason ? `: ${reason}` : ""}`, () => {
  test.each([h100, rtx4090, a100, mig])("%s reads as expected", async (capture) => {
    const info = open(capture).read();
    await describeProcesses(capturedMachine(capture), info);
    const json = toJson(HostInfoSchema, info, { useProtoFieldName: true });
    await expect(`${JSON.stringify(json, null, 2)}\n`).toMatchFileSnapshot(join(capture, "expected.json"));
  });

  test.each([
    ["up to 450", driver450],
    ["up to 470", driver470],
    ["535.43 to 535.86", driver535Early],
  ])("drivers %s give the same readings", (_, variant) => {
    for (const capture of [h100, rtx4090, a100]) {
      const newest = open(capture).read();
      const older = open(capture, variant).read();
      if (variant.lacks?.includes("nvmlDeviceGetMemoryInfo_v2"))
        for (const each of newest.gpus) delete each.memReserved;
      expect(older.gpus, basename(capture)).toEqual(newest.gpus);
    }
  });

  test.each([13, 25])("a version of a call that the driver refuses with %i gives way to the older one", (code) => {
    control(`nvmlDeviceGetMemoryInfo_v2 * : ${code}`);
    expect(gpu(open(rtx4090).read(), 0)).toMatchObject({ memTotal: 25_757_220_864n, memUsed: 9_539_092_480n });
    expect(gpu(open(rtx4090).read(), 0).memReserved).toBeUndefined();
  });

  test("a card that was lost when the agent started is found within five minutes of its return", () => {
    const { read } = open(a100);
    expect(gpu(read(), 2)).toMatchObject({ state: State.LOST, err: "NVML: GPU is lost (15)" });
    control(`* 2 : 3
nvmlDeviceGetHandleByIndex 2 : 0
nvmlDeviceGetUUID 2 : 0 GPU-back
nvmlDeviceGetUtilizationRates 2 : 0 12 3`);
    expect(gpu(read(), 2).state).toBe(State.LOST);
    ticks += 300_001;
    expect(gpu(read(), 2)).toMatchObject({ state: State.OK, uuid: "GPU-back", utilization: 12 });
  });

  test("a card that the driver no longer counts stays listed as lost, and its neighbours keep their names", () => {
    const { read } = open(a100);
    const before = read();
    control("* 3 : 15");
    read();
    control("* 3 : 15\nnvmlDeviceGetCount : 0 3");
    ticks += 300_001;
    const after = read();
    expect(after.gpus.map(({ id, uuid, state }) => ({ id, uuid, state }))).toEqual([
      { id: 0, uuid: gpu(before, 0).uuid, state: State.OK },
      { id: 1, uuid: gpu(before, 1).uuid, state: State.OK },
      { id: 2, uuid: undefined, state: State.LOST },
      { id: 3, uuid: gpu(before, 3).uuid, state: State.LOST },
    ]);
  });

  const names = ({ gpus }: HostInfo) =>
    gpus.map(({ id, state, divided, procs }) => ({ id, state, divided, procs: procs.length }));

  test("instances that are made and destroyed while the agent runs come and go with the next reading", () => {
    const { read } = open(mig);
    expect(read().gpus.map(({ id }) => id)).toEqual([0, 1000, 1001, 1002, 1]);
    control(
      "nvmlDeviceGetMigDeviceHandleByIndex 0 0 : 6\nnvmlDeviceGetMigDeviceHandleByIndex 0 3 : 0\nnvmlDeviceGetGpuInstanceId 1003 : 0 4\nnvmlDeviceGetComputeInstanceId 1003 : 0 0",
    );
    expect(read().gpus.map(({ id }) => id)).toEqual([0, 1001, 1002, 1003, 1]);
    control("nvmlDeviceGetMigMode 0 : 0 0");
    expect(names(read())).toEqual([
      // What still runs on an instance is told of the card once there are none.
      { id: 0, state: State.OK, divided: undefined, procs: 2 },
      { id: 1, state: State.OK, divided: undefined, procs: 1 },
    ]);
  });

  test("a process on an instance is listed there once, whichever of the two lists it is on", () => {
    const { read } = open(mig);
    const counts = (): number[] => read().gpus.map(({ procs }) => procs.length);
    expect(counts()).toEqual([0, 1, 0, 1, 1]);
    control("nvmlDeviceGetComputeRunningProcesses 1000 : 4\nnvmlDeviceGetComputeRunningProcesses 1002 : 4");
    expect(counts()).toEqual([0, 1, 0, 1, 1]);
    control("nvmlDeviceGetComputeRunningProcesses 0 : 4");
    expect(counts()).toEqual([0, 1, 0, 1, 1]);
    // On no instance that is known: it stays with the card.
    control("nvmlDeviceGetComputeRunningProcesses 0 : 0 77:1:5:0");
    expect(counts()).toEqual([1, 1, 0, 1, 1]);
  });

  test("a divided card that is lost takes its instances with it, and all stay listed; its neighbour stays as it is", () => {
    const { read } = open(mig);
    const before = read();
    control("* 0 : 15\n* 1000 : 15\n* 1001 : 15\n* 1002 : 15");
    const during = read();
    expect(during.gpus.map(({ id, uuid, state }) => ({ id, uuid, state }))).toEqual(
      before.gpus.map(({ id, uuid }) => ({ id, uuid, state: id === 1 ? State.OK : State.LOST })),
    );
    expect(during.gpus[1]?.parent).toBe(before.gpus[0]?.uuid);
    control("");
    expect(read()).toEqual(before);
  });

  test("a driver that claims more instances than any card has is not believed", () => {
    control("nvmlDeviceGetMaxMigDeviceCount 0 : 0 4000000000");
    expect(
      open(mig)
        .read()
        .gpus.map(({ id }) => id),
    ).toEqual([0, 1000, 1001, 1002, 1]);
  });

  test("a machine without a GPU is an empty list, not a failure", () => {
    control("nvmlDeviceGetCount : 0 0");
    const info = open(rtx4090).read();
    expect(info.gpus).toEqual([]);
    expect(info.system).toMatchObject({ driverVersion: "550.120", cudaVersion: "12.4" });
  });

  test("a driver that claims more GPUs than any machine has is not believed", () => {
    control("nvmlDeviceGetCount : 0 4000000000");
    expect(() => open(rtx4090)).toThrow("the driver claims 4000000000 GPUs");
  });

  test("used memory and free memory are the total, and what is reserved is part of the used", () => {
    for (const { memUsed, memTotal, memReserved } of open(h100).read().gpus) {
      expect(memTotal).toBe(85_520_809_984n);
      expect(memReserved).toBe(577_634_304n);
      expect(memUsed).toBeGreaterThanOrEqual(memReserved ?? 0n);
    }
  });
});
