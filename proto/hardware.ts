import { catalog } from "./catalog.ts";
import { type GPUInfo, State } from "./gen/host_pb.js";
import { Kind } from "./gen/metric_pb.js";
import { sharesOf } from "./hardware/people.ts";
import { computeModes, partitions, throttles, worstXids } from "./hardware/trait.ts";
import {
  age,
  devicesOf,
  type ExporterInput,
  gpuCount,
  gpuMemory,
  gpusInUse,
  gpuTypes,
  type Labelled,
  memoryShare,
  stateWord,
  usedCores,
} from "./reading.ts";
import { labels, type MetricFamily, type Sample, scaled, withLabels } from "./text.ts";

/** A metric of the exporter, and of the hub's page with all hosts. */
export interface HardwareMetric {
  /** Whole Prometheus name. */
  readonly name: string;
  readonly help: string;
  readonly kind: Kind;
  /** Its key under [metrics.enabled]; several may share one. */
  readonly key: string;
  samples(scene: ExporterInput): Sample[];
}

type ReadSamples = (scene: ExporterInput) => (Sample | undefined)[];

const gauge = (name: string, help: string, key: string, read: ReadSamples): HardwareMetric => ({
  name: `hw_${name}`,
  help,
  kind: Kind.GAUGE,
  key,
  samples: (scene) => read(scene).filter((sample) => sample !== undefined),
});

/** A sample where there is a value: absent is not 0. */
const given = (set: string, value: number | undefined): Sample | undefined =>
  value === undefined ? undefined : { labels: set, value };

const flag = (value: boolean | undefined): number | undefined => (value === undefined ? undefined : Number(value));

const ofHost =
  (read: (scene: ExporterInput) => number | undefined): ReadSamples =>
  (scene) => [given(scene.host.labels, read(scene))];

/** For metrics that machines without GPUs do not have. */
const ofGpuHost = (read: (scene: ExporterInput) => number | undefined): ReadSamples =>
  ofHost((scene) => (scene.info.gpus.length > 0 ? read(scene) : undefined));

type Pick = (scene: ExporterInput) => ExporterInput["gpus"];

const ofGpus =
  (pick: Pick, read: (gpu: ExporterInput["gpus"][number]["message"]) => number | undefined): ReadSamples =>
  (scene) =>
    pick(scene).map(({ message, labels: set, shown }) => given(set, shown ? read(message) : undefined));

const ofUsers =
  (pick: Pick, read: (share: ReturnType<typeof sharesOf>[number]) => number | undefined): ReadSamples =>
  (scene) =>
    pick(scene)
      .filter(({ shown }) => shown)
      .flatMap(({ message, labels: set }) =>
        sharesOf(message).map((share) => given(withLabels(set, { user: share.user }), read(share))),
      );

const states = (devices: readonly Labelled<{ state?: State | undefined }>[]): Sample[] =>
  devices.map(({ message, labels: set }) => ({
    labels: withLabels(set, { state: stateWord(message.state) }),
    value: 1,
  }));

/** Readers of what this machine does not have are not failures: they are left out. */
const ofSources =
  (read: (source: ExporterInput["info"]["sources"][number], scene: ExporterInput) => number | undefined): ReadSamples =>
  (scene) =>
    scene.info.sources
      .filter(({ state }) => state !== State.UNSUPPORTED)
      .map((source) => given(withLabels(scene.host.labels, { source: source.name ?? "" }), read(source, scene)));

function nodeInfo({ info, node }: ExporterInput): Sample[] {
  const { os = "", osVersion: os_version = "", kernel = "" } = info.system ?? {};
  return [{ labels: labels({ node, os, os_version, kernel, cpu_model: info.cpu?.model ?? "" }), value: 1 }];
}

function agentInfo({ info, node }: ExporterInput): Sample[] {
  const { driverVersion: driver_version = "", cudaVersion: cuda_version = "" } = info.system ?? {};
  return [{ labels: labels({ node, version: info.agentVersion ?? "", driver_version, cuda_version }), value: 1 }];
}

/** Undefined where processes are not known: they cannot be listed, or the GPU was not read. */
function computing({ procs, procsUnknown, state = State.OK, asleep }: GPUInfo): number | undefined {
  const read = (state === State.OK || state === State.STALE) && !asleep;
  if (!read || procsUnknown) return undefined;
  return procs.filter(({ compute, graphics }) => compute || !graphics).length;
}

