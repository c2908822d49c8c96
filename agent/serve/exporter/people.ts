import type { GPUInfo, ProcInfo } from "../../../proto/gen/host_pb.js";

/** What the processes of one user hold of one GPU, together. */
export interface Share {
  readonly user: string;
  readonly processes: number;
  /** Bytes; absent when it is not known of one of them. */
  readonly memory?: number;
  /** Percent, of those whose share is known: an idle process has none; absent when none has. */
  readonly utilization?: number;
}

/** Users of one GPU that are told apart. More would be series without end: the rest is one, called "other". */
const most = 64;

/** Who a process belongs to: by name, by number where nobody knows the name, else "unknown" (a process outside this container). */
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

/** Those who hold most memory first; at most 64 and "other". */
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
