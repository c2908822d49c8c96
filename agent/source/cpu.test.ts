import fc from "fast-check";
import { expect, test } from "vitest";
import { machineOf, never, options } from "../../test/machine.ts";
import { cpu, parse, parseInfo, share, type Ticks, threadsOf } from "./cpu.ts";

const stat = `cpu  10132153 290696 3084719 46828483 16683 0 25195 175628 100 200
cpu0 1393280 32966 572056 13343292 6130 0 17875 23933 0 0
cpu1 1393280 32966 572056 13343292 6130 0 17875 23933 0 0
intr 1462898
btime 1700000000
processes 26442
`;

test("reads the ticks of /proc/stat, guest time once", () => {
  expect(parse(stat)).toEqual({ total: 60_553_557, idle: 46_828_483, iowait: 16_683 });
  expect(threadsOf(stat)).toEqual(["cpu0", "cpu1"]);
});

test("reads the four columns of an old kernel", () => {
  expect(parse("cpu  1 2 3 4\n")).toEqual({ total: 10, idle: 4, iowait: 0 });
});

test.each(["", "garbage", "cpu  1 2\n"])("%j is no /proc/stat", (text) => {
  expect(parse(text)).toBeUndefined();
});

const at = (total: number, idle: number, iowait: number): Ticks => ({ total, idle, iowait });

test.each([
  [at(0, 0, 0), at(100, 75, 5), { busy: 20, iowait: 5 }],
  [at(0, 0, 0), at(100, 100, 0), { busy: 0, iowait: 0 }],
  [at(0, 0, 0), at(3, 2, 0), { busy: 33.33, iowait: 0 }],
  // iowait may shrink by itself.
  [at(100, 50, 20), at(200, 100, 10), { busy: 50, iowait: 0 }],
])("from %j to %j is %j", (from, to, expected) => {
  expect(share(from, to)).toEqual(expected);
});

test.each([
  ["stood still", at(100, 50, 0), at(100, 50, 0)],
  ["went back", at(100, 50, 0), at(50, 20, 0)],
  ["lost a thread's idle time", at(100, 50, 0), at(110, 40, 0)],
])("counters that %s give no share", (_, from, to) => {
  expect(share(from, to)).toBeUndefined();
});

test("a share is within 0 and 100 whatever the counters say", () => {
  const ticks = fc.record({ total: fc.nat(), idle: fc.nat(), iowait: fc.nat() });
  fc.assert(
    fc.property(ticks, ticks, (from, to) => {
      const found = share(from, to);
      return found === undefined || [found.busy, found.iowait].every((percent) => percent >= 0 && percent <= 100);
    }),
  );
});

test("reads model, sockets and cores of two sockets with two threads a core", () => {
  const block = (socket: number, core: number): string =>
    `model name\t: Intel(R) Xeon(R)  Gold 6330\nphysical id\t: ${socket}\ncore id\t\t: ${core}\n`;
  const text = [block(0, 0), block(0, 1), block(1, 0), block(1, 1), block(0, 0), block(0, 1)].join("\n");
  expect(parseInfo(text)).toEqual({ model: "Intel(R) Xeon(R) Gold 6330", sockets: 2, cores: 4 });
});

test("names an Arm server's cores, which /proc/cpuinfo only numbers", () => {
  const text = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd4f\n";
  expect(parseInfo(text)).toEqual({ model: "Arm Neoverse V2" });
});

const arm = (...cores: readonly (readonly [implementer: string, part: string])[]): string =>
  cores
    .map(([implementer, part], n) => `processor\t: ${n}\nCPU implementer\t: ${implementer}\nCPU part\t: ${part}\n`)
    .join("\n");

test.each([
  [
    "a GB10's two kinds of cores",
    arm(["0x41", "0xd87"], ["0x41", "0xd87"], ["0x41", "0xd85"]),
    "Arm Cortex-A725 + Cortex-X925",
  ],
  ["a maker whose cores bear its name", arm(["0xc0", "0xac4"]), "Ampere-1a"],
  ["a part without a name", arm(["0x41", "0xdff"]), "Arm 0xdff"],
  ["a maker without a name", arm(["0x7f", "0x001"]), "CPU maker 0x7f 0x001"],
  ["a board that is named, with cores that are not", `${arm(["0x41", "0xdff"])}\nModel\t: Board 5\n`, "Board 5"],
  ["a board that is named, with cores that are", `${arm(["0x41", "0xd0b"])}\nModel\t: Board 5\n`, "Arm Cortex-A76"],
])("names %s", (_, text, model) => {
  expect(parseInfo(text).model).toBe(model);
});

