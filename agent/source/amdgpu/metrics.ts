import { Throttle } from "../../../proto/gen/host_pb.js";
import { type Attributes, parseAttributes } from "./attributes.ts";
import { type Residency, reasonsOf } from "./throttle.ts";

/**
 * Values of gpu_metrics beyond the files of sysfs and hwmon. A field is absent if the revision lacks it or the chip fills it
 * with ones, which means "not known" (smu_cmn_init_soft_gpu_metrics()).
 */
export interface Metrics {
  /** Millijoules since the firmware was started. */
  readonly energy?: bigint;
  /** Current reasons. */
  readonly throttle?: Throttle[];
  /** Counters of each reason's duration: those that grew since the previous reading applied. */
  readonly residency?: Residency;
  /** Percent of the busiest video or JPEG engine. */
  readonly media?: number;
  /** The link as the chip itself sees it: lanes, and tenths of GT/s. */
  readonly link?: { readonly lanes: number; readonly speed: number };
  readonly xgmiLinks?: number;
}

/** Where a revision of the table keeps what we read, in bytes from its start. */
interface Layout {
  readonly size: number;
  /** 64 bits, in 2^-16 J. */
  readonly energy?: number;
  /** 64 bits of reasons that mean the same on every chip. */
  readonly status?: number;
  /** 32 bits each: the count of samples, then the reasons of MI300 in their order. */
  readonly residency?: number;
  /** Seven counts of 32 bits, the reasons of processors with graphics inside. */
  readonly processor?: number;
  /** Percents of 16 bits: so many, again in each of the partitions. */
  readonly media?: { readonly at: number; readonly count: number; readonly parts?: number; readonly stride?: number };
  /** Lanes and speed, 16 bits each. */
  readonly link?: number;
  /** Eight states of 16 bits. */
  readonly xgmi?: number;
}

/**
 * The revisions, from drivers/gpu/drm/amd/include/kgd_pp_interface.h (structs gpu_metrics_v1_0 to v3_0, as gcc lays them
 * out). What is left out on purpose: "throttle_status", whose bits mean something else on each chip and which is always
 * 0 on MI300; the link of v1.1 to v1.3, in lanes on some chips and as a code on others; the media load of v2, in percent
 * or hundredths of it by chip; the energy of v1.0 to v1.3, but for MI200 (energyOfMi200).
 */
const layouts: Readonly<Record<string, Layout>> = {
  "1.0": { size: 80 },
  "1.1": { size: 96, media: { at: 20, count: 1 } },
  "1.2": { size: 104, media: { at: 20, count: 1 } },
  "1.3": { size: 120, media: { at: 20, count: 1 }, status: 112 },
  "1.4": { size: 288, media: { at: 16, count: 4 }, energy: 24, link: 48 },
  "1.5": { size: 360, media: { at: 16, count: 36 }, energy: 88, link: 112 },
  "1.6": { size: 1664, energy: 16, residency: 32, link: 60, media: { at: 344, count: 36, parts: 8, stride: 168 } },
  "1.7": {
    size: 2208,
    energy: 24,
    residency: 40,
    link: 68,
    xgmi: 264,
    media: { at: 376, count: 36, parts: 8, stride: 232 },
  },
  "1.8": {
    size: 3872,
    energy: 24,
    residency: 40,
    link: 68,
    xgmi: 264,
    media: { at: 376, count: 44, parts: 8, stride: 440 },
  },
  "2.0": { size: 120 },
  "2.1": { size: 120 },
  "2.2": { size: 128, status: 120 },
  "2.3": { size: 152, status: 120 },
  "2.4": { size: 168, status: 120 },
  "3.0": { size: 264, media: { at: 44, count: 1 }, processor: 228 },
};

/** v1.3's energy: only MI200's unit is known ("15.259uJ resolution", smu13_driver_if_aldebaran.h). */
const energyOfMi200 = 24;
/** PCI ids of MI200 (CHIP_ALDEBARAN in amdgpu_drv.c). */
const mi200: ReadonlySet<string> = new Set(["7408", "740c", "740f", "7410"]);

/** Reasons of MI300 in the order of its counters: prochot, ppt, socket_thm, vr_thm, hbm_thm. */
const mi300Reasons = [
  Throttle.PROCHOT,
  Throttle.POWER_CAP,
  Throttle.SW_THERMAL,
  Throttle.REGULATOR_THERMAL,
  Throttle.MEMORY_THERMAL,
];

/** prochot, spl, fppt, sppt (three limits of power), thm_core, thm_gfx, thm_soc. */
const processorReasons = [
  Throttle.PROCHOT,
  Throttle.POWER_CAP,
  Throttle.POWER_CAP,
  Throttle.POWER_CAP,
  Throttle.SW_THERMAL,
  Throttle.SW_THERMAL,
  Throttle.SW_THERMAL,
];

/** gpu_metrics has a revision or size that is not known; the message names it. */
export class UnknownTable extends Error {
  override name = "UnknownTable";
}

/**
 * @param device PCI device of the chip in lower-case hexadecimal.
 * @throws UnknownTable for a revision that is not known, or a size that its revision does not have.
 */
