// Faults of drivers and cards through the real FFI path: each with what is seen before, during and after.
import { copyFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type GPUInfo, State } from "../../proto/gen/host_pb.js";
import { missingCompiler, player } from "./build.ts";
import { gpu, h100, h200, type Rig, type RigOptions, rig, rtx4090 } from "./rig.ts";

const reason = missingCompiler();
const patience = { timeout: 30_000, interval: 50 };

let at: Rig | undefined;
afterEach(async () => {
  await at?.close();
  at = undefined;
});
async function setUp(capture: string, options?: RigOptions): Promise<Rig> {
  at = await rig(capture, options);
  return at;
}

describe.skipIf(reason !== undefined)(`faults${reason ? `: ${reason}` : ""}`, () => {
  test("a reading that a card does not support is absent, not 0, and the others stay", async () => {
    const { read, control } = await setUp(rtx4090);
    expect(gpu(await read(), 0)).toMatchObject({ temp: 64, power: 318_220, fanspeed: 43 });
    control("nvmlDeviceGetTemperature * : 3\nnvmlDeviceGetPowerUsage 0 : 4\nnvmlDeviceGetMemoryInfo 0 : 3");
    const during = gpu(await read(), 0);
    expect(during).toMatchObject({ utilization: 71, fanspeed: 43, state: State.OK });
    for (const field of ["temp", "power", "memUsed", "memTotal", "err"] as const) expect(during[field]).toBeUndefined();
    control("");
    expect(gpu(await read(), 0)).toMatchObject({ temp: 64, power: 318_220 });
  });

  test("a reading that fails otherwise is absent and says why", async () => {
    const { read, control } = await setUp(rtx4090);
    control("nvmlDeviceGetTemperature 0 0 : 999");
    const during = gpu(await read(), 0);
    expect(during).toMatchObject({ utilization: 71, state: State.OK, err: "NVML: Unknown Error (999)" });
    expect(during.temp).toBeUndefined();
  });

  test("a card that is lost stays listed under its name, without values, and hides no other", async () => {
    const { read, control } = await setUp(h100);
    const before = await read();
    control("* 3 : 15");
    const during = await read();
    const lost = gpu(during, 3);
    expect(lost).toMatchObject({
      name: "NVIDIA H100 80GB HBM3",
      uuid: gpu(before, 3).uuid,
      state: State.LOST,
      err: "NVML: GPU is lost (15)",
    });
    for (const field of ["utilization", "memUsed", "temp", "sampled"] as const) expect(lost[field]).toBeUndefined();
    expect(lost.procs).toEqual([]);
    expect(during.gpus.map(({ state }) => state === State.OK)).toEqual([1, 1, 1, 0, 1, 1, 1, 1].map(Boolean));
    expect(gpu(during, 4)).toEqual(gpu(before, 4));
    control("");
    expect(gpu(await read(), 3)).toMatchObject({ state: State.OK, utilization: 96 });
  });

  test("a card that needs a reset, and one of which nothing can be read, count as lost", async () => {
    const { read, control } = await setUp(rtx4090);
    await read();
    control("* 0 : 16\n* 1 : 999");
    const during = await read();
    expect(gpu(during, 0)).toMatchObject({ state: State.LOST, err: "NVML: GPU requires reset (16)" });
    expect(gpu(during, 1)).toMatchObject({ state: State.LOST, err: "NVML: Unknown Error (999)" });
  });

  test("a reader that hangs in the driver is given up at the deadline and killed, and GPUs are read when the driver answers", async () => {
    const { read, failure, control, readers, skip } = await setUp(h100, { deadline: 2000 });
    await vi.waitFor(read, patience);
    const [pid] = readers();
    control("nvmlDeviceGetUtilizationRates 5 : hang");
    const during = await failure();
    expect(during.name).toBe("Hung");
    expect(during.message).toBe("NVML did not answer within 1.8 s: its reader was stopped");
    await vi.waitFor(() => expect(readers()).not.toContain(pid), patience);
    // Within the pause nothing is tried.
    expect(await failure()).toBe(during);
    await vi.waitFor(() => expect(readers()).toEqual([]), patience);
    control("");
    skip(1000);
    expect((await vi.waitFor(read, patience)).gpus).toHaveLength(8);
  });

  test("a library that crashes takes only the reader with it", async () => {
    const { read, failure, control, readers, skip } = await setUp(h100);
    await read();
    control("nvmlDeviceGetPowerUsage 1 : crash");
    expect((await failure()).message).toBe("NVML's reader was ended by SIGSEGV");
    await vi.waitFor(() => expect(readers()).toEqual([]), patience);
    control("");
    skip(1000);
    expect((await read()).gpus).toHaveLength(8);
  });

  test("a reader that is killed is replaced", async () => {
    const { read, failure, readers, skip } = await setUp(rtx4090);
    await read();
    const [pid = 0] = readers();
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(readers()).toEqual([]), patience);
    expect((await failure()).message).toBe("NVML's reader was ended by SIGKILL");
    skip(1000);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("impossible values are absent", async () => {
    const { read, control } = await setUp(rtx4090);
    control(`nvmlDeviceGetUtilizationRates 0 : 0 4294967295 250
nvmlDeviceGetMemoryInfo 0 : 0 1000 0 2000 18446744073709550616
nvmlDeviceGetTemperature 0 0 : 0 65000
nvmlDeviceGetPowerUsage 0 : 0 4294967295
nvmlDeviceGetProcessUtilization 0 : 0 9120:1000:4294967295:0:0:0
nvmlDeviceGetTotalEccErrors 0 0 0 : 0 -`);
    const during = gpu(await read(), 0);
    const absent = ["utilization", "memUtilization", "memUsed", "temp", "power", "eccCorrected"] as const;
    for (const field of absent) expect(during[field], field).toBeUndefined();
    expect(during.procs.find(({ pid }) => pid === 9120)?.utilization).toBeUndefined();
    expect(during).toMatchObject({ state: State.OK, fanspeed: 43 });
  });

  test.each([
    ["claims four thousand million processes", "0 !4000000000"],
    ["claims as many as fit but writes none", "0 !64"],
    ["always wants more room", "7"],
    ["wants room for four thousand million processes", "7 !4000000000"],
  ])("the process list of a driver that %s is dropped, and only its card is affected", async (_, answer) => {
    const { read, control } = await setUp(h100);
    control(`nvmlDeviceGetComputeRunningProcesses 0 : ${answer}`);
    const during = await read();
    expect(gpu(during, 0)).toMatchObject({ utilization: 97, state: State.OK });
    expect(gpu(during, 0).procs.map(({ pid }) => pid)).toEqual([]);
    expect(gpu(during, 1).procs).toHaveLength(1);
  });

  test("300 processes on one card are all read", async () => {
    const { read, control } = await setUp(rtx4090);
    const pids = Array.from({ length: 300 }, (_, i) => 10_000 + i);
    control(`nvmlDeviceGetComputeRunningProcesses 1 : 0 ${pids.map((pid) => `${pid}:${pid * 4096}:-:-`).join(" ")}
nvmlDeviceGetGraphicsRunningProcesses 1 : 0
nvmlDeviceGetProcessUtilization 1 : 0 ${pids.map((pid) => `${pid}:1000:${pid % 100}:0:0:0`).join(" ")}`);
    const { procs } = gpu(await read(), 1);
    expect(procs.map(({ pid }) => pid)).toEqual(pids);
    expect(procs.at(-1)).toMatchObject({ mem: BigInt(10_299 * 4096), utilization: 99 });
  });

  test("critical errors are counted from the start of the agent, also when its reader dies", async () => {
    const { read, failure, control, readers, skip } = await setUp(h100);
    expect(gpu(await read(), 2)).toMatchObject({ xidCount: 0n });
    expect(gpu(await read(), 2).xidLast).toBeUndefined();
    control("xid 1 : 2 31\nxid 2 : 2 79");
    const seen = { xidCount: 2n, xidLast: 79, xidTime: 1_700_000_000_000n };
    expect(gpu(await read(), 2)).toMatchObject(seen);
    expect(gpu(await read(), 2)).toMatchObject(seen);
    process.kill(readers()[0] ?? 0, "SIGKILL");
    control("");
    await failure();
    skip(1000);
    expect(gpu(await read(), 2)).toMatchObject(seen);
    expect(gpu(await read(), 3)).toMatchObject({ xidCount: 0n });
  });

  test("a link that went down is still reported after the reader dies, also where bridges join only some of the cards", async () => {
    const { read, failure, control, readers, skip } = await setUp(h200);
    const bridged = Array.from({ length: 8 }, (_, i) => `nvmlDeviceGetFieldValues ${i} 147 : 3`).join("\n");
    control(bridged);
    expect(gpu(await read(), 2).nvlink).toMatchObject({ linksUp: 18, linksExpected: 18 });
    expect(gpu(await read(), 6).nvlink).toMatchObject({ linksUp: 17, linksExpected: 17 });
    process.kill(readers()[0] ?? 0, "SIGKILL");
    control(`${bridged}\nnvmlDeviceGetNvLinkState 2 4 : 0 0`);
    await failure();
    skip(1000);
    expect(gpu(await read(), 2).nvlink).toMatchObject({ linksUp: 17, linksExpected: 18 });
  });

  test("details that a card does not offer, and impossible ones, are absent", async () => {
    const { read, control } = await setUp(h100);
    const details = ["decoder", "energy", "memTemp", "pcie", "remapped", "persistence", "computeMode"] as const;
    control(`nvmlDeviceGetDecoderUtilization 0 : 0 101
nvmlDeviceGetTotalEnergyConsumption 0 : 3
nvmlDeviceGetFieldValues 0 : 13
nvmlDeviceGetCurrPcieLinkGeneration 0 : 3
nvmlDeviceGetCurrPcieLinkWidth 0 : 0 4000000000
nvmlDeviceGetMaxPcieLinkGeneration 0 : 3
nvmlDeviceGetMaxPcieLinkWidth 0 : 3
nvmlDeviceGetRemappedRows 0 : 4
nvmlDeviceGetPersistenceMode 0 : 3
nvmlDeviceGetComputeMode 0 : 0 77
nvmlDeviceGetPerformanceState 0 : 0 32`);
    const info = await read();
    for (const field of details) expect(gpu(info, 1)[field], field).toBeDefined();
    const during = gpu(info, 0);
    for (const field of [...details, "performance", "err"] as const) expect(during[field], field).toBeUndefined();
    expect(during).toMatchObject({ state: State.OK, utilization: 97 });
  });

  test("a missing memory sensor answers 0, which is not a temperature", async () => {
    const { read, control } = await setUp(h100);
    expect(gpu(await read(), 0).memTemp).toBe(72);
    control("nvmlDeviceGetFieldValues 0 82 : 0 1 0");
    expect(gpu(await read(), 0).memTemp).toBeUndefined();
  });

  describe("in a container with its own PID namespace", () => {
    const own = "pid:[4026532201]";
    /** Processes that have the driver open in this container. */
    const container = (...pids: string[]): RigOptions => ({
      says: {
        link: (path) => (path === "/proc/self/ns/pid" ? own : undefined),
        opened: (pid, folder) => (folder === "/dev" && pids.includes(pid) ? [{ fd: "9", path: "/dev/nvidia0" }] : []),
      },
    });
    const marked = (info: { gpus: readonly GPUInfo[] }) => info.gpus.map(({ procs }) => procs.map((p) => p.elsewhere));

    test("pids that the driver lists are the host's, also if one of them is a pid of the container", async () => {
      const { read } = await setUp(h100, container("201440"));
      const info = await read();
      expect(info.gpus[0]?.procs[0]).toMatchObject({ pid: 201_440, mem: 79_407_087_616n, elsewhere: true });
      expect(marked(info).flat()).toEqual(Array(8).fill(true));
    });

    test("pids of the container are accepted if all of those processes have the driver open", async () => {
      const all = ["201440", "201441", "201442", "201443", "198002", "233411", "235020", "150233"];
      const { read } = await setUp(h100, container(...all));
      const info = await read();
      expect(marked(info).flat()).toEqual(Array(8).fill(undefined));
    });
  });

  test("a driver without events leaves the counts of critical errors absent", async () => {
    const { read, control } = await setUp(rtx4090);
    control("nvmlDeviceGetSupportedEventTypes * : 3");
    expect(gpu(await read(), 0).xidCount).toBeUndefined();
  });

  test("a driver that was unloaded while the reader had it open is opened again", async () => {
    const { read, failure, control, skip } = await setUp(rtx4090);
    await read();
    control("* 0 : 1");
    expect((await failure()).message).toBe("NVML: Uninitialized (1)");
    control("");
    skip(1000);
    expect((await read()).gpus).toHaveLength(2);
  });
});

describe.skipIf(reason !== undefined)(`no driver${reason ? `: ${reason}` : ""}`, () => {
  test("a driver that is not loaded is unsupported in NVML's own words, and found a minute later", async () => {
    const { read, failure, control, readers, skip } = await setUp(rtx4090);
    control("nvmlInit : 9");
    const during = await failure();
    expect([during.name, during.message]).toEqual(["Unsupported", "NVML: Driver Not Loaded (9)"]);
    await vi.waitFor(() => expect(readers()).toEqual([]), patience);
    control("");
    skip(59_000);
    expect(await failure()).toBe(during);
    skip(1000);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("a driver whose library is of another version is a failure, tried again after a second", async () => {
    const { read, failure, control, skip } = await setUp(rtx4090);
    control("nvmlInit : 18");
    const during = await failure();
    expect([during.name, during.message]).toEqual([
      "Error",
      "NVML: Driver/library version mismatch; the driver was upgraded while the old one was in use: reload its kernel " +
        "module, or restart the machine (18)",
    ]);
    control("");
    skip(1000);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("after an upgrade GPUs are back with the next poll once the new driver is loaded, whatever the back-off", async () => {
    const { read, failure, control, skip, driver, readers } = await setUp(rtx4090);
    expect((await read()).system?.driverVersion).toBe("550.120");
    const [old] = readers();
    process.kill(old ?? 0, "SIGKILL");
    control("nvmlInit : 18");
    await failure();
    for (const wait of [1000, 2000, 4000, 8000, 16_000]) {
      skip(wait);
      expect((await failure()).message).toContain("the driver was upgraded");
    }
    control("nvmlSystemGetDriverVersion : 0 560.35.03");
    // 32 s are to be waited now, and none of them has passed.
    expect((await failure()).message).toContain("the driver was upgraded");
    driver("NVRM version: NVIDIA UNIX x86_64 Kernel Module  560.35.03\n");
    expect((await read()).system?.driverVersion).toBe("560.35.03");
    expect(readers()).not.toContain(old);
  });

  // pause() itself gives up after two seconds.
  test("a pause releases the driver within two seconds, even in the middle of a call that hangs, and ends in time", async () => {
    const { read, failure, control, skip, pause, readers } = await setUp(rtx4090);
    await read();
    control("nvmlDeviceGetPowerUsage 1 : hang");
    const hanging = failure();
    await pause(60_000);
    expect(readers()).toEqual([]);
    const text = "paused until 2023-11-14 22:14:20 UTC, so that the driver can be reloaded";
    expect((await hanging).message).toBe(text);
    control("");
    skip(50_000);
    expect((await failure()).message).toBe(text);
    skip(10_000);
    expect((await read()).gpus).toHaveLength(2);
    await pause(60_000);
    await pause(0);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("a missing library is unsupported, starts no reader, and is used as soon as it exists", async () => {
    const library = join((await setUp(rtx4090)).folder, "later.so");
    const { read, failure, readers } = await setUpBeside(library);
    const during = await failure();
    expect(during.name).toBe("Unsupported");
    expect(during.message).toBe(`NVML: Shared Library Not Found: ${library} (GOHM_NVML) is not there`);
    await vi.waitFor(() => expect(readers()).toEqual([]), patience);
    copyFileSync(player(), library);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("a file that is not a library is unsupported, with the loader's text", async () => {
    const library = join((await setUp(rtx4090)).folder, "text.so");
    writeFileSync(library, "not a library");
    const { read, failure, skip } = await setUpBeside(library);
    const during = await failure();
    expect(during.name).toBe("Unsupported");
    expect(during.message).toMatch(/^NVML: Shared Library Not Found: .*text\.so: .*(too short|ELF).* \(12\)$/);
    copyFileSync(player(), library);
    skip(60_000);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("a library truncated under a running reader, as by an upgrade in place, crashes that reader only", async () => {
    const library = join((await setUp(rtx4090)).folder, "cut.so");
    copyFileSync(player(), library);
    const { read, failure, skip } = await setUpBeside(library);
    await read();
    truncateSync(library, 0);
    expect((await failure()).message).toBe("NVML's reader was ended by SIGBUS (the driver's files changed under it)");
    copyFileSync(player(), `${library}.new`);
    renameSync(`${library}.new`, library);
    skip(1000);
    expect((await read()).gpus).toHaveLength(2);
  });

  test("a library other than NVML is a failure that says so", async () => {
    const { failure } = await setUp(rtx4090, { nvml: "libc.so.6" });
    expect((await failure()).message).toBe("NVML: Function Not Found: this is no NVML library (13)");
  });

  test.each([0.2, 0.5])(
    "a library of which only %f is there, as while a driver is replaced, is survived",
    async (share) => {
      const library = join((await setUp(rtx4090)).folder, "half.so");
      copyFileSync(player(), library);
      truncateSync(library, Math.floor(readFileSync(library).length * share));
      const { read, failure, skip } = await setUpBeside(library);
      expect((await failure()).message).toMatch(/^NVML/);
      copyFileSync(player(), `${library}.new`);
      renameSync(`${library}.new`, library);
      skip(60_000);
      expect((await read()).gpus).toHaveLength(2);
    },
  );
});

/** A second rig whose library lies in the folder of the first, which is closed with it. */
async function setUpBeside(library: string): Promise<Rig> {
  const first = at;
  const second = await rig(rtx4090, { nvml: library });
  at = {
    ...second,
    close: async () => {
      await second.close();
      await first?.close();
    },
  };
  return at;
}