test("LoongArch writes the name of its key in other letters", () => {
  expect(parseInfo("package\t\t\t: 0\nModel Name\t\t: Loongson-3A6000\n").model).toBe("Loongson-3A6000");
});

test("an x86 processor without a name is not called by the number of its model", () => {
  expect(parseInfo("vendor_id\t: GenuineIntel\nmodel\t\t: 85\n").model).toBeUndefined();
});

test("whatever /proc/cpuinfo numbers, the model has a name", () => {
  const hex = fc.integer({ min: 0, max: 0xfff }).map((n) => `0x${n.toString(16).padStart(2, "0")}`);
  fc.assert(
    fc.property(hex, hex, (implementer, part) => {
      expect(parseInfo(arm([implementer, part])).model).toMatch(/\S/);
    }),
  );
});

test("the share counts from the opening of the source, not from the machine's start", async () => {
  let ticks = 0;
  const files: Record<string, string> = { "/proc/stat": "cpu  900 0 0 100 0\ncpu0 900 0 0 100 0\n" };
  const reader = await cpu.open(machineOf({ files, ticks: () => ticks }), options);
  expect((await reader?.read(never))?.cpu).toEqual({ threads: 1 });
  ticks = 2000;
  files["/proc/stat"] = "cpu  950 0 0 250 0\ncpu0 950 0 0 250 0\n";
  expect((await reader?.read(never))?.cpu).toEqual({ threads: 1, busy: 25, iowait: 0 });
});

const hwmon = {
  "/proc/stat": stat,
  "/sys/class/hwmon/hwmon0/name": "nvme\n",
  "/sys/class/hwmon/hwmon0/temp1_input": "90000\n",
  "/sys/class/hwmon/hwmon1/name": "coretemp\n",
  "/sys/class/hwmon/hwmon1/temp1_input": "61000\n",
  "/sys/class/hwmon/hwmon1/temp1_label": "Package id 0\n",
  "/sys/class/hwmon/hwmon1/temp2_input": "70000\n",
  "/sys/class/hwmon/hwmon1/temp2_label": "Core 0\n",
  "/sys/class/hwmon/hwmon2/name": "coretemp\n",
  "/sys/class/hwmon/hwmon2/temp1_input": "64400\n",
  // As older kernels say it.
  "/sys/class/hwmon/hwmon2/temp1_label": "Physical id 1\n",
};

test("the temperature is that of the hottest package, not of a disk or a core", async () => {
  const lists = {
    "/sys/class/hwmon": ["hwmon0", "hwmon1", "hwmon2"],
    "/sys/class/hwmon/hwmon0": ["name", "temp1_input"],
    "/sys/class/hwmon/hwmon1": ["name", "temp1_input", "temp1_label", "temp2_input", "temp2_label"],
    "/sys/class/hwmon/hwmon2": ["name", "temp1_input", "temp1_label"],
  };
  const reader = await cpu.open(machineOf({ files: hwmon, lists }), options);
  expect((await reader?.read(never))?.cpu?.temp).toBe(64);
});

test("k10temp's real temperature is preferred to the one that steers the fans", async () => {
  const files = {
    "/proc/stat": stat,
    "/sys/class/hwmon/hwmon0/name": "k10temp\n",
    "/sys/class/hwmon/hwmon0/temp1_input": "80000\n",
    "/sys/class/hwmon/hwmon0/temp1_label": "Tctl\n",
    "/sys/class/hwmon/hwmon0/temp2_input": "53000\n",
    "/sys/class/hwmon/hwmon0/temp2_label": "Tdie\n",
  };
  const lists = {
    "/sys/class/hwmon": ["hwmon0"],
    "/sys/class/hwmon/hwmon0": ["temp1_input", "temp1_label", "temp2_input", "temp2_label"],
  };
  const reader = await cpu.open(machineOf({ files, lists }), options);
  expect((await reader?.read(never))?.cpu?.temp).toBe(53);
});

