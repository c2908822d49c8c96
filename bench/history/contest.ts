// One fleet's samples given to all, what that cost each, and the same questions put to all of them in turn.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cpu } from "../measure.ts";
import { same, type Total, total } from "./compare.ts";
import type { Client } from "./client.ts";
import { peak, written } from "./cost.ts";
import type { Mark } from "./ingest.ts";
import { ingest, startOurs } from "./ours.ts";
import type { Peer, Way } from "./peer.ts";
import { startPrometheus } from "./prometheus.ts";
import { type Question, questions, type Shape } from "./question.ts";
import { endOf, type Played, readSamples, writeSamples } from "./samples.ts";
import { startVictoriaMetrics } from "./victoriametrics.ts";
import { headers, Writer } from "./write.ts";

/** What all samples have cost a program. */
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

/** How long a way of asking took. */
export interface Time {
  readonly program: string;
  readonly shape: Shape;
  readonly way: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  /** Bytes of a middling answer. */
  readonly bytes: number;
}

export interface Contest {
  readonly played: Played;
  readonly costs: readonly Cost[];
  readonly times: readonly Time[];
  /** Marks of our side. */
  readonly marks: readonly Mark[];
}

/** Samples in a request: what vmagent sends at once as it ships (-remoteWrite.maxRowsPerBlock). */
const perRequest = 10_000;
/**
 * Questions of each shape that are asked first and do not count: our hub was just started, and its code is compiled while
 * it runs, in some hundred questions; the peers have run since the samples came.
 */
const warm: Readonly<Record<Shape, number>> = { series: 300, raw: 300, week: 60, fleet: 100 };
/** Questions of each shape whose answers are compared. */
const checked = 5;

async function feed(peer: Peer, played: Played): Promise<Cost> {
  const [before, io] = [cpu(peer.pid), written(peer.pid)];
  const writer = new Writer(played.columns);
  // Whole rounds over the hosts: a series then stands in a request once, with as many samples as rounds.
  const round = played.hosts * played.columns.length;
  const rounds = Math.max(1, Math.round(perRequest / round));
  for (const some of readSamples(played, rounds * played.hosts)) {
    const { status, body } = await peer.client.post(peer.writePath, writer.request(some), headers);
    if (status >= 300) throw new Error(`${peer.name} refuses samples with ${status}: ${body}`);
  }
  await peer.settle(endOf(played));
  const cost = { name: peer.name, cpu: cpu(peer.pid) - before, peak: peak(peer.pid) };
  const { disk, calls } = written(peer.pid);
  return { ...cost, disk: disk - io.disk, calls: calls - io.calls, bytes: await peer.bytes() };
}

interface Asked {
  readonly name: string;
  readonly client: Client;
  ways(question: Question): readonly Way[];
}

interface Answered {
  readonly ms: number;
  readonly bytes: number;
  readonly bodies: readonly Buffer[];
}

async function put(client: Client, { paths, accept }: Way): Promise<Answered> {
  const start = performance.now();
  const bodies: Buffer[] = [];
  for (const path of paths) {
    const { status, body } = await client.get(path, accept);
    if (status !== 200) throw new Error(`${path} is answered with ${status}: ${body.subarray(0, 300)}`);
    bodies.push(body);
  }
  return { ms: performance.now() - start, bytes: bodies.reduce((sum, { length }) => sum + length, 0), bodies };
}

/** @throws Error where one program answers other numbers than the first */
async function agree(shape: Shape, asked: readonly Asked[], all: readonly Question[]): Promise<void> {
  if (shape === "series") return;
  for (const question of all) {
    let first: Total | undefined;
    for (const { name, client, ways } of asked) {
      const way = ways(question).find(({ accept }) => accept !== "application/x-protobuf");
      if (way === undefined) continue;
      const found = total(shape, (await put(client, way)).bodies);
      first ??= found;
      if (same(first, found)) continue;
      const told = `${found.count} numbers, ${found.sum} in all, where ours are ${first.count} and ${first.sum}`;
      throw new Error(`${name} answers ${way.paths[0]} with ${told}`);
    }
  }
}

/** Every question to every program in every way before the next: what disturbs the machine disturbs all alike. */
async function askAll(shape: Shape, asked: readonly Asked[], all: readonly Question[]): Promise<Time[]> {
  await agree(shape, asked, all.slice(0, checked));
  const taken = new Map<string, { program: string; way: string; all: { ms: number; bytes: number }[] }>();
  for (const [i, question] of all.entries()) {
    for (const { name, client, ways } of asked) {
      for (const way of ways(question)) {
        const one = await put(client, way);
        const id = `${name}\n${way.name}`;
        const times = taken.get(id) ?? { program: name, way: way.name, all: [] };
        if (i >= warm[shape]) times.all.push({ ms: one.ms, bytes: one.bytes });
        taken.set(id, times);
      }
    }
  }
  return [...taken.values()].map(({ program, way, all }) => {
    const at = (share: number, key: "bytes" | "ms"): number =>
      all.map((one) => one[key]).sort((a, b) => a - b)[Math.floor(all.length * share)] ?? Number.NaN;
    return { program, shape, way, p50: at(0.5, "ms"), p90: at(0.9, "ms"), bytes: at(0.5, "bytes") };
  });
}

/** @param counts questions of each shape, warm-up left out */
export async function contest(played: Played, counts: Partial<Record<Shape, number>>): Promise<Contest> {
  const folder = `${played.path}.data`;
  mkdirSync(folder);
  const asked: (Asked & { stop(): Promise<void> })[] = [];
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
