import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { State, Vendor } from "../../proto/gen/host_pb.js";
import { type Altered, altered, machineOf, never, options } from "../../test/machine.ts";
import { capturedMachine } from "../machine/capture.ts";
import type { Machine, Opened } from "../machine.ts";
import { intel } from "./intel.ts";
import type { Gpu, Reader } from "./source.ts";

const folder = "../../test/capture/fedora42-x86_64__laptop__intel-and-sleeping-radeon";
const laptop = (): Altered => altered(capturedMachine(join(fileURLToPath(new URL(folder, import.meta.url)))));

async function opened(machine: Machine): Promise<() => Promise<Gpu[]>> {
  const reader = (await intel.open(machine, options)) as Reader;
  return async () => ((await reader.read(never)).gpus ?? []) as Gpu[];
}

const firefox = "/proc/4120/fdinfo/77";
const shell = "/proc/1901/fdinfo/12";

/** Lets two programs draw for some of the next ten seconds: 3 s and 1 s of rendering, 4 s in one of two video engines. */
function work(machine: Altered): void {
  const text = (path: string): string => machine.read(path) ?? "";
  machine.files[firefox] = text(firefox)
    .replace("render:\t15122334455", "render:\t18122334455")
    .replace("video:\t991122334", "video:\t4991122334");
  machine.files[shell] = text(shell).replace("render:\t61122334455", "render:\t62122334455");
  machine.passed += 10_000;
}

test("a machine without Intel graphics has no such source", async () => {
  expect(await intel.open(machineOf({}), options)).toBeUndefined();
});

describe("graphics inside a processor", () => {
  test("are marked as such and have no memory of their own", async () => {
    const [gpu, ...more] = await (await opened(laptop()))();
    expect(more).toEqual([]);
    expect(gpu).toMatchObject({
      id: 0,
      card: 1,
      vendor: Vendor.INTEL,
      name: "Intel Iris Xe Graphics",
      uuid: "pci-0000:00:02.0",
      integrated: true,
      clockSm: 650,
    });
    expect(gpu?.memTotal).toBeUndefined();
    expect(gpu?.utilization).toBeUndefined();
  });

  test("an agent that sees all processes tells how busy they are: the busiest kind of engine", async () => {
    const machine = laptop();
    machine.folders["/proc/1/fd"] = ["0"];
    const read = await opened(machine);
    expect((await read())[0]?.utilization).toBeUndefined();
    work(machine);
    const [gpu] = await read();
    expect(gpu?.utilization).toBe(40);
    expect(gpu?.procs?.map(({ pid, utilization }) => [pid, utilization])).toEqual([
      [1901, 10],
      [4120, 30],
    ]);
  });

  test("an agent that sees its own user's processes only does not call them all there is", async () => {
    const machine = laptop();
    const read = await opened(machine);
    await read();
    work(machine);
    const [gpu] = await read();
    expect(gpu?.utilization).toBeUndefined();
    expect(gpu?.procs?.[1]?.utilization).toBe(30);
  });

  test("that sleep are told to, and not read", async () => {
    const machine = laptop();
    machine.files["/sys/class/drm/card1/device/power/runtime_status"] = "suspended\n";
    const [gpu] = await (await opened(machine))();
    expect(gpu).toMatchObject({ asleep: true, integrated: true });
    expect(machine.heard.filter((path) => /act_freq|fdinfo/.test(path))).toEqual([]);
  });
});

const device = "/sys/class/drm/card0/device";
const hwmon = `${device}/hwmon/hwmon4`;

