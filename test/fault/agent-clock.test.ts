// The built agent on a machine whose clock is set back an hour, and forth again: before, during and after.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HostInfo, State } from "../../proto/gen/host_pb.js";
import { readExposition } from "../exposition.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { type Shimmed, shimmed } from "./shim.ts";

const reason = missingCompiler();
const hour = 3_600_000;
const sampled = (info: HostInfo): number => Number(info.sampled);

describe.skipIf(reason !== undefined)(`a clock that is set back an hour${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "agent-clock-"));
  const control = (lines: string): void => writeFileSync(join(folder, "control"), lines);
  let at: Shimmed;
  let metrics: string;
  let before: HostInfo;

  beforeAll(async () => {
    control("\n");
    at = await shimmed(folder, {
      // The machine itself but for its GPUs: its rates are real ones.
      GOHM_NVML: player(),
      GOHM_PLAYER: h100,
      GOHM_PLAYER_CONTROL: join(folder, "control"),
      GOHM_METRICS_ADDR: "127.0.0.1:0",
      GOHM_READ_DEADLINE: "2",
    });
    await at.agent.program.line(/^GPUs: 8/m);
    metrics = (await at.agent.program.line(/^Metrics: (http:\S+)$/m))[1] ?? "";
  });
  afterAll(async () => {
    await at.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Asks until rates can be told: they are counted over a second at least. */
  async function rated(): Promise<HostInfo> {
    const info = await at.agent.info();
    return info.cpu?.busy === undefined ? await rated() : info;
  }

  /** Whatever the clock does, this holds. */
  function sane(info: HostInfo): void {
    expect(info.gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
    expect(info.sources.filter(({ state }) => state !== State.OK)).toEqual([]);
    expect(info.cpu?.busy).toBeGreaterThanOrEqual(0);
    expect(info.cpu?.busy).toBeLessThanOrEqual(100);
    for (const { rxRate, txRate } of info.nics) {
      for (const rate of [rxRate, txRate]) expect(rate ?? 0n).toBeLessThan(1_000_000_000_000n);
    }
    expect(info.gpus[0]?.procs.find(({ pid }) => pid === 201_440)).toMatchObject({ utilization: 96 });
  }

  const ages = async (): Promise<number[]> =>
    readExposition(await (await fetch(metrics)).text(), "text")
      .filter(({ name }) => name.endsWith("_age_seconds"))
      .flatMap(({ samples }) => samples.map(({ value }) => value));

  test("before: times are those of this machine", async () => {
    before = await rated();
    sane(before);
    expect(Math.abs(sampled(before) - Date.now())).toBeLessThan(hour / 10);
  });

  test("during: times are an hour earlier, values and rates as before, and ages are right", async () => {
    at.ahead(-3600);
    // What the driver remembers of the time before the change bears times that are yet to come.
    const early = 2n ** 64n - 3_600_000_000n;
    control(`nvmlDeviceGetProcessUtilization 0 : 0 201440:${early}:55:1:0:0 201440:150000:96:61:0:0\n`);
    const info = await rated();
    sane(info);
    expect(Math.abs(sampled(info) + hour - Date.now())).toBeLessThan(hour / 10);
    for (const gpu of info.gpus) expect(Math.abs(Number(gpu.sampled) - sampled(info))).toBeLessThan(hour / 10);
    for (const age of await ages()) {
      expect(age).toBeGreaterThanOrEqual(0);
      expect(age).toBeLessThan(60);
    }
  });

  test("during: a driver that hangs is noticed as quickly, and its values are old, not of the future", async () => {
    at.ahead(0);
    await at.agent.info();
    at.ahead(-3600);
    control("nvmlDeviceGetPowerUsage 3 : hang\n");
    const info = await at.agent.info();
    expect(info.gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.STALE));
    // They were read before the clock was set back: by its time, in an hour.
    for (const age of await ages()) expect(age).toBeGreaterThanOrEqual(0);
    // An hour ahead they are no older than they are: five minutes have not passed.
    at.ahead(3600);
    const { gpus } = await at.agent.info();
    expect(gpus.map(({ state, temp }) => [state, temp !== undefined])).toEqual(Array(8).fill([State.STALE, true]));
    control("\n");
  });

  test("after: times are those of this machine again, and GPUs are read", async () => {
    at.ahead(0);
    const again = async (): Promise<HostInfo> => {
      const info = await rated();
      return info.gpus[0]?.state === State.OK ? info : await again();
    };
    const info = await again();
    sane(info);
    expect(sampled(info)).toBeGreaterThan(sampled(before));
    expect(Math.abs(sampled(info) - Date.now())).toBeLessThan(hour / 10);
  });
});
