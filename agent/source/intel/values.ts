import { deviceMemory } from "../../machine/drm/dmem.ts";
import { Sensors } from "../../machine/drm/hwmon.ts";
import { Slot } from "../../machine/drm/pcie.ts";
import { type Card, count, given, placeName, within } from "../../machine/drm.ts";
import type { Machine } from "../../machine.ts";
import { Baseline, type Gpu } from "../source.ts";
import { Throttles } from "./throttle.ts";

/**
 * True for graphics inside the processor: they sit on the root bus, where no slot leads; cards stand behind a bridge.
 * (i915 and xe have no file that says so; their own test is a table of chips.)
 */
const integrated = (card: Card): boolean => /^[0-9a-f]+:00:/.test(card.pci);

/** Where the clock in force is told: by i915 since 6.0, by i915 before, by xe. Megahertz; 0 while the engines sleep. */
const clockFiles = ({ top, folder }: Card): readonly string[] => [
  `${top}/gt/gt0/rps_act_freq_mhz`,
  `${top}/gt_act_freq_mhz`,
  `${folder}/tile0/gt0/freq0/act_freq`,
];

/** Where the time is told that the engines slept (RC6): by i915, by xe. Milliseconds. */
const restFiles = ({ top, folder }: Card): readonly string[] => [
  `${top}/gt/gt0/rc6_residency_ms`,
  `${folder}/tile0/gt0/gtidle/idle_residency_ms`,
];

/** Share of the time that they must have slept for nobody to have worked: being looked at wakes them too. */
const resting = 0.99;

/** Sensors of the card come first; cards of which only the chip is measured (DG2 on xe) have the second alone. */
type Channel = 1 | 2;

/** One Intel GPU over time. */
export class Arc {
  readonly #machine: Machine;
  readonly card: Card;
  readonly #sensors: Sensors;
  readonly #slot: Slot;
  readonly #throttles: Throttles;
  readonly #energy = new Baseline<number>();
  readonly #rest = new Baseline<number>();
  #names: Gpu | undefined;
  #clock: string | undefined;
  #restFile: string | undefined;

  constructor(machine: Machine, card: Card) {
    this.#machine = machine;
    this.card = card;
    this.#sensors = new Sensors(machine, card);
    this.#slot = new Slot(machine, card);
    this.#throttles = new Throttles(machine, card);
  }

  /** What it is called; nothing here asks the driver. Intel's GPUs tell no serial number: they are called by their place. */
  names(): Gpu {
    const { vendor, device, pci, folder } = this.card;
    const revision = (this.#machine.read(`${folder}/revision`)?.trim() ?? "0").replace(/^0x/, "");
    this.#names ??= {
      name: this.#machine.product({ vendor, device, revision }) ?? `Intel GPU ${device}`,
      uuid: placeName(this.card),
      pciBusId: pci,
      ...(integrated(this.card) && { integrated: true }),
    };
    return this.#names;
  }

  /** A file that shows whether the driver answers. */
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
    const energy = sensors.value(`energy${channel}_input`);
    return {
      ...given("clockSm", within(clock, 0, 20_000)),
      ...given("power", this.#power(energy)),
      // Microjoules. A counter that stands at 0 does not count.
      ...given("energy", energy === undefined || energy <= 0 ? undefined : BigInt(Math.round(energy / 1000))),
      // PL1; 0 where the limit is switched off (sysfs-driver-intel-i915-hwmon).
      ...given("powerLimit", sensors.milliwatts(`power${channel}_max`)),
      // temp2 is the package, temp3 the memory (sysfs-driver-intel-xe-hwmon); processors tell theirs elsewhere.
      ...given("temp", sensors.degrees("temp2")),
      ...given("memTemp", sensors.degrees("temp3")),
      ...given("fanRpm", sensors.fastest()),
      ...given("throttle", this.#throttles.read()),
      ...given("pcie", integrated(this.card) ? undefined : this.#slot.read()),
      ...this.#memory(),
    };
  }

  /** True when the engines slept all the time since the collection before, which every user may know. */
  resting(): boolean {
    this.#restFile ??= this.#first(restFiles(this.card));
    const slept = this.#restFile === undefined ? undefined : count(this.#machine, this.#restFile);
    if (slept === undefined) return false;
    const since = this.#rest.take(this.#machine.ticks(), slept);
    return since !== undefined && slept - since.from >= since.span * resting;
  }

  /** Milliwatts since the collection before, from the microjoules used. */
  #power(now: number | undefined): number | undefined {
    if (now === undefined) return undefined;
    const since = this.#energy.take(this.#machine.ticks(), now);
    // Microjoules per millisecond are milliwatts. A counter that went back starts anew.
    return since && now >= since.from ? within(Math.round((now - since.from) / since.span), 1, 10_000_000) : undefined;
  }

  /** Memory of the card's own, where the driver tells it (Intel's i915 packages do) or the kernel accounts for it. */
  #memory(): Gpu {
    const total = count(this.#machine, `${this.card.top}/lmem_total_bytes`);
    const free = count(this.#machine, `${this.card.top}/lmem_avail_bytes`);
    if (total === undefined || free === undefined || total <= 0 || free < 0 || free > total) {
      const told = deviceMemory(this.#machine, this.card.pci);
      return told === undefined ? {} : { memTotal: BigInt(told.total), memUsed: BigInt(told.used) };
    }
    return { memTotal: BigInt(total), memUsed: BigInt(total - free) };
  }
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
