// Readings of whole machines, and of older drivers, through the real FFI path within this process.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { capturedMachine } from "../../agent/machine/capture.ts";
import { Processes } from "../../agent/process.ts";
import { loadLibrary } from "../../agent/source/nvml/koffi.ts";
import { Nvml } from "../../agent/source/nvml/library.ts";
import { GpuReader } from "../../agent/source/nvml/reader.ts";
import { type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { driver450, driver470, driver535Early, missingCompiler, player, type Variant } from "./build.ts";
import { a100, gpu, h100, h200, mig, rtx4090 } from "./rig.ts";

const reason = missingCompiler();

let folder = "";
let ticks = 0;
/** Milliseconds that readers did nothing. */
let waited = 0;
let opened: Nvml[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-nvml-"));
  process.env.GOHM_PLAYER_CONTROL = join(folder, "control");
  ticks = 0;
  waited = 0;
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
  const wait = (ms: number): void => {
    ticks += ms;
    waited += ms;
  };
  const reader = new GpuReader(nvml, { now: () => Date.now(), ticks: () => ticks, wait });
  return { read: () => create(HostInfoSchema, reader.read()) };
}

describe.skipIf(reason !== undefined)(`readings${reason ? `: ${reason}` : ""}`, () => {
  test.each([h100, h200, rtx4090, a100, mig])("%s reads as expected", async (capture) => {
    const info = open(capture).read();
    await new Processes(capturedMachine(capture)).describe(info);
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

  test("a card that the driver no longer counts is looked for every five minutes, and its neighbours keep their identities", () => {
    const { read } = open(h100);
    const before = read();
    control("* 7 : 15");
    read();
    control("nvmlDeviceGetCount : 0 7");
    ticks += 300_001;
    expect(read().gpus.map(({ uuid }) => uuid)).toEqual(before.gpus.slice(0, 7).map(({ uuid }) => uuid));
    control("");
    ticks += 300_001;
    expect(read().gpus.map(({ id, uuid, state }) => ({ id, uuid, state }))).toEqual(
      before.gpus.map(({ id, uuid, state }) => ({ id, uuid, state })),
    );
  });

  test("PCIe traffic is measured over 20 ms, also across an overflow of the 32-bit counter", () => {
    const { read } = open(h200);
    const [first, second] = read().gpus;
    // 4,294,900,000 and 64,000,000 more is beyond 2^32.
    expect(first).toMatchObject({ pcieRxRate: 3_200_000_000n, pcieTxRate: 450_000_000n });
    expect(second).toMatchObject({ pcieRxRate: 3_050_000_000n, pcieTxRate: 400_000_000n });
    expect(waited).toBe(20);
    // Eight cards, and still one wait.
    read();
    expect(waited).toBe(40);
  });

  test("PCIe traffic that no link can carry is absent, and hides no other card's", () => {
    const { read } = open(h200);
    read();
    control("nvmlDeviceGetFieldValues 0 198 : 0 3 0+90000000000\n* 1 : 15\nnvmlDeviceGetFieldValues 2 197 : 999");
    const { gpus } = read();
    expect(gpus.map(({ pcieRxRate }) => pcieRxRate !== undefined)).toEqual([0, 0, 0, 1, 1, 1, 1, 1].map(Boolean));
    expect(gpus[0]).toMatchObject({ state: State.OK, utilization: 98 });
  });

  test("a driver without PCIe counters is queried once a minute, without a wait", () => {
    control("nvmlDeviceGetFieldValues * : 3");
    const { read } = open(h200);
    expect(gpu(read(), 0).pcieRxRate).toBeUndefined();
    control("");
    ticks += 59_000;
    expect(gpu(read(), 0)).toMatchObject({ state: State.OK });
    expect(gpu(read(), 0).pcieRxRate).toBeUndefined();
    expect(gpu(read(), 0).memTemp).toBeUndefined();
    expect(waited).toBe(0);
    ticks += 1000;
    expect(gpu(read(), 0)).toMatchObject({ pcieRxRate: 3_200_000_000n, memTemp: 72 });
  });

  test("NVLink traffic is counted from reading to reading", () => {
    const { read } = open(h200);
    const before = gpu(read(), 0);
    expect(before.nvlink).toMatchObject({ txTotal: 88_214_667_264n, rxTotal: 88_213_990_144n });
    expect(before.nvlink?.txRate ?? before.nvlink?.rxRate).toBeUndefined();
    ticks += 10_000 - waited;
    // 1,953,125,000 KiB in 10 s.
    expect(gpu(read(), 0).nvlink).toMatchObject({ txTotal: 90_167_792_264n, txRate: 200_000_000_000n });
    expect(gpu(read(), 7).nvlink).toMatchObject({ txRate: 0n, rxRate: 0n });
  });

  test.each([
    ["starts again from 0, as after a reset", "5+100"],
    ["jumps to where no GPU can have got", "1643747071612666+100"],
  ])("NVLink traffic whose counter %s is absent, and reported again afterwards", (_, count) => {
    const { read } = open(h200);
    read();
    ticks += 10_000;
    control(`nvmlDeviceGetFieldValues 0 138 all : 0 3 ${count}`);
    const { gpus } = read();
    expect(gpus.map(({ nvlink }) => nvlink?.txRate !== undefined)).toEqual([0, 1, 1, 1, 1, 1, 1, 1].map(Boolean));
    ticks += 10_000 - 20;
    // 100 KiB in 10 s.
    expect(gpu(read(), 0).nvlink?.txRate).toBe(10_240n);
  });

  test("a link that goes down is reported within a minute, and on a machine with switches also if it was down from the start", () => {
    const { read } = open(h200);
    const links = (info: HostInfo) => info.gpus.map(({ nvlink }) => `${nvlink?.linksUp}/${nvlink?.linksExpected}`);
    const all: string[] = Array.from({ length: 8 }, (_, i) => (i === 6 ? "17/18" : "18/18"));
    expect(links(read())).toEqual(all);
    control("nvmlDeviceGetNvLinkState 2 4 : 0 0\nnvmlDeviceGetNvLinkState 2 5 : 0 0");
    ticks += 59_000;
    expect(links(read())).toEqual(all);
    ticks += 1000;
    expect(links(read())).toEqual(all.with(2, "16/18"));
  });

  test("without switches some links may be unconnected: those that are up are expected", () => {
    control("nvmlDeviceGetFieldValues * : 3\nnvmlDeviceGetNvLinkState * : 0 0\nnvmlDeviceGetNvLinkState 0 3 : 0 1");
    expect(gpu(open(h200).read(), 0).nvlink).toMatchObject({ linksUp: 1, linksExpected: 1 });
  });

  test("a divided card reports no links: its instances use none", () => {
    control("nvmlDeviceGetMigMode 0 : 0 1\nnvmlDeviceGetNvLinkState * : 0 0");
    const [divided, other] = open(h200).read().gpus;
    expect([divided?.nvlink, divided?.divided]).toEqual([undefined, true]);
    expect(other?.nvlink).toMatchObject({ linksUp: 0, linksExpected: 18 });
  });

  test("a card without NVLink has no NvLink message, rather than one with 0 links", () => {
    expect(gpu(open(rtx4090).read(), 0).nvlink).toBeUndefined();
  });

  test("administrator settings are queried once a minute, and a failure of that is reported all the time", () => {
    const { read } = open(rtx4090);
    expect(gpu(read(), 0)).toMatchObject({ powerLimit: 450_000, persistence: false });
    control("nvmlDeviceGetEnforcedPowerLimit 0 : 0 300000\nnvmlDeviceGetPersistenceMode 0 : 999");
    ticks += 59_000;
    expect(gpu(read(), 0)).toMatchObject({ powerLimit: 450_000, persistence: false });
    ticks += 1000;
    for (let i = 0; i < 2; i++) {
      const after = gpu(read(), 0);
      expect(after).toMatchObject({ powerLimit: 300_000, state: State.OK, err: "NVML: Unknown Error (999)" });
      expect(after.persistence).toBeUndefined();
    }
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

  test("used and free memory add up to the total, and reserved memory is part of the used", () => {
    for (const { memUsed, memTotal, memReserved } of open(h100).read().gpus) {
      expect(memTotal).toBe(85_520_809_984n);
      expect(memReserved).toBe(577_634_304n);
      expect(memUsed).toBeGreaterThanOrEqual(memReserved ?? 0n);
    }
  });
});