const cpus = "/sys/devices/system/cpu";

/** /proc/stat and topology of so many threads, each with the files given for its number. */
function threads(count: number, topology: (n: number) => Record<string, string>): Record<string, string> {
  const all = Array.from({ length: count }, (_, n) => n);
  const files: Record<string, string> = {
    "/proc/stat": ["cpu  1 2 3 4", ...all.map((n) => `cpu${n} 1 2 3 4`), ""].join("\n"),
    "/proc/cpuinfo": arm(["0x41", "0xd4f"]),
  };
  for (const n of all)
    for (const [name, text] of Object.entries(topology(n))) files[`${cpus}/cpu${n}/topology/${name}`] = `${text}\n`;
  return files;
}

async function told(files: Record<string, string>) {
  const reader = await cpu.open(machineOf({ files }), options);
  return async () => (await reader?.read(never))?.cpu;
}

test("cores are counted from /sys where /proc/cpuinfo does not number them", async () => {
  const files = threads(4, (n) => ({ physical_package_id: String(n >> 1), core_id: String(n) }));
  expect(await (await told(files))()).toMatchObject({ sockets: 2, cores: 4, threads: 4 });
});

test("core numbers that start anew in each cluster are different cores", async () => {
  const clusters = (n: number) => ({ physical_package_id: "0", cluster_id: String(n >> 2), core_id: String(n % 4) });
  expect(await (await told(threads(12, clusters)))()).toMatchObject({ sockets: 1, cores: 12 });
  const lists = (n: number) => ({ ...clusters(n), core_cpus_list: String(n) });
  expect(await (await told(threads(12, lists)))()).toMatchObject({ sockets: 1, cores: 12 });
});

test.each(["core_cpus_list", "thread_siblings_list"])("threads of one %s are one core", async (name) => {
  const files = threads(8, (n) => ({ physical_package_id: "0", core_id: "0", [name]: `${n % 4},${(n % 4) + 4}` }));
  expect(await (await told(files))()).toMatchObject({ sockets: 1, cores: 4, threads: 8 });
});

test("a package whose number is not known is no socket", async () => {
  const files = threads(2, (n) => ({ physical_package_id: "-1", core_cpus_list: String(n) }));
  const chip = await (await told(files))();
  expect(chip).toMatchObject({ cores: 2 });
  expect(chip?.sockets).toBeUndefined();
});

test("a CPU that is switched on while the agent runs is counted", async () => {
  const files = threads(2, (n) => ({ physical_package_id: "0", core_cpus_list: String(n) }));
  const read = await told(files);
  expect(await read()).toMatchObject({ cores: 2, threads: 2 });
  Object.assign(
    files,
    threads(4, (n) => ({ physical_package_id: String(n >> 1), core_cpus_list: String(n) })),
  );
  expect(await read()).toMatchObject({ sockets: 2, cores: 4, threads: 4 });
});

test("a sensor whose driver was loaded anew, under another's number, is found again", async () => {
  const files: Record<string, string> = { ...hwmon };
  const lists: Record<string, string[]> = {
    "/sys/class/hwmon": ["hwmon0", "hwmon1"],
    "/sys/class/hwmon/hwmon0": ["name", "temp1_input"],
    "/sys/class/hwmon/hwmon1": ["name", "temp1_input", "temp1_label"],
  };
  const reader = await cpu.open(machineOf({ files, lists }), options);
  expect((await reader?.read(never))?.cpu?.temp).toBe(61);
  files["/sys/class/hwmon/hwmon0/name"] = "coretemp\n";
  files["/sys/class/hwmon/hwmon0/temp1_input"] = "55000\n";
  files["/sys/class/hwmon/hwmon1/name"] = "nvme\n";
  expect((await reader?.read(never))?.cpu?.temp).toBe(55);
});

test("a machine without /proc/stat has no CPU source", async () => {
  expect(await cpu.open(machineOf({}), options)).toBeUndefined();
});

test("a /proc/stat that vanishes is an error, not an idle CPU", async () => {
  const files: Record<string, string> = { "/proc/stat": stat };
  const reader = await cpu.open(machineOf({ files }), options);
  delete files["/proc/stat"];
  await expect(reader?.read(never)).rejects.toThrow("/proc/stat");
});
