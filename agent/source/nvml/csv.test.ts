import fc from "fast-check";
import { expect, test } from "vitest";
import { ComputeMode, State, Throttle } from "../../../proto/gen/host_pb.js";
import { type ColumnName, cells, columns, parseApps, parseGpus } from "./csv.ts";

const names = Object.keys(columns) as ColumnName[];
// Two cards as nvidia-smi of driver 550 prints them with nounits: an H100, and a GeForce that lacks what such cards lack.
const h100: Record<ColumnName, string> = {
  index: "0",
  uuid: "GPU-2b6f1d54-4c1e-9a37-5e0d-7a1c3f8e9b02",
  name: "NVIDIA H100 80GB HBM3",
  "pci.bus_id": "00000000:1B:00.0",
  "memory.free": "5274",
  "memory.total": "81559",
  "utilization.gpu": "97",
  "utilization.memory": "61",
  "temperature.gpu": "62",
  "fan.speed": "[N/A]",
  "power.draw": "672.31",
  "enforced.power.limit": "700.00",
  "clocks.sm": "1755",
  "clocks.mem": "2619",
  "ecc.errors.corrected.volatile.total": "0",
  "ecc.errors.uncorrected.volatile.total": "0",
  "pcie.link.gen.current": "5",
  "pcie.link.width.current": "8",
  "pcie.link.gen.max": "5",
  "pcie.link.width.max": "16",
  "utilization.encoder": "0",
  "utilization.decoder": "12",
  pstate: "P0",
  persistence_mode: "Enabled",
  compute_mode: "Exclusive_Process",
  "memory.reserved": "551",
  "temperature.memory": "72",
  "clocks_throttle_reasons.active": "0x0000000000000004",
  "clocks_event_reasons.active": "0x0000000000000004",
  "mig.mode.current": "Disabled",
};
const geforce = {
  ...h100,
  index: "1",
  name: '"GeForce, odd"',
  "fan.speed": "43",
  "power.draw": "[Unknown Error]",
  "ecc.errors.corrected.volatile.total": "[Not Supported]",
  "ecc.errors.uncorrected.volatile.total": "[N/A]",
  "temperature.memory": "N/A",
  "clocks_throttle_reasons.active": "[N/A]",
  "clocks_event_reasons.active": "[N/A]",
  "utilization.encoder": "[N/A]",
  "pcie.link.gen.current": "[N/A]",
  "pcie.link.width.current": "[N/A]",
  "pcie.link.gen.max": "[N/A]",
  "pcie.link.width.max": "[N/A]",
  "mig.mode.current": "[N/A]",
  persistence_mode: "Disabled",
  compute_mode: "Default",
};
const line = (values: Record<ColumnName, string>): string =>
  ["550.54.15", ...names.map((name) => values[name])].join(", ");

test("a card is read in the wire's units", () => {
  const { gpus, rest, driver } = parseGpus(`${line(h100)}\n`, names);
  expect([rest, driver]).toEqual([[], "550.54.15"]);
  expect(gpus).toEqual([
    {
      vendor: 1,
      state: State.OK,
      procs: [],
      id: 0,
      uuid: h100.uuid,
      name: h100.name,
      pciBusId: "0000:1b:00.0",
      memUsed: (81_559n - 5274n) * 1_048_576n,
      memTotal: 81_559n * 1_048_576n,
      memReserved: 551n * 1_048_576n,
      utilization: 97,
      memUtilization: 61,
      temp: 62,
      memTemp: 72,
      power: 672_310,
      powerLimit: 700_000,
      clockSm: 1755,
      clockMem: 2619,
      eccCorrected: 0n,
      eccUncorrected: 0n,
      pcie: { generation: 5, width: 8, widthMax: 16 },
      encoder: 0,
      decoder: 12,
      performance: 0,
      persistence: true,
      computeMode: ComputeMode.EXCLUSIVE_PROCESS,
      throttle: [Throttle.POWER_CAP],
    },
  ]);
});

test("what a card does not offer is absent, and a quoted name keeps its comma", () => {
  const [gpu] = parseGpus(line(geforce), names).gpus;
  expect(gpu).toMatchObject({ id: 1, name: "GeForce, odd", fanspeed: 43, persistence: false });
  for (const field of [
    "power",
    "eccCorrected",
    "eccUncorrected",
    "memTemp",
    "throttle",
    "divided",
    "encoder",
    "pcie",
  ] as const)
    expect(gpu?.[field], field).toBeUndefined();
});

test("a link of generation 0 or no lanes is none", () => {
  const links = names.filter((name) => name.startsWith("pcie.link"));
  expect(links).toHaveLength(4);
  const none = { ...h100, ...Object.fromEntries(links.map((name) => [name, "0"])) };
  expect(parseGpus(line(none), names).gpus[0]?.pcie).toBeUndefined();
});

test("values that cannot be are absent", () => {
  const odd = {
    ...h100,
    "utilization.gpu": "101",
    "temperature.gpu": "-4",
    "memory.free": "90000",
    "clocks.sm": "fast",
  };
  const [gpu] = parseGpus(line(odd), names).gpus;
  for (const field of ["utilization", "temp", "memUsed", "clockSm"] as const)
    expect(gpu?.[field], field).toBeUndefined();
  expect(gpu?.memTotal).toBe(81_559n * 1_048_576n);
});

const dead = { "temperature.gpu": "0", "power.draw": "0.00", "clocks.sm": "0", "clocks.mem": "0" };

