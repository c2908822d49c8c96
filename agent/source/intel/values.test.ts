import { describe, expect, test } from "vitest";
import { type AlteredMachine, altered, machineOf, never, options } from "../../../test/machine.ts";
import type { Machine } from "../../machine/machine.ts";
import { intel } from "../intel.ts";
import type { Gpu, SourceReader } from "../source.ts";

const device = "/sys/class/drm/card0/device";
const hwmon = `${device}/hwmon/hwmon4`;
const fdinfo = "/proc/77/fdinfo/5";

interface Told {
  readonly driver?: string;
  readonly id?: string;
  readonly pci?: string;
  readonly sensors?: Readonly<Record<string, string>>;
}

/** A machine with one card, on which one program works. All of it may be changed while the test runs. */
function machineWith({ driver = "i915", id = "8086:56A0", pci = "0000:03:00.0", sensors = {} }: Told): AlteredMachine {
  const files: Record<string, string> = {
    [`${device}/uevent`]: `DRIVER=${driver}\nPCI_CLASS=30000\nPCI_ID=${id}\nPCI_SLOT_NAME=${pci}\n`,
    [`${device}/tile0/gt0/freq0/act_freq`]: "2850\n",
    [`${hwmon}/name`]: `${driver}\n`,
    [fdinfo]: `drm-driver:\t${driver}\ndrm-client-id:\t3\ndrm-pdev:\t${pci}\ndrm-resident-vram0:\t1024 MiB\n`,
  };
  for (const [name, text] of Object.entries(sensors)) files[`${hwmon}/${name}`] = `${text}\n`;
  const machine = altered(
    machineOf({ files, opened: (pid) => (pid === "77" ? [{ fd: "5", path: "/dev/dri/renderD128" }] : []) }),
  );
  Object.assign(machine.folders, {
    "/proc": ["77"],
    "/proc/1/fd": ["0"],
    "/sys/class/drm": ["card0"],
    [`${device}/drm`]: ["card0", "renderD128"],
    [`${device}/hwmon`]: Object.keys(sensors).length > 0 ? ["hwmon4"] : [],
    [`${device}/tile0/gt0/freq0`]: ["act_freq", "max_freq"],
    [hwmon]: ["name", ...Object.keys(sensors)],
  });
  return machine;
}

async function opened(machine: Machine): Promise<() => Promise<Gpu[]>> {
  const reader = (await intel.open(machine, options)) as SourceReader;
  return async () => ((await reader.read(never)).gpus ?? []) as Gpu[];
}

test.each([
  ["i915's only sensor is the package", "i915", { temp1_input: "47000" }, 47, undefined],
  ["xe's second is the package, its third the memory", "xe", { temp2_input: "61000", temp3_input: "66000" }, 61, 66],
  ["a sensor without a label of which xe has no meaning", "xe", { temp1_input: "47000" }, undefined, undefined],
  [
    "labels say which is which, whatever the number",
    "xe",
    { temp2_label: "vram", temp2_input: "66000", temp5_label: "pkg", temp5_input: "61000" },
    61,
    66,
  ],
  [
    "a sensor that is labelled as something else",
    "xe",
    { temp2_label: "pcie", temp2_input: "50000" },
    undefined,
    undefined,
  ],
] as const)("%s", async (_, driver, sensors, temp, memTemp) => {
  const [gpu] = await (await opened(machineWith({ driver, sensors })))();
  expect([gpu?.temp, gpu?.memTemp]).toEqual([temp, memTemp]);
});

describe("on the root bus, as in a virtual machine,", () => {
  const root = "0000:00:10.0";
  const unknown = "8086:ffff";
  const integrated = async (machine: AlteredMachine) => (await (await opened(machine))())[0]?.integrated;

  test("what has sensors of its driver's is a card", async () => {
    expect(await integrated(machineWith({ id: unknown, pci: root, sensors: { temp1_input: "1" } }))).toBeUndefined();
    expect(await integrated(machineWith({ id: unknown, pci: root }))).toBe(true);
  });

  test("what has memory of its own is a card", async () => {
    const told = machineWith({ id: unknown, pci: root });
    told.files["/sys/class/drm/card0/lmem_total_bytes"] = "16225243136\n";
    expect(await integrated(told)).toBeUndefined();
    const accounted = machineWith({ driver: "xe", id: unknown, pci: root });
    accounted.files["/sys/fs/cgroup/dmem.capacity"] = `drm/${root}/vram0 12550407168\n`;
    accounted.files["/sys/fs/cgroup/dmem.current"] = `drm/${root}/vram0 0\n`;
    expect(await integrated(accounted)).toBeUndefined();
  });

  test.each(["8086:56A0", "8086:56C0", "8086:E20B", "8086:0BD5", "8086:4905"])(
    "a share of a card, which tells nothing, is a card by its chip: %s",
    async (id) => {
      expect(await integrated(machineWith({ driver: "xe", id, pci: root }))).toBeUndefined();
    },
  );

  test.each(["8086:46A6", "8086:7D55", "8086:A780", "8086:3E92", "8086:64A0"])(
    "graphics of a processor are part of it wherever they are: %s",
    async (id) => {
      expect(await integrated(machineWith({ id, pci: root }))).toBe(true);
      expect(await integrated(machineWith({ id, pci: "0000:00:02.0" }))).toBe(true);
    },
  );
});

test("a share of a card is no card beside it, and who works on it works on the card", async () => {
  const machine = machineWith({ driver: "xe" });
  machine.folders["/sys/class/drm"] = ["card0", "card1"];
  machine.files["/sys/class/drm/card1/device/uevent"] = machine.read(`${device}/uevent`)?.replace("03:00.0", "03:00.1");
  machine.files[fdinfo] = machine.read(fdinfo)?.replace("03:00.0", "03:00.1");
  const link = (path: string) => (path.endsWith("0000:03:00.1/physfn") ? "../0000:03:00.0" : undefined);
  const gpus = await (await opened({ ...machine, link }))();
  expect(gpus.map(({ pciBusId, procs }) => [pciBusId, procs?.map(({ pid }) => pid)])).toEqual([["0000:03:00.0", [77]]]);
});

test("a card that was given to another driver is read from that driver's files", async () => {
  const machine = machineWith({ driver: "i915", sensors: { temp1_input: "47000" } });
  const clock = "/sys/class/drm/card0/gt/gt0";
  machine.folders[clock] = ["rps_act_freq_mhz"];
  machine.files[`${clock}/rps_act_freq_mhz`] = "2400\n";
  const read = await opened(machine);
  expect((await read())[0]).toMatchObject({ clockSm: 2400, temp: 47 });
  machine.files[`${device}/uevent`] = machine.read(`${device}/uevent`)?.replace("i915", "xe");
  machine.files[`${hwmon}/name`] = "xe\n";
  machine.files[`${hwmon}/temp2_input`] = "61000\n";
  machine.folders[hwmon] = ["name", "temp2_input"];
  machine.folders[clock] = [];
  expect((await read())[0]).toMatchObject({ clockSm: 2850, temp: 61 });
});

test("energy is told beyond the year in which a double cannot hold its microjoules any more", async () => {
  const machine = machineWith({ sensors: { energy1_input: "9007199254740993" } });
  const read = await opened(machine);
  await read();
  machine.files[`${hwmon}/energy1_input`] = "9007200754740993\n";
  machine.passed = 10_000;
  expect((await read())[0]).toMatchObject({ energy: 9_007_200_754_741n, power: 150_000 });
});
