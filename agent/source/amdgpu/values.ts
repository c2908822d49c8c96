import { type Card, count, placeName } from "../../machine/drm/drm.ts";
import { Sensors } from "../../machine/drm/hwmon.ts";
import { generationOf, type Link, Slot } from "../../machine/drm/pcie.ts";
import type { Machine } from "../../machine/machine.ts";
import { amount, given, whole, within } from "../../number.ts";
import type { Gpu, Log } from "../source.ts";
import { type Metrics, parseMetrics } from "./metrics.ts";
import { Ras } from "./ras.ts";
import { Residencies } from "./throttle.ts";

/** The clock in force, marked with a star in the table of pp_dpm_sclk: "1: 2100Mhz *". */
export function activeClock(text: string): number | undefined {
  const megahertz = /^\S+:\s*(\d+)\s*mhz\s*\*/im.exec(text)?.[1];
  return megahertz === undefined ? undefined : Number(megahertz);
}

/**
 * The uuid is "GPU-" and the card's unique_id, as ROCm calls it (rocminfo, ROCR_VISIBLE_DEVICES); cards without such a
 * number (before GFX9, most integrated ones) are called by their place.
 */
export function uuidOf(card: Card, unique: string | undefined): string {
  const id = unique?.trim().toLowerCase() ?? "";
  return /^[0-9a-f]{1,16}$/.test(id) && /[1-9a-f]/.test(id) ? `GPU-${id.padStart(16, "0")}` : placeName(card);
}

/** Parses "SPX", "NPS1"; "UNKNOWN", which the driver writes while it does not know, is not a mode. */
const mode = (text: string | undefined): string | undefined =>
  /^([SDTQC]PX|NPS[1-8])$/.test(text ?? "") ? text : undefined;

/** Virtual functions have no link of their own in PCI's registers; the firmware knows the real one. */
function linkOf({ link }: Metrics): Link | undefined {
  if (link === undefined) return undefined;
  return { width: link.lanes, ...given("generation", generationOf(link.speed)) };
}

/** Reads one AMD card: names, sensors, error counts. */
export class Radeon {
  readonly #machine: Machine;
  readonly card: Card;
  readonly #sensors: Sensors;
  readonly #ras: Ras;
  readonly #slot: Slot;
  readonly #log: Log;
  readonly #residencies = new Residencies();
  #names: Gpu | undefined;
  /** What was said of a table that cannot be read, lest it be said at each poll. */
  #said = "";

  constructor(machine: Machine, card: Card, log: Log) {
    this.#machine = machine;
    this.card = card;
    this.#log = log;
    this.#sensors = new Sensors(machine, card);
    this.#slot = new Slot(machine, card);
    this.#ras = new Ras(machine, card);
  }

