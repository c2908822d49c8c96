import { deviceMemory } from "../../machine/drm/dmem.ts";
import { type Card, count, placeName } from "../../machine/drm/drm.ts";
import { Sensors } from "../../machine/drm/hwmon.ts";
import { Slot } from "../../machine/drm/pcie.ts";
import type { Machine } from "../../machine/machine.ts";
import { amount, given, within } from "../../number.ts";
import { Baseline, type Gpu } from "../source.ts";
import { Throttles } from "./throttle.ts";

/**
 * Cards by the numbers of their chips (include/drm/intel/pciids.h): DG1, DG2, the server cards made of it, Ponte Vecchio,
 * Battlemage, Crescent Island. Only a virtual machine's share of a card needs this: it has neither sensors nor a bridge.
 */
const cards = /^(490[5-9]|4f8[0-8]|5[67][9abc][0-9a-f]|0b6[9e]|0bd[0-9ab]|0be[015]|e2[0-2][0-9a-f]|674c)$/;

/** Files of the current clock: of i915 since 6.0, of i915 before, of xe. Megahertz; 0 while the engines sleep. */
const clockFiles = ({ top, folder }: Card): readonly string[] => [
  `${top}/gt/gt0/rps_act_freq_mhz`,
  `${top}/gt_act_freq_mhz`,
  `${folder}/tile0/gt0/freq0/act_freq`,
];

/**
 * Files with the time that the engines slept (RC6), in milliseconds: by i915 and by xe, for each group of engines. Those
 * for video are a group of their own since Meteor Lake, and each tile of a large card has its groups.
 */
function restFiles(machine: Machine, { top, folder }: Card): string[] {
  const below = (path: string, name: RegExp): string[] =>
    machine
      .list(path)
      .filter((each) => name.test(each))
      .map((each) => `${path}/${each}`);
  const xe = below(folder, /^tile\d+$/)
    .flatMap((tile) => below(tile, /^gt\d+$/))
    .map((gt) => `${gt}/gtidle/idle_residency_ms`);
  const i915 = below(`${top}/gt`, /^gt\d+$/).map((gt) => `${gt}/rc6_residency_ms`);
  return [...xe, ...i915].filter((path) => count(machine, path) !== undefined);
}

/** Share of the time asleep above which the card counts as unused: being read wakes it, too. */
const resting = 0.99;

/** Package and memory: Documentation/ABI/testing/sysfs-driver-intel-i915-hwmon, …-xe-hwmon. Processors report theirs elsewhere. */
const thermometers = {
  i915: { pkg: "temp1", vram: undefined },
  xe: { pkg: "temp2", vram: "temp3" },
} as const;

/** Sensors of the card come first; cards of which only the chip is measured (DG2 on xe) have the second alone. */
type Channel = 1 | 2;

/** Reads one Intel GPU: names and sensors. */
export class Arc {
  readonly #machine: Machine;
  readonly card: Card;
  readonly #sensors: Sensors;
  readonly #slot: Slot;
  readonly #throttles: Throttles;
  readonly #energy = new Baseline<number>();
  readonly #rest = new Baseline<readonly number[]>();
  #name: string | undefined;
  #discrete = false;
  #clock: string | undefined;
  #restFiles: readonly string[] = [];

  constructor(machine: Machine, card: Card) {
    this.#machine = machine;
    this.card = card;
    this.#sensors = new Sensors(machine, card);
    this.#slot = new Slot(machine, card);
    this.#throttles = new Throttles(machine, card);
  }

