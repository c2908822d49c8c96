// A month of records, imported into the hub and kept as CSV files by the other server: what an import costs, and answers to
// the logger's questions.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Zone } from "../../program/zone.ts";
import { type HubFolder, hubFolder, startHub } from "../../test/hub.ts";
import { type Month, writeMonth } from "../../test/logger/month.ts";
import { post } from "../../test/post.ts";
import { bare, program } from "../../test/system/gohm.ts";
import { cpu, lasting, memory, quantiles } from "../measure.ts";
import type { PlainServer } from "./python.ts";

export const days = Math.max(2, Math.round(lasting(30)));
/** Seconds between two records of a card. */
export const seconds = 5;
const first = "2026-01-05";

/** What an import of the month cost the hub. */
export interface ImportCost {
  readonly rows: number;
  readonly seconds: number;
  readonly cpu: number;
  /** Greatest resident memory during the import, and before it, in bytes. */
  readonly rss: number;
  readonly rssBefore: number;
  /** Bytes of the history, and of the files. */
  readonly stored: number;
  readonly files: number;
}

/** A question to both servers. Times and CPU in milliseconds. */
export interface QuestionCost {
  readonly words: string;
  readonly claim: string;
  /** The hub's first answer after its start, and the median of further ones. */
  readonly cold: number;
  readonly warm: number;
  /** CPU of an answer of the hub: of the first one, and of a further one. */
  readonly coldCpu: number;
  readonly warmCpu: number;
  readonly peer: number;
  readonly peerCpu: number;
}

interface MonthQuestion {
  readonly words: string;
  readonly claim: string;
  readonly path: string;
  readonly body: object;
  /** The numbers of the hub's answer by name, which the other server's answer has, too. */
  numbers(data: unknown): Readonly<Record<string, number>>;
}

/** The questions that read most first. */
const questionsOf = ({ first: start_date, last: end_date }: Month): MonthQuestion[] => [
  {
    words: "statistics of all GPUs",
    claim: "statistics",
    path: "/api/gpu/statistics",
    body: { start_date, end_date },
    numbers: (data) => data as Record<string, number>,
  },
  {
    words: "usage by hour of one client's eight GPUs",
    claim: "hourly-usage",
    path: "/api/gpu/hourly-usage",
    body: { start_date, end_date, client_name: "gpu-node-01" },
    numbers(data) {
      const { chart_data: hours } = data as { chart_data: { date: string; hour: number; utilization: number }[] };
      return Object.fromEntries(hours.map(({ date, hour, utilization }) => [`${date} ${hour}`, utilization]));
    },
  },
];

/** Writes the month as CSV files into a folder. */
export const write = (folder: string): Month => writeMonth(folder, { zone: new Zone("UTC"), first, days, seconds });

const sizeOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0);

/** Imports the files of a folder by `gohm import` into a new hub. */
async function importCost(at: HubFolder, folder: string, month: Month): Promise<ImportCost> {
  const hub = await startHub(at);
  try {
    const pid = hub.child.pid ?? 0;
    const [used, rssBefore, begun] = [cpu(pid), memory(pid).rss, performance.now()];
    let rss = 0;
    const watch = setInterval(() => {
      rss = Math.max(rss, memory(pid).rss);
    }, 250);
    const env = { ...bare, GOHM_DATA: at.data };
    const child = spawn(process.execPath, [program, "import", folder], { env, stdio: ["ignore", "ignore", "inherit"] });
    const [status] = (await once(child, "exit")) as [number | null];
    clearInterval(watch);
    if (status !== 0) throw new Error(`gohm import ended with ${status}`);
    const cost = {
      rows: month.rows,
      seconds: (performance.now() - begun) / 1000,
      cpu: cpu(pid) - used,
      rss,
      rssBefore,
    };
    await hub.stop();
    return { ...cost, stored: sizeOf(at.data), files: sizeOf(folder) };
  } finally {
    await hub.stop();
  }
}

