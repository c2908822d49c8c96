// The built agent among processes that end while it looks at them: before, during and after.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { liveMachine } from "../../agent/machine/live.ts";
import { isContained } from "../../agent/machine/namespace.ts";
import { type ProcInfo, State } from "../../proto/gen/host_pb.js";
import { startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { type Shimmed, shimmed } from "./shim.ts";

const reason = missingCompiler();

describe.skipIf(reason !== undefined)(`a process that exits while it is read${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "agent-vanish-"));
  const root = join(folder, "machine");
  const pid = 201_440;
  let at: Shimmed;
  let before: ProcInfo[];

  beforeAll(async () => {
    cpSync(h100, root, { recursive: true });
    writeFileSync(join(root, "proc", String(pid), "cgroup"), "0::/system.slice/slurmstepd.scope/job_7/step_0/user\n");
    // Without this it is no captured machine but one whose root is mounted here, and is read like any live one.
    rmSync(join(root, "capture.json"));
    at = await shimmed(join(folder, "shim"), { GOHM_ROOT: root, GOHM_NVML: player(), GOHM_PLAYER: h100 });
    before = await procs();
  });
  afterAll(async () => {
    await at.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What is told of all processes; whatever happens to one of them, cards and sources are sound. */
  async function procs(): Promise<ProcInfo[]> {
    const { gpus, sources } = await at.agent.info();
    expect(gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
    expect(sources.find(({ name }) => name === "nvidia")?.state).toBe(State.OK);
    return gpus.flatMap((gpu) => gpu.procs);
  }

  test("before: it is reported with user, name and job, and so are its neighbours", () => {
    expect(before[0]).toMatchObject({ pid, uid: 1001, basename: "python3", job: "7" });
    expect(before.every(({ basename }) => basename !== undefined)).toBe(true);
  });

  test.each(["stat", "comm", "status"])("during: gone between the opening and the reading of %s", async (file) => {
    at.gone(`/proc/${pid}/${file}`);
    const [first, ...others] = await procs();
    expect(first).toMatchObject({ pid, mem: before[0]?.mem });
    for (const field of ["uid", "username", "started", "basename"] as const) expect(first?.[field]).toBeUndefined();
    expect(others).toEqual(before.slice(1));
  });

  test("during: gone before its cgroup is read, it keeps what was read of it", async () => {
    at.gone(`/proc/${pid}/cgroup`);
    const [first, ...others] = await procs();
    expect(first).toMatchObject({ pid, uid: 1001, basename: "python3" });
    expect(first?.job).toBeUndefined();
    expect(others).toEqual(before.slice(1));
  });

  test("after: all is reported as before", async () => {
    at.gone("");
    expect(await procs()).toEqual(before);
  });
});

const why = isContained(liveMachine("/")) ? "this is a container" : reason;

test.skipIf(why !== undefined)(
  `real processes that come and go are told whole, or by pid and memory${why ? `: ${why}` : ""}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "agent-churn-"));
    const control = (pids: readonly (number | undefined)[]): void =>
      writeFileSync(
        join(folder, "control"),
        `nvmlDeviceGetComputeRunningProcesses 0 : 0 ${pids.map((each) => `${each}:4096:-:-`).join(" ")}\n`,
      );
    const run = (command: string, ...args: string[]): ChildProcess => spawn(command, args, { stdio: "ignore" });
    const stays = run("sleep", "600");
    control([stays.pid]);
    const agent = await startAgent({
      GOHM_NVML: player(),
      GOHM_PLAYER: h100,
      GOHM_PLAYER_CONTROL: join(folder, "control"),
    });
    const told = async (): Promise<ProcInfo[]> => {
      const { gpus } = await agent.info();
      expect(gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
      return gpus[0]?.procs ?? [];
    };
    const before = await told();
    expect(before).toMatchObject([{ pid: stays.pid, basename: "sleep", uid: process.getuid?.() }]);
    for (let round = 0; round < 20; round++) {
      const brief = Array.from({ length: 20 }, () => run("true"));
      const ends = brief.map((child) => once(child, "exit"));
      control([...brief.map(({ pid }) => pid), stays.pid]);
      const found = await told();
      expect(found).toHaveLength(21);
      for (const { uid, basename, started, mem } of found) {
        expect(mem).toBe(4096n);
        if (basename === undefined) expect([uid, started]).toEqual([undefined, undefined]);
        else expect(uid).toBe(process.getuid?.());
      }
      expect(found.find(({ pid }) => pid === stays.pid)).toEqual(before[0]);
      await Promise.all(ends);
    }
    control([stays.pid]);
    expect(await told()).toEqual(before);
    stays.kill();
    expect(await agent.stop()).toBe(0);
    rmSync(folder, { recursive: true, force: true });
  },
);
