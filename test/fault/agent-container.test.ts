// The built agent in a PID namespace of its own, as in a container without --pid host, beside a driver that tells the
// host's process ids: before (on the host), during (confined), and after (with the host's /proc shown to it).
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { liveMachine } from "../../agent/machine/live.ts";
import { isContained } from "../../agent/machine/namespace.ts";
import { State } from "../../proto/gen/host_pb.js";
import { type Agent, startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { programOf, start, top } from "../program.ts";

const able = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0;
const reason = isContained(liveMachine("/"))
  ? "this is a container itself"
  : able
    ? missingCompiler()
    : "needs root and unshare";

describe.skipIf(reason !== undefined)(`host pids in a container${reason ? `: ${reason}` : ""}`, () => {
  let folder: string;
  let env: Record<string, string>;
  /** A program of the host that is on the first card. */
  let job: ChildProcess;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "agent-container-"));
    mkdirSync(join(folder, "host", "proc"), { recursive: true });
    job = spawn("sleep", ["600"], { stdio: "ignore" });
    // Number 1 is the agent itself in a container, and whatever was started first on the host.
    const lists = `${job.pid}:1048576:-:- 1:2097152:-:-`;
    writeFileSync(join(folder, "control"), `nvmlDeviceGetComputeRunningProcesses 0 : 0 ${lists}\n`);
    env = {
      GOHM_ADDR: "127.0.0.1:0",
      GOHM_NVML: player(),
      GOHM_PLAYER: h100,
      GOHM_PLAYER_CONTROL: join(folder, "control"),
    };
  });
  afterAll(() => {
    job.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts the agent by a shell that may first mount things, in namespaces of its own. */
  const confine = (script: string, more: Record<string, string> = {}): Promise<Agent> =>
    startAgent({}, () => {
      const run = `${script} exec "${process.execPath}" "${join(top, "dist", "hmonitor")}"`;
      const child = spawn("unshare", ["--pid", "--fork", "--mount", "--kill-child", "sh", "-ec", run], {
        env: { ...process.env, ...env, ...more },
        stdio: ["ignore", "pipe", "pipe"],
      });
      return programOf(child, "unshare");
    });

  /** Ends it by the number it has on the host: unshare itself leaves its child alone. */
  async function end({ program }: Agent): Promise<number | null> {
    const { pid } = program.child;
    const closed = new Promise<number | null>((resolve) => void program.child.once("close", resolve));
    process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim()), "SIGTERM");
    return await closed;
  }

  const seen = async (agent: Agent) => {
    const { gpus, sources, err } = await agent.info();
    expect(gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
    expect(err).toBeUndefined();
    const procs = gpus[0]?.procs ?? [];
    return { procs, note: sources.find(({ name }) => name === "nvidia") };
  };

  test("before: on the host both are named", async () => {
    const agent = await startAgent({}, () => start("hmonitor", [], env));
    const { procs, note } = await seen(agent);
    expect(procs).toMatchObject([
      { pid: job.pid, mem: 1_048_576n, basename: "sleep", uid: process.getuid?.() },
      { pid: 1, mem: 2_097_152n, uid: 0, username: "root" },
    ]);
    expect(note?.err).toBeUndefined();
    expect(await agent.stop()).toBe(0);
  });

  test("during: confined, it reports pid and memory, names nobody, and says why once", async () => {
    const agent = await confine("mount -t proc proc /proc;");
    const { procs, note } = await seen(agent);
    expect(procs).toMatchObject([
      { pid: job.pid, mem: 1_048_576n, elsewhere: true },
      { pid: 1, mem: 2_097_152n, elsewhere: true },
    ]);
    for (const { basename, uid, username, started, container } of procs) {
      expect([basename, uid, username, started, container]).toEqual(Array(5).fill(undefined));
    }
    expect(note).toMatchObject({ state: State.OK, err: expect.stringMatching(/^This container sees only its own/) });
    await agent.info();
    expect(agent.program.output().match(/This container sees only its own/g)).toHaveLength(1);
    expect(await end(agent)).toBe(0);
  });

  test("after: shown the host's /proc below its root, it names them again", async () => {
    const root = join(folder, "host");
    const mounts = `mount --rbind /proc "${root}/proc"; mount -t proc proc /proc;`;
    const agent = await confine(mounts, { GOHM_ROOT: root });
    const { procs, note } = await seen(agent);
    expect(procs).toMatchObject([
      { pid: job.pid, basename: "sleep" },
      { pid: 1, username: "root" },
    ]);
    expect(procs.map(({ elsewhere }) => elsewhere)).toEqual([undefined, undefined]);
    expect(note?.err).toBeUndefined();
    expect(await end(agent)).toBe(0);
  });
});
