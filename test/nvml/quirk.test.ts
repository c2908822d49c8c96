// Drivers and cards that answer in unusual ways, through the real source, its reader process and the player.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadLibrary } from "../../agent/source/nvml/koffi.ts";
import { Nvml } from "../../agent/source/nvml/library.ts";
import { GpuReader } from "../../agent/source/nvml/reader.ts";
import { type HostInfo, HostInfoSchema, State, XidAction } from "../../proto/gen/host_pb.js";
import { missingCompiler, player } from "./build.ts";
import { gpu, h100, mig, type Rig, rig, rtx4090 } from "./rig.ts";

const reason = missingCompiler();

let folder = "";
let closes: (() => void | Promise<void>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-nvml-"));
});
afterEach(async () => {
  for (const close of closes) await close();
  closes = [];
  delete process.env.GOHM_PLAYER;
  delete process.env.GOHM_PLAYER_CONTROL;
  rmSync(folder, { recursive: true, force: true });
});

/** The source with its reader process. */
async function setUp(capture: string, lines: string): Promise<Rig> {
  const made = await rig(capture);
  closes.push(made.close);
  made.control(lines);
  return made;
}

/** The reader alone, within this process. */
function open(capture: string, lines: string): { read(): HostInfo; control(lines: string): void } {
  const control = (text: string): void => writeFileSync(join(folder, "control"), `${text}\n`);
  control(lines);
  process.env.GOHM_PLAYER = capture;
  process.env.GOHM_PLAYER_CONTROL = join(folder, "control");
  const nvml = new Nvml(loadLibrary(player()));
  const reader = new GpuReader(nvml, { now: () => Date.now(), ticks: () => 0, wait: () => undefined });
  closes.push(() => nvml.shutdown());
  return { read: () => create(HostInfoSchema, reader.read()), control };
}

/** MemTotal of the captured machine. */
const hostMemory = 131_072_000n * 1024n;

