/** What a process runs in. */
export interface Job {
  /** First twelve characters of the container's id, as `docker ps` writes it. */
  readonly container?: string;
  /** Kubernetes' uid of the pod. */
  readonly pod?: string;
  /** Slurm's number of the job. */
  readonly job?: string;
}

/**
 * Ids of containers in the last part of their cgroup: "/docker/<id>", "docker-<id>.scope", "cri-containerd-<id>.scope",
 * "crio-<id>.scope", "libpod-<id>.scope" and below, ":cri-containerd:<id>". A container's monitor (conmon) is not in it.
 */
const containers = /(?<!conmon)(?:^|[/:-])([0-9a-f]{12})[0-9a-f]{52}(?=\.scope|[/:]|$)/g;

/**
 * "/kubepods/burstable/pod<uid>/…", and as systemd's slices write it, with "_" for "-". A static pod has the hash of its file.
 */
const pods = /[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=\.slice|[/:]|$)/g;

/** "/slurm/uid_1000/job_7/step_0" (version 1), "/system.slice/slurmstepd.scope/job_7/…" (2), with the node's name in either. */
const slurm = /\/(?:slurm(?:_[^/]+)?\/uid_\d+|[^/]*slurmstepd\.scope)\/job_(\d+)(?=\/|$)/g;

/** The innermost match: what runs in a container may run containers. */
function last(pattern: RegExp, path: string): string | undefined {
  return [...path.matchAll(pattern)].at(-1)?.[1];
}

/** Reads /proc/PID/cgroup, of version 1 (a line for each controller) or 2 (one line). */
export function parseCgroup(text: string): Job {
  // "4:memory:/path"; paths may hold colons.
  const paths = text.split("\n").flatMap((line) => /^\d+:[^:]*:(.*)$/.exec(line)?.[1] ?? []);
  const first = (pattern: RegExp): string | undefined =>
    paths.map((path) => last(pattern, path)).find((found) => found !== undefined);
  const container = first(containers);
  const pod = first(pods)?.replaceAll("_", "-");
  const job = first(slurm);
  return {
    ...(container === undefined ? {} : { container }),
    ...(pod === undefined ? {} : { pod }),
    ...(job === undefined ? {} : { job }),
  };
}

/** The Slurm job of a process's environment, for clusters that do not use cgroups; nothing else of it is looked at. */
export function parseEnvironment(text: string): string | undefined {
  return /(?:^|\0)SLURM_JOB_ID=(\d+)(?:\0|$)/.exec(text)?.[1];
}
