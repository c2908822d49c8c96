// Benchmark of the history: cost of storing and querying, compared with Prometheus and VictoriaMetrics, with the same samples
// in the same run.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Contest, type Cost, contest, type Time } from "./history/contest.ts";
import { draw, type Point, play, point, points, table } from "./history/growth.ts";
import { program as prometheus } from "./history/prometheus.ts";
import type { Shape } from "./history/question.ts";
import { columns as all, type Column, endOf, type PlayedFleet, samplesOf } from "./history/samples.ts";
import { program as victoriaMetrics } from "./history/victoriametrics.ts";
import { type Claim, ensure, version } from "./measure.ts";

export const name = "history";

const day = 86_400_000;
/** Days of samples; GOHM_BENCH_DAYS sets another number. */
const days = Number(process.env.GOHM_BENCH_DAYS ?? 7);
const questionsOf: Readonly<Record<Shape, number>> = { series: 200, raw: 200, week: 60, fleet: 200 };

/** A large fleet with the metrics of hosts only: with those of GPUs, too, the peers would need an hour. */
const largeFleet = { hosts: 1000, days: 26 / 24, interval: 30, columns: all.filter(({ level }) => level !== "gpu") };

/** Explanation of the tables. */
const notes = [
  "GOHM's samples are appended poll by poll and written every second of the simulated time, in a process of its own; the peers",
  "receive remote write over HTTP, 10,000 samples per request, and their figures include parsing it. All store every poll's own time to the millisecond.",
  "CPU, written bytes and memory are the kernel's figures of the whole process, until background work has finished. Bytes on disk: GOHM's whole folder after closing,",
  "VictoriaMetrics' data and index after a forced merge, Prometheus' blocks with their index, without its write-ahead log and head.",
  "Queries go over one keep-alive connection to each program in turn, no series and time twice; the answers to raw, week and fleet are compared first.",
  "The first 300 of series and raw, 100 of fleet and 60 of week do not count: GOHM was just started, and its code is compiled while it runs.",
  "query-series: one series, 24 h, step 60 s. query-raw: every sample of 24 h. query-week: 8 GPUs, 7 days, average, minimum and maximum of 5 minutes",
  "(VictoriaMetrics with rollup(), Prometheus with three queries). query-fleet: a host's metric, average over all hosts, 24 h, 5 minutes. GOHM answers in",
  "protobuf, as its page requests, unless another variant is named. The claims use a peer's fastest variant that does the same work; for query-fleet that is",
  "the one without VictoriaMetrics' response cache, because the windows of the queries overlap.",
];

interface FleetOptions {
  readonly hosts: number;
  readonly days: number;
  readonly interval: number;
  readonly columns?: readonly Column[];
}

/** Describes a simulated fleet whose polls end at the last midnight (UTC). */
function fleet(folder: string, { hosts, days, interval, columns = all }: FleetOptions): PlayedFleet {
  const polls = Math.floor((days * day) / interval / 1000);
  const end = Math.floor(Date.now() / day) * day;
  return { path: join(folder, `${hosts}-hosts`), hosts, polls, interval, from: end - polls * interval * 1000, columns };
}

const describe = (played: PlayedFleet): string =>
  `${played.hosts} hosts × ${played.columns.length} series, every ${played.interval} s for ${((played.polls * played.interval) / 86_400).toFixed(1)} days: ${(samplesOf(played) / 1e6).toFixed(1)} million samples`;

function costTable({ costs, played }: Contest): string[] {
  const samples = samplesOf(played);
  const row = (what: string, of: (cost: Cost) => string): string => `| ${what} | ${costs.map(of).join(" | ")} |`;
  return [
    `| ${describe(played)} | ${costs.map(({ name }) => name).join(" | ")} |`,
    `|---|${costs.map(() => "---|").join("")}`,
    row("bytes on disk per sample", ({ bytes }) => (bytes / samples).toFixed(3)),
    row("CPU s per million samples", ({ cpu }) => ((cpu / samples) * 1e6).toFixed(3)),
    row("bytes written to the disk per sample", ({ disk }) => (disk / samples).toFixed(2)),
    row("bytes passed to write() per sample", ({ calls }) => (calls / samples).toFixed(2)),
    row("peak memory", ({ peak }) => `${(peak / 2 ** 20).toFixed(0)} MiB`),
  ];
}

function timeTable({ costs, times }: Contest): string[] {
  const programs = costs.map(({ name }) => name);
  const cell = (found: Time | undefined): string =>
    found ? `${found.p50.toFixed(2)} (${found.p90.toFixed(2)}) ms, ${(found.bytes / 1000).toFixed(0)} kB` : "";
  const lines = [
    ...Map.groupBy(times, ({ shape, variant }) => `query-${shape}${variant === "" ? "" : `, ${variant}`}`),
  ];
  return [
    `| p50 (p90), size of the answer | ${programs.join(" | ")} |`,
    `|---|${programs.map(() => "---|").join("")}`,
    ...lines.map(
      ([what, found]) =>
        `| ${what} | ${programs.map((name) => cell(found.find(({ program }) => program === name))).join(" | ")} |`,
    ),
  ];
}

