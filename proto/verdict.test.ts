import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type GPUInfo, GPUInfoSchema, State, Throttle, Vendor } from "./gen/host_pb.js";
import {
  cardFaults,
  cardName,
  environment,
  isIdle,
  modelOf,
  parentOf,
  percentOf,
  selector,
  verdict,
} from "./verdict.ts";

const GiB = 1024n ** 3n;
const MiB = 1024n ** 2n;
const card = (rest: MessageInitShape<typeof GPUInfoSchema>): GPUInfo =>
  create(GPUInfoSchema, { state: State.OK, utilization: 0, memUsed: 5n * MiB, memTotal: 80n * GiB, ...rest });
const holders = [{ namespace: "lab", pod: "train-0" }];
const procs = [{ pid: 1, username: "ada", mem: GiB }];
const xorg = { pid: 2, username: "root", basename: "Xorg", compute: false, graphics: true, mem: 4n * MiB };
const drawing = [xorg];
const unmeasured = [{ pid: 2, graphics: true }];
const computing = [{ ...xorg, compute: true }];
const large = [{ ...xorg, mem: 6n * GiB }];
const desktop = [xorg, xorg];
const untold = [{ pid: 2, mem: 4n * MiB }];
/** A GPU that computes in the host's memory, most of which is in use by whatever runs there. */
const shared = { memoryShared: true, memUsed: 100n * GiB, memTotal: 120n * GiB };

test.each([
  ["nothing runs and little memory is in use", {}, "free"],
  ["utilization is just below the limit", { utilization: 4 }, "free"],
  ["memory is below two percent of a large card", { memUsed: (16n * GiB) / 10n }, "free"],
  ["memory is below 600 MiB of a small card", { memUsed: 590n * MiB, memTotal: 8n * GiB }, "free"],
  ["the driver keeps memory for itself", { memUsed: 2n * GiB, memReserved: 1900n * MiB }, "free"],
  ["a program's own Xid was counted", { xidCount: 3n, xidLast: 31 }, "free"],
  ["a display server draws on it", { procs: drawing, memUsed: 20n * MiB }, "free"],
  ["a display server of unknown memory draws on it", { procs: unmeasured }, "free"],
  ["a display server draws and computes on it", { procs: computing }, "held"],
  ["a program that only draws has much memory", { procs: large, memUsed: 7n * GiB }, "held"],
  ["a desktop's programs together have much memory", { procs: desktop, memUsed: 2n * GiB }, "held"],
  ["a program of unknown kind is there", { procs: untold }, "held"],
  ["it shares the host's memory and nobody is on it", shared, "free"],
  ["it shares the host's memory and only a desktop is on it", { ...shared, procs: drawing }, "free"],
  ["it shares the host's memory and a process sits there", { ...shared, procs }, "held"],
  ["it shares the host's memory and a process draws much", { ...shared, procs: large }, "held"],
  ["it shares the host's memory and computes", { ...shared, utilization: 50 }, "busy"],
  ["it shares the host's memory and nobody knows who is on it", { ...shared, procsUnknown: true }, "unknown"],
  ["it computes and nobody knows who is on it", { procsUnknown: true, utilization: 71 }, "busy"],
  ["its memory is in use and nobody knows who is on it", { procsUnknown: true, memUsed: 2n * GiB }, "held"],
  ["a harmless Xid came behind a grave one", { xidCount: 2n, xidLast: 45, xidWorst: 48, xidAction: 4 }, "broken"],
  ["an Xid was for information", { xidCount: 1n, xidLast: 63, xidWorst: 63, xidAction: 1 }, "free"],
  ["an agent of before tells an Xid for information", { xidCount: 1n, xidLast: 92 }, "free"],
  ["Xid events were counted before a reset", { xidCount: 2n }, "free"],
  ["a newer agent judges a code that is not known here", { xidCount: 1n, xidWorst: 4711, xidAction: 1 }, "free"],
  ["an agent of the first GOHM names no state", { state: undefined as never }, "free"],
  ["utilization is at the limit", { utilization: 5 }, "busy"],
  ["decimals tell that utilization is below the limit", { utilization: 5, utilizationExact: 4.99 }, "free"],
  ["decimals tell that utilization is at the limit", { utilization: 5, utilizationExact: 5.01 }, "busy"],
  ["a process computes", { utilization: 90, procs }, "busy"],
  ["a process is there and utilization is not measured", { utilization: undefined as never, procs }, "busy"],
  ["a process sits there", { procs }, "held"],
  ["Kubernetes gave it to a pod that does nothing yet", { holders }, "held"],
  ["memory is in use and no process is visible", { memUsed: 2n * GiB }, "held"],
  ["utilization is not measured", { utilization: undefined as never }, "unknown"],
  ["memory is not measured", { memUsed: undefined as never }, "unknown"],
  ["the reading is stale", { state: State.STALE }, "unknown"],
  ["the card fell off the bus", { state: State.LOST }, "broken"],
  ["the driver hangs", { state: State.HUNG, procs }, "broken"],
  ["memory errors were not corrected", { eccUncorrected: 1n }, "broken"],
  ["the hardware raised an Xid", { xidCount: 1n, xidLast: 79 }, "broken"],
  [
    "the system powered it down",
    { asleep: true, utilization: undefined as never, memUsed: undefined as never },
    "free",
  ],
  ["it sleeps, and Kubernetes gave it to a pod", { asleep: true, holders }, "held"],
  ["it sleeps after an Xid that asks for a reset", { asleep: true, xidWorst: 48, xidAction: 4 }, "broken"],
  ["it sits in a processor and rests", { integrated: true }, "unknown"],
  ["it sits in a processor and draws a desktop", { integrated: true, procs }, "unknown"],
  ["it sits in a processor and sleeps", { integrated: true, asleep: true }, "unknown"],
  ["it sits in a processor and works", { integrated: true, utilization: 60, procs }, "busy"],
  ["it sits in a processor and hangs", { integrated: true, state: State.HUNG }, "broken"],
] as const)("when %s the card is %s", (_, rest, wanted) => {
  const { state, utilization, memUsed } = rest as Partial<GPUInfo>;
  const gpu = card(rest);
  if ("state" in rest && state === undefined) delete gpu.state;
  if ("utilization" in rest && utilization === undefined) delete gpu.utilization;
  if ("memUsed" in rest && memUsed === undefined) delete gpu.memUsed;
  expect(verdict(gpu, true)).toBe(wanted);
});

