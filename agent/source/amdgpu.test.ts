import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { State, Throttle, Vendor } from "../../proto/gen/host_pb.js";
import { type AlteredMachine, altered, machineOf, never, options } from "../../test/machine.ts";
import { capturedMachine } from "../machine/capture.ts";
import type { Machine } from "../machine/machine.ts";
import { amdgpu } from "./amdgpu.ts";
import type { Gpu, SourceReader } from "./source.ts";

const captures = fileURLToPath(new URL("../../test/capture", import.meta.url));
const play = (name: string): AlteredMachine => altered(capturedMachine(join(captures, name)));
const mi300x = () => play("ubuntu24.04-x86_64__8x-mi300x__rocm-6.4");
const radeon = () => play("debian13-x86_64__rx-7900-xtx__integrated-beside");
const laptop = () => play("fedora42-x86_64__laptop__intel-and-sleeping-radeon");

const device = (card: number): string => `/sys/class/drm/card${card}/device`;

async function opened(machine: Machine): Promise<() => Promise<Gpu[]>> {
  const reader = (await amdgpu.open(machine, options)) as SourceReader;
  return async () => ((await reader.read(never)).gpus ?? []) as Gpu[];
}

/** Takes a card off the bus: its place in sysfs goes, with everything below. */
function unplug(machine: AlteredMachine, card: number): void {
  const names = machine.list("/sys/class/drm").filter((name) => name !== `card${card}`);
  machine.folders["/sys/class/drm"] = names;
  machine.files[`${device(card)}/uevent`] = undefined;
}

const inContainer = (machine: AlteredMachine): AlteredMachine => ({
  ...machine,
  link: (path) => (path === "/proc/self/ns/pid" ? "pid:[4026532201]" : machine.link(path)),
});

test("in a container with processes of its own the KFD's are the host's, and are not taken for those with their number", async () => {
  const host = (await (await opened(radeon()))()).flatMap(({ procs = [] }) => procs);
  const own = (await (await opened(inContainer(radeon())))()).flatMap(({ procs = [] }) => procs);
  // 15044 computes through ROCm: both lists have it. The others draw, and are told by what they have open here.
  expect(host.filter(({ elsewhere }) => elsewhere)).toEqual([]);
  expect(own.filter(({ elsewhere }) => elsewhere)).toMatchObject([{ pid: 15044, mem: 11_135_877_120n }]);
  expect(own.map(({ pid }) => pid).sort()).toEqual(host.map(({ pid }) => pid).sort());
  const reader = (await amdgpu.open(inContainer(radeon()), options)) as SourceReader;
  expect((await reader.read(never)).note).toMatch(/only its own processes.*--pid host/);
});

test("a container in which the KFD lists nothing tells all that has a card open there", async () => {
  const machine = inContainer(radeon());
  machine.folders["/sys/class/kfd/kfd/proc"] = [];
  const procs = (await (await opened(machine))()).flatMap(({ procs: found = [] }) => found);
  expect(procs.map(({ pid, elsewhere }) => [pid, elsewhere])).toContainEqual([15044, undefined]);
});

test("in a container, that nobody is on a card is known where the KFD tells of it, and only there", async () => {
  const idle = inContainer(mi300x());
  idle.folders["/sys/class/kfd/kfd/proc"] = [];
  expect((await (await opened(idle))()).map(({ procsUnknown }) => procsUnknown)).toEqual(Array(8).fill(undefined));
  const blind = inContainer(radeon());
  blind.folders["/sys/class/kfd/kfd/topology/nodes"] = [];
  expect((await (await opened(blind))()).map(({ procsUnknown }) => procsUnknown)).toEqual([true, true]);
});

test("a machine without AMD cards has no such source", async () => {
  expect(await amdgpu.open(machineOf({}), options)).toBeUndefined();
});

