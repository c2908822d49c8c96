// Time series databases that the history is compared with, started on loopback with their default settings.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Client } from "./client.ts";
import { type Question, shapes } from "./question.ts";
import { hostName, keyOf } from "./samples.ts";
import { labelOf } from "./write.ts";

/** One form of a query on a program. */
export interface QueryVariant {
  /** Difference from the plain variant, whose name is "". */
  readonly name: string;
  /** Paths that are requested one after the other; together they are the answer. */
  readonly paths: readonly string[];
  readonly accept?: string;
}

export interface Peer {
  readonly name: string;
  readonly pid: number;
  readonly client: Client;
  /** Path that takes remote write. */
  readonly writePath: string;
  /** Resolves when all samples are written and background work has finished. */
  settle(end: number): Promise<void>;
  /** Compacts the files as far as the program can, and returns their bytes, index included. */
  bytes(): Promise<number>;
  variants(question: Question): readonly QueryVariant[];
  stop(): Promise<void>;
}

/** Returns the PromQL selector of the series of a question. */
export function selector({ shape, host, column }: Question): string {
  if (shape === "fleet") return column.metric;
  const device =
    shape === "week" || column.level === "host" ? [] : [`${labelOf[column.level]}="${keyOf(host, column)}"`];
  return `${column.metric}{${[`host="${hostName(host)}"`, ...device].join(",")}}`;
}

/** Returns the path of a range query over the windows of a question; PromQL names a window by its end. */
export function range(expression: string, { shape, from, to }: Question): string {
  const step = shapes[shape] / 1000;
  const query = encodeURIComponent(expression);
  return `/api/v1/query_range?query=${query}&start=${from / 1000 + step}&end=${to / 1000}&step=${step}`;
}

/** Returns the path of a query of every sample of the range, by a range selector. */
export function samples(series: string, { from, to }: Question): string {
  const query = encodeURIComponent(`${series}[${(to - from) / 1000}s]`);
  return `/api/v1/query?query=${query}&time=${to / 1000}`;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

/** Kills a child process when this process exits. */
export function guard(child: ChildProcess): void {
  running.add(child);
  child.once("exit", () => running.delete(child));
}

/** Starts a program that is killed when this process ends for any reason. Resolves when `ready` answers 200. */
export async function launch(
  program: string,
  args: readonly string[],
  { port, ready }: { port: number; ready: string },
) {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  guard(child);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
  });
  const client = new Client(port);
  const stop = async (): Promise<void> => {
    client.close();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill();
    const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await ended;
    clearTimeout(late);
  };
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > 300) {
      await stop();
      throw new Error(`${program} did not start: ${said}`);
    }
    try {
      if ((await client.get(ready)).status === 200) return { pid: child.pid ?? 0, client, stop };
    } catch {
      // It does not listen yet.
    }
    await wait(100);
  }
}

/** Returns the total size of all files below a folder in bytes. */
export function bytesOf(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** Waits until a number has been constant for `still` milliseconds. @throws Error after five minutes */
export async function rest(read: () => Promise<number> | number, still: number): Promise<void> {
  let last = await read();
  let since = Date.now();
  const end = since + 300_000;
  while (Date.now() - since < still) {
    if (Date.now() > end) throw new Error("a program was still busy after five minutes");
    await wait(200);
    const now = await read();
    if (now !== last) since = Date.now();
    last = now;
  }
}
