// Letting the running agent go of the driver, by the command and by the signal alone.
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { type Agent, startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { readers, rtx4090 } from "../nvml/rig.ts";
import { TestPortal } from "../portal.ts";
import { type Program, programOf, start, top } from "../program.ts";

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

  test("by the command, for the given time: GPUs are stale meanwhile and say why, and come back", async () => {
    const agent = await serve();
    const { pid } = agent.program.child;
    const before = await agent.info();
    const { status, text } = await pause(agent.port, "--for", "600");
    expect([status, text]).toEqual([
      0,
      `hmonitor (process ${pid}) has released the NVIDIA driver, and opens it again after 600 s or ` +
        `with "hmonitor pause-gpu --for 0"\n`,
    ]);
    expect(readers(pid)).toEqual([]);
    const during = await agent.info();
    expect(during.gpus.map(({ state }) => state)).toEqual([State.STALE, State.STALE]);
    expect(during.gpus.map(({ sampled }) => sampled)).toEqual(before.gpus.map(({ sampled }) => sampled));
    for (const { err } of during.gpus)
      expect(err).toMatch(/^paused until \d{4}-\d\d-\d\d [\d:]{8} UTC, so that the driver/);
    expect(readers(pid)).toEqual([]);
    await agent.program.line(/^The NVIDIA driver is released for 600 s$/m);
    expect((await pause(agent.port, "--for", "0")).text).toContain("opens the NVIDIA driver again");
    expect(await states(agent)).toEqual([State.OK, State.OK]);
    // A pause that is over ends by itself.
    expect((await pause(agent.port, "--for=1")).status).toBe(0);
    await expect.poll(() => states(agent), patience).toEqual([State.OK, State.OK]);
  });

  test("by SIGUSR2, and back by a second one", async () => {
    const agent = await serve();
    const { child } = agent.program;
    child.kill("SIGUSR2");
    await agent.program.line(/^The NVIDIA driver is released for 60 s$/m);
    expect(readers(child.pid)).toEqual([]);
    expect(await states(agent)).toEqual([State.STALE, State.STALE]);
    child.kill("SIGUSR2");
    await agent.program.line(/^GPUs are read again$/m);
    expect(await states(agent)).toEqual([State.OK, State.OK]);
  });

  test("by the command, of an agent that reports to a hub and listens nowhere", async () => {
    // Under a name of its own: others may run here too, and only one is paused without being named.
    const file = join(folder, "hmonitor-alone");
    copyFileSync(join(top, "dist", "hmonitor"), file);
    const begin = (args: readonly string[]): Program => {
      const vars = { PATH: "/usr/bin:/bin", ...env };
      return programOf(
        spawn(process.execPath, [file, ...args], { env: vars, stdio: ["ignore", "pipe", "pipe"] }),
        file,
      );
    };
    const portal = new TestPortal();
    await portal.up();
    const agent = begin(["--server", portal.url, "--config", join(folder, "push.json"), "--hostname", "alone"]);
    try {
      await vi.waitFor(() => expect(portal.reports.length).toBeGreaterThan(0), patience);
      expect(agent.output()).not.toContain("listens on");
      expect(readers(agent.child.pid)).toHaveLength(1);
      const asking = begin(["pause-gpu", "--for", "600"]);
      await vi.waitFor(() => expect(asking.child.exitCode).not.toBeNull(), patience);
      expect(asking.output()).toContain(`hmonitor (process ${agent.child.pid}) has released the NVIDIA driver`);
      expect(readers(agent.child.pid)).toEqual([]);
      await agent.line(/^The NVIDIA driver is released for 600 s$/m);
    } finally {
      await agent.stop();
      await portal.down();
    }
  });

  test("of an agent that uses no NVIDIA driver: nothing is said to be released", async () => {
    running = await startAgent({ ...env, GOHM_NOGPU: "true" });
    const { pid } = running.program.child;
    expect(await pause(running.port, "--for", "600")).toEqual({
      status: 0,
      text: `hmonitor (process ${pid}) does not use an NVIDIA driver, and opens none for 600 s or until "hmonitor pause-gpu --for 0"\n`,
    });
  });

  test("is refused with a message if there is no agent, or the process is not one", async () => {
    const agent = await serve();
    await agent.stop();
    expect(await pause(agent.port)).toEqual({
      status: 1,
      text: `Nothing listens on port ${agent.port}: no hmonitor runs here, or on another port (--addr)\n`,
    });
    expect((await pause(agent.port, "--for", "soon")).text).toContain('--for wants seconds from 0 to 3600, not "soon"');
  });
});
