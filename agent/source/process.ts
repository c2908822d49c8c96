import type { HostInfo, ProcInfo } from "../../proto/gen/host_pb.js";
import type { Machine } from "../machine.ts";
import { type Job, parseCgroup, parseEnvironment } from "./process/job.ts";

/** Unix seconds at which the machine was started, from /proc/stat. */
function parseBoot(text: string): number | undefined {
  const seconds = /^btime (\d+)$/m.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

/** User who started the process, from /proc/PID/status (the real uid: a set-uid program still belongs to its caller). */
export function parseOwner(text: string): number | undefined {
  const uid = /^Uid:\s+(\d+)/m.exec(text)?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** Field 22 of /proc/PID/stat: hundredths of a second from the machine's start to the process's. */
export function parseStart(text: string): number | undefined {
  // The name stands in brackets and may hold blanks and brackets of its own.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[19] ?? Number.NaN);
  return Number.isFinite(ticks) ? ticks : undefined;
}

/**
 * Fills in who runs each GPU process, what it is called, since when, and in which container, pod or job. One that ended
 * meanwhile keeps what the driver said of it, and so does one whose number means another process here.
 */
export async function describe(machine: Machine, info: HostInfo): Promise<void> {
  const procs = info.gpus.flatMap((gpu) => gpu.procs);
  if (procs.length === 0) return;
  const boot = parseBoot(machine.read("/proc/stat") ?? "");
  const owners = new Map<ProcInfo, number>();
  for (const proc of procs) {
    if (proc.elsewhere) continue;
    const uid = one(machine, proc, boot);
    if (uid !== undefined) owners.set(proc, uid);
  }
  const names = await machine.users([...new Set(owners.values())]);
  for (const [proc, uid] of owners) {
    const name = names.get(uid);
    if (name !== undefined) proc.username = name;
  }
}

function one(machine: Machine, proc: ProcInfo, boot: number | undefined): number | undefined {
  const stat = machine.read(`/proc/${proc.pid}/stat`);
  const comm = machine.read(`/proc/${proc.pid}/comm`);
  const uid = parseOwner(machine.read(`/proc/${proc.pid}/status`) ?? "");
  if (stat === undefined || comm === undefined || uid === undefined) return undefined;
  proc.basename = comm.replace(/\n$/, "");
  // The wire's uid is signed; ids above 2^31 keep their bits, as in the first GOHM.
  proc.uid = uid | 0;
  const ticks = parseStart(stat);
  if (ticks !== undefined && boot !== undefined) proc.started = BigInt(boot * 1000 + ticks * 10);
  Object.assign(proc, jobOf(machine, proc.pid));
  return uid;
}

/** The environment is asked only for what the cgroup does not say: few processes let others read it. */
function jobOf(machine: Machine, pid: number | undefined): Job {
  const found = parseCgroup(machine.read(`/proc/${pid}/cgroup`) ?? "");
  if (found.job !== undefined) return found;
  const job = parseEnvironment(machine.read(`/proc/${pid}/environ`) ?? "");
  return job === undefined ? found : { ...found, job };
}
