// Encodes gpu_metrics tables of the amdgpu driver, for tests and captures. Missing fields are filled with ones, as the driver
// does. The fields are in the order of drivers/gpu/drm/amd/include/kgd_pp_interface.h, from which the offsets are computed; the
// agent has a table of offsets instead.

/** A field: bits of a number or fields of a struct, and the length of an array of them. */
type Field = readonly [name: string, kind: 16 | 32 | 64 | readonly Field[], count?: number];
type Value = number | bigint;
/** Values by name of the field; in an array of structs by "name[1].field". */
export type Values = Readonly<Record<string, Value | readonly Value[]>>;

const each = (bits: 16 | 32 | 64, names: string): Field[] => names.split(" ").map((name) => [name, bits]);

const v1Middle = [
  ...each(
    16,
    "average_gfxclk average_socclk average_uclk average_vclk0 average_dclk0 average_vclk1 average_dclk1 " +
      "current_gfxclk current_socclk current_uclk current_vclk0 current_dclk0 current_vclk1 current_dclk1",
  ),
  ...each(32, "throttle_status"),
  ...each(16, "current_fan_speed pcie_link_width pcie_link_speed padding"),
  ...each(32, "gfx_activity_acc mem_activity_acc"),
  ["temperature_hbm", 16, 4],
] as const satisfies Field[];

const v1Head = each(
  16,
  "temperature_edge temperature_hotspot temperature_mem temperature_vrgfx temperature_vrsoc temperature_vrmem " +
    "average_gfx_activity average_umc_activity average_mm_activity average_socket_power",
);

const v1_3: Field[] = [
  ...v1Head,
  ...each(64, "energy_accumulator system_clock_counter"),
  ...v1Middle,
  ...each(64, "firmware_timestamp"),
  ...each(16, "voltage_soc voltage_gfx voltage_mem padding1"),
  ...each(64, "indep_throttle_status"),
];

const socket = each(
  16,
  "temperature_hotspot temperature_mem temperature_vrsoc curr_socket_power average_gfx_activity average_umc_activity",
);

const links: Field[] = [
  ...each(32, "gfxclk_lock_status"),
  ...each(16, "pcie_link_width pcie_link_speed xgmi_link_width xgmi_link_speed"),
  ...each(32, "gfx_activity_acc mem_activity_acc"),
  ...each(64, "pcie_bandwidth_acc pcie_bandwidth_inst pcie_l0_to_recov pcie_replay pcie_replay_rover"),
];

const transfers: Field[] = [
  ["xgmi_read_data_acc", 64, 8],
  ["xgmi_write_data_acc", 64, 8],
];

const clocks: Field[] = [
  ...each(64, "firmware_timestamp"),
  ["current_gfxclk", 16, 8],
  ["current_socclk", 16, 4],
  ["current_vclk0", 16, 4],
  ["current_dclk0", 16, 4],
  ...each(16, "current_uclk last"),
];

const residencies = each(
  32,
  "accumulation_counter prochot_residency_acc ppt_residency_acc socket_thm_residency_acc vr_thm_residency_acc " +
    "hbm_thm_residency_acc",
);

const partitions = (jpegs: number, sums: number): Field[] => [
  [
    "xcp_stats",
    [
      ["gfx_busy_inst", 32, 8],
      ["jpeg_busy", 16, jpegs],
      ["vcn_busy", 16, 4],
      ["gfx_busy_acc", 64, 8],
      ...(sums > 0 ? [["below_host_limit", 64, 8 * sums] as const] : []),
    ],
    8,
  ],
  ...each(32, "pcie_lc_perf_other_end_recovery"),
];

const energy = each(64, "energy_accumulator system_clock_counter");
const naks = each(32, "pcie_nak_sent pcie_nak_rcvd");
const status: Field = ["xgmi_link_status", 16, 8];

const v1_7 = (jpegs: number, sums: number): Field[] => [
  ...socket,
  ...each(64, "mem_max_bandwidth"),
  ...energy,
  ...residencies,
  ...links,
  ...naks,
  ...transfers,
  status,
  ...each(16, "padding"),
  ...clocks,
  ...partitions(jpegs, sums),
];

const v2_2: Field[] = [
  ...each(16, "temperature_gfx temperature_soc"),
  ["temperature_core", 16, 8],
  ["temperature_l3", 16, 2],
  ...each(16, "average_gfx_activity average_mm_activity"),
  ...each(64, "system_clock_counter"),
  ...each(16, "average_socket_power average_cpu_power average_soc_power average_gfx_power"),
  ["average_core_power", 16, 8],
  ...each(16, "average_gfxclk average_socclk average_uclk average_fclk average_vclk average_dclk"),
  ...each(16, "current_gfxclk current_socclk current_uclk current_fclk current_vclk current_dclk"),
  ["current_coreclk", 16, 8],
  ["current_l3clk", 16, 2],
  ...each(32, "throttle_status"),
  ...each(16, "fan_pwm padding0 padding1 padding2"),
  ...each(64, "indep_throttle_status"),
];

