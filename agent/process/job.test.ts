import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCgroup, parseEnvironment } from "./job.ts";

const id = "4f1c9a8b7d6e5f40312233445566778899aabbccddeeff00112233445566aabb";
const other = "00ff9a8b7d6e5f40312233445566778899aabbccddeeff00112233445566aabb";
const container = id.slice(0, 12);
const pod = "b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b";
const slice = `kubepods-burstable-pod${pod.replaceAll("-", "_")}.slice`;

test.each([
  ["no container, version 2", "0::/user.slice/user-1000.slice/session-3.scope\n", {}],
  ["a service", "0::/system.slice/ollama.service\n", {}],
  ["the root, as seen from inside", "0::/\n", {}],
  ["Docker, version 2", `0::/system.slice/docker-${id}.scope\n`, { container }],
  ["Docker, version 2, from another container", `0::/../../system.slice/docker-${id}.scope\n`, { container }],
  [
    "Docker, version 1",
    `12:memory:/docker/${id}\n11:cpuset:/docker/${id}\n0::/system.slice/containerd.service\n`,
    { container },
  ],
  [
    "rootless Docker",
    `0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${id}.scope\n`,
    { container },
  ],
  ["Podman", `0::/machine.slice/libpod-${id}.scope/container\n`, { container }],
  [
    "rootless Podman",
    `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope\n`,
    { container },
  ],
  ["Podman, version 1", `9:devices:/machine.slice/libpod-${id}.scope\n`, { container }],
  ["Podman's monitor", `0::/machine.slice/libpod-conmon-${id}.scope\n`, {}],
  [
    "Kubernetes with containerd, version 2",
    `0::/kubepods.slice/kubepods-burstable.slice/${slice}/cri-containerd-${id}.scope\n`,
    { container, pod },
  ],
  [
    "Kubernetes with CRI-O",
    `0::/kubepods.slice/kubepods-pod${pod.replaceAll("-", "_")}.slice/crio-${id}.scope\n`,
    { container, pod },
  ],
  ["CRI-O's monitor", `0::/kubepods.slice/${slice}/crio-conmon-${id}.scope\n`, { pod }],
  ["Kubernetes by cgroupfs, version 1", `11:devices:/kubepods/besteffort/pod${pod}/${id}\n`, { container, pod }],
  ["Kubernetes, guaranteed, cgroupfs", `0::/kubepods/pod${pod}/${id}\n`, { container, pod }],
  [
    "Kubernetes with containerd's own names",
    `7:memory:/system.slice/containerd.service/${slice}:cri-containerd:${id}\n`,
    { container, pod },
  ],
  [
    "a static pod",
    `0::/kubepods/burstable/pod0123456789abcdef0123456789abcdef/${id}\n`,
    { container, pod: "0123456789abcdef0123456789abcdef" },
  ],
  [
    "Kubernetes in Docker",
    `0::/docker/${other}/kubelet.slice/kubelet-kubepods.slice/kubelet-${slice}/cri-containerd-${id}.scope\n`,
    { container, pod },
  ],
  ["Slurm, version 2", "0::/system.slice/slurmstepd.scope/job_184467/step_0/user/task_3\n", { job: "184467" }],
  [
    "Slurm, version 2, a batch step",
    "0::/system.slice/node7_slurmstepd.scope/job_9/step_batch/user/task_special\n",
    { job: "9" },
  ],
  [
    "Slurm, version 1",
    "9:memory:/slurm/uid_1000/job_12/step_0/task_0\n1:name=systemd:/system.slice/slurmd.service\n",
    { job: "12" },
  ],
  ["Slurm, version 1, a named node", "4:devices:/slurm_gpu07/uid_60001/job_12/step_extern\n", { job: "12" }],
  [
    "a container of a Slurm job",
    `0::/system.slice/slurmstepd.scope/job_12/step_0/user/libpod-${id}.scope\n`,
    { container, job: "12" },
  ],
  // lxc.cgroup.dir of lxc.container.conf(5): "lxc.payload.%n" and "lxc.monitor.%n".
  ["LXC, version 2", "0::/lxc.payload.web-1/system.slice/nginx.service\n", { container: "web-1" }],
  ["LXC's monitor", "0::/lxc.monitor.web-1\n", {}],
  ["Incus and LXD, in a project", "0::/lxc.payload.lab_train.2/init.scope\n", { container: "lab_train.2" }],
  ["LXC, version 1", "9:memory:/lxc/web1\n1:name=systemd:/lxc/web1/init.scope\n", { container: "web1" }],
  ["Proxmox", "0::/lxc/101/ns/system.slice/cron.service\n", { container: "101" }],
  ["a name that is longer than any", `0::/lxc.payload.${"a".repeat(65)}\n`, {}],
  ["systemd-nspawn", "0::/machine.slice/systemd-nspawn@lab.service/payload/init.scope\n", { container: "lab" }],
  ["Docker in LXC", `0::/lxc.payload.web/system.slice/docker-${id}.scope\n`, { container }],
  ["a virtual machine", "0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator\n", {}],
  // nerdctl and ctr by cgroupfs: "/<containerd namespace>/<id>"; Amazon ECS: "/ecs/<task>/<id>".
  ["containerd's own client", `0::/default/${id}\n`, { container }],
  ["nerdctl", `0::/system.slice/nerdctl-${id}.scope\n`, { container }],
  ["ECS", `9:memory:/ecs/0123456789abcdef0123456789abcdef/${id}\n`, { container }],
  ["a pod of Podman", `0::/machine.slice/machine-libpod_pod_${other}.slice/libpod-${id}.scope\n`, { container }],
  ["CRI-O with crun, below its scope", `0::/kubepods.slice/${slice}/crio-${id}.scope/container\n`, { container, pod }],
  ["Kubernetes by cgroupfs with a best effort pod", `0::/kubepods/besteffort/pod${pod}/${id}\n`, { container, pod }],
  ["Slurm with a number beyond any", `0::/system.slice/slurmstepd.scope/job_${"9".repeat(21)}/step_0\n`, {}],
  ["a service that is only called so", "0::/system.slice/job_12.service\n", {}],
  ["a hash that is no container", `0::/system.slice/run-${id}.service\n`, {}],
  ["a hash of another length", `0::/docker/${id}00\n`, {}],
])("reads %s", (_, text, job) => {
  expect(parseCgroup(text)).toEqual(job);
});

