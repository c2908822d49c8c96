import type { HostInfo, ProcInfo } from "../proto/gen/host_pb.js";
import type { Machine } from "./machine/machine.ts";
import { amount, whole } from "./number.ts";
import { parseCgroup, parseEnvironment } from "./process/job.ts";

/** Parses the boot time from /proc/stat, in Unix seconds. */
function parseBoot(text: string): number | undefined {
  const seconds = /^btime (\d+)$/m.exec(text)?.[1];
  return whole(seconds);
}

/** Parses the user of a process from /proc/PID/status (the real uid: a set-uid program still belongs to its caller). */
export function parseOwner(text: string): number | undefined {
  const uid = /^Uid:\s+(\d+)/m.exec(text)?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** Parses field 22 of /proc/PID/stat: start of the process after boot, in hundredths of a second. */
export function parseStart(text: string): number | undefined {
  // The name is in brackets and may contain blanks and brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return whole(fields[19]);
}

const hiddenNote =
  "The system hides other users' processes from this program (hidepid on /proc): theirs on the GPUs have no name. " +
  "They have one where the agent's user is in the group that /proc is mounted with (gid=), or the agent runs as root";

/** Job from a process's environment, cached as long as start time and program are the same. */
interface ProcessEnvironment {
  /** Start after boot in hundredths of a second: it differs if the process id was reused. */
  readonly start: number | undefined;
  /** Program name: it differs after an exec, which may have changed the environment. */
  readonly comm: string;
  readonly job: string | undefined;
}

/** Completes GPU processes with their users, names, start times, containers, pods and jobs. */
export class Processes {
  readonly #machine: Machine;
  /** By process number: of the last reading's processes, and no others. */
  #environments: ReadonlyMap<number, ProcessEnvironment> = new Map();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * Completes the processes of a reading in place. One that has ended meanwhile keeps the driver's values, and so does one
   * whose process id means another process here.
   * @returns A note if names are missing, with the reason.
   */
  async describe(info: HostInfo): Promise<string | undefined> {
    const procs = info.gpus.flatMap((gpu) => gpu.procs);
    const environments = new Map<number, ProcessEnvironment>();
    const owners = new Map<ProcInfo, number>();
    const boot = procs.length > 0 ? parseBoot(this.#machine.read("/proc/stat") ?? "") : undefined;
    let missing = false;
    for (const proc of procs) {
      if (proc.elsewhere) continue;
      const uid = this.#one(proc, boot, environments);
      if (uid !== undefined) owners.set(proc, uid);
      else missing = true;
    }
    this.#environments = environments;
    const names = owners.size === 0 ? undefined : await this.#machine.users([...new Set(owners.values())]);
    for (const [proc, uid] of owners) {
      const name = names?.get(uid);
      if (name !== undefined) proc.username = name;
    }
    return missing && this.#hidden() ? hiddenNote : undefined;
  }

  /** The first process always runs: where it cannot be read, others cannot either, rather than have ended. */
  #hidden(): boolean {
    if (this.#machine.read("/proc/1/stat") !== undefined) return false;
    return / proc \S*hidepid=(?!0|off)/.test(this.#machine.read("/proc/mounts") ?? "");
  }

  #one(proc: ProcInfo, boot: number | undefined, environments: Map<number, ProcessEnvironment>): number | undefined {
    const { pid } = proc;
    const stat = this.#machine.read(`/proc/${pid}/stat`);
    const comm = this.#machine.read(`/proc/${pid}/comm`);
    const uid = parseOwner(this.#machine.read(`/proc/${pid}/status`) ?? "");
    if (pid === undefined || stat === undefined || comm === undefined || uid === undefined) return undefined;
    proc.basename = comm.replace(/\n$/, "");
    // The wire's uid is signed; ids above 2^31 keep their bits, as in the first GOHM.
    proc.uid = uid | 0;
    const start = parseStart(stat);
    const started = boot === undefined || start === undefined ? undefined : amount(boot * 1000 + start * 10);
    if (started !== undefined) proc.started = started;
    const found = parseCgroup(this.#machine.read(`/proc/${pid}/cgroup`) ?? "");
    // The environment is asked only for what the cgroup does not say: few processes let others read it.
    const job = found.job ?? this.#environment(pid, { start, comm }, environments);
    Object.assign(proc, found, job !== undefined && { job });
    return uid;
  }

  /**
   * The job that a process's environment names. It may be megabytes long and does not change (what /proc shows is what the
   * program was started with), so it is read once; again only while it could not be.
   */
  #environment(
    pid: number,
    { start, comm }: Omit<ProcessEnvironment, "job">,
    environments: Map<number, ProcessEnvironment>,
  ): string | undefined {
    const known = environments.get(pid) ?? this.#environments.get(pid);
    if (known !== undefined && known.start === start && known.comm === comm) {
      environments.set(pid, known);
      return known.job;
    }
    const text = this.#machine.read(`/proc/${pid}/environ`);
    // Empty is that of a process which is just being made, or ends.
    if (text === undefined || text === "") return undefined;
    const job = parseEnvironment(text);
    environments.set(pid, { start, comm, job });
    return job;
  }
}