/** Variants of a peer's queries that do the same work from the samples: the fastest counts. */
const fair: Readonly<Record<Shape, readonly string[]>> = {
  series: ["", "no cache"],
  raw: ["", "by query"],
  week: ["", "no cache"],
  // The windows of these queries overlap: VictoriaMetrics' cache would answer most of each without reading.
  fleet: ["no cache"],
};

function claim({ times }: Contest, shape: Shape, peerName: string): Claim {
  const best = (program: string, variants: readonly string[]): number => {
    const own = times.filter((time) => time.program === program && time.shape === shape);
    const found = own.filter(({ variant }) => variants.includes(variant));
    return Math.min(...(found.length > 0 ? found : own).map(({ p50 }) => p50));
  };
  return { name: `query-${shape}`, ours: best("GOHM", [""]), peer: best(peerName, fair[shape]), unit: "ms", peerName };
}

function costClaims({ costs, played }: Contest): Claim[] {
  const [ours, ...peers] = costs;
  const samples = samplesOf(played);
  return peers.flatMap((peer) => {
    const per = (name: string, key: "bytes" | "cpu" | "disk", [unit, factor]: readonly [string, number]): Claim => ({
      name,
      ours: ((ours?.[key] ?? Number.NaN) / samples) * factor,
      peer: (peer[key] / samples) * factor,
      unit,
      peerName: peer.name,
    });
    return [
      per("store-bytes", "bytes", ["bytes-a-sample", 1]),
      per("store-cpu", "cpu", ["CPU-s-a-million-samples", 1e6]),
      per("store-written", "disk", ["bytes-a-sample", 1]),
    ];
  });
}

const marked = [1, 7, 30, 90, 180, 365];

async function overTime(folder: string): Promise<string[]> {
  const played = fleet(folder, { hosts: 2, days: 365, interval: 120 });
  const end = endOf(played) - 1000 * played.interval;
  const marks = await play(
    played,
    marked.map((mark) => Math.min(played.from + mark * day, end)),
  );
  const curve = points(marks, marked);
  const file = "history-days.svg";
  draw(file, { title: "One year of history", across: "days of history" }, curve);
  const head = `Growth over time, ${describe(played)}; samples of 30 days, 5-minute rollups of a year; queries run on the store itself, and query-week has only one day to read at the first point. bench/${file}`;
  return [head, "", ...table("days", curve)];
}

async function overHosts(folder: string): Promise<string[]> {
  const counts = [10, 100, 1000];
  const curve: Point[] = [];
  for (const hosts of counts) {
    const played = fleet(folder, { hosts, days: 6 / 24, interval: 20 });
    // Queries run while the newest hours are still in memory; the costs are of all samples, after the store was closed.
    const [asked, end] = await play(played, [endOf(played) - 1000 * played.interval]);
    if (asked && end) curve.push({ ...point(end, hosts), asked: asked.asked });
  }
  const file = "history-hosts.svg";
  draw(file, { title: "From 10 to 1,000 hosts", across: "hosts" }, curve);
  const head = `Growth over hosts, × 46 series, every 20 s for 6 hours, of which the last 4 are in memory when queries run on the store itself. bench/${file}`;
  return [head, "", ...table("hosts", curve)];
}

export async function run(print: (line: string) => void): Promise<Claim[]> {
  ensure(prometheus, "prometheus");
  ensure(victoriaMetrics, "victoria-metrics");
  // Not in /tmp, which may be in memory, without writes to a disk.
  const folder = mkdtempSync("/var/tmp/gohm-history-");
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const show = (lines: readonly string[]): void => ["", ...lines].forEach(print);
  try {
    print(`peers: ${version(victoriaMetrics, "-version")}; ${version(prometheus, "--version")}`);
    const small = await contest(fleet(folder, { hosts: 16, days, interval: 10 }), questionsOf);
    show(notes);
    show(costTable(small));
    show(timeTable(small));
    const large = await contest(fleet(folder, largeFleet), { fleet: 100 });
    show(costTable(large));
    show(timeTable(large));
    for (const lines of [await overTime(folder), await overHosts(folder)]) show(lines);
    const at = (contest: Contest, name: string, shape: Shape): Claim[] =>
      ["VictoriaMetrics", "Prometheus"].map((peer) => ({ ...claim(contest, shape, peer), name }));
    return [
      ...costClaims(small),
      ...at(small, "query-series", "series"),
      ...at(small, "query-raw", "raw"),
      ...at(small, "query-week", "week"),
      ...at(small, "query-fleet", "fleet"),
      ...at(large, "query-fleet-1000", "fleet"),
    ];
  } finally {
    remove();
  }
}
