import { expect, test } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import { Finder, parseCard } from "./drm.ts";

const uevent = (driver: string, cls: string, id: string, slot: string): string =>
  `DRIVER=${driver}\nPCI_CLASS=${cls}\nPCI_ID=${id}\nPCI_SUBSYS_ID=1043:0506\nPCI_SLOT_NAME=${slot}\nMODALIAS=pci:v1\n`;

test("a card is told by its device's uevent", () => {
  expect(parseCard(9, uevent("amdgpu", "120000", "1002:74A1", "0000:3D:00.0"))).toEqual({
    number: 9,
    pci: "0000:3d:00.0",
    vendor: "1002",
    device: "74a1",
    driver: "amdgpu",
    top: "/sys/class/drm/card9",
    folder: "/sys/class/drm/card9/device",
    shares: [],
  });
});

test.each([
  ["a partition of an MI300X", "DRIVER=amdgpu_xcp_drv\nMODALIAS=platform:amdgpu_xcp\n"],
  ["an audio function", uevent("snd_hda_intel", "40300", "1002:AB30", "0000:03:00.1")],
  ["nothing that can be read", ""],
])("%s is no card", (_, text) => {
  expect(parseCard(2, text)).toBeUndefined();
});

function machine() {
  const files: Record<string, string> = {
    "/sys/class/drm/card0/device/uevent": uevent("ast", "30000", "1A03:2000", "0000:02:00.0"),
    "/sys/class/drm/card1/device/uevent": uevent("amdgpu", "120000", "1002:74A1", "0000:9d:00.0"),
    "/sys/class/drm/card2/device/uevent": "DRIVER=amdgpu_xcp_drv\n",
    "/sys/class/drm/card9/device/uevent": uevent("amdgpu", "120000", "1002:74A1", "0000:1b:00.0"),
  };
  const lists: Record<string, readonly string[]> = {
    "/sys/class/drm": ["card0", "card0-VGA-1", "card1", "card2", "card9", "renderD128", "version"],
  };
  const read: string[] = [];
  return {
    files,
    lists,
    read,
    door: machineOf({
      list: (path) => [...(lists[path] ?? [])],
      read(path) {
        read.push(path);
        return files[path];
      },
    }),
  };
}

test("cards of one vendor are found by PCI address; a server's console chip is none of them", () => {
  const found = new Finder(machine().door, "1002").find();
  expect(found.map(({ number, pci }) => [number, pci])).toEqual([
    [9, "0000:1b:00.0"],
    [1, "0000:9d:00.0"],
  ]);
});

test("a name that passes from another's card to one of ours between two rounds is ours", () => {
  const { door, files } = machine();
  let place = "../../devices/pci0000:00/0000:02:00.0/drm/card0";
  const finder = new Finder({ ...door, link: (path) => (path.endsWith("/card0") ? place : undefined) }, "1002");
  expect(finder.find().map(({ number }) => number)).toEqual([9, 1]);
  files["/sys/class/drm/card0/device/uevent"] = uevent("amdgpu", "30000", "1002:744C", "0000:03:00.0");
  place = "../../devices/pci0000:00/0000:03:00.0/drm/card0";
  expect(finder.find().map(({ number }) => number)).toEqual([0, 9, 1]);
});

test("a card for which two drivers made nodes is one card", () => {
  const { door, files } = machine();
  files["/sys/class/drm/card9/device/uevent"] = uevent("amdgpu", "120000", "1002:74A1", "0000:9d:00.0");
  expect(new Finder(door, "1002").find().map(({ number, pci }) => [number, pci])).toEqual([[1, "0000:9d:00.0"]]);
});

test("a share of a card (SR-IOV) is no card beside it, but one in a virtual machine, where the card is not", () => {
  const { door, files } = machine();
  const link = (path: string) => (path === "/sys/bus/pci/devices/0000:9d:00.1/physfn" ? "../0000:9d:00.0" : undefined);
  files["/sys/class/drm/card9/device/uevent"] = uevent("amdgpu", "120000", "1002:74B5", "0000:9d:00.1");
  const here = new Finder({ ...door, link }, "1002").find();
  expect(here.map(({ pci, shares }) => [pci, shares])).toEqual([["0000:9d:00.0", ["0000:9d:00.1"]]]);
  delete files["/sys/class/drm/card1/device/uevent"];
  expect(new Finder({ ...door, link }, "1002").find().map(({ pci }) => pci)).toEqual(["0000:9d:00.1"]);
});

test("what is no card of ours is not looked at again until the list of cards changes", () => {
  const { door, read, lists, files } = machine();
  const finder = new Finder(door, "1002");
  finder.find();
  read.length = 0;
  finder.find();
  expect(read).toEqual(["/sys/class/drm/card1/device/uevent", "/sys/class/drm/card9/device/uevent"]);
  lists["/sys/class/drm"] = ["card0", "card1"];
  files["/sys/class/drm/card0/device/uevent"] = uevent("amdgpu", "30000", "1002:744C", "0000:03:00.0");
  expect(finder.find().map(({ number }) => number)).toEqual([0, 1]);
});
