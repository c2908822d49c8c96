// The player has the driver's ABI as somebody else reads it: pynvml, NVIDIA's own bindings, sees what our reader sees.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busId, throttles } from "../../agent/source/nvml/card.ts";
import { loadLibrary } from "../../agent/source/nvml/koffi.ts";
import { Nvml } from "../../agent/source/nvml/library.ts";
import { GpuReader } from "../../agent/source/nvml/reader.ts";
import { type GPUInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { missingCompiler, player } from "./build.ts";
import { pynvml } from "./pynvml.ts";
import { a100, h100, h200, mig, rtx4090 } from "./rig.ts";

interface Card {
  readonly id: number;
  readonly error?: number;
  readonly name: string;
  readonly uuid: string;
  readonly bus: string;
  readonly pci: [number, number, number, number, number];
  readonly memory: [number, number, number];
  readonly memory2: [number, number, number, number];
  readonly utilization: [number, number] | null;
  readonly throttle: number;
  readonly compute: [number, number | null][];
  readonly graphics: [number, number | null][];
  readonly instances: Part[] | null;
  readonly samples: Record<string, number>;
  readonly link: [number, number, number, number];
  readonly rows: [number, number, boolean, boolean] | null;
  readonly persistence: number;
  readonly computeMode: number;
  /** Links, and KiB sent and received over them. */
  readonly nvlink: [number[], number | null, number | null];
  readonly [reading: string]: unknown;
}

/** A MIG instance. */
interface Part {
  readonly number: number;
  readonly name: string;
  readonly uuid: string;
  readonly memory: [number, number];
  readonly instance: [number, number];
  readonly multiprocessors: number;
  readonly compute: [number, number][];
}

interface Reading {
  readonly driver: string;
  readonly cuda: number;
  readonly errors: Record<string, string>;
  readonly xids: [number, number][];
  readonly end: number;
  readonly cards: Card[];
}

const compiler = missingCompiler();
const found = compiler === undefined ? pynvml() : { reason: compiler };
const reason = "reason" in found ? found.reason : undefined;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-pynvml-"));
});
afterAll(() => {
  delete process.env.GOHM_PLAYER;
  rmSync(folder, { recursive: true, force: true });
});

function python(capture: string, control = ""): Reading {
  const file = join(folder, "control");
  writeFileSync(file, `${control}\n`);
  const script = fileURLToPath(new URL("read.py", import.meta.url));
  const env = {
    ...process.env,
    PYTHONPATH: "path" in found ? found.path : "",
    LD_LIBRARY_PATH: dirname(player()),
    GOHM_PLAYER: capture,
    GOHM_PLAYER_CONTROL: file,
  };
  return JSON.parse(execFileSync("python3", [script], { env, encoding: "utf8" })) as Reading;
}

function ours(capture: string): {
  gpus: GPUInfo[];
  driverVersion: string | undefined;
  cudaVersion: string | undefined;
} {
  process.env.GOHM_PLAYER = capture;
  const nvml = new Nvml(loadLibrary(player()));
  const reader = new GpuReader(nvml, { now: () => Date.now(), ticks: () => 0, wait: () => undefined });
  const { gpus, system } = create(HostInfoSchema, reader.read());
  nvml.shutdown();
  return { gpus, driverVersion: system?.driverVersion, cudaVersion: system?.cudaVersion };
}

const big = (value: unknown): bigint | undefined => (typeof value === "number" ? BigInt(value) : undefined);
const some = (value: unknown): unknown => value ?? undefined;

