// Benchmark of the agent: CPU, memory and answer size, compared with node_exporter in the same run. Eight GPUs are played by
// the C player through the real FFI; everything else is read from this machine's /proc and /sys.
import { type ChildProcess, spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { type Agent, startAgent } from "../test/agent.ts";
import { player } from "../test/nvml/build.ts";
import { h100 } from "../test/nvml/rig.ts";
import { top } from "../test/program.ts";
import { type Claim, cpu, ensure, freePort, memory, version } from "./measure.ts";

const exporter = "/usr/bin/prometheus-node-exporter";
const warm = 500;
const measured = 3000;
const long = 30_000;

interface Peer {
  readonly child: ChildProcess;
  scrape(): Promise<number>;
}

async function startPeer(): Promise<Peer> {
  const port = await freePort();
  const child = spawn(exporter, [`--web.listen-address=127.0.0.1:${port}`], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`node_exporter ended with ${code}: ${said}`)));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/Listening on|TLS is disabled/.test(said)) resolve();
    });
  });
  const scrape = async (): Promise<number> => (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).length;
  return { child, scrape };
}

const pidOf = (child: ChildProcess): number => child.pid ?? 0;

/** Measures the CPU milliseconds of one call, as the mean of `measured` calls after a warm-up. */
async function perCall(pid: number, turn: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < warm; i++) await turn();
  const before = cpu(pid);
  for (let i = 0; i < measured; i++) await turn();
  return ((cpu(pid) - before) / measured) * 1000;
}

const played = (): Promise<Agent> => startAgent({ GOHM_NVML: player(), GOHM_PLAYER: h100 });

/** Measures the CPU milliseconds from start to first answer: the minimum of several runs, because other programs only add. */
async function startUp(): Promise<number> {
  const costs: number[] = [];
  for (let i = 0; i < 5; i++) {
    const agent = await played();
    await agent.raw();
    costs.push(cpu(pidOf(agent.program.child)) * 1000);
    await agent.stop();
  }
  return Math.min(...costs);
}

export const name = "agent";

export async function run(print: (line: string) => void): Promise<Claim[]> {
  ensure(exporter, "prometheus-node-exporter");
  const peer = await startPeer();
  const agent = await played();
  const pid = pidOf(agent.program.child);
  try {
    const answer = (await agent.raw()).length;
    const page = await peer.scrape();
    const ours = await perCall(pid, () => agent.raw());
    const theirs = await perCall(pidOf(peer.child), peer.scrape);
    for (let i = warm + measured; i < long; i++) await agent.raw();
    const mine = memory(pid);
    const other = memory(pidOf(peer.child));
    const starting = await startUp();
    const file = statSync(join(top, "dist", "hmonitor")).size;
    const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
    print(`peer: ${version(exporter, "--version")}; it reads no GPU`);
    print("| measured | GOHM agent, host + 8 played GPUs | node_exporter, host |");
    print("|---|---|---|");
    print(`| CPU per collection, mean of ${measured} | ${ours.toFixed(2)} ms | ${theirs.toFixed(2)} ms |`);
    print(`| bytes per answer | ${answer} | ${page} |`);
    print(`| PSS after ${long} polls, all processes | ${mib(mine.pss)} MiB | ${mib(other.pss)} MiB |`);
    print(`| anonymous memory | ${mib(mine.anonymous)} MiB | ${mib(other.anonymous)} MiB |`);
    print(`| CPU from start to first answer | ${starting.toFixed(0)} ms | |`);
    print(`| size of the program | ${(file / 1e6).toFixed(2)} MB | ${(statSync(exporter).size / 1e6).toFixed(2)} MB |`);
    const peerName = "node_exporter";
    return [
      { name: "agent-cpu", ours, peer: theirs, unit: "ms", peerName },
      {
        name: "agent-memory",
        ours: mine.pss / 2 ** 20,
        peer: other.rss / 2 ** 20,
        unit: "MiB-PSS-against-RSS",
        peerName,
      },
      { name: "agent-wire", ours: answer, peer: page, unit: "bytes", peerName },
    ];
  } finally {
    await agent.stop();
    peer.child.removeAllListeners("exit");
    peer.child.kill();
  }
}
