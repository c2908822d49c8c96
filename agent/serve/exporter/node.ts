import { type GPUInfo, State } from "../../../proto/gen/host_pb.js";
import {
  age,
  cpuShare,
  type ExporterInput,
  gpuCount,
  gpuMemory,
  gpusInUse,
  gpuTypes,
  memoryShare,
  stateWord,
  usedCores,
} from "../../../proto/reading.ts";

const known = <T>(value: T | undefined): T | null => value ?? null;
const count = (value: bigint | undefined): number | null => (value === undefined ? null : Number(value));
const mebi = 1024 * 1024;
const mib = (bytes: number | undefined): number | null => (bytes === undefined ? null : Math.floor(bytes / mebi));
/** Whole ones, as the earlier exporter gave them. */
const watts = (milliwatts: number | undefined): number | null =>
  milliwatts === undefined ? null : Math.floor(milliwatts / 1000);

/**
 * Makes the JSON object of /node. Every field is always present; unknown values are null. Memory of devices in MiB, as
 * nvidia-smi shows it.
 */
export function nodeObject(scene: ExporterInput) {
  const { info, node, gpus } = scene;
  const { cpu, memory, system } = info;
  return {
    hostname: known(info.hostname),
    node,
    os_name: known(system?.os),
    os_version: known(system?.osVersion),
    kernel_version: known(system?.kernel),
    uptime_secs: count(system?.uptime),
    cpu_cores: known(cpu?.cores),
    cpu_threads: known(cpu?.threads),
    cpu_model: known(cpu?.model),
    cpu_usage_percent: known(cpuShare(info)),
    cpu_used_cores: known(usedCores(info)),
    memory_total_bytes: count(memory?.total),
    memory_used_bytes: count(memory?.used),
    memory_available_bytes: count(memory?.available),
    memory_usage_percent: known(memoryShare(info)),
    gpu_count: known(gpuCount(info)),
    gpu_used_count: known(gpusInUse(scene)),
    gpu_devices: gpus
      .filter(({ message, shown }) => shown && message.state !== State.LOST)
      .map(({ message }) => ({ ...gpuObject(message), age_secs: known(age(scene, message.sampled)) })),
    gpu_type_counts: Object.fromEntries(gpuTypes(info)),
    gpu_lost: gpus.filter(({ message }) => message.state === State.LOST).map(({ message }) => known(message.id)),
  };
}

/** The same for /metrics/json, with the names that the earlier exporter had there beside those of /node. */
export function metricsObject(scene: ExporterInput) {
  const node = nodeObject(scene);
  return {
    ...node,
    cpu_usage: node.cpu_usage_percent,
    memory_total: node.memory_total_bytes,
    memory_used: node.memory_used_bytes,
    uptime: node.uptime_secs,
  };
}

function gpuObject(gpu: GPUInfo) {
  const { used, free } = gpuMemory(gpu);
  return {
    index: known(gpu.id),
    name: known(gpu.name),
    uuid: known(gpu.uuid),
    memory_total_mb: mib(gpu.memTotal === undefined ? undefined : Number(gpu.memTotal)),
    memory_used_mb: mib(used),
    memory_free_mb: mib(free),
    utilization_percent: known(gpu.utilization),
    temperature_celsius: known(gpu.temp),
    power_draw_watts: watts(gpu.power),
    power_limit_watts: watts(gpu.powerLimit),
    state: stateWord(gpu.state),
  };
}
