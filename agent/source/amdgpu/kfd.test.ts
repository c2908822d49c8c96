import { expect, test } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import { gpuIds, heldMemory, parseNode } from "./kfd.ts";

const node = (location: number, domain = 0): string => `cpu_cores_count 0\nlocation_id ${location}\ndomain ${domain}\n`;

test.each([
  ["a whole card", node(0x1b00), "0000:1b:00"],
  ["a card of another domain", node(0xc308, 2), "0002:c3:01"],
  ["the third partition of a card, numbered in the bits of its function", node(0x1b02), "0000:1b:00"],
  ["the third partition of a card, numbered in the highest bits", node(0x2000_1b00), "0000:1b:00"],
  ["a processor", node(0), undefined],
  ["nothing", "", undefined],
])("%s sits at its PCI slot", (_, properties, slot) => {
  expect(parseNode(properties)).toBe(slot);
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

test("what a process holds is summed over the partitions of a card and its own contexts", () => {
  const ids = gpuIds(machine);
  expect([...ids]).toEqual([
    ["111", "0000:1b:00"],
    ["222", "0000:3d:00"],
    ["333", "0000:3d:00"],
  ]);
  const held = heldMemory(machine, ids);
  expect([...(held.get(100) ?? [])]).toEqual([
    ["0000:1b:00", 4096],
    ["0000:3d:00", 115],
  ]);
});

test("a process that may use a card and holds nothing there is known, without memory", () => {
  expect([...(heldMemory(machine, gpuIds(machine)).get(200) ?? [])]).toEqual([]);
});

test("a machine without the compute driver has no such processes", () => {
  expect(heldMemory(machineOf({}), gpuIds(machineOf({}))).size).toBe(0);
});
