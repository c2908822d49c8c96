import { expect, test } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import { deviceMemory } from "./dmem.ts";

const pci = "0000:03:00.0";
const group = (capacity: string | undefined, current: string | undefined) =>
  machineOf({
    files: {
      ...(capacity !== undefined && { "/sys/fs/cgroup/dmem.capacity": capacity }),
      ...(current !== undefined && { "/sys/fs/cgroup/dmem.current": current }),
    },
  });

test("memory of all tiles of a card is added up, and no other card's", () => {
  const machine = group(
    `drm/${pci}/vram0 1000\ndrm/${pci}/vram1 500\ndrm/0000:83:00.0/vram0 9000\n`,
    `drm/${pci}/vram0 10\ndrm/${pci}/vram1 5\ndrm/0000:83:00.0/vram0 900\n`,
  );
  expect(deviceMemory(machine, pci)).toEqual({ total: 1500, used: 15 });
  expect(deviceMemory(machine, "0000:83:00.0")).toEqual({ total: 9000, used: 900 });
});

test.each([
  ["a kernel without the accounting", undefined, undefined],
  ["a container's own cgroup, which tells no capacity", undefined, `drm/${pci}/vram0 5\n`],
  ["a card that is not accounted for", "drm/0000:83:00.0/vram0 9000\n", "drm/0000:83:00.0/vram0 9\n"],
  ["host memory that is mapped for the card", `drm/${pci}/stolen 64\ndrm/${pci}/gtt 64\n`, `drm/${pci}/stolen 0\n`],
  ["a tile whose use is not told", `drm/${pci}/vram0 9\ndrm/${pci}/vram1 9\n`, `drm/${pci}/vram0 1\n`],
  ["more in use than there is", `drm/${pci}/vram0 9\n`, `drm/${pci}/vram0 10\n`],
  ["no number", `drm/${pci}/vram0 max\n`, `drm/${pci}/vram0 1\n`],
])("%s is no reading", (_, capacity, current) => {
  expect(deviceMemory(group(capacity, current), pci)).toBeUndefined();
});