function compare(card: Card, gpu: GPUInfo): void {
  const [total, free, used] = card.memory;
  const [domain, bus, device] = card.pci;
  expect({ ...gpu, procs: [] }).toMatchObject({
    id: card.id,
    name: card.name,
    uuid: card.uuid,
    pciBusId: busId({ domain, bus, device }),
    memTotal: BigInt(total),
    memUsed: BigInt(used),
    memReserved: BigInt(card.memory2[1]),
    throttle: throttles(BigInt(card.throttle)),
  });
  expect([gpu.utilization, gpu.memUtilization]).toEqual(card.utilization ?? [undefined, undefined]);
  expect(BigInt(free)).toBe((gpu.memTotal ?? 0n) - (gpu.memUsed ?? 0n));
  expect(card.bus.toLowerCase()).toBe(`0000${gpu.pciBusId}`);
  expect(gpu.temp).toBe(some(card.temperature));
  expect(gpu.fanspeed).toBe(some(card.fan));
  expect(gpu.power).toBe(some(card.power));
  expect(gpu.powerLimit).toBe(some(card.limit));
  expect(gpu.clockSm).toBe(some(card.sm));
  expect(gpu.clockMem).toBe(some(card.mem));
  expect(gpu.eccCorrected).toBe(big(card.corrected));
  expect(gpu.eccUncorrected).toBe(big(card.uncorrected));
  expect(gpu.encoder).toBe(some(card.encoder));
  expect(gpu.decoder).toBe(some(card.decoder));
  expect(gpu.energy).toBe(big(card.energy));
  expect(gpu.memTemp).toBe(some(card.memoryTemperature));
  const { pcie, remapped } = gpu;
  const { generation, width, generationMax = generation, widthMax = width } = pcie ?? {};
  expect([generation, width, generationMax, widthMax]).toEqual(card.link);
  expect(remapped && [remapped.correctable, remapped.uncorrectable, remapped.pending, remapped.failed]).toEqual(
    card.rows?.map((each, i) => (i < 2 ? each : Boolean(each))),
  );
  const [links, sent, received] = card.nvlink;
  expect(gpu.nvlink?.linksUp).toBe(links.length === 0 ? undefined : links.filter((up) => up === 1).length);
  expect([gpu.nvlink?.txTotal, gpu.nvlink?.rxTotal]).toEqual([big(sent), big(received)]);
  expect(gpu.persistence).toBe(card.persistence === 1);
  expect(gpu.computeMode).toBe(card.computeMode + 1);
  expect(gpu.performance).toBe(some(card.performance));
  const kinds = (pid: number): object => ({
    compute: card.compute.some(([each]) => each === pid),
    graphics: card.graphics.some(([each]) => each === pid),
  });
  // A process on an instance stands there, not on the card.
  const parts = new Set(card.instances?.flatMap(({ compute }) => compute.map(([pid]) => pid)));
  const procs = new Map([...card.compute, ...card.graphics].filter(([pid]) => !parts.has(pid)));
  expect(
    gpu.procs.map(({ pid, mem, utilization, compute, graphics }) => ({ pid, mem, utilization, compute, graphics })),
  ).toEqual(
    [...procs].map(([pid, mem]) => ({ pid, mem: big(mem), utilization: card.samples[String(pid)], ...kinds(pid) })),
  );
}

function compareInstance(part: Part, card: Card, gpu: GPUInfo | undefined): void {
  const [gpuInstance, computeInstance] = part.instance;
  expect(gpu).toMatchObject({
    id: 1000 * (card.id + 1) + part.number,
    name: part.name,
    uuid: part.uuid,
    parent: card.uuid,
    pciBusId: card.bus.slice(4).toLowerCase(),
    memTotal: BigInt(part.memory[0]),
    memUsed: BigInt(part.memory[1]),
    instance: { gpuInstance, computeInstance, multiprocessors: part.multiprocessors },
    procs: part.compute.map(([pid, mem]) => ({ pid, mem: BigInt(mem), compute: true, graphics: false })),
  });
}

describe.skipIf(reason !== undefined)(`pynvml${reason ? `: ${reason}` : ""}`, () => {
  test.each([h100, h200, rtx4090, a100, mig])("pynvml and our reader see the same of %s", (capture) => {
    const theirs = python(capture);
    const { gpus, driverVersion, cudaVersion } = ours(capture);
    expect(driverVersion).toBe(theirs.driver);
    expect(cudaVersion).toBe(`${Math.floor(theirs.cuda / 1000)}.${(theirs.cuda % 1000) / 10}`);
    const whole = gpus.filter(({ parent }) => parent === undefined);
    expect(whole).toHaveLength(theirs.cards.length);
    expect(gpus).toHaveLength(theirs.cards.reduce((sum, { instances }) => sum + 1 + (instances?.length ?? 0), 0));
    for (const [i, card] of theirs.cards.entries()) {
      const gpu = whole[i] as GPUInfo;
      expect(gpu.divided).toBe(card.instances ? true : undefined);
      for (const part of card.instances ?? [])
        compareInstance(
          part,
          card,
          gpus.find(({ uuid }) => uuid === part.uuid),
        );
      if (card.error === undefined) compare(card, gpu);
      else
        expect({ ...gpu }).toMatchObject({ id: card.id, state: State.LOST, err: `NVML: GPU is lost (${card.error})` });
    }
  });

  test("pynvml receives the critical errors that the player delivers, and then a time-out", () => {
    const { xids, end } = python(h100, "xid 1 : 5 31\nxid 2 : 0 79");
    expect([xids, end]).toEqual([
      [
        [5, 31],
        [0, 79],
      ],
      10,
    ]);
  });

  test("pynvml reads the player's error texts", () => {
    expect(python(rtx4090).errors).toEqual({ 3: "Not Supported", 9: "Driver Not Loaded", 15: "GPU is lost" });
  });
});