/** Metrics of whole GPUs and of instances. Those of instances have other names, so that sums over GPUs are right. */
const ofDevice = (prefix: "gpu" | "gpu_instance", pick: Pick): readonly HardwareMetric[] => [
  gauge(
    `${prefix}_memory_used_bytes`,
    "Device memory in use as nvidia-smi shows it: without what the driver reserves for itself.",
    "gpu_memory_used",
    ofGpus(pick, (gpu) => gpuMemory(gpu).used),
  ),
  gauge(
    `${prefix}_memory_free_bytes`,
    "Device memory that programs can still get.",
    "gpu_memory_free",
    ofGpus(pick, (gpu) => gpuMemory(gpu).free),
  ),
  gauge(`${prefix}_state`, "State of the GPU's reading, in a label; always 1.", "gpu_state", (scene) =>
    states(pick(scene)),
  ),
  gauge(`${prefix}_sample_age_seconds`, "Time since the GPU's values were read.", "gpu_state", (scene) =>
    pick(scene).map(({ message, labels: set }) => given(set, age(scene, message.sampled))),
  ),
  gauge(
    `${prefix}_process_unknown`,
    "Processes on the GPU cannot be listed, or not all of them; always 1.",
    "gpu_process",
    ofGpus(pick, ({ procsUnknown }) => (procsUnknown ? 1 : undefined)),
  ),
  gauge(
    `${prefix}_process_running`,
    "Processes of one user on the GPU.",
    "gpu_process",
    ofUsers(pick, ({ processes }) => processes),
  ),
  gauge(
    `${prefix}_compute_processes`,
    "Processes on the GPU, without those that only draw; absent where processes cannot be listed.",
    "gpu_process",
    ofGpus(pick, computing),
  ),
  gauge(
    `${prefix}_process_memory_bytes`,
    "Device memory held by the processes of one user.",
    "gpu_process",
    ofUsers(pick, ({ memory }) => memory),
  ),
  gauge(
    `${prefix}_process_utilization_percent`,
    "Share of the GPU's time used by the processes of one user.",
    "gpu_process",
    ofUsers(pick, ({ utilization }) => utilization),
  ),
  gauge(`${prefix}_pod`, "A container of Kubernetes that was given the GPU, in labels; always 1.", "gpu_pod", (scene) =>
    pick(scene).flatMap(({ message, labels: set }) =>
      message.holders.map(({ namespace = "", pod = "", container = "" }) => ({
        labels: withLabels(set, { namespace, pod, container }),
        value: 1,
      })),
    ),
  ),
];

/** Yes or no of each whole GPU, where its driver says. */
const ofGpu = (name: string, help: string, key: string, read: (gpu: GPUInfo) => boolean | undefined): HardwareMetric =>
  gauge(
    name,
    help,
    key,
    ofGpus(
      ({ gpus }) => gpus,
      (gpu) => flag(read(gpu)),
    ),
  );

/** What a card is, and what must be done about it. */
const flags: readonly HardwareMetric[] = [
  ofGpu(
    "gpu_persistence_mode",
    "Whether the driver stays loaded while nobody uses the GPU.",
    "gpu_persistence_mode",
    ({ persistence }) => persistence,
  ),
  ofGpu("gpu_integrated", "Whether the GPU is part of the processor.", "gpu_kind", ({ integrated }) => integrated),
  ofGpu(
    "gpu_memory_shared",
    "Whether the GPU has no memory of its own and computes in the host's.",
    "gpu_kind",
    ({ memoryShared }) => memoryShared,
  ),
  ofGpu("gpu_divided", "Whether the GPU is divided into instances (MIG).", "gpu_kind", ({ divided }) => divided),
  ofGpu(
    "gpu_asleep",
    "Whether the system has powered the GPU down because nobody uses it.",
    "gpu_kind",
    ({ asleep }) => asleep,
  ),
  ofGpu(
    "gpu_row_remap_pending",
    "Whether memory rows are replaced at the next reset of the GPU.",
    "gpu_row_remap",
    ({ remapped }) => remapped?.pending,
  ),
  ofGpu(
    "gpu_row_remap_failure",
    "Whether a memory row could not be replaced: the GPU is to be exchanged.",
    "gpu_row_remap",
    ({ remapped }) => remapped?.failed,
  ),
];

