import { Throttle } from "../../../proto/gen/host_pb.js";
import { Baseline } from "../source.ts";

/**
 * Bits of indep_throttle_status, which mean the same on every chip (SMU_THROTTLER_*_BIT in
 * drivers/gpu/drm/amd/pm/swsmu/inc/amdgpu_smu.h): from, to, reason.
 */
const bits: readonly (readonly [from: number, to: number, reason: Throttle])[] = [
  // PPT0 to PPT3, SPL, FPPT, SPPT, SPPT_APU: limits of the package's power.
  [0, 7, Throttle.POWER_CAP],
  // TDC and EDC of the chip's parts, and the controller of peak current (APCC).
  [16, 23, Throttle.CURRENT],
  // GPU, CORE
  [32, 33, Throttle.SW_THERMAL],
  [34, 34, Throttle.MEMORY_THERMAL],
  // EDGE, HOTSPOT, SOC
  [35, 37, Throttle.SW_THERMAL],
  // VR_GFX, VR_SOC, VR_MEM0, VR_MEM1
  [38, 41, Throttle.REGULATOR_THERMAL],
  [42, 43, Throttle.LIQUID_THERMAL],
  // VRHOT0, VRHOT1
  [44, 45, Throttle.REGULATOR_THERMAL],
  // PROCHOT_CPU, PROCHOT_GFX
  [46, 47, Throttle.PROCHOT],
];

/** Returns the current reasons; undefined if the chip fills the field with ones: it does not report them. */
export function reasonsOf(status: bigint): Throttle[] | undefined {
  if (status === 0xffff_ffff_ffff_ffffn) return undefined;
  const reasons = new Set<Throttle>();
  for (let bit = 0; bit < 64; bit++) {
    if (((status >> BigInt(bit)) & 1n) === 0n) continue;
    // PPM (56), FIT (57), and what later chips may add.
    reasons.add(bits.find(([from, to]) => bit >= from && bit <= to)?.[2] ?? Throttle.OTHER);
  }
  return [...reasons].sort((a, b) => a - b);
}

/** Duration of each reason, in samples of the firmware. */
export interface Residency {
  /** Samples that the firmware took; undefined where it does not count them. */
  readonly samples?: number;
  readonly counts: ReadonlyMap<Throttle, number>;
}

/**
 * Share of the firmware's samples from which a reason counts: amd-smi tells whole percents, and calls all but 0 a
 * violation (amdsmi_violation_status_t). Below it, a card at full load would flicker.
 */
const least = 0.01;

/** Derives from counters which reasons applied since the previous reading. */
export class Residencies {
  readonly #baseline = new Baseline<Residency>();

  /** Undefined before there are two readings, and when the counters started anew. */
  reasons(at: number, now: Residency): Throttle[] | undefined {
    const since = this.#baseline.take(at, now);
    if (since === undefined) return undefined;
    const { from } = since;
    const passed = now.samples === undefined ? undefined : now.samples - (from.samples ?? now.samples);
    if (passed !== undefined && passed <= 0) return undefined;
    const applied: Throttle[] = [];
    for (const [reason, count] of now.counts) {
      const grown = count - (from.counts.get(reason) ?? count);
      if (grown < 0) return undefined;
      if (grown > 0 && grown >= (passed ?? 0) * least) applied.push(reason);
    }
    return applied.sort((a, b) => a - b);
  }
}
