// Benchmark of the hub: CPU and memory of polling and storing, compared with Prometheus, which scrapes the same series from
// the same simulated fleet in the same run; the size of the page's feed; and machines that push beside polled ones.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { hubFolder, startHub } from "../test/hub.ts";
import { top } from "../test/program.ts";
import { endCost, endRows, mostMs } from "./hub/end.ts";
import { feedSizes } from "./hub/feed.ts";
import { holeCost, holeRows, lateEnds } from "./hub/hole.ts";
import { each, pollEnds, pushCost, rows } from "./hub/push.ts";
import { type Claim, cpu, ensure, freePort, lasting, memory, version } from "./measure.ts";

const peer = "/usr/bin/prometheus";
const hosts = 100;
/** Seconds between two polls of a host: short, so that a minute holds thousands. */
const interval = 1;
const warmUp = lasting(15_000);
const measured = lasting(30_000);

interface Fleet {
  readonly child: ChildProcess;
  readonly grpc: number;
  readonly web: number;
  counts(): Promise<{ calls: number; scrapes: number }>;
}

async function startFleet(): Promise<Fleet> {
  const child = fork(join(top, "bench", "fleet.ts"));
  const [ports] = (await once(child, "message")) as [{ grpc: number; web: number }];
  return {
    child,
    ...ports,
    async counts() {
      child.send("counts");
      const [counts] = (await once(child, "message")) as [{ calls: number; scrapes: number }];
      return counts;
    },
  };
}

interface Cost {
  /** CPU milliseconds per poll. */
  readonly each: number;
  readonly polls: number;
  readonly rss: number;
}

async function cost(pid: number, polls: () => Promise<number>): Promise<Cost> {
  await wait(warmUp);
  const [before, first] = [cpu(pid), await polls()];
  await wait(measured);
  const [after, last] = [cpu(pid), await polls()];
  return { each: ((after - before) / (last - first)) * 1000, polls: last - first, rss: memory(pid).rss };
}

async function ours(fleet: Fleet): Promise<Cost> {
  const at = hubFolder();
  const servers = Object.fromEntries(Array.from({ length: hosts }, (_, i) => [`h${i}`, `127.0.0.1:${fleet.grpc}`]));
  at.write({ servers, poll: { interval } });
  const hub = await startHub(at);
  try {
    return await cost(hub.child.pid ?? 0, async () => (await fleet.counts()).calls);
  } finally {
    await hub.stop();
    at.remove();
  }
}

async function theirs(fleet: Fleet): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), "gohm-prometheus-"));
  const port = await freePort();
  const targets = Array.from(
    { length: hosts },
    (_, i) => `      - targets: ["127.0.0.1:${fleet.web}"]\n        labels: {__param_host: "h${i}", instance: "h${i}"}`,
  );
  const config = join(folder, "prometheus.yml");
  writeFileSync(
    config,
    `global: {scrape_interval: ${interval}s}\nscrape_configs:\n  - job_name: fleet\n    static_configs:\n${targets.join("\n")}\n`,
  );
  const child = spawn(
    peer,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: "ignore" },
  );
  try {
    return await cost(child.pid ?? 0, async () => (await fleet.counts()).scrapes);
  } finally {
    const ended = once(child, "exit");
    child.kill();
    await ended;
    rmSync(folder, { recursive: true });
  }
}

export const name = "hub";

export async function run(print: (line: string) => void): Promise<Claim[]> {
  ensure(peer, "prometheus");
  const fleet = await startFleet();
  try {
    const mine = await ours(fleet);
    const other = await theirs(fleet);
    const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
    print(
      `peer: ${version(peer, "--version")}; ${hosts} hosts × 8 GPUs, every ${interval} s, stored; without the cost of the simulated fleet`,
    );
    print("| measured | GOHM hub, whole HostInfo with 24 processes | Prometheus, 46 series as text |");
    print("|---|---|---|");
    print(
      `| CPU per poll of a host | ${mine.each.toFixed(3)} ms (${mine.polls} polls) | ${other.each.toFixed(3)} ms (${other.polls} scrapes) |`,
    );
    print(`| RSS at the end | ${mib(mine.rss)} MiB | ${mib(other.rss)} MiB |`);
    const { first, delta, json } = feedSizes();
    const kilo = (bytes: number): string => `${(bytes / 1000).toFixed(1)} KB`;
    print("");
    print("| sent to the page, compressed, 200 hosts × 8 busy GPUs | GOHM feed | JSON of all hosts |");
    print("|---|---|---|");
    print(`| first event | ${kilo(first)} | ${kilo(json)} |`);
    print(`| event after a further answer of each host | ${kilo(delta)} | ${kilo(json)} |`);
    print("");
    const pushes = await pushCost(fleet);
    for (const row of rows(pushes)) print(row);
    const ends = pollEnds(pushes);
    const holes = await holeCost(fleet);
    print("");
    for (const row of holeRows(holes)) print(row);
    const late = lateEnds(holes);
    const end = await endCost(fleet);
    print("");
    for (const row of endRows(end)) print(row);
    const peerName = "Prometheus";
    const feed = { peer: json / 1000, unit: "KB", peerName: "JSON" };
    return [
      { name: "feed-first", ours: first / 1000, ...feed },
      { name: "feed-delta", ours: delta / 1000, ...feed },
      { name: "poll-cpu", ours: mine.each, peer: other.each, unit: "ms", peerName },
      { name: "push-cpu", ours: each("sample", pushes), peer: mine.each, unit: "ms", peerName: "poll" },
      { name: "poll-end-p99", ours: ends.sample[1], peer: ends.quiet[1], unit: "ms", peerName: "without-pushes" },
      { name: "hole-p99", ours: late.holes[1], peer: late.alone[1], unit: "ms", peerName: "without-them" },
      { name: "end", ours: end, peer: mostMs, unit: "ms", peerName: "limit" },
      { name: "poll-memory", ours: mine.rss / hosts / 1e6, peer: other.rss / hosts / 1e6, unit: "MB-a-host", peerName },
    ];
  } finally {
    fleet.child.disconnect();
  }
}
