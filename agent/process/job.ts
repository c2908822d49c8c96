/** Container, pod and job of a process. */
export interface Job {
  /** First twelve characters of the container's id, as `docker ps` writes it; the name of one that has no id. */
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
 * Containers that hold a whole system go by a name: "/lxc.payload.<name>/…" (LXC since 4.0, Incus, LXD), "/lxc/<name>/…" (before, and
 * Proxmox), "/machine.slice/systemd-nspawn@<name>.service/…". Their monitors (lxc.monitor.<name>) are not in them.
 */
const systems = /\/(?:lxc\.payload\.|lxc\/|systemd-nspawn@)([A-Za-z0-9][A-Za-z0-9_.-]{0,63}?)(?=\.service|\/|$)/g;

/**
 * "/kubepods/burstable/pod<uid>/…", and as systemd's slices write it, with "_" for "-". A static pod has the hash of its file.
 */
const pods = /[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=\.slice|[/:]|$)/g;

/** "/slurm/uid_1000/job_7/step_0" (version 1), "/system.slice/slurmstepd.scope/job_7/…" (2), with the node's name in either. */
const slurm = /\/(?:slurm(?:_[^/]+)?\/uid_\d+|[^/]*slurmstepd\.scope)\/job_(\d{1,20})(?=\/|$)/g;

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
  // What runs in a system may be a container with an id: that one is nearer.
  const container = first(containers) ?? first(systems);
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
  return /(?:^|\0)SLURM_JOB_ID=(\d{1,20})(?:\0|$)/.exec(text)?.[1];
}
