import { type GPUInfo, Vendor } from "../../../proto/gen/host_pb.js";
import { Kind } from "../../../proto/gen/metric_pb.js";
import { type ExporterInput, gpuMemory } from "../../../proto/reading.ts";
import { labels, type MetricFamily } from "../../../proto/text.ts";

/** Which names: those up to dcgm-exporter 4.8, those since, or both. */
export type DcgmNames = "old" | "new" | "both";

/** A value as the agent has it, in the units of the old and of the new names. */
interface Unit {
  readonly old: string;
  readonly new: string;
  toOld(value: number): number;
  toNew(value: number): number;
}

const mebi = 1024 * 1024;
const same = (value: number): number => value;
const unit = (old: string, now: string, toOld: Unit["toOld"], toNew: Unit["toNew"]): Unit => ({
  old,
  new: now,
  toOld,
  toNew,
});
const count = unit("", "", same, same);
const celsius = unit(", °C", ", °C", same, same);
const watts = unit(", W", ", W", same, same);
const clock = unit(", MHz", ", Hz", same, (megahertz) => megahertz * 1e6);
const energy = unit(", mJ", ", J", same, (millijoules) => millijoules / 1000);
const share = unit(", %", ", 0 to 1", same, (percent) => percent / 100);
const memory = unit(", MiB", ", bytes", (bytes) => Math.floor(bytes / mebi), same);
const rate = unit(", MiB/s", ", bytes/s", (bytes) => Math.round(bytes / mebi), same);

type ReadValue = (gpu: GPUInfo) => number | undefined;
const from = (amount: bigint | undefined): number | undefined => (amount === undefined ? undefined : Number(amount));

/**
 * Fields of dcgm-exporter's default counters and dashboard, by the old and the new name after DCGM_FI_DEV_. Old: its
 * etc/default-counters.csv up to 4.8. New: the names that NVIDIA's go-dcgm gives as each one's successor (pkg/dcgm/const_fields.go and
 * its table of base units), and for utilization, memory and NVLink DCGM 4.7's list of field identifiers.
 */
const fields: readonly (readonly [old: string, now: string, kind: Kind, help: string, unit: Unit, read: ReadValue])[] =
  [
    ["SM_CLOCK", "SM_CLOCK_HERTZ", Kind.GAUGE, "Clock of the streaming multiprocessors", clock, (gpu) => gpu.clockSm],
    ["MEM_CLOCK", "MEMORY_CLOCK_HERTZ", Kind.GAUGE, "Clock of the device memory", clock, (gpu) => gpu.clockMem],
    [
      "MEMORY_TEMP",
      "MEMORY_TEMP_CELSIUS",
      Kind.GAUGE,
      "Temperature of the device memory",
      celsius,
      (gpu) => gpu.memTemp,
    ],
    ["GPU_TEMP", "GPU_TEMP_CELSIUS", Kind.GAUGE, "Temperature of the GPU die", celsius, (gpu) => gpu.temp],
    [
      "POWER_USAGE",
      "BOARD_POWER_WATTS",
      Kind.GAUGE,
      "Power drawn by the whole board",
      watts,
      ({ power }) => (power === undefined ? undefined : power / 1000),
    ],
    [
      "TOTAL_ENERGY_CONSUMPTION",
      "GPU_ENERGY_JOULES_TOTAL",
      Kind.COUNTER,
      "Energy drawn since the driver was loaded",
      energy,
      (gpu) => from(gpu.energy),
    ],
    [
      "GPU_UTIL",
      "GPU_UTIL_RATIO",
      Kind.GAUGE,
      "Share of time in which a kernel was running",
      share,
      (gpu) => gpu.utilization,
    ],
    [
      "MEM_COPY_UTIL",
      "MEMORY_UTIL_RATIO",
      Kind.GAUGE,
      "Share of time in which memory was read or written",
      share,
      (gpu) => gpu.memUtilization,
    ],
    [
      "ENC_UTIL",
      "ENC_UTIL_RATIO",
      Kind.GAUGE,
      "Share of time in which the video encoder was busy",
      share,
      (gpu) => gpu.encoder,
    ],
    [
      "DEC_UTIL",
      "DEC_UTIL_RATIO",
      Kind.GAUGE,
      "Share of time in which the video decoder was busy",
      share,
      (gpu) => gpu.decoder,
    ],
    [
      "FB_FREE",
      "FB_FREE_BYTES",
      Kind.GAUGE,
      "Device memory that programs can still get",
      memory,
      (gpu) => gpuMemory(gpu).free,
    ],
    ["FB_USED", "FB_USED_BYTES", Kind.GAUGE, "Device memory that programs hold", memory, (gpu) => gpuMemory(gpu).used],
    [
      "FB_RESERVED",
      "FB_RESERVED_BYTES",
      Kind.GAUGE,
      "Device memory that the driver reserves",
      memory,
      (gpu) => from(gpu.memReserved),
    ],
    [
      "XID_ERRORS",
      "XID_ERROR",
      Kind.GAUGE,
      "Code of the last critical Xid event since the agent started, or the GPU was reset, 0 when there was none",
      count,
      ({ xidLast, xidCount }) => xidLast ?? (xidCount === undefined ? undefined : 0),
    ],
    [
      "ECC_SBE_VOL_TOTAL",
      "ECC_SBE_VOL_TOTAL",
      Kind.COUNTER,
      "Memory errors corrected since the driver was loaded",
      count,
      (gpu) => from(gpu.eccCorrected),
    ],
    [
      "ECC_DBE_VOL_TOTAL",
      "ECC_DBE_VOL_TOTAL",
      Kind.COUNTER,
      "Memory errors not corrected since the driver was loaded",
      count,
      (gpu) => from(gpu.eccUncorrected),
    ],
    [
      "UNCORRECTABLE_REMAPPED_ROWS",
      "ROW_REMAP_UNCORRECTABLE_TOTAL",
      Kind.COUNTER,
      "Memory rows replaced after errors that could not be corrected",
      count,
      ({ remapped }) => remapped?.uncorrectable,
    ],
    [
      "CORRECTABLE_REMAPPED_ROWS",
      "ROW_REMAP_CORRECTABLE_TOTAL",
      Kind.COUNTER,
      "Memory rows replaced after errors that were corrected",
      count,
      ({ remapped }) => remapped?.correctable,
    ],
    [
      "ROW_REMAP_FAILURE",
      "ROW_REMAP_FAILED",
      Kind.GAUGE,
      "Whether a row could not be replaced",
      count,
      ({ remapped }) => (remapped?.failed === undefined ? undefined : Number(remapped.failed)),
    ],
    // A rate, though dcgm-exporter calls it a counter, of both directions, in MiB/s (NVIDIA/dcgm-exporter#417 and #658).
    [
      "NVLINK_BANDWIDTH_TOTAL",
      "NVLINK_THROUGHPUT_BYTES_PER_SECOND",
      Kind.GAUGE,
      "Data sent and received over NVLink",
      rate,
      ({ nvlink }) =>
        nvlink?.rxRate === undefined || nvlink.txRate === undefined ? undefined : Number(nvlink.rxRate + nvlink.txRate),
    ],
  ];

