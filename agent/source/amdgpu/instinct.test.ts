// What server cards tell beyond Radeons: the firmware's table over time, their programs, their parts.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { State, Throttle } from "../../../proto/gen/host_pb.js";
import { table } from "../../../test/gpu-metrics.ts";
import { type AlteredMachine, altered, never, options } from "../../../test/machine.ts";
import { capturedMachine } from "../../machine/capture.ts";
import type { Machine } from "../../machine/machine.ts";
import { amdgpu } from "../amdgpu.ts";
import type { Gpu, SourceReader } from "../source.ts";

const folder = "../../../test/capture/ubuntu24.04-x86_64__8x-mi300x__rocm-6.4";
const mi300x = (): AlteredMachine => altered(capturedMachine(join(fileURLToPath(new URL(folder, import.meta.url)))));

const device = (card: number): string => `/sys/class/drm/card${card}/device`;

async function opened(machine: Machine): Promise<() => Promise<Gpu[]>> {
  const reader = (await amdgpu.open(machine, options)) as SourceReader;
  return async () => ((await reader.read(never)).gpus ?? []) as Gpu[];
}

describe("eight MI300X", () => {
  test("tell energy, link, media load and how they are divided, from the firmware's table", async () => {
    const gpus = await (await opened(mi300x()))();
    expect(gpus[4]).toMatchObject({
      energy: 1234226406094n,
      media: 23,
      pcie: { generation: 5, width: 16 },
      xgmiLinksUp: 7,
      computePartition: "SPX",
      memoryPartition: "NPS1",
    });
    expect(gpus[7]?.pcie).toEqual({ generation: 5, width: 8, widthMax: 16 });
  });

  test("say why they are slowed by what their firmware counted since the collection before", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    expect((await read())[0]?.throttle).toBeUndefined();
    const counts = (samples: number, ppt: number) =>
      table("1.7", { accumulation_counter: samples, ppt_residency_acc: ppt, hbm_thm_residency_acc: 0 });
    machine.tables[`${device(1)}/gpu_metrics`] = counts(2_214_743_000, 41_208_411);
    machine.tables[`${device(9)}/gpu_metrics`] = counts(2_214_743_000, 41_206_328);
    machine.passed = 10_000;
    const gpus = await read();
    expect(gpus.slice(0, 3).map(({ throttle }) => throttle)).toEqual([[Throttle.POWER_CAP], [], undefined]);
  });

  test("with a table that is not known tell the rest, and say so once", async () => {
    const machine = mi300x();
    machine.tables[`${device(1)}/gpu_metrics`] = Uint8Array.of(8, 0, 1, 99, 0, 0, 0, 0);
    const warn = vi.fn();
    const reader = (await amdgpu.open(machine, { ...options, log: { ...options.log, warn } })) as SourceReader;
    for (let i = 0; i < 3; i++) {
      const [gpu] = ((await reader.read(never)).gpus ?? []) as Gpu[];
      expect(gpu).toMatchObject({ utilization: 100, temp: 78, power: 742_000 });
      expect(gpu?.energy).toBeUndefined();
      expect(gpu?.media).toBeUndefined();
    }
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/card1: gpu_metrics is of revision 1\.99 with 8 bytes/)]]);
  });

  test("as virtual functions, which have no link of their own, tell what the firmware knows of it", async () => {
    const machine = mi300x();
    machine.files["/sys/bus/pci/devices/0000:1b:00.0/current_link_speed"] = "Unknown\n";
    machine.files["/sys/bus/pci/devices/0000:1b:00.0/current_link_width"] = "0\n";
    expect((await (await opened(machine))())[0]?.pcie).toEqual({ generation: 5, width: 16 });
  });

  test("show a program that has a queue there, though it holds no memory of the card's", async () => {
    const machine = mi300x();
    const proc = "/sys/class/kfd/kfd/proc/355102";
    const gpu = machine.read("/sys/class/kfd/kfd/topology/nodes/8/gpu_id") ?? "";
    machine.folders[`${proc}/queues`] = [...machine.list(`${proc}/queues`), "77"];
    machine.files[`${proc}/queues/77/gpuid`] = gpu.trim();
    const gpus = await (await opened(machine))();
    expect(gpus.map(({ procs }) => procs?.map(({ pid, mem }) => [pid, mem !== undefined]))).toEqual([
      [[301440, true]],
      [[301441, true]],
      [[301442, true]],
      [[301443, true]],
      [[355102, true]],
      [[355102, true]],
      [[355102, false]],
      [],
    ]);
  });

  test("say that they hide their programs, where the compute driver refuses to tell which card is which", async () => {
    const machine = mi300x();
    const told = async () => ((await amdgpu.open(machine, options)) as SourceReader).read(never);
    expect((await told()).note).toBeUndefined();
    for (const node of machine.list("/sys/class/kfd/kfd/topology/nodes").filter((name) => Number(name) > 1))
      machine.files[`/sys/class/kfd/kfd/topology/nodes/${node}/gpu_id`] = undefined;
    const { gpus = [], note } = await told();
    expect(gpus[0]).toMatchObject({ utilization: 100, procs: [], procsUnknown: true });
    expect(note).toMatch(/compute programs are not seen: .*DeviceAllow=/);
  });
});

