import { type GPUInfo, Vendor } from "../../../proto/gen/host_pb.js";
import { Kind } from "../../../proto/gen/metric_pb.js";
import { type Family, labels } from "../../../proto/text.ts";
import { gpuMemory, type Scene } from "./scene.ts";

type Read = (gpu: GPUInfo) => number | undefined;
const mebi = 1024 * 1024;
const mib = (bytes: number | undefined): number | undefined => bytes && Math.floor(bytes / mebi);
const from = (count: bigint | undefined): number | undefined => (count === undefined ? undefined : Number(count));

/**
 * Names, kinds and units of dcgm-exporter's default counters and dashboard: memory in MiB without what the driver
 * reserves, clocks in MHz, power in W. https://docs.nvidia.com/datacenter/dcgm/latest/reference/dcgm-exporter-metrics.html
 */
const fields: readonly (readonly [name: string, kind: Kind, help: string, read: Read])[] = [
  ["SM_CLOCK", Kind.GAUGE, "Clock of the streaming multiprocessors, MHz.", ({ clockSm }) => clockSm],
  ["MEM_CLOCK", Kind.GAUGE, "Clock of the device memory, MHz.", ({ clockMem }) => clockMem],
  ["MEMORY_TEMP", Kind.GAUGE, "Temperature of the device memory, °C.", ({ memTemp }) => memTemp],
  ["GPU_TEMP", Kind.GAUGE, "Temperature of the GPU die, °C.", ({ temp }) => temp],
  ["POWER_USAGE", Kind.GAUGE, "Power drawn by the whole board, W.", ({ power }) => power && power / 1000],
  [
    "TOTAL_ENERGY_CONSUMPTION",
    Kind.COUNTER,
    "Energy drawn since the driver was loaded, mJ.",
    ({ energy }) => from(energy),
  ],
  ["GPU_UTIL", Kind.GAUGE, "Share of time in which a kernel was running, %.", ({ utilization }) => utilization],
  ["MEM_COPY_UTIL", Kind.GAUGE, "Share of time in which memory was read or written, %.", (gpu) => gpu.memUtilization],
  ["ENC_UTIL", Kind.GAUGE, "Share of time in which the video encoder was busy, %.", ({ encoder }) => encoder],
  ["DEC_UTIL", Kind.GAUGE, "Share of time in which the video decoder was busy, %.", ({ decoder }) => decoder],
  ["FB_FREE", Kind.GAUGE, "Device memory that programs can still get, MiB.", (gpu) => mib(gpuMemory(gpu).free)],
  ["FB_USED", Kind.GAUGE, "Device memory that programs hold, MiB.", (gpu) => mib(gpuMemory(gpu).used)],
  ["FB_RESERVED", Kind.GAUGE, "Device memory that the driver reserves, MiB.", (gpu) => mib(from(gpu.memReserved))],
  [
    "XID_ERRORS",
    Kind.GAUGE,
    "Code of the last critical Xid event since the agent started, or the GPU was reset, 0 when there was none.",
    ({ xidLast, xidCount }) => xidLast ?? (xidCount === undefined ? undefined : 0),
  ],
  [
    "ECC_SBE_VOL_TOTAL",
    Kind.COUNTER,
    "Memory errors corrected since the driver was loaded.",
    (gpu) => from(gpu.eccCorrected),
  ],
  [
    "ECC_DBE_VOL_TOTAL",
    Kind.COUNTER,
    "Memory errors not corrected since the driver was loaded.",
    (gpu) => from(gpu.eccUncorrected),
  ],
  [
    "UNCORRECTABLE_REMAPPED_ROWS",
    Kind.COUNTER,
    "Memory rows replaced after errors that could not be corrected.",
    ({ remapped }) => remapped?.uncorrectable,
  ],
  [
    "CORRECTABLE_REMAPPED_ROWS",
    Kind.COUNTER,
    "Memory rows replaced after errors that were corrected.",
    ({ remapped }) => remapped?.correctable,
  ],
  [
    "ROW_REMAP_FAILURE",
    Kind.GAUGE,
    "Whether a row could not be replaced.",
    ({ remapped }) => remapped && Number(remapped.failed),
  ],
  // A rate, though dcgm-exporter calls it a counter, of both directions, in MiB/s (NVIDIA/dcgm-exporter#417 and #658).
  [
    "NVLINK_BANDWIDTH_TOTAL",
    Kind.GAUGE,
    "Data sent and received over NVLink, MiB/s.",
    ({ nvlink }) =>
      nvlink?.rxRate === undefined || nvlink.txRate === undefined
        ? undefined
        : Math.round(Number(nvlink.rxRate + nvlink.txRate) / mebi),
  ],
];

/** The labels that dcgm-exporter gives a GPU. */
function labelsOf(gpu: GPUInfo, hostname: string): string {
  const [domain = "", ...rest] = (gpu.pciBusId ?? "").split(":");
  return labels({
    gpu: String(gpu.id ?? ""),
    UUID: gpu.uuid ?? "",
    // NVML's own form: eight digits of domain, capital letters.
    pci_bus_id: rest.length > 0 ? [domain.padStart(8, "0"), ...rest].join(":").toUpperCase() : "",
    device: `nvidia${gpu.id ?? ""}`,
    modelName: gpu.name ?? "",
    Hostname: hostname,
  });
}

/** NVIDIA's GPUs under the names of dcgm-exporter. */
export function dcgm({ gpus, info, node }: Scene): Family[] {
  const cards = gpus
    .filter(({ message, told }) => told && message.vendor === Vendor.NVIDIA)
    .map(({ message }) => ({ gpu: message, set: labelsOf(message, info.hostname ?? node) }));
  return fields.map(([name, kind, help, read]) => ({
    name: `DCGM_FI_DEV_${name}`,
    kind,
    // As dcgm-exporter says it, though its names end in _TOTAL.
    typed: true,
    help,
    samples: cards.flatMap(({ gpu, set }) => {
      const value = read(gpu);
      return value === undefined ? [] : [{ labels: set, value }];
    }),
  }));
}
