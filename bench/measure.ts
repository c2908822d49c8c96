// What every bench needs: cost of processes as the kernel counts it, and claims printed the same way.
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
    // The command stands in brackets and may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) / ticks };
  } catch {
    // Ended between listing and reading: it is not part of the tree any more.
    return undefined;
  }
}

/** A process and all below it. */
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

/** CPU seconds, user and system, of a process and all below it that still run. */
export const cpu = (root: number): number => tree(root).reduce((sum, pid) => sum + (stat(pid)?.cpu ?? 0), 0);

export interface Memory {
  /** Proportional set size: shared pages divided among those that share them. */
  readonly pss: number;
  readonly rss: number;
  readonly anonymous: number;
}

/** Bytes, of a process and all below it (smaps_rollup). */
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

/** One claim of this run: ours beside the peer's, and their ratio. */
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

/** Installs a peer from Debian's packages where that is possible. @throws Error that says what to install. */
export function ensure(program: string, name: string): void {
  if (existsSync(program)) return;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    spawnSync("apt-get", ["update", "-q"], { env });
    spawnSync("apt-get", ["install", "-qy", "--no-install-recommends", name], { env });
  }
  if (!existsSync(program)) throw new Error(`This bench needs ${program}: as root, apt-get install ${name}`);
}

/** First line that a program prints about its version. */
export function version(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return (stdout || stderr).split("\n")[0]?.trim() ?? "";
}

/** This machine and this commit, for the head of a result. */
export function conditions(): string {
  const model = /model name\s*:\s*(.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown CPU";
  const cores = readFileSync("/proc/cpuinfo", "utf8").match(/^processor/gm)?.length ?? 0;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit}, Node ${process.version}, ${cores} cores of ${model}`;
}

/** A port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
