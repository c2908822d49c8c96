import { Sensors } from "../../machine/drm/hwmon.ts";
import { type Card, count, given, placeName, within } from "../../machine/drm.ts";
import type { Machine } from "../../machine.ts";
import { Baseline, type Gpu } from "../source.ts";

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

/** One Intel GPU over time. */
export class Arc {
  readonly #machine: Machine;
  readonly card: Card;
  readonly #sensors: Sensors;
  readonly #energy = new Baseline<number>();
  #names: Gpu | undefined;
  #clock: string | undefined;

  constructor(machine: Machine, card: Card) {
    this.#machine = machine;
    this.card = card;
    this.#sensors = new Sensors(machine, card);
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
    this.#clock ??= clockFiles(this.card).find((path) => this.#machine.list(folderOf(path)).includes(nameOf(path)));
    return this.#clock ?? `${this.card.folder}/uevent`;
  }

  values(): Gpu {
    const sensors = this.#sensors;
    sensors.open();
    const clock = this.#clock === undefined ? undefined : count(this.#machine, this.#clock);
    return {
      ...given("clockSm", within(clock, 0, 20_000)),
      ...given("power", this.#power()),
      // PL1; 0 where the limit is switched off (sysfs-driver-intel-i915-hwmon).
      ...given("powerLimit", sensors.milliwatts("power1_max")),
      // temp2 is the package, temp3 the memory (sysfs-driver-intel-xe-hwmon); processors tell theirs elsewhere.
      ...given("temp", sensors.degrees("temp2")),
      ...given("memTemp", sensors.degrees("temp3")),
      ...this.#memory(),
    };
  }

  /** Milliwatts since the collection before, from the microjoules the card has used. */
  #power(): number | undefined {
    const now = this.#sensors.value("energy1_input");
    if (now === undefined) return undefined;
    const since = this.#energy.take(this.#machine.ticks(), now);
    // Microjoules per millisecond are milliwatts. A counter that went back starts anew.
    return since && now >= since.from ? within(Math.round((now - since.from) / since.span), 1, 10_000_000) : undefined;
  }

  /** Memory of the card's own, where the driver tells it (Intel's i915 packages do, the kernel's own do not). */
  #memory(): Gpu {
    const total = count(this.#machine, `${this.card.top}/lmem_total_bytes`);
    const free = count(this.#machine, `${this.card.top}/lmem_avail_bytes`);
    if (total === undefined || free === undefined || total <= 0 || free < 0 || free > total) return {};
    return { memTotal: BigInt(total), memUsed: BigInt(total - free) };
  }
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
