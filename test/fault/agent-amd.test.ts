// A driver that keeps whoever reads its files waiting for ever, and what an agent does then. A pipe that nobody writes
// into keeps its readers as such a driver does.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { type Agent, startAgent } from "../agent.ts";
import { top } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "agent-amd-"));
const root = join(folder, "machine");
const stuck = join(root, "sys/class/drm/card25/device/gpu_busy_percent");
let agent: Agent;

beforeAll(async () => {
  cpSync(join(top, "test", "capture", "ubuntu24.04-x86_64__8x-mi300x__rocm-6.4"), root, { recursive: true });
  // Without this it is no captured machine but one whose root is mounted here, and is read like any live one.
  rmSync(join(root, "capture.json"));
  agent = await startAgent({ GOHM_ROOT: root, GOHM_NVML: join(folder, "none"), GOHM_READ_DEADLINE: "2" });
  await agent.program.line(/^GPUs: 8/m);
});
afterAll(async () => {
  await agent.program.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("before: every card is read", async () => {
  expect((await agent.info()).gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
});

test("during: the card is hung, all others and the rest of the machine are read", async () => {
  rmSync(stuck);
  execFileSync("mkfifo", [stuck]);
  for (let i = 0; i < 3; i++) {
    const { gpus, memory, sources } = await agent.info();
    expect(gpus.map(({ state }) => state)).toEqual([
      ...Array(3).fill(State.OK),
      State.HUNG,
      ...Array(4).fill(State.OK),
    ]);
    expect(gpus[3]).toMatchObject({ card: 25, err: "The driver does not answer for this card" });
    expect(gpus[3]?.utilization).toBeUndefined();
    expect(gpus[4]?.utilization).toBe(87);
    expect(memory?.total).toBeDefined();
    expect(sources.find(({ name }) => name === "amdgpu")?.state).toBe(State.OK);
  }
});

/** What a process was started as; empty when it has ended, though nobody asked for its status yet. */
function command(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Shells that read sensors for the agent, by pid; those that ask for space on mounts are others. */
const shells = (parent: number | undefined): string[] =>
  readdirSync("/proc").filter(
    (pid) =>
      command(pid).includes("read -r text") &&
      Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1]) === parent,
  );

test("after: the agent stops though the reader never returned, and leaves no process behind", async () => {
  const left = shells(agent.program.child.pid);
  // The one that waits, and the one that reads on.
  expect(left).toHaveLength(2);
  expect(await agent.stop()).toBe(0);
  await vi.waitFor(() => expect(left.map(command)).toEqual(["", ""]));
});
