import type { GPUInfo, ProcInfo } from "../gen/host_pb.js";

/** Resources of one GPU that the processes of one user have together. */
export interface Share {
  readonly user: string;
  readonly processes: number;
  /** Bytes; absent if it is not known for one of them. */
  readonly memory?: number;
  /** Percent, of processes whose utilization is known: an idle one has none; absent if none has. */
  readonly utilization?: number;
}

/** Most users of one GPU with series of their own, to bound their number; the rest is summed as "other". */
const most = 64;

/** Owner of a process: name, else uid, else "unknown" (a process outside this container). */
function owner({ username, uid }: ProcInfo): string {
  if (username) return username;
  return uid === undefined ? "unknown" : String(uid >>> 0);
}

interface Sum {
  processes: number;
  memory: number | undefined;
  utilization: number | undefined;
}

/** Sum of what is known. */
const plus = (a: number | undefined, b: number | undefined): number | undefined => (b === undefined ? a : (a ?? 0) + b);

function join(sum: Sum, more: Sum): Sum {
  return {
    processes: sum.processes + more.processes,
    memory: sum.memory === undefined || more.memory === undefined ? undefined : sum.memory + more.memory,
    utilization: plus(sum.utilization, more.utilization),
  };
}

const nothing: Sum = { processes: 0, memory: 0, utilization: undefined };

/** Shares of users, those with most memory first; at most 64 and "other". */
export function sharesOf(gpu: GPUInfo): Share[] {
  const sums = new Map<string, Sum>();
  for (const proc of gpu.procs) {
    const { mem, utilization } = proc;
    const more = { processes: 1, memory: mem === undefined ? undefined : Number(mem), utilization };
    const user = owner(proc);
    sums.set(user, join(sums.get(user) ?? nothing, more));
  }
  if (sums.size <= most) return [...sums].map(([user, sum]) => share(user, sum));
  const ranked = [...sums].sort(([a, x], [b, y]) => (y.memory ?? 0) - (x.memory ?? 0) || (a < b ? -1 : 1));
  const kept = new Map(ranked.slice(0, most));
  // A user may really be called so.
  const rest = ranked.slice(most).reduce((sum, [, more]) => join(sum, more), kept.get("other") ?? nothing);
  return [...kept.set("other", rest)].map(([user, sum]) => share(user, sum));
}

function share(user: string, { processes, memory, utilization }: Sum): Share {
  return {
    user,
    processes,
    ...(memory !== undefined && { memory }),
    ...(utilization !== undefined && { utilization }),
  };
}
