import { Throttle } from "../../../proto/gen/host_pb.js";
import { type Card, count } from "../../machine/drm/drm.ts";
import type { Machine } from "../../machine/machine.ts";

/** Reasons by the names that the drivers give them (xe_gt_throttle.c, intel_gt_sysfs_pm.c). */
const reasons = new Map<string, Throttle>(
  Object.entries({
    pl1: Throttle.POWER_CAP,
    pl2: Throttle.POWER_CAP,
    pl4: Throttle.POWER_CAP,
    psys_pl1: Throttle.POWER_CAP,
    psys_pl2: Throttle.POWER_CAP,
    psys_crit: Throttle.POWER_CAP,
    thermal: Throttle.SW_THERMAL,
    // Running average of the temperature.
    ratl: Throttle.SW_THERMAL,
    soc_thermal: Throttle.SW_THERMAL,
    soc_avg_thermal: Throttle.SW_THERMAL,
    mem_thermal: Throttle.MEMORY_THERMAL,
    vr_thermal: Throttle.REGULATOR_THERMAL,
    vr_thermalert: Throttle.REGULATOR_THERMAL,
    vr_tdc: Throttle.CURRENT,
    iccmax: Throttle.CURRENT,
    fastvmode: Throttle.CURRENT,
    prochot: Throttle.PROCHOT,
  }),
);

/** Directory of a driver's throttle files, and the prefix of their names. */
interface ThrottleFiles {
  readonly folder: string;
  readonly prefix: string;
  /** Files that exist. */
  readonly names: readonly string[];
}

/** Reads the throttle reasons of the graphics and compute engines. */
export class Throttles {
  readonly #machine: Machine;
  readonly #places: readonly Omit<ThrottleFiles, "names">[];
  #place: ThrottleFiles | undefined;

  constructor(machine: Machine, { top, folder }: Card) {
    this.#machine = machine;
    this.#places = [
      { folder: `${folder}/tile0/gt0/freq0/throttle`, prefix: "" },
      { folder: `${top}/gt/gt0`, prefix: "throttle_" },
    ];
  }

  /** Returns the current reasons; undefined if the driver does not report them. */
  read(): Throttle[] | undefined {
    this.#place ??= this.#find();
    if (this.#place === undefined) return undefined;
    const { folder, prefix, names } = this.#place;
    // Newer kernels report all at once; read one by one, a reason may end in between.
    const all = names.includes("reasons") ? this.#machine.read(`${folder}/reasons`) : undefined;
    if (all !== undefined)
      return sorted(
        all
          .trim()
          .split(/\s+/)
          .filter((name) => name !== "none" && name !== ""),
      );
    const status = names.includes("status") ? "status" : "reason_status";
    const slowed = count(this.#machine, `${folder}/${prefix}${status}`);
    if (slowed === undefined) return undefined;
    // Most of the time there is none, and one file is enough to know.
    const own = slowed === 0 ? [] : names.filter((name) => name.startsWith("reason_") && name !== status);
    return sorted(own.filter((name) => count(this.#machine, `${folder}/${prefix}${name}`) === 1));
  }

  #find(): ThrottleFiles | undefined {
    for (const place of this.#places) {
      const names = this.#machine.list(place.folder).filter((name) => name.startsWith(place.prefix));
      const bare = names.map((name) => name.slice(place.prefix.length));
      if (bare.some((name) => name === "reasons" || name.startsWith("reason_"))) return { ...place, names: bare };
    }
    return undefined;
  }
}

function sorted(names: readonly string[]): Throttle[] {
  const found = new Set(names.map((name) => reasons.get(name.replace(/^reason_/, "")) ?? Throttle.OTHER));
  return [...found].sort((a, b) => a - b);
}
