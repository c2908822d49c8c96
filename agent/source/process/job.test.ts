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
  ["a service that is only called so", "0::/system.slice/job_12.service\n", {}],
  ["a hash that is no container", `0::/system.slice/run-${id}.service\n`, {}],
  ["a hash of another length", `0::/docker/${id}00\n`, {}],
])("reads %s", (_, text, job) => {
  expect(parseCgroup(text)).toEqual(job);
});

test("no text makes the reader fail", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d:(pod|[0-9a-f-]|[:/_])*$/)), (text) => {
      for (const value of Object.values(parseCgroup(text))) expect(value).toMatch(/^[0-9a-f-]+$/);
      parseEnvironment(text);
    }),
  );
});

test.each([
  ["SHELL=/bin/bash\0SLURM_JOB_ID=184467\0HOME=/root\0", "184467"],
  ["SLURM_JOB_ID=7", "7"],
  ["OLD_SLURM_JOB_ID=7\0SLURM_JOB_ID_X=8\0", undefined],
  ["SLURM_JOB_ID=none\0", undefined],
  ["SLURM_JOB_ID=\0", undefined],
  ["", undefined],
])("the environment %j is of job %s", (text, job) => {
  expect(parseEnvironment(text)).toBe(job);
});