describe("eight MI300X", () => {
  test("are numbered by PCI address, and bear the card numbers of the task systems", async () => {
    const gpus = await (await opened(mi300x()))();
    expect(gpus.map(({ id, card }) => [id, card])).toEqual([
      [0, 1],
      [1, 9],
      [2, 17],
      [3, 25],
      [4, 33],
      [5, 41],
      [6, 49],
      [7, 57],
    ]);
    expect(gpus.every(({ vendor, uuid, integrated }) => vendor === Vendor.AMD && uuid && !integrated)).toBe(true);
  });

  test("tell who computes and with how much memory, though the agent may see nobody's files", async () => {
    const gpus = await (await opened(mi300x()))();
    expect(gpus.map(({ procs }) => procs?.map(({ pid }) => pid))).toEqual([
      [301440],
      [301441],
      [301442],
      [301443],
      [355102],
      [355102],
      [],
      [],
    ]);
    expect(gpus[0]?.procs?.[0]).toEqual({ pid: 301440, compute: true, graphics: false, mem: 170906914816n });
  });

  test("one that vanishes is told no more, leaves its number free for a day, and hides no other", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    const before = await read();
    unplug(machine, 17);
    machine.passed = 10_000;
    const during = await read();
    expect(during.map(({ id, card }) => [id, card])).toEqual(
      before.filter(({ card }) => card !== 17).map(({ id, card }) => [id, card]),
    );
    expect(during[2]).toEqual(before[3]);
    machine.passed = 24 * 3_600_000;
    expect((await read()).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("one that comes back is read again", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    const before = await read();
    unplug(machine, 17);
    await read();
    delete machine.folders["/sys/class/drm"];
    delete machine.files[`${device(17)}/uevent`];
    expect(await read()).toEqual(before);
  });

  test("one that answers 0 for all that never is 0 is not idle: it is stale, and the source gives nothing of it", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    await read();
    for (const path of machine.heard.filter((heard) => heard.startsWith(`${device(9)}/`)))
      if (/temp\d_input|power1_|freq\d_input|pp_dpm|busy_percent|vram_used/.test(path)) machine.files[path] = "0\n";
    const during = await read();
    expect(during[1]).toMatchObject({ id: 1, state: State.STALE });
    expect(during[1]?.utilization).toBeUndefined();
    expect(during.filter(({ state }) => state === undefined)).toHaveLength(7);
  });

  test("one whose sensors all fail is lost, not idle; one that never had any is merely silent", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    const before = await read();
    const silence = (card: number): void => {
      for (const path of machine.heard.filter((heard) => heard.startsWith(`${device(card)}/`)))
        if (!/uevent|runtime_status/.test(path)) machine.files[path] = undefined;
    };
    silence(9);
    const during = await read();
    expect(during[1]).toMatchObject({ id: 1, state: State.LOST, uuid: before[1]?.uuid });
    expect(during.filter(({ state }) => state === undefined)).toHaveLength(7);
    const fresh = await (await opened(machine))();
    expect(fresh[1]?.state).toBeUndefined();
    expect(fresh[1]?.utilization).toBeUndefined();
  });

  test.each([
    ["gpu_busy_percent", "utilization"],
    ["mem_busy_percent", "memUtilization"],
    ["mem_info_vram_used", "memUsed"],
    ["hwmon/hwmon7/temp2_input", "tempHotspot"],
    ["hwmon/hwmon7/temp3_input", "memTemp"],
    ["hwmon/hwmon7/power1_input", "power"],
    ["hwmon/hwmon7/power1_cap", "powerLimit"],
    ["hwmon/hwmon7/freq1_input", "clockSm"],
  ] as const)("a sensor %s that fails leaves out %s and nothing else", async (file, field) => {
    const machine = mi300x();
    const read = await opened(machine);
    const before = (await read())[0];
    expect(before?.[field]).toBeDefined();
    machine.files[`${device(1)}/${file}`] = undefined;
    const after = (await read())[0];
    expect(after?.[field]).toBeUndefined();
    const gone = Object.keys(before ?? {}).filter((key) => !(key in (after ?? {})));
    // The die's temperature is the hottest place's where there is no sensor at its edge; memory is told whole or not.
    const along = { tempHotspot: ["temp"], memUsed: ["memTotal"] } as Record<string, string[]>;
    expect(gone.sort()).toEqual([field, ...(along[field] ?? [])].sort());
  });

  test.each([
    ["gpu_busy_percent", "255", "utilization"],
    ["mem_info_vram_used", "999999999999999", "memUsed"],
    ["hwmon/hwmon7/temp2_input", "0", "temp"],
    ["hwmon/hwmon7/temp3_input", "511000", "memTemp"],
    ["hwmon/hwmon7/power1_input", "0", "power"],
    ["hwmon/hwmon7/power1_cap", "0", "powerLimit"],
  ] as const)("%s reading %s is no reading", async (file, text, field) => {
    const machine = mi300x();
    machine.files[`${device(1)}/${file}`] = `${text}\n`;
    expect((await (await opened(machine))())[0]?.[field]).toBeUndefined();
  });

  test("are not asked at each poll for sensors that they do not have", async () => {
    const machine = mi300x();
    await (await opened(machine))();
    const sensors = machine.heard.filter((path) => path.startsWith(`${device(1)}/hwmon/hwmon7/`));
    expect(
      sensors.map((path) => path.split("hwmon7/")[1]).filter((name) => /average|pwm|fan|temp1/.test(name ?? "")),
    ).toEqual([]);
  });

  test("a driver that is loaded anew gives its sensors another number, and they are found", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    await read();
    machine.folders[`${device(1)}/hwmon`] = ["hwmon19"];
    machine.folders[`${device(1)}/hwmon/hwmon19`] = ["name", "temp2_input", "temp2_label"];
    machine.files[`${device(1)}/hwmon/hwmon19/name`] = "amdgpu\n";
    machine.files[`${device(1)}/hwmon/hwmon19/temp2_label`] = "junction\n";
    machine.files[`${device(1)}/hwmon/hwmon19/temp2_input`] = "55000\n";
    expect((await read())[0]?.temp).toBe(55);
  });

  test("a driver that is loaded anew under the same number, with other sensors, is read by them", async () => {
    const machine = mi300x();
    const read = await opened(machine);
    await read();
    machine.folders[`${device(1)}/hwmon/hwmon7`] = ["name", "temp1_input", "temp1_label"];
    machine.files[`${device(1)}/hwmon/hwmon7/temp1_label`] = "mem\n";
    machine.files[`${device(1)}/hwmon/hwmon7/temp1_input`] = "71000\n";
    const [gpu] = await read();
    expect([gpu?.temp, gpu?.memTemp, gpu?.power]).toEqual([undefined, 71, undefined]);
  });

  test("while a chip is being reset and refuses its number, it goes by no wrong one", async () => {
    const machine = mi300x();
    machine.files[`${device(1)}/unique_id`] = undefined;
    const read = await opened(machine);
    expect((await read())[0]?.uuid).toBeUndefined();
    delete machine.files[`${device(1)}/unique_id`];
    expect((await read())[0]?.uuid).toBe("GPU-8af705259683161c");
  });
});