test("no card of a host that does not answer is free or busy", () => {
  expect(verdict(card({}), false)).toBe("unknown");
  expect(verdict(card({ utilization: 99, procs }), false)).toBe("unknown");
  expect(verdict(card({ state: State.LOST }), false)).toBe("broken");
});

test("a busy card with memory errors stays busy, and its errors are listed", () => {
  const gpu = card({ utilization: 80, procs, eccUncorrected: 2n });
  expect(verdict(gpu, true)).toBe("busy");
  expect(cardFaults(gpu)).toEqual([{ kind: "ecc-uncorrected", count: 2 }]);
});

test("throttling is not a fault, and unmeasured utilization is not idle", () => {
  expect(cardFaults(card({ throttle: [Throttle.HW_THERMAL] }))).toEqual([]);
  const gpu = card({});
  delete gpu.utilization;
  expect(isIdle(gpu)).toBeUndefined();
});

test.each([
  ["NVIDIA H100 80GB HBM3", "H100 80GB HBM3"],
  ["NVIDIA GeForce RTX 4090", "RTX 4090"],
  ["AMD Instinct MI300X", "MI300X"],
  ["Tesla V100-SXM2-32GB", "Tesla V100-SXM2-32GB"],
  ["", "GPU"],
])("model %s is shown as %s", (name, shown) => {
  expect(modelOf(card({ name }))).toBe(shown);
});

test("the command to copy numbers cards as the driver does", () => {
  expect(environment(Vendor.NVIDIA, ["2", "5"])).toBe("CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=2,5");
  expect(environment(Vendor.AMD, ["0"])).toBe("HIP_VISIBLE_DEVICES=0");
  expect(environment(Vendor.INTEL, ["1"])).toBe("ZE_ENABLE_PCI_ID_DEVICE_ORDER=1 ZE_AFFINITY_MASK=1");
  // A shell must not run what a machine calls its cards.
  expect(environment(Vendor.NVIDIA, ["MIG-1", "$(id)'; id"])).toBe(
    String.raw`CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=MIG-1,\$\(id\)\'\;\ id`,
  );
});

