// A laptop whose NVIDIA card Linux powers down while nobody uses it (runtime D3).
import { afterEach, describe, expect, test, vi } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { missingCompiler } from "./build.ts";
import { type Rig, rig, rtx4090 } from "./rig.ts";

const reason = missingCompiler();
const patience = { timeout: 20_000, interval: 50 };

let at: Rig | undefined;
afterEach(async () => {
  await at?.close();
  at = undefined;
});

const place = "0000:01:00.0";
const idle = `nvmlDeviceGetCount : 0 1
nvmlDeviceGetUtilizationRates 0 : 0 0 0
nvmlDeviceGetComputeRunningProcesses 0 : 0
nvmlDeviceGetGraphicsRunningProcesses 0 : 0`;

/** `files` may be changed at any time. */
async function laptop(files: Record<string, string>): Promise<Rig> {
  at = await rig(rtx4090, {
    says: {
      list: (path) => (path === "/proc/driver/nvidia/gpus" ? [place] : []),
      read: (path) => files[path],
      product: ({ vendor, device }) => (vendor === "10de" && device === "25a2" ? "GeForce RTX 3050 Mobile" : undefined),
    },
  });
  at.control(idle);
  return at;
}

const folder = `/sys/bus/pci/devices/${place}`;
const files = (status: string): Record<string, string> => ({
  [`${folder}/power/runtime_status`]: `${status}\n`,
  [`${folder}/power/control`]: "auto\n",
  [`${folder}/vendor`]: "0x10de\n",
  [`${folder}/device`]: "0x25a2\n",
  [`/proc/driver/nvidia/gpus/${place}/power`]:
    "Runtime D3 status:          Enabled (fine-grained)\nVideo Memory:               Off\n",
});

describe.skipIf(reason !== undefined)(`sleep${reason ? `: ${reason}` : ""}`, () => {
  test("a card that sleeps is not queried, and is listed as asleep", async () => {
    const { read, readers } = await laptop(files("suspended"));
    const { gpus } = await read();
    expect(gpus).toMatchObject([
      { id: 0, pciBusId: place, name: "GeForce RTX 3050 Mobile", state: State.OK, asleep: true },
    ]);
    expect(gpus[0]?.sampled ?? gpus[0]?.utilization).toBeUndefined();
    expect(readers()).toEqual([]);
  });

  test("an unused card is released, left alone for a while, and then listed as asleep under its name", async () => {
    const now = files("active");
    const { read, readers, skip } = await laptop(now);
    const first = (await vi.waitFor(read, patience)).gpus;
    expect(first).toMatchObject([{ name: "NVIDIA GeForce RTX 4090", utilization: 0, xidCount: 0n }]);
    await vi.waitFor(() => expect(readers()).toEqual([]), patience);
    expect((await read()).gpus).toEqual(first);
    expect(readers()).toEqual([]);
    now[`${folder}/power/runtime_status`] = "suspended\n";
    const { uuid = "" } = first[0] ?? {};
    expect((await read()).gpus).toMatchObject([{ uuid, name: "NVIDIA GeForce RTX 4090", asleep: true }]);
    // Awake because of somebody else: it is read again.
    now[`${folder}/power/runtime_status`] = "active\n";
    skip(30_000);
    expect((await vi.waitFor(read, patience)).gpus[0]?.asleep).toBeUndefined();
  });

  test.each([
    ["somebody uses", {}, "nvmlDeviceGetCount : 0 1"],
    [
      "may not sleep by the driver",
      { [`/proc/driver/nvidia/gpus/${place}/power`]: "Runtime D3 status:          Disabled by default\n" },
      idle,
    ],
    ["may not sleep by the system", { [`${folder}/power/control`]: "on\n" }, idle],
  ])("of a card that %s the driver stays open", async (_, otherwise, answers) => {
    const { read, readers, control } = await laptop({ ...files("active"), ...otherwise });
    control(answers);
    await vi.waitFor(read, patience);
    const open = readers();
    expect(open).toHaveLength(1);
    await read();
    expect(readers()).toEqual(open);
  });
});
