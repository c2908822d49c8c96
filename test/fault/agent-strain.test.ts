// The built agent on eight played GPUs under what machines and networks do to it: before, during and after.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { dial } from "../../hub/input/poll/channel.ts";
import { decode, hostLimits } from "../../proto/bound.ts";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import type { Agent } from "../agent.ts";
import { missingCompiler } from "../nvml/build.ts";
import { type EightGpuAgent, startEight } from "./eight.ts";

const reason = missingCompiler();

describe.skipIf(reason !== undefined)(`an agent with eight GPUs${reason ? `: ${reason}` : ""}`, () => {
  let eight: EightGpuAgent;
  let machine: string;
  let agent: Agent;
  const control = (lines: string): void => eight.control(lines);

  beforeEach(async () => {
    eight = await startEight({ GOHM_ALLOW: "127.0.0.1/32" });
    ({ machine, agent } = eight);
  });
  afterEach(async () => {
    expect(await agent.stop()).toBe(0);
    eight.remove();
  });

  const first = async () => (await agent.info()).gpus[0]?.procs[0];

  test("reports 5,000 processes on one card within a hub's limits, and afterwards the one that remains", async () => {
    const before = await first();
    const crowd = Array.from({ length: 5000 }, (_, i) => `${1_000_000 + i}:1048576:-:-`).join(" ");
    control(`nvmlDeviceGetComputeRunningProcesses 0 : 0 ${crowd}\n`);
    const info = decode(HostInfoSchema, await agent.raw(), hostLimits);
    expect(info.gpus[0]?.procs).toHaveLength(5000);
    expect(info.gpus.map(({ state }) => state)).toEqual(Array(8).fill(1));
    control("\n");
    expect(await first()).toEqual(before);
  });

  test("cuts a 4 KB process name, and removes control characters and invalid UTF-8 from it", async () => {
    const before = await first();
    const comm = join(machine, "proc", String(before?.pid), "comm");
    writeFileSync(comm, Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 37) % 256)));
    const info = decode(HostInfoSchema, await agent.raw(), hostLimits);
    const name = info.gpus[0]?.procs[0]?.basename ?? "";
    expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(256);
    expect(name).not.toMatch(/\p{Cc}/u);
    expect(info.gpus[0]?.procs[0]?.username).toBe("alice");
    writeFileSync(comm, "python3\n");
    expect(await first()).toEqual(before);
  });

  test("reports pid and memory of processes that it cannot see, as in a container, and their users once it can", async () => {
    const before = await first();
    const seen = join(machine, "proc", String(before?.pid));
    cpSync(seen, join(eight.folder, "hidden"), { recursive: true });
    rmSync(seen, { recursive: true });
    expect(await first()).toMatchObject({ pid: before?.pid, mem: before?.mem });
    expect((await first())?.username).toBeUndefined();
    cpSync(join(eight.folder, "hidden"), seen, { recursive: true });
    expect(await first()).toEqual(before);
  });

  test("answers its hub while a refused address connects 1,000 times, and logs that once", async () => {
    const knock = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect({ port: agent.port, host: "127.0.0.1", localAddress: "127.0.0.9" });
        socket.on("error", () => undefined).on("close", () => resolve());
      });
    const files = (): number => readdirSync(`/proc/${agent.program.child.pid}/fd`).length;
    await agent.info();
    const before = files();
    for (let round = 0; round < 10; round++) {
      const knocks = Array.from({ length: 100 }, knock);
      expect((await agent.info()).gpus).toHaveLength(8);
      await Promise.all(knocks);
    }
    await vi.waitUntil(() => files() <= before + 2);
    expect(agent.program.output().match(/Reject: 127\.0\.0\.9/g)).toHaveLength(1);
  });

  /** The same counters, further on: what the machine did while nobody looked. */
  function work(file: string, line: RegExp, more: Readonly<Record<number, number>>): void {
    const path = join(machine, "proc", file);
    const text = readFileSync(path, "utf8").replace(line, (all) => {
      const words = all.split(/ +/);
      for (const [at, added] of Object.entries(more)) words[Number(at)] = String(Number(words[Number(at)]) + added);
      return words.join(" ");
    });
    writeFileSync(path, text);
  }

  test("while suspended it misses a hub's deadline; resumed, it answers with the rates of the whole time", async () => {
    const channel = dial(`127.0.0.1:${agent.port}`);
    const ask = async (): Promise<HostInfo> => {
      const answer = await channel.ask(10_000);
      if (answer.kind !== "answer") throw new Error(answer.reason.text);
      return answer.info;
    };
    const before = await ask();
    agent.program.child.kill("SIGSTOP");
    expect(await channel.ask(500)).toMatchObject({ kind: "timeout" });
    work("stat", /^cpu .*$/m, { 1: 2500, 4: 7500 });
    work("net/dev", /ens6f0: .*$/m, { 1: 80_000_000 });
    agent.program.child.kill("SIGCONT");
    // Rates are counted over a second at least: the first answer may come too soon for them.
    const rated = async (): Promise<HostInfo> => {
      const info = await ask();
      return info.cpu?.busy === undefined ? await rated() : info;
    };
    const after = await rated();
    channel.close();
    expect(after.gpus.map(({ state }) => state)).toEqual(Array(8).fill(1));
    expect(after.gpus[0]?.procs).toEqual(before.gpus[0]?.procs);
    expect(after.cpu?.busy).toBe(25);
    const [nic] = after.nics.filter(({ name }) => name === "ens6f0");
    expect(Number(nic?.rxRate)).toBeGreaterThan(0);
    expect(Number(nic?.rxRate)).toBeLessThanOrEqual(80_000_000);
    expect(nic?.txRate).toBe(0n);
  });
});
