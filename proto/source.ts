import type { HostInfo } from "./gen/host_pb.js";

/** Names of an agent's sources, as SourceInfo carries them, in the order in which reports list them. */
export const sourceNames = ["nvidia", "amdgpu", "intel", "cpu", "memory", "disk", "net", "system", "kubelet"] as const;
export type SourceName = (typeof sourceNames)[number];

/** Sources of GPUs. */
export const gpuSourceNames = ["nvidia", "amdgpu", "intel"] as const satisfies readonly SourceName[];

/** Time for which values that can no longer be read are still shown, with their age. Milliseconds. */
export const valueRetentionMs = 300_000;

/**
 * The source that fills a field of HostInfo, by the field. GPUs come from several sources, and each card and each disk has
 * a state of its own.
 */
export const sourceOf = {
  cpu: "cpu",
  memory: "memory",
  system: "system",
  disks: "disk",
  nics: "net",
} as const satisfies Partial<Readonly<Record<keyof HostInfo, SourceName>>>;
