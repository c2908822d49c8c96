// The built agent on eight played GPUs while the driver, its library or a card fails: before, during and after.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type GPUInfo, type HostInfo, State } from "../../proto/gen/host_pb.js";
import { verdict } from "../../proto/verdict.ts";
import type { Agent } from "../agent.ts";
import { missingCompiler } from "../nvml/build.ts";
import { readers } from "../nvml/rig.ts";
import { type EightGpuAgent, startEight } from "./eight.ts";

const reason = missingCompiler();
const patience = { timeout: 30_000, interval: 100 };

describe.skipIf(reason !== undefined)(`an agent with eight GPUs${reason ? `: ${reason}` : ""}`, () => {
  let eight: EightGpuAgent;
  let agent: Agent;
  let before: HostInfo;
  const control = (lines: string): void => eight.control(lines);

  beforeEach(async () => {
    eight = await startEight({ GOHM_READ_DEADLINE: "2" });
    ({ agent } = eight);
    await agent.program.line(/^GPUs: 8/m);
    before = await agent.info();
    expect(states(before)).toEqual(Array(8).fill(State.OK));
  });
  afterEach(async () => {
    const { pid } = agent.program.child;
    expect(await agent.stop()).toBe(0);
    expect(readers(pid)).toEqual([]);
    eight.remove();
  });

  const states = ({ gpus }: HostInfo): unknown[] => gpus.map(({ state }) => state);
  const nvidia = ({ sources }: HostInfo) => sources.find(({ name }) => name === "nvidia");
  /** What does not change from one sound reading to the next. */
  const still = ({ gpus }: HostInfo) => gpus.map(({ sampled: _, ...gpu }: GPUInfo) => gpu);

  /** All GPUs as they were: what must hold after each fault. */
  async function recovered(): Promise<void> {
    control("\n");
    const info = await vi.waitUntil(async () => {
      const found = await agent.info();
      return nvidia(found)?.state === State.OK && found.gpus.every(({ state }) => state === State.OK)
        ? found
        : undefined;
    }, patience);
    expect(still(info)).toEqual(still(before));
  }

  /** Old values under their own time, the source's error, and everything else of the machine as it is. */
  function old(info: HostInfo, state: State, err: RegExp): void {
    expect(states(info)).toEqual(Array(8).fill(State.STALE));
    expect(info.gpus.map(({ sampled, temp }) => [sampled, temp])).toEqual(
      before.gpus.map(({ sampled, temp }) => [sampled, temp]),
    );
    expect(nvidia(info)).toMatchObject({ state, err: expect.stringMatching(err) });
    expect(info.memory?.total).toBe(before.memory?.total);
    expect(info.sources.filter(({ name }) => name !== "nvidia").every((s) => s.state === State.OK)).toBe(true);
  }

  test("a driver call that never returns: old values within the deadline, the reader is replaced, then all is read", async () => {
    const [reader] = readers(agent.program.child.pid);
    control("nvmlDeviceGetUtilizationRates 5 : hang\n");
    old(await agent.info(), State.HUNG, /did not answer within 1\.8 s/);
    await vi.waitUntil(() => !readers(agent.program.child.pid).includes(reader ?? 0), patience);
    await recovered();
  });

  test("a driver library that crashes its process: the agent survives, names the signal, and reads again", async () => {
    control("nvmlDeviceGetPowerUsage 1 : crash\n");
    old(await agent.info(), State.STALE, /^NVML's reader was ended by SIGSEGV$/);
    await recovered();
  });

  test("a lost card: listed as lost under its name without values, its seven neighbours live", async () => {
    control("* 3 : 15\n");
    const during = await agent.info();
    expect(during.gpus[3]).toMatchObject({
      state: State.LOST,
      uuid: before.gpus[3]?.uuid,
      err: "NVML: GPU is lost (15)",
      procs: [],
    });
    for (const field of ["temp", "memUsed", "utilization", "sampled"] as const)
      expect(during.gpus[3]?.[field]).toBeUndefined();
    expect(still(during).toSpliced(3, 1)).toEqual(still(before).toSpliced(3, 1));
    expect(during.gpus.map((gpu) => verdict(gpu, true))[3]).toBe("broken");
    await recovered();
  });

  test("a library that does not match the driver: the error says what to do, and all is read without a restart once they match", async () => {
    process.kill(readers(agent.program.child.pid)[0] ?? 0, "SIGKILL");
    control("nvmlInit : 18\n");
    await vi.waitUntil(async () => nvidia(await agent.info())?.err?.includes("mismatch"), patience);
    old(
      await agent.info(),
      State.STALE,
      /^NVML: Driver\/library version mismatch; .* reload its kernel module, or restart/,
    );
    await recovered();
  });

  describe("zeros in place of readings", () => {
    const zeros = (...calls: string[]): void => control(calls.map((call) => `${call}\n`).join(""));
    const all = [
      "nvmlDeviceGetMemoryInfo 6 : 0 0 0 0 0",
      "nvmlDeviceGetUtilizationRates 6 : 0 0 0",
      "nvmlDeviceGetTemperature 6 0 : 0 0",
      "nvmlDeviceGetPowerUsage 6 : 0 0",
      "nvmlDeviceGetClockInfo 6 1 : 0 0",
      "nvmlDeviceGetClockInfo 6 2 : 0 0",
    ];

    const nothing = "The driver answers 0 for what never is 0: the card starts, or is being reset";

    test.each([
      ["everything", all, nothing],
      [
        "memory",
        all.slice(0, 1),
        "The driver answers 0 for the memory of a card that has some: the card starts, or is being reset",
      ],
      ["everything but memory", all.slice(1), nothing],
    ])(
      "a card that answers 0 for %s is not free: its last values are shown as stale, its neighbours are live",
      async (_, calls, err) => {
        expect(verdict(before.gpus[6] as GPUInfo, true)).toBe("free");
        zeros(...calls);
        const during = await agent.info();
        expect(during.gpus[6]).toMatchObject({
          state: State.STALE,
          sampled: before.gpus[6]?.sampled,
          temp: before.gpus[6]?.temp,
          memTotal: before.gpus[6]?.memTotal,
          err,
        });
        expect(verdict(during.gpus[6] as GPUInfo, true)).toBe("unknown");
        expect(still(during).toSpliced(6, 1)).toEqual(still(before).toSpliced(6, 1));
        expect(nvidia(during)?.state).toBe(State.OK);
        await recovered();
      },
    );

    test("a single reading of 0 is absent, and the rest of the card is live", async () => {
      zeros("nvmlDeviceGetPowerUsage 6 : 0 0", "nvmlDeviceGetTemperature 2 0 : 0 0");
      const during = await agent.info();
      expect(states(during)).toEqual(Array(8).fill(State.OK));
      expect([during.gpus[6]?.power, during.gpus[2]?.temp]).toEqual([undefined, undefined]);
      expect(during.gpus[6]?.temp).toBe(before.gpus[6]?.temp);
      await recovered();
    });
  });
});