  #text(name: string): string | undefined {
    return this.#machine.read(`${this.card.folder}/${name}`)?.trim() || undefined;
  }

  #number(name: string): number | undefined {
    return count(this.#machine, `${this.card.folder}/${name}`);
  }

  /** What the card is called. The driver answers these from its memory: nothing here wakes a card or waits for it. */
  names(): Gpu {
    if (this.#names !== undefined) return this.#names;
    const { vendor, device, pci, folder } = this.card;
    const unique = this.#machine.read(`${folder}/unique_id`);
    const revision = (this.#text("revision") ?? "0").replace(/^0x/, "");
    // The name burnt into server cards; boards without one are called by what their chip is sold as.
    const burnt = this.#text("product_name");
    const known = burnt ?? this.#machine.product({ vendor, device, revision });
    const name = known ?? `AMD GPU ${device}`;
    // While the chip is being reset its number is refused: better no name for once than a wrong one in the history.
    if (unique === undefined && this.#machine.list(folder).includes("unique_id")) return { name, pciBusId: pci };
    const names = { name, uuid: uuidOf(this.card, unique), pciBusId: pci };
    // A list of names may be installed later.
    if (known !== undefined) this.#names = names;
    return names;
  }

  /** @param busy Text of gpu_busy_percent. */
  values(busy: string): Gpu {
    this.#sensors.open();
    const errors = this.#ras.read();
    // Only processors with graphics inside have the sensor of their northbridge ("only APUs have vddnb", amdgpu_pm.c).
    const integrated = this.#sensors.labelled("in", "vddnb") !== undefined;
    const metrics = this.#metrics();
    return {
      ...given("utilization", within(whole(busy), 0, 100)),
      ...given("memUtilization", within(this.#number("mem_busy_percent"), 0, 100)),
      ...this.#memory(),
      ...this.#heat(),
      ...this.#clocks(),
      ...(integrated && { integrated: true }),
      ...(errors && { eccCorrected: BigInt(errors.corrected), eccUncorrected: BigInt(errors.uncorrected) }),
      ...this.#metricValues(metrics),
      // Inside a processor there is no slot, and what its function says of a link means nothing.
      ...given("pcie", integrated ? undefined : (this.#slot.read() ?? linkOf(metrics))),
      ...given("computePartition", mode(this.#text("current_compute_partition"))),
      ...given("memoryPartition", mode(this.#text("current_memory_partition"))),
    };
  }

  /** The firmware's own table, a binary file; empty where the chip has none (before Vega) or it cannot be read. */
  #metrics(): Metrics {
    const bytes = this.#machine.bytes(`${this.card.folder}/gpu_metrics`);
    if (bytes === undefined || bytes.length === 0) return {};
    try {
      return parseMetrics(bytes, this.card.device);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const left = "its energy, throttle reasons and media load are left out";
      if (text !== this.#said) this.#log.warn(`amdgpu: card${this.card.number}: ${text}: ${left}`);
      this.#said = text;
      return {};
    }
  }

  #metricValues({ energy, media, throttle, residency, xgmiLinks }: Metrics): Gpu {
    const reasons = throttle ?? (residency && this.#residencies.reasons(this.#machine.ticks(), residency));
    return {
      ...given("energy", energy),
      ...given("media", media),
      ...given("throttle", reasons),
      ...given("xgmiLinksUp", xgmiLinks),
    };
  }

  #memory(): Gpu {
    const pair = (kind: string): { used: number; total: number } | undefined => {
      const used = this.#number(`mem_info_${kind}_used`);
      const total = this.#number(`mem_info_${kind}_total`);
      // Memory whose parts do not fit its total is garbage.
      if (used === undefined || total === undefined || total <= 0 || used < 0 || used > total) return undefined;
      return { used, total };
    };
    const vram = pair("vram");
    const gtt = pair("gtt");
    return {
      ...given("memUsed", amount(vram?.used)),
      ...given("memTotal", amount(vram?.total)),
      ...given("hostMemUsed", amount(gtt?.used)),
      ...given("hostMemTotal", amount(gtt?.total)),
    };
  }

  #heat(): Gpu {
    const sensors = this.#sensors;
    const junction = sensors.degrees(sensors.labelled("temp", "junction"));
    // Instinct cards since MI300 have no edge sensor; chips before Vega have one sensor and no label.
    const only = sensors.unlabelled("temp1") ? "temp1" : undefined;
    const edge = sensors.degrees(sensors.labelled("temp", "edge") ?? only);
    return {
      ...given("temp", edge ?? junction),
      ...given("tempHotspot", junction),
      ...given("memTemp", sensors.degrees(sensors.labelled("temp", "mem"))),
      ...given("power", sensors.milliwatts("power1_average") ?? sensors.milliwatts("power1_input")),
      ...given("powerLimit", sensors.milliwatts("power1_cap")),
      ...given("fanspeed", this.#fan()),
      ...given("fanRpm", sensors.fastest()),
    };
  }

  /** The level set, 0 to 255, is how fast the fan should turn; without it the measured speed is used. */
  #fan(): number | undefined {
    const level = within(this.#sensors.value("pwm1"), 0, 255);
    if (level !== undefined) return Math.round((level / 255) * 100);
    const most = this.#sensors.value("fan1_max");
    const speed = most === undefined || most <= 0 ? undefined : this.#sensors.value("fan1_input");
    return within(speed === undefined || most === undefined ? undefined : Math.round((speed / most) * 100), 0, 200);
  }

  #clocks(): Gpu {
    const clock = (label: string, table: string): number | undefined => {
      const sensor = this.#sensors.labelled("freq", label);
      const hertz = sensor === undefined ? undefined : this.#sensors.value(`${sensor}_input`);
      return hertz === undefined ? activeClock(this.#text(table) ?? "") : Math.round(hertz / 1e6);
    };
    return {
      ...given("clockSm", within(clock("sclk", "pp_dpm_sclk"), 0, 20_000)),
      ...given("clockMem", within(clock("mclk", "pp_dpm_mclk"), 0, 50_000)),
    };
  }
}