async function timed(url: string, pid: number, { path, body }: MonthQuestion) {
  const [used, begun] = [cpu(pid), performance.now()];
  const headers = { "content-type": "application/json" };
  const { status, text } = await post(url + path, Buffer.from(JSON.stringify(body)), headers);
  const ms = performance.now() - begun;
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  return { ms, cpu: (cpu(pid) - used) * 1000, answer: JSON.parse(text) as unknown };
}

/** Answers of the hub after the first one. */
const repeats = 9;

/** Asks both servers, each question of a hub that has just started. @throws Error if their answers differ */
async function questionCost(question: MonthQuestion, at: HubFolder, plain: PlainServer): Promise<QuestionCost> {
  const { words, claim } = question;
  const hub = await startHub(at);
  try {
    const pid = hub.child.pid ?? 0;
    const cold = await timed(hub.url, pid, question);
    const warm: { readonly ms: number; readonly cpu: number }[] = [];
    for (let i = 0; i < repeats; i++) warm.push(await timed(hub.url, pid, question));
    const peer = await timed(plain.url, plain.pid, question);
    const mine = question.numbers((cold.answer as { data: unknown }).data);
    for (const [what, value] of Object.entries(peer.answer as Record<string, number>)) {
      // Sums of floats, as pandas makes them, may be rounded to the hundredth beside the right one.
      if (Math.abs((mine[what] ?? Number.NaN) - value) < 0.0101) continue;
      throw new Error(`${words}: ${what} is ${mine[what]} for the hub, and ${value} for pandas`);
    }
    return {
      ...{ words, claim, cold: cold.ms, coldCpu: cold.cpu, peer: peer.ms, peerCpu: peer.cpu },
      warm: quantiles(warm.map(({ ms }) => ms))[0],
      warmCpu: warm.reduce((sum, { cpu }) => sum + cpu, 0) / repeats,
    };
  } finally {
    await hub.stop();
  }
}

export interface MonthCost {
  readonly imported: ImportCost;
  readonly questions: readonly QuestionCost[];
}

/** @param folder the CSV files, which the other server reads, too */
export async function monthCost(folder: string, month: Month, plain: PlainServer): Promise<MonthCost> {
  const at = hubFolder();
  at.write({ hub: { timezone: "UTC" }, history: { retention: { raw: "forever", "5m": "forever" } } });
  try {
    mkdirSync(at.data, { recursive: true, mode: 0o700 });
    const imported = await importCost(at, folder, month);
    const questions: QuestionCost[] = [];
    for (const question of questionsOf(month)) questions.push(await questionCost(question, at, plain));
    return { imported, questions };
  } finally {
    at.remove();
  }
}

/** Rows for the results. */
export function* monthRows({ imported, questions }: MonthCost): Iterable<string> {
  const count = (value: number): string => Math.round(value).toLocaleString("en");
  const mib = (bytes: number): string => `${count(bytes / 2 ** 20)} MiB`;
  yield "| asked for, ms | GOHM hub, first answer after its start | further answers | pandas |";
  yield "|---|---|---|---|";
  for (const one of questions) {
    yield `| ${one.words} | ${one.cold.toFixed(0)} | ${one.warm.toFixed(1)} | ${count(one.peer)} |`;
    yield `| CPU of it | ${one.coldCpu.toFixed(0)} | ${one.warmCpu.toFixed(1)} | ${count(one.peerCpu)} |`;
  }
  yield "";
  yield "| gohm import | |";
  yield "|---|---|";
  yield `| rows | ${count(imported.rows)} |`;
  yield `| rows a second | ${count(imported.rows / imported.seconds)} |`;
  yield `| CPU of the hub for a row | ${((imported.cpu / imported.rows) * 1e6).toFixed(2)} µs |`;
  yield `| greatest RSS of the hub | ${mib(imported.rss)}, ${mib(imported.rssBefore)} before |`;
  yield `| size of the history | ${mib(imported.stored)}, of the CSV files ${mib(imported.files)} |`;
}