/** A server with two cards on the xe driver, of which the test may change what it says. */
function server(): Altered {
  const uevent = (slot: string): string =>
    `DRIVER=xe\nPCI_CLASS=38000\nPCI_ID=8086:E20B\nPCI_SUBSYS_ID=8086:1100\nPCI_SLOT_NAME=${slot}\n`;
  const client = "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\n";
  const files: Record<string, string> = {
    [`${device}/uevent`]: uevent("0000:03:00.0"),
    [`${device}/tile0/gt0/freq0/act_freq`]: "2850\n",
    [`${hwmon}/name`]: "xe\n",
    [`${hwmon}/energy1_input`]: "1000000000\n",
    [`${hwmon}/power1_max`]: "190000000\n",
    [`${hwmon}/temp2_input`]: "61000\n",
    [`${hwmon}/temp3_input`]: "66000\n",
    "/sys/class/drm/card1/device/uevent": uevent("0000:83:00.0"),
    "/proc/77/fdinfo/5": `${client}drm-resident-vram0:\t1024 MiB\ndrm-cycles-ccs:\t100\ndrm-total-cycles-ccs:\t1000\n`,
  };
  const machine = altered(
    machineOf({
      files,
      opened: (pid): Opened[] => (pid === "77" ? [{ fd: "5", path: "/dev/dri/renderD128" }] : []),
      lists: {
        "/proc": ["77"],
        "/proc/1/fd": ["0"],
        "/sys/class/drm": ["card0", "card1"],
        [`${device}/drm`]: ["card0", "renderD128"],
        [`${device}/hwmon`]: ["hwmon3", "hwmon4"],
        [`${device}/tile0/gt0/freq0`]: ["act_freq", "max_freq"],
        [hwmon]: ["energy1_input", "name", "power1_max", "temp2_input", "temp3_input"],
      },
    }),
  );
  return machine;
}

describe("cards on the xe driver", () => {
  test("tell power from energy, heat, limit, and who computes", async () => {
    const machine = server();
    const read = await opened(machine);
    await read();
    machine.files[`${hwmon}/energy1_input`] = "2500000000\n";
    machine.files["/proc/77/fdinfo/5"] = (machine.read("/proc/77/fdinfo/5") ?? "")
      .replace("ccs:\t100\n", "ccs:\t850\n")
      .replace("ccs:\t1000\n", "ccs:\t2000\n");
    machine.passed = 10_000;
    const [gpu, other] = await read();
    expect(gpu).toMatchObject({
      id: 0,
      name: "Intel GPU e20b",
      power: 150_000,
      powerLimit: 190_000,
      temp: 61,
      memTemp: 66,
      clockSm: 2850,
      utilization: 75,
      procs: [{ pid: 77, mem: 1024n ** 3n, utilization: 75, compute: true, graphics: false }],
    });
    expect(gpu?.integrated).toBeUndefined();
    // The other one has no sensor at all: it is there, and nothing is known of it but that nobody works on it.
    expect(other).toMatchObject({ id: 1, uuid: "pci-0000:83:00.0", utilization: 0, procs: [] });
    expect(other?.temp).toBeUndefined();
  });

  test.each([
    ["energy1_input", "1", "power"],
    ["power1_max", "0", "powerLimit"],
    ["temp2_input", "0", "temp"],
  ] as const)("%s reading %s leaves out %s", async (file, text, field) => {
    const machine = server();
    const read = await opened(machine);
    await read();
    machine.files[`${hwmon}/${file}`] = `${text}\n`;
    machine.passed = 10_000;
    expect((await read())[0]?.[field]).toBeUndefined();
  });

  test("one that vanishes is told no more, and leaves its number free", async () => {
    const machine = server();
    const read = await opened(machine);
    await read();
    machine.folders["/sys/class/drm"] = ["card1"];
    expect((await read()).map(({ id, card, state }) => [id, card, state])).toEqual([[1, 1, undefined]]);
  });

  describe("whose driver hangs", () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    test("cost one second once, and the other is read", async () => {
      const machine = server();
      const stuck: Machine = {
        ...machine,
        readApart: (path) => (path.includes("act_freq") ? new Promise(() => undefined) : machine.readApart(path)),
      };
      const read = await opened(stuck);
      const first = read();
      await vi.advanceTimersByTimeAsync(1000);
      expect((await first).map(({ state }) => state)).toEqual([State.HUNG, undefined]);
      expect(machine.heard).not.toContain(`${hwmon}/temp2_input`);
    });
  });
});

test("memory of the card's own is told where the driver tells it", async () => {
  const machine = server();
  machine.files["/sys/class/drm/card0/lmem_total_bytes"] = "16225243136\n";
  machine.files["/sys/class/drm/card0/lmem_avail_bytes"] = "15151501312\n";
  expect((await (await opened(machine))())[0]).toMatchObject({ memTotal: 16225243136n, memUsed: 1073741824n });
});
