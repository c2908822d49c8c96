import { within } from "../../number.ts";
import type { Machine } from "../machine.ts";
import { type Card, count } from "./drm.ts";

/**
 * The sensors of one card, as its driver offers them in hwmon (Documentation/hwmon/sysfs-interface.rst). Which there are
 * is looked at in each round: a driver that was loaded anew may have a folder of another number, or other sensors in it.
 */
export class Sensors {
  readonly #machine: Machine;
  readonly #card: Card;
  #names = "";
  #folder: string | undefined;
  #own = false;
  #labels = new Map<string, string>();
  #listing = "";
  #files: ReadonlySet<string> = new Set();

  constructor(machine: Machine, card: Card) {
    this.#machine = machine;
    this.#card = card;
  }

  /** To be called before a round of reading. */
  open(): void {
    const top = `${this.#card.folder}/hwmon`;
    const names = this.#machine.list(top).filter((name) => /^hwmon\d+$/.test(name));
    if (names.join(" ") !== this.#names) {
      this.#names = names.join(" ");
      // i915 has one for the card and one for each of its tiles ("i915_gt0"); the card's has the driver's name.
      const own = names.find((name) => this.#machine.read(`${top}/${name}/name`)?.trim() === this.#card.driver);
      const chosen = own ?? names[0];
      this.#own = own !== undefined;
      this.#folder = chosen === undefined ? undefined : `${top}/${chosen}`;
      this.#listing = "";
    }
    const files = this.#folder === undefined ? [] : this.#machine.list(this.#folder);
    const listing = `${this.#folder} ${files.join(" ")}`;
    if (listing === this.#listing) return;
    this.#listing = listing;
    this.#labels = new Map();
    this.#files = new Set(files);
    for (const file of files) {
      const [, sensor] = /^([a-z]+\d+)_label$/.exec(file) ?? [];
      const label = sensor && this.#machine.read(`${this.#folder}/${file}`)?.trim();
      if (sensor && label) this.#labels.set(sensor, label);
    }
  }

  /** True where the card's driver itself has sensors, as against some other thing on the card. */
  get own(): boolean {
    return this.#own;
  }

  /** True if a file exists, even if it cannot be read. */
  has(file: string): boolean {
    return this.#files.has(file);
  }

  /** Speed of its fastest fan in revolutions per minute; 0 while none turns. */
  fastest(): number | undefined {
    const speeds = [...this.#files].filter((file) => /^fan\d+_input$/.test(file)).map((file) => this.value(file));
    const known = speeds.filter((speed) => speed !== undefined && speed >= 0 && speed <= 50_000);
    return known.length === 0 ? undefined : Math.max(...known.map(Number));
  }

  /** Value of a file in hwmon's unit; undefined if there is no such sensor or it cannot be read. */
  value(file: string): number | undefined {
    // Asking for what is not there costs more than reading what is.
    return this.#files.has(file) ? count(this.#machine, `${this.#folder}/${file}`) : undefined;
  }

  /** Millijoules of a file that counts microjoules: those pass 2^53 within a year. A counter that stands at 0 does not count. */
  millijoules(file: string): number | undefined {
    const text = this.#files.has(file) ? this.#machine.read(`${this.#folder}/${file}`)?.trim() : undefined;
    const value = /^\d{1,20}$/.test(text ?? "") ? Number((BigInt(text ?? "") + 500n) / 1000n) : undefined;
    return within(value, 1, Number.MAX_SAFE_INTEGER);
  }

  /** True for a sensor whose driver gives it no label. */
  unlabelled(sensor: string): boolean {
    return !this.#labels.has(sensor);
  }

  /** Finds the sensor of a kind ("temp", "freq", "in") with this label: "temp2". */
  labelled(kind: string, label: string): string | undefined {
    for (const [sensor, own] of this.#labels) if (own === label && sensor.startsWith(kind)) return sensor;
    return undefined;
  }

  /** Whole °C; undefined for a sensor that is off or dead: those read 0, or far beyond what silicon survives. */
  degrees(sensor: string | undefined): number | undefined {
    if (sensor === undefined) return undefined;
    const degrees = Math.round((this.value(`${sensor}_input`) ?? 0) / 1000);
    return degrees > 0 && degrees < 150 ? degrees : undefined;
  }

  /** Milliwatts of a file that counts microwatts; 0 means not measured, or (for a limit) none. */
  milliwatts(file: string): number | undefined {
    const value = Math.round((this.value(file) ?? 0) / 1000);
    return value > 0 && value <= 10_000_000 ? value : undefined;
  }
}
