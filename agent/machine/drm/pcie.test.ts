import { expect, test } from "vitest";
import { altered, machineOf } from "../../../test/machine.ts";
import type { Card } from "./drm.ts";
import { generationOf, Slot } from "./pcie.ts";

const card = (pci: string): Card => ({
  number: 1,
  pci,
  vendor: "1002",
  device: "744c",
  driver: "amdgpu",
  top: "/sys/class/drm/card1",
  folder: "/sys/class/drm/card1/device",
  shares: [],
});

const folder = (pci: string): string => `/sys/bus/pci/devices/${pci}`;

/** Functions from the machine's port down to the card: maker, speed and width now, and at most. */
type End = readonly [pci: string, vendor: string, now: readonly [string, string], most: readonly [string, string]];

function machineWith(ends: readonly End[]) {
  const files: Record<string, string> = {};
  for (const [pci, vendor, now, most] of ends) {
    files[`${folder(pci)}/vendor`] = `${vendor}\n`;
    files[`${folder(pci)}/current_link_speed`] = `${now[0]}\n`;
    files[`${folder(pci)}/current_link_width`] = `${now[1]}\n`;
    files[`${folder(pci)}/max_link_speed`] = `${most[0]}\n`;
    files[`${folder(pci)}/max_link_width`] = `${most[1]}\n`;
  }
  const root = ends[0]?.[0].slice(0, 7) ?? "";
  const link = `../../devices/pci${root}/${ends.map(([pci]) => pci).join("/")}/drm/card1`;
  return altered(machineOf({ files, link: (path) => (path === "/sys/class/drm/card1" ? link : undefined) }));
}

const fast = ["16.0 GT/s PCIe", "16"] as const;
const port: End = ["0000:00:01.1", "0x1022", fast, ["32.0 GT/s PCIe", "16"]];

test.each([
  [25, 1],
  [50, 2],
  [80, 3],
  [160, 4],
  [320, 5],
  [640, 6],
  [0, undefined],
  [100, undefined],
])("%i tenths of GT/s are generation %s", (speed, generation) => {
  expect(generationOf(speed)).toBe(generation);
});

test("a card's link is told, with what it could be where it is less", () => {
  const slow: End = ["0000:03:00.0", "0x1002", ["2.5 GT/s PCIe", "8"], fast];
  expect(new Slot(machineWith([port, slow]), card("0000:03:00.0")).read()).toEqual({
    generation: 1,
    width: 8,
    generationMax: 4,
    widthMax: 16,
  });
});

test("a link at its most names no maximum", () => {
  const full: End = ["0000:03:00.0", "0x1002", fast, fast];
  expect(new Slot(machineWith([port, full]), card("0000:03:00.0")).read()).toEqual({ generation: 4, width: 16 });
});

test("a maximum that could not be read the first time is told when it can be", () => {
  const slow: End = ["0000:03:00.0", "0x1002", ["8.0 GT/s PCIe", "16"], fast];
  const machine = altered(machineWith([port, slow]));
  const most = "/sys/bus/pci/devices/0000:03:00.0/max_link_speed";
  for (const path of [most, most.replace("03:00.0", "00:01.1")]) machine.files[path] = undefined;
  const slot = new Slot(machine, card("0000:03:00.0"));
  expect(slot.read()).toEqual({ generation: 3, width: 16 });
  for (const path of Object.keys(machine.files)) delete machine.files[path];
  expect(slot.read()).toEqual({ generation: 3, generationMax: 4, width: 16 });
});

test("a slot that is slower than the card is no fault of the link", () => {
  const old: End = ["0000:00:01.1", "0x8086", ["8.0 GT/s PCIe", "8"], ["8.0 GT/s PCIe", "8"]];
  const full: End = ["0000:03:00.0", "0x1002", ["8.0 GT/s PCIe", "8"], fast];
  expect(new Slot(machineWith([old, full]), card("0000:03:00.0")).read()).toEqual({ generation: 3, width: 8 });
});

test("of a card with a switch of its own the slot's link is told, not the one behind the switch", () => {
  const machine = machineWith([
    port,
    ["0000:01:00.0", "0x1002", ["8.0 GT/s PCIe", "4"], fast],
    ["0000:02:00.0", "0x1002", fast, fast],
    ["0000:03:00.0", "0x1002", fast, fast],
  ]);
  const link = { generation: 3, width: 4, generationMax: 4, widthMax: 16 };
  expect(new Slot(machine, card("0000:03:00.0")).read()).toEqual(link);
});

test("a machine's port by the maker of the card is no part of the card", () => {
  const machine = machineWith([
    ["0000:00:01.0", "0x8086", fast, ["32.0 GT/s PCIe", "16"]],
    ["0000:01:00.0", "0x8086", ["16.0 GT/s PCIe", "8"], ["16.0 GT/s PCIe", "8"]],
    ["0000:02:01.0", "0x8086", ["2.5 GT/s PCIe", "1"], ["2.5 GT/s PCIe", "1"]],
    ["0000:03:00.0", "0x8086", ["2.5 GT/s PCIe", "1"], ["2.5 GT/s PCIe", "1"]],
  ]);
  expect(new Slot(machine, card("0000:03:00.0")).read()).toEqual({ generation: 4, width: 8 });
  const alone = machineWith([
    ["0000:00:01.0", "0x8086", fast, fast],
    ["0000:03:00.0", "0x8086", ["8.0 GT/s PCIe", "8"], ["8.0 GT/s PCIe", "8"]],
  ]);
  expect(new Slot(alone, card("0000:03:00.0")).read()).toEqual({ generation: 3, width: 8 });
});

test.each([
  ["has none", ["Unknown", "0"]],
  ["is off the bus", ["Unknown", "63"]],
  ["tells what nobody knows", ["fast", "wide"]],
] as const)("a function that %s has no link", (_, now) => {
  const dead: End = ["0000:03:00.0", "0x1002", now, ["Unknown", "255"]];
  expect(new Slot(machineWith([port, dead]), card("0000:03:00.0")).read()).toBeUndefined();
});

test("where the way to a card cannot be seen, its own files are read", () => {
  const machine = machineOf({
    files: {
      "/sys/class/drm/card1/device/current_link_speed": "32.0 GT/s PCIe\n",
      "/sys/class/drm/card1/device/current_link_width": "16\n",
    },
  });
  expect(new Slot(machine, card("0000:03:00.0")).read()).toEqual({ generation: 5, width: 16 });
});