test("a card with 0 for memory and all vital readings is being reset, and nothing of it is believed", () => {
  const [gpu] = parseGpus(line({ ...h100, ...dead, "memory.total": "0", "memory.free": "0" }), names).gpus;
  expect(gpu).toMatchObject({ id: 0, uuid: h100.uuid, name: h100.name, state: State.STALE });
  for (const field of ["memTotal", "memoryShared", "utilization", "temp"] as const)
    expect(gpu?.[field], field).toBeUndefined();
});

test.each(["0", "[N/A]", "[Not Supported]"])("a card whose memory is %s shares the host's", (total) => {
  const [gpu] = parseGpus(line({ ...h100, "memory.total": total, "memory.free": total }), names).gpus;
  expect(gpu).toMatchObject({ state: State.OK, temp: 62, utilization: 97, memoryShared: true });
  expect(gpu?.memTotal || gpu?.memUsed).toBeFalsy();
});

test.each(["[Unknown Error]", "[Insufficient Permissions]", "[GPU requires reset]", "ERR!"])(
  "a card whose memory is %s has one that is not known",
  (total) => {
    const [gpu] = parseGpus(line({ ...h100, "memory.total": total, "memory.free": total }), names).gpus;
    expect(gpu?.memoryShared ?? gpu?.memTotal ?? gpu?.memUsed).toBeUndefined();
  },
);

test.each([
  "[N/A]",
  "[Unknown Error]",
  "[GPU requires reset]",
  "ERR!",
  "Unknown Error",
  "4294967295",
  "18446744073709551615",
])("%s in every column is no value", (odd) => {
  const values = Object.fromEntries(names.map((name) => [name, odd])) as Record<ColumnName, string>;
  const { gpus, driver } = parseGpus([odd, "0", ...names.slice(1).map((name) => values[name])].join(", "), names);
  const { vendor, state, procs, id, uuid, name, memoryShared: _, ...rest } = gpus[0] ?? {};
  expect([vendor, state, procs, id, rest]).toEqual([1, State.OK, [], 0, {}]);
  if (!/^\d/.test(odd)) expect([uuid, name, driver]).toEqual([undefined, undefined, undefined]);
});

test("reasons for low clocks are read by their old and by their new name", () => {
  for (const name of ["clocks_throttle_reasons.active", "clocks_event_reasons.active"] as const) {
    const one = { ...h100, "clocks_throttle_reasons.active": "[N/A]", "clocks_event_reasons.active": "[N/A]" };
    const [gpu] = parseGpus(line({ ...one, [name]: "0x0000000000000008" }), names).gpus;
    expect(gpu?.throttle).toEqual([Throttle.HW_SLOWDOWN]);
  }
});

test.each([
  [
    "Unable to determine the device handle for GPU0: 0000:01:00.0: Unknown Error",
    { pciBusId: "0000:01:00.0", state: State.LOST },
  ],
  [
    "Unable to determine the device handle for GPU 0000:47:00.0: GPU is lost.  Reboot the system to recover this GPU",
    { pciBusId: "0000:47:00.0", state: State.LOST },
  ],
  [
    "Unable to determine the device handle for gpu 00000000:C1:00.0: Insufficient Permissions",
    { pciBusId: "0000:c1:00.0", state: State.UNSUPPORTED },
  ],
])("%s is a card of its own", (complaint, wanted) => {
  const { gpus, rest } = parseGpus(`${line(h100)}\n${complaint}\n`, names);
  expect(gpus.slice(1)).toMatchObject([{ id: 1, vendor: 1, err: `nvidia-smi: ${complaint}`, ...wanted }]);
  expect(rest).toEqual([]);
});

test("a divided card says so", () => {
  expect(parseGpus(line({ ...h100, "mig.mode.current": "Enabled" }), names).gpus[0]?.divided).toBe(true);
});

test("lines that are no card are told apart", () => {
  const lost = "WARNING: infoROM is corrupted at gpu 0000:1B:00.0";
  const { gpus, rest } = parseGpus(`${line(h100)}\n${lost}\n\n`, names);
  expect(gpus).toHaveLength(1);
  expect(rest).toEqual([lost]);
});

test("processes are listed by the uuid of their card", () => {
  const text = "GPU-a, 4711, 1024\nGPU-a, 4712, [N/A]\nGPU-b, 4711, 8\nno line\nGPU-c, 0, 1\nGPU-c, -1, 1\n";
  const { procs, hides } = parseApps(text);
  expect(["GPU-a", "GPU-b", "GPU-c"].filter(hides)).toEqual([]);
  expect([...procs]).toEqual([
    [
      "GPU-a",
      [
        { pid: 4711, compute: true, mem: 1_073_741_824n },
        { pid: 4712, compute: true },
      ],
    ],
    ["GPU-b", [{ pid: 4711, compute: true, mem: 8_388_608n }]],
  ]);
});

test.each([
  ["[Not Supported], [Not Supported], [Not Supported]", ["GPU-a", "GPU-b"]],
  ["GPU-b, [N/A], [N/A]\nGPU-a, 4711, 1024", ["GPU-b"]],
  ["[N/A], [Insufficient Permissions], [N/A]", ["GPU-a", "GPU-b"]],
])("processes that %j does not name are unknown, not none", (text, wanted) => {
  expect(["GPU-a", "GPU-b"].filter(parseApps(text).hides)).toEqual(wanted);
});

test("any values come back from a line of them", () => {
  const cell = fc.stringMatching(/^[ -~]{0,12}$/);
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 8 }), (values) => {
      expect(cells(values.map(quoted).join(", "))).toEqual(values);
    }),
  );
});

test("no text makes the reader fail or hang", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      parseApps(text);
      for (const gpu of parseGpus(text, names).gpus) expect(gpu.id).toBeGreaterThanOrEqual(0);
    }),
  );
});