describe.skipIf(reason !== undefined)(`quirks${reason ? `: ${reason}` : ""}`, () => {
  test.each([3, 4, 13, 25, 999])("memory version 2 that fails with %i gives way to version 1", (code) => {
    const { read } = open(rtx4090, `nvmlDeviceGetMemoryInfo_v2 0 : ${code}`);
    const card = gpu(read(), 0);
    expect(card).toMatchObject({ memTotal: 25_757_220_864n, memUsed: 9_539_092_480n, state: State.OK });
    expect(card.err).toBeUndefined();
    expect(card.memReserved).toBeUndefined();
  });

  test("a card that must not be opened is not lost, and is read once it may be", () => {
    const { read, control } = open(rtx4090, "nvmlDeviceGetHandleByIndex 1 : 4");
    const during = read();
    expect(gpu(during, 0)).toMatchObject({ state: State.OK, utilization: 71 });
    expect(gpu(during, 1)).toMatchObject({ state: State.UNSUPPORTED, err: "NVML: Insufficient Permissions (4)" });
    control("");
    expect(gpu(read(), 1).state).toBe(State.UNSUPPORTED);
    expect(gpu(read(), 1)).toMatchObject({ state: State.OK, name: "NVIDIA GeForce RTX 4090" });
  });

  test("of two cards that must not be opened each is read once it may be", () => {
    const refused = (index: number): string => `nvmlDeviceGetHandleByIndex ${index} : 4`;
    const { read, control } = open(rtx4090, `${refused(0)}\n${refused(1)}`);
    const states = (): State[] => read().gpus.map(({ state = State.UNSPECIFIED }) => state);
    expect(states()).toEqual([State.UNSUPPORTED, State.UNSUPPORTED]);
    control(refused(1));
    states();
    expect(states()).toEqual([State.OK, State.UNSUPPORTED]);
  });

  test("a card whose every query is refused is unsupported, not a card without load", () => {
    const { read, control } = open(rtx4090, "");
    read();
    control("* 1 : 4");
    expect(gpu(read(), 1)).toMatchObject({ state: State.UNSUPPORTED, err: "NVML: Insufficient Permissions (4)" });
  });

  test.each([
    ["is not supported", "nvmlDeviceGetMemoryInfo 0 : 3"],
    ["has total 0 while all else is read", "nvmlDeviceGetMemoryInfo 0 : 0 0 0 0 0"],
  ])("a GPU whose memory %s shares the host's", async (_, lines) => {
    const { read } = await setUp(rtx4090, lines);
    const card = gpu(await read(), 0);
    expect(card).toMatchObject({
      state: State.OK,
      temp: 64,
      utilization: 71,
      memoryShared: true,
      memTotal: hostMemory,
    });
    expect(card.memUsed).toBeGreaterThan(0n);
    expect(card.memUsed).toBeLessThan(hostMemory);
    expect(gpu(await read(), 1)).toMatchObject({ memTotal: 25_757_220_864n });
    expect(gpu(await read(), 1).memoryShared).toBeUndefined();
  });

  test.each([
    ["fails", "nvmlDeviceGetMemoryInfo 0 : 3", State.OK, 71],
    ["answers 0, so that nothing of it is believed", "nvmlDeviceGetMemoryInfo 0 : 0 0 0 0 0", State.STALE, undefined],
  ])(
    "a card that had memory of its own does not share the host's when the query %s",
    async (_, lines, state, utilization) => {
      const { read, control } = await setUp(rtx4090, "");
      expect(gpu(await read(), 0).memTotal).toBe(25_757_220_864n);
      control(lines);
      const card = gpu(await read(), 0);
      expect([card.state, card.utilization]).toEqual([state, utilization]);
      for (const field of ["memoryShared", "memTotal", "memUsed"] as const) expect(card[field], field).toBeUndefined();
    },
  );

  test("a PCIe link of generation 0 or 0 lanes is absent, whichever of its four numbers is 0", () => {
    const all = ["CurrPcieLinkGeneration", "CurrPcieLinkWidth", "MaxPcieLinkGeneration", "MaxPcieLinkWidth"];
    const { read } = open(rtx4090, all.map((name) => `nvmlDeviceGet${name} 0 : 0 0`).join("\n"));
    expect(gpu(read(), 0).pcie).toBeUndefined();
    expect(gpu(read(), 1).pcie).toMatchObject({ generation: 4, width: 8 });
  });

  test("empty texts are absent: two cards without a name are not one card", () => {
    const lines = ["nvmlDeviceGetUUID *", "nvmlDeviceGetName *", "nvmlSystemGetDriverVersion"];
    const { read } = open(rtx4090, lines.map((call) => `${call} : 0`).join("\n"));
    const { gpus, system } = read();
    expect(gpus.map(({ uuid, name }) => [uuid, name])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
    expect(system?.driverVersion).toBeUndefined();
  });

  test.each([4, 16, 999])("versions that the driver refuses with %i are absent, and all cards are read", (code) => {
    const { read } = open(rtx4090, `nvmlSystemGetDriverVersion : ${code}\nnvmlSystemGetCudaDriverVersion : ${code}`);
    const { gpus, system } = read();
    expect(gpus.map(({ state }) => state)).toEqual([State.OK, State.OK]);
    expect([system?.driverVersion, system?.cudaVersion]).toEqual([undefined, undefined]);
  });

  test.each(["0", "4294967294"])("a CUDA version of %s is none", (version) => {
    const { read } = open(rtx4090, `nvmlSystemGetCudaDriverVersion : 0 ${version}`);
    expect(read().system?.cudaVersion).toBeUndefined();
  });

  const mps = `nvmlDeviceGetComputeRunningProcesses 0 : 0 500:30408704:-:- 601:4294967296:-:-
nvmlDeviceGetGraphicsRunningProcesses 0 : 0
nvmlDeviceGetMPSComputeRunningProcesses 0 : 0 601:4294967296:-:- 602:2147483648:-:-`;

  test("clients of MPS compute, each listed once", () => {
    const { read } = open(rtx4090, mps);
    expect(gpu(read(), 0).procs.map(({ pid, mem, compute }) => [pid, mem, compute])).toEqual([
      [500, 30_408_704n, true],
      [601, 4_294_967_296n, true],
      [602, 2_147_483_648n, true],
    ]);
  });

  test("clients of MPS on an instance are the instance's", () => {
    const { read } = open(
      mig,
      "nvmlDeviceGetComputeRunningProcesses * : 0\nnvmlDeviceGetMPSComputeRunningProcesses 0 : 0 77:1000:2:0",
    );
    const { gpus } = read();
    const on = gpus.filter(({ procs }) => procs.length > 0);
    expect(on.map(({ instance, procs }) => [instance?.gpuInstance, procs[0]?.pid])).toEqual([[2, 77]]);
  });

  test.each([3, 4, 999])("processes that the driver does not list (%i) are unknown, not none", (code) => {
    const { read, control } = open(rtx4090, `nvmlDeviceGetComputeRunningProcesses 0 : ${code}`);
    const info = read();
    expect(gpu(info, 0).procsUnknown).toBe(true);
    expect(gpu(info, 1).procsUnknown).toBeUndefined();
    control("nvmlDeviceGetComputeRunningProcesses 0 : 0");
    expect(gpu(read(), 0).procsUnknown).toBeUndefined();
  });

  test.each([13, 25, 3])("a process list of version 3 that fails with %i gives way to the older one", (code) => {
    const { read } = open(
      rtx4090,
      `nvmlDeviceGetComputeRunningProcesses_v3 0 : ${code}\nnvmlDeviceGetComputeRunningProcesses 0 : 0 41:1000:-:-`,
    );
    const card = gpu(read(), 0);
    expect(card.procsUnknown).toBeUndefined();
    expect(card.procs).toContainEqual(expect.objectContaining({ pid: 41, compute: true }));
  });

  test("a sample of a process counts until the next poll: 9 s, not 11", () => {
    const { read } = open(
      rtx4090,
      `nvmlDeviceGetComputeRunningProcesses 0 : 0 41:1000:-:- 42:1000:-:-
nvmlDeviceGetProcessUtilization 0 : 0 41:9000000:33:0:0:0 42:11000000:44:0:0:0`,
    );
    const { procs } = gpu(read(), 0);
    expect(procs.map(({ pid, utilization }) => [pid, utilization]).slice(0, 2)).toEqual([
      [41, 33],
      [42, undefined],
    ]);
  });

  test.each(["4294967295", "18446744073709551615"])("%s in place of every number is no value", (none) => {
    const text = readFileSync(join(h100, "nvml.txt"), "utf8");
    const calls = [...text.matchAll(/^(nvmlDevice\S+ 0(?: \d+)*(?: all)?) : 0 (.+)$/gm)];
    const lines = calls
      .filter(([, call = ""]) => !/Name|UUID|Handle|Processes|ProcessUtil|EventTypes/.test(call))
      .map(([, call = "", values = ""]) => {
        if (call.includes("FieldValues")) return `${call} : 0 ${none.length > 10 ? 3 : 1} ${none}`;
        return `${call} : 0 ${values.replaceAll(/[\d~+]+/g, none)}`;
      });
    const { read } = open(h100, lines.join("\n"));
    const { $typeName: _, $unknown: __, ...card } = gpu(read(), 0);
    const there = Object.entries(card).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    );
    const names = there.map(([name]) => name).sort();
    expect(names).toEqual(["id", "name", "procs", "state", "uuid", "vendor", "xidCount"]);
    expect(lines.length).toBeGreaterThan(20);
  });

  test("an Xid after a severe one does not hide it, and a reset clears both", async () => {
    const energy = (mJ: number): string => `nvmlDeviceGetTotalEnergyConsumption 2 : 0 ${mJ}`;
    const { read, control } = await setUp(h100, energy(9_000_000));
    await read();
    control(`${energy(9_000_100)}\nxid 1 : 2 48\nxid 2 : 2 45`);
    const grave = { xidCount: 2n, xidLast: 45, xidWorst: 48, xidAction: XidAction.RESET_GPU };
    expect(gpu(await read(), 2)).toMatchObject(grave);
    expect(gpu(await read(), 2)).toMatchObject(grave);
    control(energy(1000));
    const after = gpu(await read(), 2);
    expect([after.xidCount, after.xidLast, after.xidWorst, after.xidAction]).toEqual([
      2n,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("implausible readings of a card are dropped, its Xid events are not", async () => {
    const { collect, control } = await setUp(rtx4090, "");
    expect(gpu(await collect(), 0).temp).toBe(64);
    control("nvmlDeviceGetMemoryInfo 0 : 0 0 0 0 0\nxid 1 : 0 48");
    const grave = { xidCount: 1n, xidLast: 48, xidWorst: 48, xidAction: XidAction.RESET_GPU };
    expect(gpu(await collect(), 0)).toMatchObject({ state: State.STALE, temp: 64, ...grave });
    expect(gpu(await collect(), 0)).toMatchObject({ state: State.STALE, temp: 64, ...grave });
  });
});
