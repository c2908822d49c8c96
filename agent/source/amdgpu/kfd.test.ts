import { expect, test } from "vitest";
import { altered, machineOf } from "../../../test/machine.ts";
import { Kfd, parseNode } from "./kfd.ts";

const node = (location: number, domain = 0): string => `cpu_cores_count 0\nlocation_id ${location}\ndomain ${domain}\n`;

test.each([
  ["a whole card", node(0x1b00), "0000:1b:00"],
  ["a card of another domain", node(0xc308, 2), "0002:c3:01"],
  ["the third partition of a card, numbered in the bits of its function", node(0x1b02), "0000:1b:00"],
  ["the third partition of a card, numbered in the highest bits", node(0x2000_1b00), "0000:1b:00"],
  ["a processor", node(0), undefined],
  ["nothing", "", undefined],
])("%s sits at its PCI slot", (_, properties, slot) => {
  expect(parseNode(properties)?.slot).toBe(slot);
});

const top = "/sys/class/kfd/kfd";
const machine = machineOf({
  lists: {
    [`${top}/topology/nodes`]: ["0", "1", "2", "3"],
    [`${top}/proc`]: ["100", "200", "mem_limit"],
    [`${top}/proc/100`]: ["pasid", "vram_111", "vram_222", "vram_333", "context_1"],
    [`${top}/proc/100/context_1`]: ["vram_222"],
    [`${top}/proc/200`]: ["vram_111", "vram_222", "vram_333", "vram_999"],
  },
  files: {
    [`${top}/topology/nodes/0/gpu_id`]: "0\n",
    [`${top}/topology/nodes/1/gpu_id`]: "111\n",
    [`${top}/topology/nodes/1/properties`]: node(0x1b00),
    [`${top}/topology/nodes/2/gpu_id`]: "222\n",
    [`${top}/topology/nodes/2/properties`]: node(0x3d00),
    [`${top}/topology/nodes/3/gpu_id`]: "333\n",
    [`${top}/topology/nodes/3/properties`]: node(0x1000_3d00),
    [`${top}/proc/100/vram_111`]: "4096\n",
    [`${top}/proc/100/vram_222`]: "10\n",
    [`${top}/proc/100/vram_333`]: "5\n",
    [`${top}/proc/100/context_1/vram_222`]: "100\n",
    [`${top}/proc/200/vram_111`]: "0\n",
    [`${top}/proc/200/vram_999`]: "7\n",
  },
});

const holdsOf = (kfd: Kfd, pid: number) => [...(kfd.holds().get(pid) ?? [])];

test("what a process holds is summed over the partitions of a card and its own contexts", () => {
  const kfd = new Kfd(machine);
  expect([...kfd.nodes()].map(([id, { slot }]) => [id, slot])).toEqual([
    ["111", "0000:1b:00"],
    ["222", "0000:3d:00"],
    ["333", "0000:3d:00"],
  ]);
  expect(holdsOf(kfd, 100)).toEqual([
    ["0000:1b:00", { memory: 4096, queue: false }],
    ["0000:3d:00", { memory: 115, queue: false }],
  ]);
});

test("a process that may use a card and has nothing there is known, without memory", () => {
  expect(holdsOf(new Kfd(machine), 200)).toEqual([]);
});

test("a process with a queue on a card computes there, though it holds no memory of the card's own", () => {
  const queued = altered(machine);
  queued.folders[`${top}/proc/200/queues`] = ["0", "1"];
  queued.files[`${top}/proc/200/queues/0/gpuid`] = "333\n";
  queued.files[`${top}/proc/200/queues/1/gpuid`] = "4040\n";
  const kfd = new Kfd(queued);
  expect(holdsOf(kfd, 200)).toEqual([["0000:3d:00", { memory: 0, queue: true }]]);
  queued.folders[`${top}/proc/200/queues`] = ["0", "1", "2"];
  queued.files[`${top}/proc/200/queues/2/gpuid`] = "111\n";
  expect(holdsOf(kfd, 200).map(([slot]) => slot)).toEqual(["0000:3d:00", "0000:1b:00"]);
  queued.folders[`${top}/proc/200/queues`] = [];
  expect(holdsOf(kfd, 200)).toEqual([]);
});

test("queues are read when others come or go, and once a minute, for their numbers are used anew", () => {
  const queued = altered(machine);
  queued.folders[`${top}/proc/200/queues`] = ["0"];
  queued.files[`${top}/proc/200/queues/0/gpuid`] = "333\n";
  const kfd = new Kfd(queued);
  kfd.holds();
  queued.files[`${top}/proc/200/queues/0/gpuid`] = "111\n";
  queued.passed = 59_000;
  expect(holdsOf(kfd, 200).map(([slot]) => slot)).toEqual(["0000:3d:00"]);
  queued.passed = 60_000;
  expect(holdsOf(kfd, 200).map(([slot]) => slot)).toEqual(["0000:1b:00"]);
});

test("the list of GPUs is read again when the driver says that it changed, and each time where it does not say", () => {
  const changing = altered(machine);
  const reads = () => changing.heard.filter((path) => path.endsWith("/properties")).length;
  const kfd = new Kfd(changing);
  kfd.nodes();
  kfd.nodes();
  expect(reads()).toBe(6);
  changing.files[`${top}/topology/generation_id`] = "2\n";
  kfd.nodes();
  kfd.nodes();
  expect(reads()).toBe(9);
  changing.files[`${top}/topology/generation_id`] = "3\n";
  changing.files[`${top}/topology/nodes/3/gpu_id`] = "0\n";
  expect([...kfd.nodes().keys()]).toEqual(["111", "222"]);
});

test("GPUs whose numbers the driver refuses are known to be hidden, and looked for again", () => {
  const refused = altered(machine);
  refused.files[`${top}/topology/generation_id`] = "2\n";
  for (const node of ["1", "2", "3"]) refused.files[`${top}/topology/nodes/${node}/gpu_id`] = undefined;
  const kfd = new Kfd(refused);
  expect(holdsOf(kfd, 100)).toEqual([]);
  expect(kfd.hidden).toBe(true);
  for (const node of ["1", "2", "3"]) delete refused.files[`${top}/topology/nodes/${node}/gpu_id`];
  expect(holdsOf(kfd, 100)).toHaveLength(2);
  expect(kfd.hidden).toBe(false);
});

test("a machine without the compute driver has no such processes", () => {
  const kfd = new Kfd(machineOf({}));
  expect(kfd.holds().size).toBe(0);
  expect(kfd.hidden).toBe(false);
});