const piece = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[0-9a-f]{1,130}$/),
  fc.constantFrom(
    "/",
    ":",
    "-",
    ".scope",
    ".slice",
    "0::",
    "\n",
    "pod",
    "docker",
    "crio",
    "libpod-conmon-",
    "job_",
    "slurm",
  ),
  fc.constantFrom(
    "slurmstepd.scope/",
    "uid_1/",
    "lxc.payload.",
    "lxc/",
    "systemd-nspawn@",
    id,
    pod,
    slice,
    "9".repeat(400),
  ),
);

test("no text makes the reader fail, or say more than an id, a name or a number can be", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join("");
      const found = parseCgroup(text);
      if (found.container !== undefined) expect(found.container).toMatch(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/);
      if (found.pod !== undefined) expect(found.pod).toMatch(/^([0-9a-f-]{36}|[0-9a-f]{32})$/);
      if (found.job !== undefined) expect(found.job).toMatch(/^\d{1,20}$/);
      const job = parseEnvironment(text.replaceAll("job_", "SLURM_JOB_ID=").replaceAll("/", "\0"));
      if (job !== undefined) expect(job).toMatch(/^\d{1,20}$/);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["SHELL=/bin/bash\0SLURM_JOB_ID=184467\0HOME=/root\0", "184467"],
  ["SLURM_JOB_ID=7", "7"],
  ["OLD_SLURM_JOB_ID=7\0SLURM_JOB_ID_X=8\0", undefined],
  ["SLURM_JOB_ID=none\0", undefined],
  [`SLURM_JOB_ID=${"9".repeat(21)}\0`, undefined],
  ["SLURM_JOB_ID=\0", undefined],
  ["", undefined],
])("the environment %j is of job %s", (text, job) => {
  expect(parseEnvironment(text)).toBe(job);
});