/** Label of the host's name, in lower case since 4.8.3. Metrics with the same name in both sets get both labels. */
const hostLabels: Readonly<Record<DcgmNames, readonly string[]>> = {
  old: ["Hostname"],
  new: ["hostname"],
  both: ["Hostname", "hostname"],
};

/** The labels that dcgm-exporter gives a GPU. */
function labelsOf(gpu: GPUInfo, hostname: string, names: DcgmNames): string {
  const [domain = "", ...rest] = (gpu.pciBusId ?? "").split(":");
  return labels({
    gpu: String(gpu.id ?? ""),
    UUID: gpu.uuid ?? "",
    // NVML's own form: eight digits of domain, capital letters.
    pci_bus_id: rest.length > 0 ? [domain.padStart(8, "0"), ...rest].join(":").toUpperCase() : "",
    device: `nvidia${gpu.id ?? ""}`,
    modelName: gpu.name ?? "",
    ...Object.fromEntries(hostLabels[names].map((label) => [label, hostname])),
  });
}

/** One name, in the set it belongs to. */
interface DcgmField {
  readonly set: DcgmNames;
  readonly name: string;
  readonly unit: string;
  convert(value: number): number;
}

function dcgmFieldsOf([old, now, , , unit]: (typeof fields)[number], names: DcgmNames): DcgmField[] {
  const older: DcgmField = { set: "old", name: old, unit: unit.old, convert: unit.toOld };
  const newer: DcgmField = { set: "new", name: now, unit: unit.new, convert: unit.toNew };
  if (names !== "both") return [names === "old" ? older : newer];
  return old === now ? [{ ...older, set: "both" }] : [older, newer];
}

/** NVIDIA's GPUs under the names of dcgm-exporter. */
export function dcgm({ gpus, info, node }: ExporterInput, names: DcgmNames): MetricFamily[] {
  const cards = gpus
    .filter(({ message, shown }) => shown && message.vendor === Vendor.NVIDIA)
    .map(({ message }) => message);
  return fields.flatMap((field) => {
    const [, , kind, help, , read] = field;
    return dcgmFieldsOf(field, names).map(
      ({ set, name, unit, convert }): MetricFamily => ({
        name: `DCGM_FI_DEV_${name}`,
        kind,
        // As dcgm-exporter says it, though its names end in _TOTAL.
        typed: true,
        help: `${help}${unit}.`,
        samples: cards.flatMap((gpu) => {
          const value = read(gpu);
          const labels = labelsOf(gpu, info.hostname ?? node, set);
          return value === undefined ? [] : [{ labels, value: convert(value) }];
        }),
      }),
    );
  });
}