describe("an MI300X that is divided into eight", () => {
  /** Its parts are GPUs of the compute driver, with device nodes of their own, and no PCI functions. */
  function divided(): AlteredMachine {
    const machine = mi300x();
    const nodes = "/sys/class/kfd/kfd/topology/nodes";
    const first = machine.list(nodes).find((name) => / 6912$/m.test(machine.read(`${nodes}/${name}/properties`) ?? ""));
    const properties = machine.read(`${nodes}/${first}/properties`) ?? "";
    const parts = Array.from({ length: 7 }, (_, i) => i + 1);
    machine.folders[nodes] = [...machine.list(nodes), ...parts.map((part) => String(100 + part))];
    for (const part of parts) {
      machine.files[`${nodes}/${100 + part}/gpu_id`] = `${9000 + part}\n`;
      machine.files[`${nodes}/${100 + part}/properties`] = properties
        .replace(/location_id \d+/, `location_id ${6912 + part * 2 ** 28}`)
        .replace(/drm_render_minor \d+/, `drm_render_minor ${128 + part}`);
    }
    machine.files["/sys/class/kfd/kfd/topology/generation_id"] = "9\n";
    machine.files[`${device(1)}/current_compute_partition`] = "CPX\n";
    machine.files[`${device(1)}/current_memory_partition`] = "NPS4\n";
    return machine;
  }

  test("stays one card, whose parts' programs and memory are its own, counted once", async () => {
    const machine = divided();
    const proc = "/sys/class/kfd/kfd/proc/301440";
    machine.folders[proc] = [...machine.list(proc), "vram_9003", "vram_9007"];
    machine.files[`${proc}/vram_9003`] = "1000000\n";
    machine.files[`${proc}/vram_9007`] = "500000\n";
    const gpus = await (await opened(machine))();
    expect(gpus).toHaveLength(8);
    expect(gpus[0]).toMatchObject({ computePartition: "CPX", memoryPartition: "NPS4", memTotal: 206141652992n });
    expect(gpus[0]?.procs).toEqual([{ pid: 301440, compute: true, graphics: false, mem: 170906914816n + 1_500_000n }]);
  });

  test("a program that draws on a part of it is on the card, on kernels that do not name the card too", async () => {
    const machine = divided();
    const info = "drm-driver:\tamdgpu\ndrm-client-id:\t9\ndrm-memory-vram:\t2048 KiB\ndrm-engine-gfx:\t5 ns\n";
    machine.files["/proc/1613/fdinfo/7"] = info;
    const opens = (pid: string) => (pid === "1613" ? [{ fd: "7", path: "/dev/dri/renderD131" }] : []);
    const gpus = await (await opened({ ...machine, opened: opens }))();
    expect(gpus[0]?.procs?.map(({ pid }) => pid)).toEqual([301440, 1613]);
  });

  test("that hangs is not asked through the device nodes of its parts either", async () => {
    const machine = divided();
    machine.files["/proc/1613/fdinfo/7"] = "drm-driver:\tamdgpu\ndrm-client-id:\t9\n";
    const busy = `${device(1)}/gpu_busy_percent`;
    const stuck: Machine = {
      ...machine,
      opened: (pid) => (pid === "1613" ? [{ fd: "7", path: "/dev/dri/renderD131" }] : []),
      readApart: (path) => (path === busy ? new Promise(() => undefined) : machine.readApart(path)),
    };
    const reader = (await amdgpu.open(stuck, { ...options, deadline: 5 })) as SourceReader;
    const gpus = ((await reader.read(never)).gpus ?? []) as Gpu[];
    expect(gpus[0]).toMatchObject({ state: State.HUNG, procs: [] });
    expect(machine.heard).not.toContain("/proc/1613/fdinfo/7");
  });
});