describe("a driver that keeps its readers waiting", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("costs the values of its card, once one second, and no other card's", async () => {
    const machine = mi300x();
    const stuck = { ...machine, readApart: stuckAt(machine, `${device(25)}/gpu_busy_percent`) };
    const read = await opened(stuck);
    const first = read();
    await vi.advanceTimersByTimeAsync(1000);
    const gpus = await first;
    expect(gpus[3]).toMatchObject({ id: 3, card: 25, state: State.HUNG, procs: [] });
    expect(gpus.map(({ utilization }) => utilization)).toEqual([100, 100, 99, undefined, 87, 91, 0, 0]);
    // Nothing of it was read by the program itself.
    expect(machine.heard.filter((path) => path.startsWith(`${device(25)}/hwmon`))).toEqual([]);
    expect(machine.heard).not.toContain(`${device(25)}/gpu_metrics`);
    expect((await read())[3]?.state).toBe(State.HUNG);
    expect(vi.getTimerCount()).toBe(0);
  });
});

const stuckAt =
  (machine: Machine, where: string): Machine["readApart"] =>
  (path) =>
    path === where ? new Promise(() => undefined) : machine.readApart(path);

describe("a Radeon beside graphics inside the processor", () => {
  test("has a fan, and is told apart from the other", async () => {
    const gpus = await (await opened(radeon()))();
    expect(gpus).toMatchObject([
      { id: 0, card: 1, name: "AMD Radeon RX 7900 XTX", fanspeed: 46, temp: 63, tempHotspot: 84 },
      { id: 1, card: 0, integrated: true, uuid: "pci-0000:12:00.0" },
    ]);
    expect(gpus[0]?.integrated).toBeUndefined();
    expect(gpus[1]?.fanspeed).toBeUndefined();
    // "Query currently inaccessible" is no count.
    expect(gpus[0]?.eccCorrected).toBeUndefined();
  });

  test("a fan without a level to read goes by its speed", async () => {
    const machine = radeon();
    machine.files[`${device(1)}/hwmon/hwmon2/pwm1`] = undefined;
    expect((await (await opened(machine))())[0]?.fanspeed).toBe(46);
    machine.files[`${device(1)}/hwmon/hwmon2/fan1_max`] = undefined;
    expect((await (await opened(machine))())[0]?.fanspeed).toBeUndefined();
  });

  test("clocks are read from the driver's table where hwmon has none", async () => {
    const machine = radeon();
    machine.files[`${device(1)}/hwmon/hwmon2/freq1_label`] = undefined;
    machine.files[`${device(1)}/hwmon/hwmon2/freq2_label`] = undefined;
    expect((await (await opened(machine))())[0]).toMatchObject({ clockSm: 2482, clockMem: 1249 });
  });

  test("a process's share is what it did since the collection before; ROCm's is not known", async () => {
    const machine = radeon();
    const read = await opened(machine);
    await read();
    const file = "/proc/9120/fdinfo/31";
    const text = machine.read(file) ?? "";
    machine.files[file] = text.replace("55112233445 ns", "62112233445 ns");
    machine.passed = 10_000;
    const procs = (await read())[0]?.procs;
    expect(procs?.map(({ pid, utilization, compute, graphics }) => [pid, utilization, compute, graphics])).toEqual([
      [15044, undefined, true, false],
      [9120, 70, true, true],
      [2210, 0, false, true],
    ]);
  });

  test("tells its video load, its reason to slow down, and the link of its slot rather than of its own switch", async () => {
    const gpus = await (await opened(radeon()))();
    expect(gpus[0]).toMatchObject({
      media: 12,
      fanRpm: 1466,
      throttle: [Throttle.POWER_CAP],
      pcie: { generation: 3, generationMax: 4, width: 16 },
    });
    // The unit of its energy counter is told by nobody.
    expect(gpus[0]?.energy).toBeUndefined();
    expect(gpus[1]?.pcie).toBeUndefined();
    expect(gpus[1]?.throttle).toBeUndefined();
  });

  test("a ROCm program that also draws on another card is on that one too", async () => {
    const machine = radeon();
    const info = "drm-driver:\tamdgpu\ndrm-client-id:\t77\ndrm-pdev:\t0000:12:00.0\ndrm-memory-vram:\t5000 KiB\n";
    machine.files["/proc/15044/fdinfo/9"] = `${info}drm-engine-gfx:\t0 ns\n`;
    // Where it computes it is once, though it has that card open too.
    machine.files["/proc/9120/fdinfo/31"] = `${info.replace("12:00", "03:00")}drm-engine-gfx:\t5 ns\n`;
    machine.folders["/sys/class/kfd/kfd/proc/9120"] = ["vram_33415"];
    machine.files["/sys/class/kfd/kfd/proc/9120/vram_33415"] = "4096\n";
    machine.folders["/sys/class/kfd/kfd/proc"] = ["15044", "9120"];
    const pids = (await (await opened(machine))())[0]?.procs?.map(({ pid }) => pid);
    expect(pids?.filter((pid) => pid === 9120)).toEqual([9120]);
    expect((await (await opened(machine))())[1]?.procs?.map(({ pid }) => pid)).not.toContain(15044);
    machine.files["/proc/15044/fdinfo/9"] = `${info}drm-engine-gfx:\t123456 ns\n`;
    expect((await (await opened(machine))())[1]?.procs).toContainEqual(
      expect.objectContaining({ pid: 15044, mem: 5_120_000n, graphics: true }),
    );
  });

  test("a program that has the card open and has neither memory there nor worked is not on it", async () => {
    const machine = radeon();
    const idle = "drm-driver:\tamdgpu\ndrm-client-id:\t57\ndrm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t0 KiB\n";
    machine.files["/proc/9120/fdinfo/31"] = idle;
    expect((await (await opened(machine))())[0]?.procs?.map(({ pid }) => pid)).toEqual([15044, 2210]);
  });
});

