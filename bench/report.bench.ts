// Benchmark of the daily reports: a day of many nodes, read from their Netdata and written by `gohm report`, compared with a plain
// tool of that kind in Python (requests, pandas), which reads nodes one after the other or by eight threads.
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { top } from "../test/program.ts";
import { differences, filesIn } from "../test/report/place.ts";
import { type Claim, ensure, isTrial, lasting, quantiles } from "./measure.ts";
import { costOf, python, type RunCost } from "./report/cost.ts";
import type { NodesOrder, PlayedNodes } from "./report/nodes.ts";

export const name = "report";

const date = "2025-08-01";
const zone = "Asia/Taipei";
const cards = 8;
const count = Math.max(4, Math.round(lasting(100)));
const rounds = isTrial ? 1 : 5;
const modules = "/usr/lib/python3/dist-packages";

interface Reporter {
  readonly words: string;
  readonly costs: RunCost[];
  /** @returns its command line, for a folder of reports */
  command(folder: string): [string, ...string[]];
}

async function playNodes(order: NodesOrder): Promise<{ readonly played: PlayedNodes; stop(): void }> {
  const child = fork(join(top, "bench", "report", "nodes.ts"));
  child.send(order);
  const [played] = (await once(child, "message")) as [PlayedNodes];
  return { played, stop: () => child.disconnect() };
}

/** @throws Error if they are not the same, byte for byte */
function compare(ours: Record<string, string>, peer: Record<string, string>): void {
  const [first] = differences(ours, peer);
  if (first !== undefined) throw new Error(`The files of gohm report differ from those of the plain tool: ${first}`);
  const made = Object.keys(ours).length;
  if (made !== count * (cards + 2)) throw new Error(`${made} files are not those of ${count} nodes`);
}

const median = (costs: readonly RunCost[], of: keyof RunCost): number => quantiles(costs.map((cost) => cost[of]))[0];

/** Writes what both programs are given. @returns the command lines */
function reporters(folder: string, { nodes, tasks }: PlayedNodes): readonly [Reporter, Reporter, Reporter] {
  const [settings, config] = [join(folder, "settings.json"), join(folder, "config.json")];
  const reports = {
    timezone: zone,
    nodes: Object.fromEntries(nodes.map(({ name: node, url }) => [node, { netdata: url }])),
    tasks: { url: tasks.url, token_file: join(folder, "token") },
  };
  writeFileSync(settings, JSON.stringify({ reports }));
  writeFileSync(config, JSON.stringify({ zone, nodes, tasks }));
  writeFileSync(join(folder, "token"), `${tasks.token}\n`, { mode: 0o600 });
  const plain =
    (workers: number) =>
    (out: string): [string, ...string[]] => [
      python,
      join(top, "bench", "report", "plain.py"),
      config,
      date,
      out,
      String(workers),
    ];
  return [
    {
      words: "gohm report",
      costs: [],
      command: (out) => [process.execPath, join(top, "dist", "gohm"), "report", date, "--data-dir", out],
    },
    { words: "Python, nodes one after the other", costs: [], command: plain(1) },
    { words: "Python, eight threads", costs: [], command: plain(8) },
  ];
}

/** Runs all of them by turns, each into a folder that was not there. @throws Error if their files differ */
async function measure(folder: string, all: readonly Reporter[]): Promise<number> {
  const env = { GOHM_SETTINGS: join(folder, "settings.json"), GOHM_DATA: join(folder, "data") };
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    const made: Record<string, string>[] = [];
    for (const one of all) {
      const out = join(folder, "out");
      mkdirSync(out);
      one.costs.push(await costOf(one.command(out), { file: join(folder, "cost.json"), env }));
      made.push(filesIn(out));
      rmSync(out, { recursive: true });
    }
    const [ours, ...peers] = made;
    if (ours === undefined) continue;
    for (const peer of peers) compare(ours, peer);
    bytes = Object.values(ours).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  }
  return bytes;
}

function* rowsOf(all: readonly Reporter[]): Iterable<string> {
  yield `| ${count} nodes with ${cards} GPUs, a day | ${all.map(({ words }) => words).join(" | ")} |`;
  yield `|---|${all.map(() => "---|").join("")}`;
  const row = (what: string, of: keyof RunCost, text: (value: number) => string): string =>
    `| ${what} | ${all.map(({ costs }) => text(median(costs, of))).join(" | ")} |`;
  yield row("time, s", "seconds", (value) => value.toFixed(2));
  yield row("CPU, s", "cpu", (value) => value.toFixed(2));
  yield row("greatest RSS", "rss", (value) => `${Math.round(value / 2 ** 20)} MiB`);
}

function versions(): string {
  const script =
    "import sys, requests, pandas; print(sys.version.split()[0], requests.__version__, pandas.__version__)";
  const [own, requests, pandas] = execFileSync(python, ["-c", script], { encoding: "utf8" }).trim().split(" ");
  return `Python ${own}, requests ${requests}, pandas ${pandas}`;
}

export async function run(print: (line: string) => void): Promise<Claim[]> {
  for (const module of ["requests", "pandas"]) ensure(join(modules, module), `python3-${module}`);
  const folder = mkdtempSync(join(tmpdir(), "gohm-report-"));
  const { played, stop } = await playNodes({ count, cards });
  try {
    const all = reporters(folder, played);
    const bytes = await measure(folder, all);
    print(`peer: ${versions()}; medians of ${rounds} runs by turns, each from the start of its program`);
    for (const row of rowsOf(all)) print(row);
    const program: [string, ...string[]] = [process.execPath, join(top, "dist", "gohm"), "--version"];
    const alone = await costOf(program, { file: join(folder, "cost.json"), env: {} });
    print("");
    print(`The program itself (gohm --version) has ${Math.round(alone.rss / 2 ** 20)} MiB.`);
    print(
      `The files are the same, byte for byte: ${count * (cards + 2)} of them, ${(bytes / 2 ** 20).toFixed(1)} MiB.`,
    );
    const [ours, plain, threads] = all;
    const claim = (claimed: string, of: keyof RunCost, peer: Reporter, unit: string): Claim => ({
      name: claimed,
      ours: median(ours.costs, of),
      peer: median(peer.costs, of),
      unit,
      peerName: peer === plain ? "requests-and-pandas" : "requests-and-pandas-8-threads",
    });
    return [
      claim("day-threads-time", "seconds", threads, "s"),
      claim("day-threads-cpu", "cpu", threads, "s"),
      claim("day-time", "seconds", plain, "s"),
      claim("day-cpu", "cpu", plain, "s"),
      claim("day-rss", "rss", plain, "bytes"),
    ].toSorted((a, b) => b.ours / b.peer - a.ours / a.peer);
  } finally {
    stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
