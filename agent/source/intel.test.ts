import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { State, Throttle, Vendor } from "../../proto/gen/host_pb.js";
import { type AlteredMachine, altered, machineOf, never, options } from "../../test/machine.ts";
import { capturedMachine } from "../machine/capture.ts";
import type { Machine, OpenFile } from "../machine/machine.ts";
import { intel } from "./intel.ts";
import type { Gpu, SourceReader } from "./source.ts";

const folder = "../../test/capture/fedora42-x86_64__laptop__intel-and-sleeping-radeon";
const laptop = (): AlteredMachine => altered(capturedMachine(join(fileURLToPath(new URL(folder, import.meta.url)))));

async function opened(machine: Machine): Promise<() => Promise<Gpu[]>> {
  const reader = (await intel.open(machine, options)) as SourceReader;
  return async () => ((await reader.read(never)).gpus ?? []) as Gpu[];
}

const firefox = "/proc/4120/fdinfo/77";
const shell = "/proc/1901/fdinfo/12";

/** Lets two programs draw for some of the next ten seconds: 3 s and 1 s of rendering, 4 s in one of two video engines. */
function work(machine: AlteredMachine): void {
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
    // What its programs have is the host's memory, the largest first.
    expect(gpu?.procs?.map(({ pid, mem, hostMem }) => [pid, mem, hostMem])).toEqual([
      [4120, undefined, 422_576_128n],
      [1901, undefined, 188_743_680n],
    ]);
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
      [4120, 30],
      [1901, 10],
    ]);
  });

  test("an agent in a container of its own does not call the container's processes all there are", async () => {
    const machine = laptop();
    machine.folders["/proc/1/fd"] = ["0"];
    const own = (path: string) => (path === "/proc/self/ns/pid" ? "pid:[4026532201]" : undefined);
    const read = await opened({ ...machine, link: own });
    await read();
    work(machine);
    expect((await read())[0]?.utilization).toBeUndefined();
  });

  test("an agent that sees its own user's processes only does not call them all there is", async () => {
    const machine = laptop();
    const read = await opened(machine);
    await read();
    work(machine);
    const [gpu] = await read();
    expect(gpu?.utilization).toBeUndefined();
    expect(gpu?.procs?.map(({ pid, utilization }) => [pid, utilization])).toContainEqual([4120, 30]);
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
function server(): AlteredMachine {
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
      opened: (pid): OpenFile[] => (pid === "77" ? [{ fd: "5", path: "/dev/dri/renderD128" }] : []),
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

describe("a card on the i915 driver", () => {
  const top = "/sys/class/drm/card0";
  const throttle = (reason: string): string => `${top}/gt/gt0/throttle_reason_${reason}`;
  const slowed = (...names: readonly string[]): AlteredMachine => {
    const machine = server();
    const all = ["status", "pl1", "thermal", "prochot", "vr_tdc", "vr_thermalert"];
    machine.folders[`${top}/gt/gt0`] = ["rps_act_freq_mhz", ...all.map((name) => `throttle_reason_${name}`)];
    for (const name of all) machine.files[throttle(name)] = names.includes(name) ? "1\n" : "0\n";
    machine.files[throttle("status")] = names.length > 0 ? "1\n" : "0\n";
    return machine;
  };

  test.each([
    [
      ["pl1", "thermal"],
      [Throttle.POWER_CAP, Throttle.SW_THERMAL],
    ],
    [["vr_tdc"], [Throttle.CURRENT]],
    [
      ["vr_thermalert", "prochot"],
      [Throttle.REGULATOR_THERMAL, Throttle.PROCHOT],
    ],
    [[], []],
  ])("slowed by %j tells why", async (names, reasons) => {
    expect((await (await opened(slowed(...names)))())[0]?.throttle).toEqual(reasons);
  });

  test("whose status cannot be read does not say that nothing slows it", async () => {
    const machine = slowed("pl1");
    machine.files[throttle("status")] = undefined;
    expect((await (await opened(machine))())[0]?.throttle).toBeUndefined();
  });
});

test.each([
  ["none\n", []],
  ["pl1 soc_thermal\n", [Throttle.POWER_CAP, Throttle.SW_THERMAL]],
  ["reason_mem_thermal something_new\n", [Throttle.MEMORY_THERMAL, Throttle.OTHER]],
  // Names of what every object of JavaScript has.
  ["constructor toString\n", [Throttle.OTHER]],
])("a newer kernel tells all reasons at once: %j", async (text, reasons) => {
  const machine = server();
  machine.folders[`${device}/tile0/gt0/freq0/throttle`] = ["reasons", "status", "reason_pl1"];
  machine.files[`${device}/tile0/gt0/freq0/throttle/reasons`] = text;
  expect((await (await opened(machine))())[0]?.throttle).toEqual(reasons);
});

describe("an agent that does not see all processes", () => {
  const rest = `${device}/tile0/gt0/gtidle/idle_residency_ms`;
  const video = `${device}/tile0/gt1/gtidle/idle_residency_ms`;
  const asLaterBy = async (slept: number, sleptVideo = 10_000): Promise<Gpu | undefined> => {
    const machine = server();
    machine.folders["/proc/1/fd"] = [];
    machine.folders[device] = ["tile0", "uevent"];
    machine.folders[`${device}/tile0`] = ["gt0", "gt1"];
    machine.files[rest] = "500000\n";
    machine.files[video] = "700000\n";
    const read = await opened(machine);
    expect((await read())[0]?.utilization).toBeUndefined();
    machine.files[rest] = `${500_000 + slept}\n`;
    machine.files[video] = `${700_000 + sleptVideo}\n`;
    machine.passed = 10_000;
    return (await read())[0];
  };

  test("knows that nobody works on a card whose engines slept all the time", async () => {
    const gpu = await asLaterBy(9950);
    expect([gpu?.utilization, gpu?.procsUnknown]).toEqual([0, undefined]);
  });

  test("does not call a card idle whose engines for video were awake", async () => {
    expect((await asLaterBy(10_000, 3000))?.utilization).toBeUndefined();
  });

  test("does not know how busy a card is whose engines were awake", async () => {
    const gpu = await asLaterBy(9800);
    expect([gpu?.utilization, gpu?.procsUnknown]).toEqual([undefined, true]);
    expect((await asLaterBy(-400_000))?.utilization).toBeUndefined();
  });
});

test("engines for video have a load of their own, beside the card's", async () => {
  const machine = server();
  const info = (cycles: number, total: number): string =>
    `drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\ndrm-cycles-vcs:\t${cycles}\ndrm-total-cycles-vcs:\t${total}\ndrm-cycles-rcs:\t${cycles + 0.1 * total}\ndrm-total-cycles-rcs:\t${total}\n`;
  machine.files["/proc/77/fdinfo/5"] = info(0, 1000);
  const read = await opened(machine);
  await read();
  machine.files["/proc/77/fdinfo/5"] = info(620, 2000);
  machine.passed = 10_000;
  const [gpu, other] = await read();
  expect(gpu).toMatchObject({ media: 62, utilization: 72 });
  expect(other?.media).toBeUndefined();
});

test("a card of which only the chip is measured tells that: power, limit and energy together", async () => {
  const machine = server();
  machine.folders[hwmon] = ["name", "energy2_input", "power2_max", "power1_max", "fan1_input", "fan2_input"];
  machine.files[`${hwmon}/energy2_input`] = "1000000000\n";
  machine.files[`${hwmon}/power2_max`] = "120000000\n";
  machine.files[`${hwmon}/fan1_input`] = "0\n";
  machine.files[`${hwmon}/fan2_input`] = "1310\n";
  const read = await opened(machine);
  await read();
  machine.files[`${hwmon}/energy2_input`] = "1800000000\n";
  machine.passed = 10_000;
  expect((await read())[0]).toMatchObject({ power: 80_000, powerLimit: 120_000, energy: 1_800_000n, fanRpm: 1310 });
});

test("memory of the card's own is told by the kernel's accounting where the driver does not tell it", async () => {
  const machine = server();
  const group = "/sys/fs/cgroup/dmem";
  machine.files[`${group}.capacity`] = "drm/0000:03:00.0/vram0 12550407168\ndrm/0000:03:00.0/stolen 67108864\n";
  machine.files[`${group}.current`] = "drm/0000:03:00.0/vram0 3221225472\ndrm/0000:03:00.0/stolen 0\n";
  const [gpu, other] = await (await opened(machine))();
  expect(gpu).toMatchObject({ memTotal: 12550407168n, memUsed: 3221225472n });
  expect(other?.memTotal).toBeUndefined();
});

test("memory of the card's own is told where the driver tells it", async () => {
  const machine = server();
  machine.files["/sys/class/drm/card0/lmem_total_bytes"] = "16225243136\n";
  machine.files["/sys/class/drm/card0/lmem_avail_bytes"] = "15151501312\n";
  expect((await (await opened(machine))())[0]).toMatchObject({ memTotal: 16225243136n, memUsed: 1073741824n });
});
