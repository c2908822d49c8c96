// Letting the running agent go of the driver, by the command and by the signal alone.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { type Agent, startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { readers, rtx4090 } from "../nvml/rig.ts";
import { type Program, start } from "../program.ts";

const reason = missingCompiler();
const patience = { timeout: 20_000, interval: 50 };

describe.skipIf(reason !== undefined)(`pause${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "agent-pause-"));
  let env: Record<string, string>;
  beforeAll(() => {
    const control = join(folder, "control");
    writeFileSync(control, "\n");
    env = { GOHM_ROOT: rtx4090, GOHM_NVML: player(), GOHM_PLAYER: rtx4090, GOHM_PLAYER_CONTROL: control };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let running: Agent | undefined;
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  async function serve(): Promise<Agent> {
    running = await startAgent(env);
    await running.program.line(/^GPUs: 2/m);
    expect(readers(running.program.child.pid)).toHaveLength(1);
    return running;
  }

  const states = async (agent: Agent): Promise<unknown> => (await agent.info()).gpus.map(({ state }) => state);

  async function pause(port: number, ...more: string[]): Promise<{ status: number | null; text: string }> {
    const program: Program = start("hmonitor", ["pause-gpu", "--addr", `127.0.0.1:${port}`, ...more], {});
    await vi.waitFor(() => expect(program.child.exitCode).not.toBeNull(), patience);
    return { status: program.child.exitCode, text: program.output() };
  }

  test("by the command, for as long as it says: GPUs are old meanwhile and say why, and come back", async () => {
    const agent = await serve();
    const { pid } = agent.program.child;
    const before = await agent.info();
    const { status, text } = await pause(agent.port, "--for", "600");
    expect([status, text]).toEqual([
      0,
      `hmonitor (process ${pid}) has let go of the NVIDIA driver, and takes it up again after 600 s or ` +
        `with "hmonitor pause-gpu --for 0"\n`,
    ]);
    expect(readers(pid)).toEqual([]);
    const during = await agent.info();
    expect(during.gpus.map(({ state }) => state)).toEqual([State.STALE, State.STALE]);
    expect(during.gpus.map(({ sampled }) => sampled)).toEqual(before.gpus.map(({ sampled }) => sampled));
    for (const { err } of during.gpus)
      expect(err).toMatch(/^paused until \d{4}-\d\d-\d\d [\d:]{8} UTC, so that the driver/);
    expect(readers(pid)).toEqual([]);
    await agent.program.line(/^GPUs are let go for 600 s$/m);
    expect((await pause(agent.port, "--for", "0")).text).toContain("takes up the NVIDIA driver again");
    expect(await states(agent)).toEqual([State.OK, State.OK]);
    // A pause that is over ends by itself.
    expect((await pause(agent.port, "--for=1")).status).toBe(0);
    await expect.poll(() => states(agent), patience).toEqual([State.OK, State.OK]);
  });

  test("by SIGUSR2, and back by a second one", async () => {
    const agent = await serve();
    const { child } = agent.program;
    child.kill("SIGUSR2");
    await agent.program.line(/^GPUs are let go for 60 s$/m);
    expect(readers(child.pid)).toEqual([]);
    expect(await states(agent)).toEqual([State.STALE, State.STALE]);
    child.kill("SIGUSR2");
    await agent.program.line(/^GPUs are read again$/m);
    expect(await states(agent)).toEqual([State.OK, State.OK]);
  });

  test("is refused in words when there is no agent, or it is none", async () => {
    const agent = await serve();
    await agent.stop();
    expect(await pause(agent.port)).toEqual({
      status: 1,
      text: `Nothing listens on port ${agent.port}: no hmonitor runs here, or on another port (--addr)\n`,
    });
    expect((await pause(agent.port, "--for", "soon")).text).toContain('--for wants seconds from 0 to 3600, not "soon"');
  });
});
