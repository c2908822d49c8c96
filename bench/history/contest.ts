// Writes the samples of one fleet to every program, measures the cost, then runs the same queries on each in turn.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cpu } from "../measure.ts";
import type { Client } from "./client.ts";
import { same, type Total, total } from "./compare.ts";
import { peak, written } from "./cost.ts";
import type { Mark } from "./ingest.ts";
import { ingest, startOurs } from "./ours.ts";
import type { Peer, QueryVariant } from "./peer.ts";
import { startPrometheus } from "./prometheus.ts";
import { type Question, questions, type Shape } from "./question.ts";
import { endOf, type PlayedFleet, readSamples, writeSamples } from "./samples.ts";
import { startVictoriaMetrics } from "./victoriametrics.ts";
import { headers, Writer } from "./write.ts";

/** Cost of writing all samples to a program. */
export interface Cost {
  readonly name: string;
  /** CPU seconds. */
  readonly cpu: number;
  /** Bytes, as in Mark. */
  readonly disk: number;
  readonly calls: number;
  readonly peak: number;
  readonly bytes: number;
}

/** Duration of the queries of one shape and variant. */
export interface Time {
  readonly program: string;
  readonly shape: Shape;
  readonly variant: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  /** Median size of an answer in bytes. */
  readonly bytes: number;
}

export interface Contest {
  readonly played: PlayedFleet;
  readonly costs: readonly Cost[];
  readonly times: readonly Time[];
  /** Checkpoints of the GOHM store. */
  readonly marks: readonly Mark[];
}

/** Samples per request, as vmagent sends by default (-remoteWrite.maxRowsPerBlock). */
const perRequest = 10_000;
/**
 * Warm-up queries of each shape, which do not count: our hub was just started, and its code is compiled during the first few
 * hundred queries; the peers run since the samples were written.
 */
const warm: Readonly<Record<Shape, number>> = { series: 300, raw: 300, week: 60, fleet: 100 };
/** Number of queries of each shape whose answers are compared. */
const checked = 5;

async function feed(peer: Peer, played: PlayedFleet): Promise<Cost> {
  const [before, io] = [cpu(peer.pid), written(peer.pid)];
  const writer = new Writer(played.columns);
  // Whole rounds over the hosts: each series is in a request once, with as many samples as rounds.
  const round = played.hosts * played.columns.length;
  const rounds = Math.max(1, Math.round(perRequest / round));
  for (const some of readSamples(played, rounds * played.hosts)) {
    const { status, body } = await peer.client.post(peer.writePath, writer.request(some), headers);
    if (status >= 300) throw new Error(`${peer.name} rejected samples with status ${status}: ${body}`);
  }
  await peer.settle(endOf(played));
  const cost = { name: peer.name, cpu: cpu(peer.pid) - before, peak: peak(peer.pid) };
  const { disk, calls } = written(peer.pid);
  return { ...cost, disk: disk - io.disk, calls: calls - io.calls, bytes: await peer.bytes() };
}

interface Contestant {
  readonly name: string;
  readonly client: Client;
  variants(question: Question): readonly QueryVariant[];
}

interface TimedAnswer {
  readonly ms: number;
  readonly bytes: number;
  readonly bodies: readonly Buffer[];
}

async function put(client: Client, { paths, accept }: QueryVariant): Promise<TimedAnswer> {
  const start = performance.now();
  const bodies: Buffer[] = [];
  for (const path of paths) {
    const { status, body } = await client.get(path, accept);
    if (status !== 200) throw new Error(`${path} was answered with status ${status}: ${body.subarray(0, 300)}`);
    bodies.push(body);
  }
  return { ms: performance.now() - start, bytes: bodies.reduce((sum, { length }) => sum + length, 0), bodies };
}

/** Compares the answers of all programs. @throws Error if one differs from the first program's */
async function compare(shape: Shape, asked: readonly Contestant[], all: readonly Question[]): Promise<void> {
  if (shape === "series") return;
  for (const question of all) {
    let first: Total | undefined;
    for (const { name, client, variants } of asked) {
      const variant = variants(question).find(({ accept }) => accept !== "application/x-protobuf");
      if (variant === undefined) continue;
      const found = total(shape, (await put(client, variant)).bodies);
      first ??= found;
      if (same(first, found)) continue;
      const difference = `${found.count} values with sum ${found.sum}, ours are ${first.count} with sum ${first.sum}`;
      throw new Error(`${name} answered ${variant.paths[0]} with ${difference}`);
    }
  }
}

/** Runs each query in every variant on every program before the next query, so that disturbances of the machine hit all. */
async function askAll(shape: Shape, asked: readonly Contestant[], all: readonly Question[]): Promise<Time[]> {
  await compare(shape, asked, all.slice(0, checked));
  const taken = new Map<string, { program: string; variant: string; all: { ms: number; bytes: number }[] }>();
  for (const [i, question] of all.entries()) {
    for (const { name, client, variants } of asked) {
      for (const variant of variants(question)) {
        const one = await put(client, variant);
        const id = `${name}\n${variant.name}`;
        const times = taken.get(id) ?? { program: name, variant: variant.name, all: [] };
        if (i >= warm[shape]) times.all.push({ ms: one.ms, bytes: one.bytes });
        taken.set(id, times);
      }
    }
  }
  return [...taken.values()].map(({ program, variant, all }) => {
    const at = (share: number, key: "bytes" | "ms"): number =>
      all.map((one) => one[key]).sort((a, b) => a - b)[Math.floor(all.length * share)] ?? Number.NaN;
    return { program, shape, variant, p50: at(0.5, "ms"), p90: at(0.9, "ms"), bytes: at(0.5, "bytes") };
  });
}

/** @param counts number of queries of each shape, without warm-up */
export async function contest(played: PlayedFleet, counts: Partial<Record<Shape, number>>): Promise<Contest> {
  const folder = `${played.path}.data`;
  mkdirSync(folder);
  const asked: (Contestant & { stop(): Promise<void> })[] = [];
  try {
    writeSamples(played);
    const marks = await ingest({
      folder: join(folder, "gohm"),
      played,
      marks: [endOf(played) - 1000 * played.interval],
    });
    const costs: Cost[] = marks.slice(-1).map((mark) => ({ name: "GOHM", ...mark }));
    for (const start of [startVictoriaMetrics, startPrometheus]) {
      const peer = await start(folder);
      asked.push(peer);
      costs.push(await feed(peer, played));
    }
    asked.unshift(await startOurs(join(folder, "gohm")));
    const times: Time[] = [];
    for (const [shape, count] of Object.entries(counts) as [Shape, number][]) {
      times.push(...(await askAll(shape, asked, questions(shape, played, warm[shape] + count))));
    }
    return { played, costs, times, marks };
  } finally {
    for (const { stop } of asked) await stop();
    rmSync(folder, { recursive: true });
    rmSync(played.path);
  }
}
