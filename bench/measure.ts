// Measurements that all benchmarks use: CPU and memory of processes from /proc, and the format of claims.
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Clock ticks a second in /proc/PID/stat; 100 on every Linux that Node runs on (getconf CLK_TCK). */
const ticks = 100;

interface Stat {
  readonly parent: number;
  /** User and system time of all its threads, in seconds. */
  readonly cpu: number;
}

function stat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name is in parentheses and may contain any character.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) / ticks };
  } catch {
    // The process exited after it was listed.
    return undefined;
  }
}

/** Returns the pids of a process and its descendants. */
function tree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const found = Number.isInteger(pid) ? stat(pid) : undefined;
    if (found) parents.set(pid, found.parent);
  }
  const all = [root];
  for (const pid of all) for (const [child, parent] of parents) if (parent === pid) all.push(child);
  return all;
}

/** Returns the CPU seconds, user and system, of a process and its running descendants. */
export const cpu = (root: number): number => tree(root).reduce((sum, pid) => sum + (stat(pid)?.cpu ?? 0), 0);

export interface Memory {
  /** Proportional set size: shared pages divided among those that share them. */
  readonly pss: number;
  readonly rss: number;
  readonly anonymous: number;
}

/** Returns the memory of a process and its descendants in bytes, from smaps_rollup. */
export function memory(root: number): Memory {
  const sum = { pss: 0, rss: 0, anonymous: 0 };
  for (const pid of tree(root)) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
    sum.pss += bytes("Pss");
    sum.rss += bytes("Rss");
    sum.anonymous += bytes("Anonymous");
  }
  return sum;
}

/** Median, 99th percentile and maximum. */
export type Quantiles = readonly [number, number, number];

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  return [at(0.5), at(0.99), at(1)];
}

export const shown = (values: Quantiles): string => values.map((value) => value.toFixed(1)).join(", ");

const scale = Number(process.env.GOHM_BENCH_SCALE ?? 1);

/** True if measurements are too short for results. */
export const isTrial = scale < 1;

/** How long a measurement lasts, in milliseconds. */
export const lasting = (ms: number): number => ms * scale;

/** One result of a benchmark: our figure and the peer's. */
export interface Claim {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  readonly unit: string;
  readonly peerName: string;
}

const short = (value: number): string => String(Number(value.toPrecision(4)));

export const ratio = ({ name, ours, peer, unit, peerName }: Claim): string =>
  `RATIO ${name} ${(ours / peer).toFixed(3)} ${short(ours)} ${short(peer)} ${unit} ${peerName}`;

/** Installs a program from a Debian package if it is missing and apt can be used. @throws Error naming the package to install */
export function ensure(program: string, name: string): void {
  if (existsSync(program)) return;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    spawnSync("apt-get", ["update", "-q"], { env });
    spawnSync("apt-get", ["install", "-qy", "--no-install-recommends", name], { env });
  }
  if (!existsSync(program)) throw new Error(`This benchmark needs ${program}: as root, apt-get install ${name}`);
}

/** Returns the first line of a program's version output. */
export function version(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return (stdout || stderr).split("\n")[0]?.trim() ?? "";
}

/** Describes the date, commit, Node and CPU of a run. */
export function conditions(): string {
  const model = /model name\s*:\s*(.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown CPU";
  const cores = readFileSync("/proc/cpuinfo", "utf8").match(/^processor/gm)?.length ?? 0;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit}, Node ${process.version}, ${cores} cores of ${model}`;
}

/** Finds a port that is free on loopback. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
