// The whole agent on a machine with eight GPUs: the built program, its reader, and a driver that is played.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GPUInfo, type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100, readers } from "../nvml/rig.ts";
import { top } from "../program.ts";

const reason = missingCompiler();

/** What does not change from one reading of the played driver to the next. */
const still = ({ gpus }: HostInfo) =>
  gpus.map(({ sampled: _, state: __, ...gpu }: GPUInfo) => ({ ...gpu, procs: gpu.procs.map((proc) => ({ ...proc })) }));

describe.skipIf(reason !== undefined)(`eight GPUs${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "agent-gpu-"));
  const control = join(folder, "control");
  let env: Record<string, string>;
  beforeAll(() => {
    writeFileSync(control, "\n");
    env = { GOHM_ROOT: h100, GOHM_NVML: player(), GOHM_PLAYER: h100, GOHM_PLAYER_CONTROL: control };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("are served with who uses them, in less than 2.5 KB", async () => {
    const agent = await startAgent(env);
    await agent.program.line(/^GPUs: 8 × NVIDIA H100 80GB HBM3$/m);
    const bytes = await agent.raw();
    const info = fromBinary(HostInfoSchema, bytes);
    const expected = fromJsonString(HostInfoSchema, readFileSync(join(h100, "expected.json"), "utf8"));
    expect(still(info)).toEqual(still(expected));
    expect(info.gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
    expect(info.err).toBeUndefined();
    expect(info.system?.driverVersion).toBe("550.54.15");
    expect(info.gpus.some(({ procs }) => procs.some(({ username }) => username === "alice"))).toBe(true);
    expect(bytes.length).toBeLessThan(2500);
    expect(await agent.stop()).toBe(0);
  });

  test("that stop answering are shown as old, the rest of the machine as it is, and the agent still stops", async () => {
    const agent = await startAgent({ ...env, GOHM_READ_DEADLINE: "1" });
    await agent.program.line(/^GPUs: 8/m);
    const before = await agent.info();
    writeFileSync(control, "nvmlDeviceGetUtilizationRates 5 : hang\n");
    const info = await agent.info();
    expect(info.gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.STALE));
    expect(info.gpus.map(({ sampled }) => sampled)).toEqual(before.gpus.map(({ sampled }) => sampled));
    expect(info.sources[0]).toMatchObject({ name: "nvidia", state: State.HUNG });
    expect(info.memory?.total).toBe(before.memory?.total);
    expect(Number(info.sampled)).toBeGreaterThanOrEqual(Number(before.sampled));
    const { pid } = agent.program.child;
    expect(await agent.stop()).toBe(0);
    expect(readers(pid)).toEqual([]);
    writeFileSync(control, "\n");
  });

  test("can be captured and played back, without the names of people", async () => {
    const dir = join(folder, "machine");
    const args = [join(top, "dist", "hmonitor"), "capture", dir];
    const { status, stderr } = spawnSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(
      readFileSync(join(dir, "capture.json"), "utf8") + readFileSync(join(dir, "answer.json"), "utf8"),
    ).not.toMatch(/alice|bob|carol|dmitri/);
    const then = fromJsonString(HostInfoSchema, readFileSync(join(dir, "answer.json"), "utf8"));
    const agent = await startAgent({ ...env, GOHM_ROOT: dir, GOHM_PLAYER: dir });
    expect(still(await agent.info())).toEqual(still(then));
    expect(await agent.stop()).toBe(0);
  });
});