const v3_0: Field[] = [
  ...each(16, "temperature_gfx temperature_soc"),
  ["temperature_core", 16, 16],
  ...each(16, "temperature_skin average_gfx_activity average_vcn_activity"),
  ["average_ipu_activity", 16, 8],
  ["average_core_c0_activity", 16, 16],
  ...each(16, "average_dram_reads average_dram_writes average_ipu_reads average_ipu_writes"),
  ...each(64, "system_clock_counter"),
  ...each(32, "average_socket_power"),
  ...each(16, "average_ipu_power"),
  ...each(32, "average_apu_power average_gfx_power average_dgpu_power average_all_core_power"),
  ["average_core_power", 16, 16],
  ...each(16, "average_sys_power stapm_power_limit current_stapm_power_limit"),
  ["average_clocks", 16, 8],
  ["current_coreclk", 16, 16],
  ...each(16, "current_core_maxfreq current_gfx_maxfreq"),
  ...each(
    32,
    "throttle_residency_prochot throttle_residency_spl throttle_residency_fppt throttle_residency_sppt " +
      "throttle_residency_thm_core throttle_residency_thm_gfx throttle_residency_thm_soc time_filter_alphavalue",
  ),
];

const revisions: Readonly<Record<string, readonly Field[]>> = {
  "1.1": [...v1Head, ...energy, ...v1Middle],
  "1.3": v1_3,
  "1.4": [
    ...socket,
    ["vcn_activity", 16, 4],
    ...energy,
    ...each(32, "throttle_status"),
    ...links,
    ...transfers,
    ...clocks,
  ],
  "1.5": [
    ...socket,
    ["vcn_activity", 16, 4],
    ["jpeg_activity", 16, 32],
    ...energy,
    ...each(32, "throttle_status"),
    ...links,
    ...naks,
    ...transfers,
    ...clocks,
  ],
  "1.6": [...socket, ...energy, ...residencies, ...links, ...naks, ...transfers, ...clocks, ...partitions(32, 0)],
  "1.7": v1_7(32, 1),
  "1.8": v1_7(40, 4),
  // Without the last field.
  "2.1": v2_2.slice(0, -1),
  "2.2": v2_2,
  "2.4": [...v2_2, ["more", 16, 18]],
  "3.0": v3_0,
};

/** Computes size and alignment of a field in bytes. */
function shape(kind: Field[1]): { size: number; align: number } {
  if (typeof kind === "number") return { size: kind / 8, align: kind / 8 };
  let size = 0;
  let align = 1;
  for (const [, inner, count = 1] of kind) {
    const one = shape(inner);
    size = up(size, one.align) + one.size * count;
    align = Math.max(align, one.align);
  }
  return { size: up(size, align), align };
}

const up = (at: number, align: number): number => Math.ceil(at / align) * align;

function put(view: DataView, at: number, { bits, value }: { bits: number; value: Value }): void {
  if (bits === 64) view.setBigUint64(at, BigInt(value), true);
  else if (bits === 32) view.setUint32(at, Number(value), true);
  else view.setUint16(at, Number(value), true);
}

/** Computes the offset of every number in a list of fields. */
function* places(
  fields: readonly Field[],
  from: number,
  prefix = "",
): Generator<{ name: string; at: number; bits: 16 | 32 | 64; index: number }> {
  let at = from;
  for (const [name, kind, count = 1] of fields) {
    const { size, align } = shape(kind);
    at = up(at, align);
    for (let index = 0; index < count; index++, at += size) {
      if (typeof kind === "number") yield { name: `${prefix}${name}`, at, bits: kind, index };
      else yield* places(kind, at, `${prefix}${name}[${index}].`);
    }
  }
}

/** Encodes a table of a revision. @throws Error for a field that the revision does not have */
export function table(revision: string, values: Values): Uint8Array {
  const fields = revisions[revision];
  if (fields === undefined) throw new Error(`no table of revision ${revision}`);
  const header: Field = ["common_header", 32];
  const { size } = shape([header, ...fields]);
  const bytes = new Uint8Array(size).fill(0xff);
  const view = new DataView(bytes.buffer);
  const [format = 0, content = 0] = revision.split(".").map(Number);
  view.setUint16(0, size, true);
  view.setUint8(2, format);
  view.setUint8(3, content);
  const left = new Set(Object.keys(values));
  for (const { name, at, bits, index } of places(fields, 4)) {
    const given = values[name];
    const value = typeof given === "object" ? given[index] : index === 0 ? given : undefined;
    left.delete(name);
    if (value !== undefined) put(view, at, { bits, value });
  }
  if (left.size > 0) throw new Error(`revision ${revision} has no ${[...left].join(", ")}`);
  return bytes;
}

/** An attribute of a self-describing table, with numbers of the enums amdgpu_metrics_attr_unit, _type and _id. */
export interface Attribute {
  readonly unit?: number;
  /** Unsigned integers of 16 bits (2), 32 bits (4) or 64 bits (6). */
  readonly type: 2 | 4 | 6;
  readonly id: number;
  readonly values: readonly Value[];
}

/** Encodes a table of revision 1.9: a count, then for each attribute a 64-bit code and its values, without padding. */
export function attributes(list: readonly Attribute[]): Uint8Array {
  const bits = (type: number): 16 | 32 | 64 => (type === 2 ? 16 : type === 4 ? 32 : 64);
  const size = 8 + list.reduce((sum, { type, values }) => sum + 8 + (values.length * bits(type)) / 8, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, size, true);
  view.setUint8(2, 1);
  view.setUint8(3, 9);
  view.setInt32(4, list.length, true);
  let at = 8;
  for (const { unit = 0, type, id, values } of list) {
    put(view, at, {
      bits: 64,
      value: (BigInt(unit) << 24n) | (BigInt(type) << 20n) | (BigInt(id) << 10n) | BigInt(values.length),
    });
    at += 8;
    for (const value of values) {
      put(view, at, { bits: bits(type), value });
      at += bits(type) / 8;
    }
  }
  return bytes;
}