describe("a card that sleeps", () => {
  test("is told to sleep, by name, and nothing that would wake it is read", async () => {
    const machine = laptop();
    const gpus = await (await opened(machine))();
    expect(gpus).toEqual([
      {
        id: 0,
        card: 0,
        vendor: Vendor.AMD,
        name: "AMD Radeon RX 6600M",
        uuid: "GPU-51e0c94d7ab3f286",
        pciBusId: "0000:03:00.0",
        asleep: true,
        procs: [],
      },
    ]);
    const own = machine.heard
      .filter((path) => path.startsWith(`${device(0)}/`))
      .map((path) => path.split("device/")[1]);
    // The last four are answered from memory by the PCI core and the driver, whatever the card does.
    const harmless = ["power/runtime_status", "product_name", "revision", "uevent", "unique_id"];
    expect([...new Set(own)].sort()).toEqual(harmless);
  });

  test("is read when it woke by itself", async () => {
    const machine = laptop();
    const read = await opened(machine);
    await read();
    machine.files[`${device(0)}/power/runtime_status`] = "active\n";
    machine.files[`${device(0)}/gpu_busy_percent`] = "12\n";
    const [gpu] = await read();
    expect(gpu).toMatchObject({ utilization: 12, uuid: "GPU-51e0c94d7ab3f286" });
    expect(gpu?.asleep).toBeUndefined();
  });
});
