// What keeping and reading history costs, beside Prometheus and VictoriaMetrics with the same samples in the same run.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Contest, type Cost, contest, type Time } from "./history/contest.ts";
import { draw, type Point, play, point, points, table } from "./history/growth.ts";
import { program as prometheus } from "./history/prometheus.ts";
import type { Shape } from "./history/question.ts";
import { columns as all, type Column, endOf, type Played, samplesOf } from "./history/samples.ts";
import { program as victoriaMetrics } from "./history/victoriametrics.ts";
import { type Claim, ensure, version } from "./measure.ts";

export const name = "history";

const day = 86_400_000;
/** GOHM_BENCH_DAYS plays another number of days. */
const days = Number(process.env.GOHM_BENCH_DAYS ?? 7);
const questionsOf: Readonly<Record<Shape, number>> = { series: 200, raw: 200, week: 60, fleet: 200 };

/** What is measured on the host itself, of very many: with their GPUs the peers would need an hour. */
const largeFleet = { hosts: 1000, days: 26 / 24, interval: 30, columns: all.filter(({ level }) => level !== "gpu") };

/** How to read the tables. */
const notes = [
  "GOHM's samples are appended poll by poll and written every second of the played time, in a process of their own; the peers",
  "get remote write over HTTP, 10,000 samples a request, so their figures hold the parsing of it. Everybody has every poll's own time to the millisecond.",
  "CPU, written bytes and memory are the kernel's for the whole process, until it has come to rest. Bytes on disk: GOHM's whole folder after closing,",
  "VictoriaMetrics' data and index after a forced merge, Prometheus' blocks with their index, without its write-ahead log and head.",
  "Questions go over one kept connection to each program in turn, and no series and time twice; answers to raw, week and fleet are compared first.",
  "The first 300 of series and raw, 100 of fleet and 60 of week do not count: GOHM was just started, and its code is compiled while it runs.",
  "query-series: one series, 24 h, step 60 s. query-raw: every sample of 24 h. query-week: 8 GPUs, 7 days, average, least and greatest of 5 minutes",
  "(VictoriaMetrics by rollup(), Prometheus by three queries). query-fleet: a host's metric, average over all hosts, 24 h, 5 minutes. GOHM answers in",
  "protobuf, as its page asks, where no other way is named. The claims take the fastest way of a peer that does the same work; for query-fleet that",
  "without VictoriaMetrics' cache of answers, since the windows asked for overlap.",
];

interface Wish {
  readonly hosts: number;
  readonly days: number;
  readonly interval: number;
  readonly columns?: readonly Column[];
}

/** A fleet that was watched until last midnight. */
function fleet(folder: string, { hosts, days, interval, columns = all }: Wish): Played {
  const polls = Math.floor((days * day) / interval / 1000);
  const end = Math.floor(Date.now() / day) * day;
  return { path: join(folder, `${hosts}-hosts`), hosts, polls, interval, from: end - polls * interval * 1000, columns };
}

const describe = (played: Played): string =>
  `${played.hosts} hosts × ${played.columns.length} series, every ${played.interval} s for ${((played.polls * played.interval) / 86_400).toFixed(1)} days: ${(samplesOf(played) / 1e6).toFixed(1)} million samples`;

function costTable({ costs, played }: Contest): string[] {
  const samples = samplesOf(played);
  const row = (what: string, of: (cost: Cost) => string): string => `| ${what} | ${costs.map(of).join(" | ")} |`;
  return [
    `| ${describe(played)} | ${costs.map(({ name }) => name).join(" | ")} |`,
    `|---|${costs.map(() => "---|").join("")}`,
    row("bytes on disk a sample", ({ bytes }) => (bytes / samples).toFixed(3)),
    row("CPU s a million samples", ({ cpu }) => ((cpu / samples) * 1e6).toFixed(3)),
    row("bytes written a sample, pages sent to the disk", ({ disk }) => (disk / samples).toFixed(2)),
    row("the same as given to write()", ({ calls }) => (calls / samples).toFixed(2)),
    row("memory at most", ({ peak }) => `${(peak / 2 ** 20).toFixed(0)} MiB`),
  ];
}

function timeTable({ costs, times }: Contest): string[] {
  const programs = costs.map(({ name }) => name);
  const cell = (found: Time | undefined): string =>
    found ? `${found.p50.toFixed(2)} (${found.p90.toFixed(2)}) ms, ${(found.bytes / 1000).toFixed(0)} kB` : "";
  const lines = [...Map.groupBy(times, ({ shape, way }) => `query-${shape}${way === "" ? "" : `, ${way}`}`)];
  return [
    `| p50 (p90), bytes of the answer | ${programs.join(" | ")} |`,
    `|---|${programs.map(() => "---|").join("")}`,
    ...lines.map(
      ([what, found]) =>
        `| ${what} | ${programs.map((name) => cell(found.find(({ program }) => program === name))).join(" | ")} |`,
    ),
  ];
}

/** Ways of a peer that do the same work from the samples: the fastest counts. */
const fair: Readonly<Record<Shape, readonly string[]>> = {
  series: ["", "no cache"],
  raw: ["", "by query"],
  week: ["", "no cache"],
  // The windows of these questions overlap: VictoriaMetrics' cache would answer most of each without reading.
  fleet: ["no cache"],
};

function claim({ times }: Contest, shape: Shape, peerName: string): Claim {
  const best = (program: string, ways: readonly string[]): number => {
    const own = times.filter((time) => time.program === program && time.shape === shape);
    const found = own.filter(({ way }) => ways.includes(way));
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
  const head = `Growth over time, ${describe(played)}; samples of 30 days, 5-minute summaries of a year; the store itself is asked, and query-week has only one day to read at the first mark. bench/${file}`;
  return [head, "", ...table("days", curve)];
}

async function overHosts(folder: string): Promise<string[]> {
  const counts = [10, 100, 1000];
  const curve: Point[] = [];
  for (const hosts of counts) {
    const played = fleet(folder, { hosts, days: 6 / 24, interval: 20 });
    // Asked while the newest hours are in memory still; the costs are those of all, after the store was closed.
    const [asked, end] = await play(played, [endOf(played) - 1000 * played.interval]);
    if (asked && end) curve.push({ ...point(end, hosts), asked: asked.asked });
  }
  const file = "history-hosts.svg";
  draw(file, { title: "From 10 to 1,000 hosts", across: "hosts" }, curve);
  const head = `Growth over hosts, × 46 series, every 20 s for 6 hours, of which the last 4 are in memory when the store itself is asked. bench/${file}`;
  return [head, "", ...table("hosts", curve)];
}

export async function run(print: (line: string) => void): Promise<Claim[]> {
  ensure(prometheus, "prometheus");
  ensure(victoriaMetrics, "victoria-metrics");
  // Not /tmp, which may be memory: nothing would be written then.
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