/** Metrics besides the catalogue: sums, names, and the state of each source. */
const own: readonly HardwareMetric[] = [
  gauge("node_info", "The system this node runs and its CPU, in labels; always 1.", "node_info", nodeInfo),
  gauge(
    "agent_info",
    "Versions of the agent, of the NVIDIA driver and of the CUDA it offers, in labels; always 1.",
    "agent_info",
    agentInfo,
  ),
  gauge(
    "cpu_used_cores",
    "Work of all hardware threads together, in threads: usage / 100 × threads.",
    "cpu_used_cores",
    ofHost(({ info }) => usedCores(info)),
  ),
  gauge(
    "memory_usage_percent",
    "Share of the memory that programs hold.",
    "memory_usage",
    ofHost(({ info }) => memoryShare(info)),
  ),
  gauge(
    "gpu_count",
    "GPUs that are there; one that fell off the bus is not counted.",
    "gpu_count",
    ofGpuHost(({ info }) => gpuCount(info)),
  ),
  gauge(
    "gpu_used_count",
    "GPUs with at least one compute process; absent where processes cannot be listed.",
    "gpu_used_count",
    ofGpuHost((scene) => gpusInUse(scene)),
  ),
  gauge("gpu_type_count", "GPUs of one kind.", "gpu_type_count", ({ info, node }) =>
    [...gpuTypes(info)].map(([gpu_type, value]) => ({ labels: labels({ node, gpu_type }), value })),
  ),
  ...ofDevice("gpu", ({ gpus }) => gpus),
  ...ofDevice("gpu_instance", ({ instances }) => instances),
  ...flags,
  gauge(
    "gpu_throttle",
    "Why the GPU runs slower than its clocks allow, in a label; always 1.",
    "gpu_throttle",
    throttles,
  ),
  gauge(
    "gpu_compute_mode",
    "Which programs may compute on the GPU, in a label; always 1.",
    "gpu_compute_mode",
    computeModes,
  ),
  gauge(
    "gpu_partition",
    "How an AMD card is divided for computing (SPX: not at all) and how its memory is, in labels; always 1.",
    "gpu_partition",
    partitions,
  ),
  gauge(
    "gpu_xid_last_code",
    "Code of the last critical Xid event since the agent started, or the GPU was reset.",
    "gpu_xid",
    ofGpus(
      ({ gpus }) => gpus,
      ({ xidLast }) => xidLast,
    ),
  ),
  gauge(
    "gpu_xid_last_timestamp_seconds",
    "When the agent saw that event, in seconds since 1970.",
    "gpu_xid",
    ofGpus(
      ({ gpus }) => gpus,
      ({ xidTime }) => (xidTime === undefined ? undefined : Number(xidTime) / 1000),
    ),
  ),
  gauge(
    "gpu_xid_worst",
    "The gravest Xid event since the agent started, or the GPU was reset, and what NVIDIA says is to be done, in labels; always 1.",
    "gpu_xid",
    worstXids,
  ),
  gauge("disk_state", "State of the filesystem's reading, in a label; always 1.", "disk_state", ({ disks }) =>
    states(disks),
  ),
  gauge("disk_read_only", "Whether the filesystem is mounted read-only.", "disk_read_only", ({ disks }) =>
    disks.map(({ message, labels: set, shown }) => given(set, shown ? flag(message.readOnly) : undefined)),
  ),
  gauge("network_up", "Whether the network interface has a link.", "network_up", ({ nics }) =>
    nics.map(({ message, labels: set }) => given(set, flag(message.up))),
  ),
  gauge(
    "network_lower",
    "An interface through which the bytes of this one pass, in a label; always 1. A sum leaves out those that have one.",
    "network_lower",
    ({ nics }) =>
      nics.flatMap(({ message, labels: set }) =>
        message.lower.map((lower) => ({ labels: withLabels(set, { lower }), value: 1 })),
      ),
  ),
  gauge(
    "source_success",
    "Whether the last reading of one kind of thing succeeded.",
    "source",
    ofSources(({ state }) => (state === State.OK ? 1 : 0)),
  ),
  gauge(
    "source_duration_seconds",
    "Time that reading took.",
    "source",
    ofSources(({ duration }) => (duration === undefined ? undefined : duration / 1e6)),
  ),
  gauge(
    "source_age_seconds",
    "Time since the last reading that succeeded.",
    "source",
    ofSources(({ sampled }, scene) => age(scene, sampled)),
  ),
];

/** Keys of the earlier exporter's file, where they are not the catalogue's names. */
const oldKeys: Readonly<Record<string, string>> = {
  uptime: "node_uptime",
  cpu_utilization: "cpu_usage",
  gpu_power: "gpu_power_draw",
};

const ownNames = new Set(own.map(({ name }) => name));

const catalogued: readonly HardwareMetric[] = catalog.flatMap((metric): HardwareMetric[] => {
  const { help, kind } = metric;
  const key = oldKeys[metric.name] ?? metric.name;
  const family = (
    prometheus: string,
    devices: (scene: ExporterInput) => ReturnType<typeof devicesOf>,
  ): HardwareMetric[] => {
    const name = `hw_${prometheus}`;
    // Some metrics differ here from the wire.
    if (prometheus === "" || ownNames.has(name)) return [];
    const samples = (scene: ExporterInput): Sample[] =>
      devices(scene).flatMap(({ message, labels: set }) => given(set, scaled(metric, message)) ?? []);
    return [{ name, help, kind, key, samples }];
  };
  const whole = family(metric.prometheus, (scene) => devicesOf(scene, metric.level));
  if (metric.level !== "gpu") return whole;
  const part = metric.prometheus.replace(/^gpu_/, "gpu_instance_");
  return [...whole, ...family(part, ({ instances }) => instances.filter(({ shown }) => shown))];
});

/** Every metric of a reading. */
export const metrics: readonly HardwareMetric[] = [...own, ...catalogued];

/** @param off Keys of [metrics.enabled] that are switched off. */
export function hardware(scene: ExporterInput, off: ReadonlySet<string>): MetricFamily[] {
  return metrics
    .filter(({ key }) => !off.has(key))
    .map(({ name, help, kind, samples }) => ({ name, help, kind, samples: samples(scene) }));
}