export function parseMetrics(bytes: Uint8Array, device: string): Metrics {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) throw new UnknownTable(`gpu_metrics holds ${bytes.length} bytes: a table has at least 4`);
  const size = view.getUint16(0, true);
  const revision = `${view.getUint8(2)}.${view.getUint8(3)}`;
  if (revision === "1.9" && size === bytes.length) {
    const attributes = parseAttributes(view);
    if (attributes !== undefined) return ofAttributes(attributes);
  }
  const layout = layouts[revision];
  if (layout === undefined || layout.size !== size || size > bytes.length) {
    const known = layout === undefined ? "" : `, and this revision has ${layout.size}`;
    throw new UnknownTable(
      `gpu_metrics is of revision ${revision} with ${size} bytes, ${bytes.length} of them there${known}`,
    );
  }
  return ofTable(view, mi200.has(device) && revision === "1.3" ? { ...layout, energy: energyOfMi200 } : layout);
}

function ofTable(view: DataView, { energy, status, residency, processor, media, link, xgmi }: Layout): Metrics {
  const words = (at: number, count: number): number[] => list(count, (i) => view.getUint16(at + 2 * i, true));
  const counts = (at: number, count: number): number[] => list(count, (i) => view.getUint32(at + 4 * i, true));
  const loads =
    media && list(media.parts ?? 1, (part) => words(media.at + part * (media.stride ?? 0), media.count)).flat();
  return compact({
    energy: energy === undefined ? undefined : millijoules(view.getBigUint64(energy, true)),
    throttle: status === undefined ? undefined : reasonsOf(view.getBigUint64(status, true)),
    residency:
      residency !== undefined
        ? mi300Residency(counts(residency, 6))
        : processor !== undefined
          ? { counts: summed(processorReasons, counts(processor, 7)) }
          : undefined,
    media: loads && busiest(loads),
    link: link === undefined ? undefined : linkOf(words(link, 2)),
    xgmiLinks: xgmi === undefined ? undefined : linksUp(words(xgmi, 8)),
  });
}

/** Numbers of enum amdgpu_metrics_attr_id. */
const attribute = {
  energy: 7,
  samples: 9,
  residency: [10, 11, 12, 13, 14],
  lanes: 16,
  speed: 17,
  xgmi: 31,
  jpeg: 41,
  vcn: 42,
};
/** AMDGPU_METRICS_UNIT_SPEED_1: whole GT/s, where other tables count tenths. */
const wholeSpeed = 7;

function ofAttributes(attributes: Attributes): Metrics {
  const all = (id: number): number[] => (attributes.get(id)?.values ?? []).map(Number);
  const one = (id: number): number => all(id)[0] ?? 0xffff_ffff;
  const energy = attributes.get(attribute.energy)?.values[0];
  const scale = attributes.get(attribute.speed)?.unit === wholeSpeed ? 10 : 1;
  return compact({
    energy: energy === undefined ? undefined : millijoules(energy),
    residency: mi300Residency([one(attribute.samples), ...attribute.residency.map(one)]),
    media: busiest([...all(attribute.vcn), ...all(attribute.jpeg)]),
    link: linkOf([one(attribute.lanes), one(attribute.speed) * scale]),
    xgmiLinks: linksUp(all(attribute.xgmi)),
  });
}

const list = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

function compact<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** The firmware counts in 2^-16 J. Cards whose second die measures nothing tell 0, and so does one that just started. */
function millijoules(count: bigint): bigint | undefined {
  return count === 0n || count === 0xffff_ffff_ffff_ffffn ? undefined : (count * 1000n) >> 16n;
}

function mi300Residency([samples = 0xffff_ffff, ...counts]: readonly number[]): Residency | undefined {
  if (samples === 0xffff_ffff) return undefined;
  return { samples, counts: summed(mi300Reasons, counts) };
}

/** Counts by reason; a counter that is not known (all ones) is left out, and several of one reason are added. */
function summed(reasons: readonly Throttle[], counts: readonly number[]): Map<Throttle, number> {
  const sums = new Map<Throttle, number>();
  for (const [index, count] of counts.entries()) {
    const reason = reasons[index];
    if (reason !== undefined && count !== 0xffff_ffff) sums.set(reason, (sums.get(reason) ?? 0) + count);
  }
  return sums;
}

/** Engines that a chip does not have are filled with ones. */
function busiest(loads: readonly number[]): number | undefined {
  const known = loads.filter((load) => load <= 100);
  return known.length === 0 ? undefined : Math.max(...known);
}

function linkOf([lanes = 0, speed = 0]: readonly number[]): Metrics["link"] {
  return lanes > 0 && lanes <= 32 && speed > 0 && speed < 10_000 ? { lanes, speed } : undefined;
}

/** 1 is up, 0 is not (amdgpu_get_xgmi_link_status()); links that the machine does not use are filled with ones. */
function linksUp(states: readonly number[]): number | undefined {
  const known = states.filter((state) => state <= 1);
  return known.length === 0 ? undefined : known.filter((state) => state === 1).length;
}
