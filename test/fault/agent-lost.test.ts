// One rule for a card that is lost, whoever made it: before, at 23:59 h, at 24:01 h, and back.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { capturedMachine } from "../../agent/machine/capture.ts";
import { Snapshot } from "../../agent/snapshot.ts";
import { amdgpu } from "../../agent/source/amdgpu.ts";
import { intel } from "../../agent/source/intel.ts";
import type { Source } from "../../agent/source/source.ts";
import { type GPUInfo, State } from "../../proto/gen/host_pb.js";
import { altered, options } from "../machine.ts";
import { missingCompiler } from "../nvml/build.ts";
import { h100, rig } from "../nvml/rig.ts";

const captures = fileURLToPath(new URL("../capture", import.meta.url));
const minute = 60_000;
const day = 24 * 60 * minute;
const reason = missingCompiler();
const patience = { timeout: 20_000, interval: 20 };

/** A machine of which a card can be taken away. */
interface Scene {
  collect(): Promise<GPUInfo[]>;
  pass(ms: number): void;
  lose(): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
  /** The card's place in the list. */
  readonly at: number;
}

function kernel(capture: string, source: Source, { card, at }: { card: number; at: number }): Scene {
  const machine = altered(capturedMachine(join(captures, capture)));
  const snapshot = new Snapshot({ ...options, sources: [source], machine, version: "" });
  const uevent = `/sys/class/drm/card${card}/device/uevent`;
  return {
    at,
    collect: async () => (await snapshot.collect()).gpus,
    pass: (ms) => {
      machine.passed += ms;
    },
    lose: async () => {
      machine.folders["/sys/class/drm"] = machine.list("/sys/class/drm").filter((name) => name !== `card${card}`);
      machine.files[uevent] = undefined;
    },
    restore: async () => {
      delete machine.folders["/sys/class/drm"];
      delete machine.files[uevent];
    },
    close: () => snapshot.close(),
  };
}

async function driver(): Promise<Scene> {
  const at = await rig(h100);
  const reopened = async (control: string): Promise<void> => {
    const [reader = 0] = at.readers();
    at.control(control);
    process.kill(reader, "SIGKILL");
    await vi.waitFor(() => expect(at.readers()).toEqual([]), patience);
    // The end of the reader costs one reading, and a second.
    await at.collect();
    at.skip(1000);
  };
  return {
    at: 7,
    collect: async () => (await at.collect()).gpus,
    pass: at.skip,
    lose: () => reopened("nvmlDeviceGetCount : 0 7"),
    restore: () => reopened(""),
    close: at.close,
  };
}

let scene: Scene | undefined;
afterEach(async () => {
  await scene?.close();
  scene = undefined;
});

const mi300x = "ubuntu24.04-x86_64__8x-mi300x__rocm-6.4";
const laptop = "fedora42-x86_64__laptop__intel-and-sleeping-radeon";

describe.each([
  ["NVIDIA, over the death of its reader", reason, driver],
  ["AMD", undefined, async () => kernel(mi300x, amdgpu, { card: 17, at: 2 })],
  ["Intel", undefined, async () => kernel(laptop, intel, { card: 1, at: 0 })],
] as const)("a card of %s", (_, without, make) => {
  test.skipIf(without !== undefined)(
    "that vanishes is listed as lost for a day, and as usual as soon as it is back",
    async () => {
      scene = await make();
      const { at, collect, pass, lose, restore } = scene;
      const before = await collect();
      const { uuid, id } = before[at] ?? {};
      expect(before[at]?.state).toBe(State.OK);
      await lose();
      const during = await collect();
      expect(during[at]).toMatchObject({ uuid, id, state: State.LOST, procs: [] });
      expect(during[at]?.temp ?? during[at]?.memUsed ?? during[at]?.sampled).toBeUndefined();
      const states = (gpus: readonly GPUInfo[]) => gpus.filter((gpu) => gpu.uuid !== uuid).map((gpu) => gpu.state);
      expect(states(during)).toEqual(states(before));
      await restore();
      const after = await collect();
      expect(after.map((gpu) => [gpu.id, gpu.uuid, gpu.state])).toEqual(
        before.map((gpu) => [gpu.id, gpu.uuid, gpu.state]),
      );
      await lose();
      await collect();
      pass(day - minute);
      expect((await collect())[at]).toMatchObject({ uuid, state: State.LOST });
      pass(2 * minute);
      expect((await collect()).map((gpu) => gpu.uuid)).not.toContain(uuid);
    },
  );
});