test("a percentage of 0, or of an unknown total, is unknown", () => {
  expect(percentOf(1n, 4n)).toBe(25);
  expect(percentOf(1n, 0n)).toBeUndefined();
  expect(percentOf(undefined, 4n)).toBeUndefined();
});

const instance = { id: 1002, uuid: "MIG-2", parent: "GPU-0", utilization: undefined as never };
const part = (rest: MessageInitShape<typeof GPUInfoSchema>): GPUInfo => {
  const gpu = card({ ...instance, ...rest });
  delete gpu.utilization;
  return gpu;
};

test("a divided card is never free: its instances are, by memory and processes, because their utilization is not measured", () => {
  expect(verdict(card({ divided: true }), true)).toBe("unknown");
  expect(verdict(card({ divided: true, state: State.LOST }), true)).toBe("broken");
  expect(verdict(part({}), true)).toBe("free");
  expect(verdict(part({ procs }), true)).toBe("busy");
  expect(verdict(part({ memUsed: 2n * GiB }), true)).toBe("busy");
  expect(verdict(part({ state: State.LOST }), true)).toBe("broken");
  expect(verdict(part({}), false)).toBe("unknown");
});

const whole = (rest: MessageInitShape<typeof GPUInfoSchema>): GPUInfo =>
  card({ uuid: "GPU-0", divided: true, ...rest });

test.each([
  ["is sound", {}, "free", []],
  ["raised an Xid of the hardware", { xidCount: 1n, xidLast: 79 }, "broken", ["xid"]],
  ["has memory errors", { eccUncorrected: 3n }, "broken", ["ecc-uncorrected"]],
  ["fell off the bus", { state: State.LOST }, "broken", ["lost"]],
  ["hangs", { state: State.HUNG }, "broken", ["hung"]],
  ["was not read lately", { state: State.STALE }, "unknown", ["stale"]],
  ["ran a faulty program", { xidCount: 1n, xidLast: 31 }, "free", []],
] as const)("an instance whose card %s is %s", (_, rest, wanted, kinds) => {
  const gpus = [card({ uuid: "GPU-9", eccUncorrected: 1n }), whole(rest), part({})];
  const instance = part({});
  expect(verdict(instance, true, parentOf(gpus, instance))).toBe(wanted);
  expect(cardFaults(instance, parentOf(gpus, instance)).map(({ kind }) => kind)).toEqual(kinds);
});

test("an instance that computes stays busy whatever is wrong with its card, and a fault is listed once", () => {
  expect(verdict(part({ procs }), true, whole({ eccUncorrected: 3n }))).toBe("busy");
  // Nothing computes on what is not there.
  expect(verdict(part({ procs }), true, whole({ state: State.LOST }))).toBe("broken");
  expect(cardFaults(part({ state: State.LOST }), whole({ state: State.LOST }))).toEqual([{ kind: "lost", count: 1 }]);
});

test("a card that is not an instance has no parent", () => {
  const gpus = [card({ uuid: "GPU-0" }), card({})];
  expect(gpus.map((gpu) => parentOf(gpus, gpu))).toEqual([undefined, undefined]);
});

test.each([
  ["are all up", { linksUp: 18, linksExpected: 18 }, "free", []],
  ["are not counted by the driver", { linksExpected: 18 }, "free", []],
  ["are up but for one", { linksUp: 17, linksExpected: 18 }, "broken", [{ kind: "nvlink", count: 1, of: 18 }]],
  ["nobody counted", { rxTotal: 5n }, "free", []],
] as const)("when a card's NVLinks %s", (_, nvlink, wanted, found) => {
  const gpu = card({ nvlink });
  expect([verdict(gpu, true), cardFaults(gpu)]).toEqual([wanted, found]);
});

test("an instance is named after its card, and CUDA knows it by its uuid", () => {
  expect([0, 17, 1000, 2003].map(cardName)).toEqual(["0", "17", "0:0", "1:3"]);
  expect([selector(card({ id: 3, uuid: "GPU-3" })), selector(part({}))]).toEqual(["3", "MIG-2"]);
});
