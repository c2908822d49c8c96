import { expect, test } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import type { OpenFile } from "../machine.ts";
import { Clients } from "./clients.ts";

const info = (client: number, pci = "0000:03:00.0", driver = "amdgpu"): string =>
  `drm-driver:\t${driver}\ndrm-client-id:\t${client}\ndrm-pdev:\t${pci}\ndrm-engine-gfx:\t${client * 10} ns\n`;

/** A machine whose processes may be changed; `looked` counts looks through the files of a process. */
function machine(opened: Record<string, OpenFile[]>, files: Record<string, string>) {
  const said = { ticks: 0, looked: [] as string[], read: [] as string[] };
  const door = machineOf({
    list: (path) => (path === "/proc" ? [...Object.keys(opened), "stat", "self"] : []),
    opened(pid) {
      said.looked.push(pid);
      return opened[pid] ?? [];
    },
    read(path) {
      said.read.push(path);
      return files[path];
    },
    ticks: () => said.ticks,
  });
  return { said, door };
}

const render = (fd: string, number = 128): OpenFile => ({ fd, path: `/dev/dri/renderD${number}` });

test("each opening of a card counts once, however many descriptors and processes share it", () => {
  const { door } = machine(
    { "10": [render("4"), render("5")], "11": [render("4"), render("7")] },
    {
      "/proc/10/fdinfo/4": info(1),
      "/proc/10/fdinfo/5": info(1),
      "/proc/11/fdinfo/4": info(1),
      "/proc/11/fdinfo/7": info(2),
    },
  );
  const found = new Clients(door, ["amdgpu"]).read(new Set());
  expect(found.map(({ pid, info: { client } }) => [pid, client])).toEqual([
    [10, "1"],
    [11, "2"],
  ]);
});

test("clients of two cards may bear the same number; another driver's are left out", () => {
  const { door } = machine(
    { "10": [render("4"), render("5", 129), render("6", 130)] },
    {
      "/proc/10/fdinfo/4": info(1),
      "/proc/10/fdinfo/5": info(1, "0000:43:00.0"),
      "/proc/10/fdinfo/6": info(9, "0000:00:02.0", "i915"),
    },
  );
  expect(new Clients(door, ["amdgpu"]).read(new Set()).map(({ info: { pci } }) => pci)).toEqual([
    "0000:03:00.0",
    "0000:43:00.0",
  ]);
});

test("the card of a sleeping node is not asked", () => {
  const { door, said } = machine({ "10": [render("4", 129)] }, { "/proc/10/fdinfo/4": info(1) });
  expect(new Clients(door, ["amdgpu"]).read(new Set(["renderD129"]))).toEqual([]);
  expect(said.read).toEqual([]);
});

test("a process is looked at when it is new, soon after, and in the end once a minute", () => {
  const { door, said } = machine({ "10": [] }, {});
  const clients = new Clients(door, ["amdgpu"]);
  const looks: number[] = [];
  for (said.ticks = 0; said.ticks <= 600_000; said.ticks += 1000) {
    clients.read(new Set());
    if (said.looked.length > 0) looks.push(said.ticks / 1000);
    said.looked.length = 0;
  }
  const gaps = looks.slice(1).map((at, i) => at - (looks[i] ?? 0));
  expect(looks.slice(0, 2)).toEqual([0, 1]);
  expect(gaps.slice(0, 4).every((gap) => gap <= 20)).toBe(true);
  expect(gaps.at(-1)).toBeGreaterThanOrEqual(30);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(60);
});

test("looking takes 20 ms of a reading at most; processes that are new come first, the rest have their turn later", () => {
  const opened: Record<string, OpenFile[]> = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`${i + 10}`, []]),
  );
  const { door, said } = machine(opened, {});
  // Each look takes 2 ms.
  const slow = {
    ...door,
    opened: (pid: string, folder: string) => {
      said.ticks += 2;
      return door.opened(pid, folder);
    },
  };
  const clients = new Clients(slow, ["amdgpu"]);
  clients.read(new Set());
  expect(said.looked).toHaveLength(100);
  said.looked.length = 0;
  said.ticks += 120_000;
  opened["999"] = [];
  clients.read(new Set());
  expect(said.looked).toHaveLength(10);
  expect(said.looked[0]).toBe("999");
  const seen = new Set(said.looked);
  for (let i = 0; i < 9; i++) {
    said.looked.length = 0;
    clients.read(new Set());
    for (const pid of said.looked) seen.add(pid);
  }
  expect(seen.size).toBeGreaterThan(90);
});

test("what is known to have a card open is read each time, and one that opens it late is found within a minute", () => {
  const opened: Record<string, OpenFile[]> = { "10": [render("4")], "11": [] };
  const { door, said } = machine(opened, { "/proc/10/fdinfo/4": info(1), "/proc/11/fdinfo/9": info(2) });
  const clients = new Clients(door, ["amdgpu"]);
  for (said.ticks = 0; said.ticks < 600_000; said.ticks += 1000) {
    expect(clients.read(new Set()).map(({ pid }) => pid)).toEqual([10]);
  }
  opened["11"] = [render("9")];
  said.ticks += 60_000;
  expect(clients.read(new Set()).map(({ pid }) => pid)).toEqual([10, 11]);
});

test("a process that ended, and a descriptor that was closed, are gone at once", () => {
  const opened: Record<string, OpenFile[]> = { "10": [render("4")], "11": [render("4")] };
  const files: Record<string, string> = { "/proc/10/fdinfo/4": info(1), "/proc/11/fdinfo/4": info(2) };
  const { door } = machine(opened, files);
  const clients = new Clients(door, ["amdgpu"]);
  expect(clients.read(new Set())).toHaveLength(2);
  delete opened["11"];
  files["/proc/10/fdinfo/4"] = "pos:\t0\n";
  expect(clients.read(new Set())).toEqual([]);
});

test("whether other users' files can be seen is told by the first process", () => {
  expect(new Clients(machineOf({}), []).complete()).toBe(false);
  expect(new Clients(machineOf({ lists: { "/proc/1/fd": ["0"] } }), []).complete()).toBe(true);
});