  /** Reads the names, without the driver. Intel's GPUs have no serial number: their slot is their name. */
  names(): Gpu {
    const { vendor, device, pci, folder } = this.card;
    if (this.#name === undefined) {
      const revision = (this.#machine.read(`${folder}/revision`)?.trim() ?? "0").replace(/^0x/, "");
      this.#name = this.#machine.product({ vendor, device, revision });
    }
    return {
      name: this.#name ?? `Intel GPU ${device}`,
      uuid: placeName(this.card),
      pciBusId: pci,
      ...(this.#integrated() && { integrated: true }),
    };
  }

  /**
   * True for graphics inside the processor. i915 and xe have no file that says so. They have sensors, and memory of their
   * own to tell of, for cards alone (i915_hwmon_register(), xe_hwmon_register()). Behind a bridge there is a slot; the
   * root bus tells nothing in a virtual machine, which may put a card there.
   */
  #integrated(): boolean {
    this.#discrete ||= this.#isCard();
    return !this.#discrete;
  }

  #isCard(): boolean {
    const { pci, device, top } = this.card;
    if (!/^[0-9a-f]+:00:/.test(pci) || cards.test(device)) return true;
    this.#sensors.open();
    if (this.#sensors.own) return true;
    return (
      this.#machine.read(`${top}/lmem_total_bytes`) !== undefined || deviceMemory(this.#machine, pci) !== undefined
    );
  }

  /** A file that can be read if the driver answers. */
  probe(): string {
    this.#clock ??= this.#first(clockFiles(this.card));
    return this.#clock ?? `${this.card.folder}/uevent`;
  }

  /** That of these files which is there. */
  #first(paths: readonly string[]): string | undefined {
    return paths.find((path) => this.#machine.list(folderOf(path)).includes(nameOf(path)));
  }

  values(): Gpu {
    const sensors = this.#sensors;
    sensors.open();
    const clock = this.#clock === undefined ? undefined : count(this.#machine, this.#clock);
    const channel: Channel = sensors.has("energy1_input") || !sensors.has("energy2_input") ? 1 : 2;
    const energy = sensors.millijoules(`energy${channel}_input`);
    return {
      ...given("clockSm", within(clock, 0, 20_000)),
      ...given("power", this.#power(energy)),
      ...given("energy", amount(energy)),
      // PL1; 0 where the limit is switched off (sysfs-driver-intel-i915-hwmon).
      ...given("powerLimit", sensors.milliwatts(`power${channel}_max`)),
      ...given("temp", sensors.degrees(this.#thermometer("pkg"))),
      ...given("memTemp", sensors.degrees(this.#thermometer("vram"))),
      ...given("fanRpm", sensors.fastest()),
      ...given("throttle", this.#throttles.read()),
      ...given("pcie", this.#integrated() ? undefined : this.#slot.read()),
      ...this.#memory(),
    };
  }

  /** True when all engines slept all the time since the collection before, which every user may know. */
  resting(): boolean {
    if (this.#restFiles.length === 0) this.#restFiles = restFiles(this.#machine, this.card);
    const slept = this.#restFiles.map((path) => count(this.#machine, path));
    if (slept.length === 0 || slept.includes(undefined)) return false;
    const since = this.#rest.take(this.#machine.ticks(), slept.map(Number));
    if (since === undefined) return false;
    return since.from.every((from, i) => Number(slept[i]) - from >= since.span * resting);
  }

  /** Which sensor it is by its label (xe has them since 6.15), else by its number, which each driver has its own of. */
  #thermometer(label: keyof typeof thermometers.xe): string | undefined {
    const named = this.#sensors.labelled("temp", label);
    if (named !== undefined) return named;
    const sensor = thermometers[this.card.driver === "i915" ? "i915" : "xe"][label];
    return sensor !== undefined && this.#sensors.unlabelled(sensor) ? sensor : undefined;
  }

  /** Milliwatts since the collection before, from the millijoules used. */
  #power(now: number | undefined): number | undefined {
    if (now === undefined) return undefined;
    const since = this.#energy.take(this.#machine.ticks(), now);
    // A counter that went back starts anew.
    const milliwatts = since && now >= since.from ? Math.round(((now - since.from) * 1000) / since.span) : undefined;
    return within(milliwatts, 1, 10_000_000);
  }

  /** Memory of the card, if the driver reports it (Intel's i915 packages do) or the kernel accounts for it. */
  #memory(): Gpu {
    const total = count(this.#machine, `${this.card.top}/lmem_total_bytes`);
    const free = count(this.#machine, `${this.card.top}/lmem_avail_bytes`);
    if (total === undefined || free === undefined || total <= 0 || free < 0 || free > total) {
      const memory = deviceMemory(this.#machine, this.card.pci);
      return { ...given("memTotal", amount(memory?.total)), ...given("memUsed", amount(memory?.used)) };
    }
    return { ...given("memTotal", amount(total)), ...given("memUsed", amount(total - free)) };
  }
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
