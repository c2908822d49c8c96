import type { Machine } from "../machine.ts";

/** A graphics card or accelerator that a kernel driver of the DRM subsystem runs. */
export interface Card {
  /** Of /dev/dri/card<number>. */
  readonly number: number;
  /** "0000:c1:00.0", as lspci writes it. */
  readonly pci: string;
  /** Hexadecimal, lower case. */
  readonly vendor: string;
  readonly device: string;
  /** Kernel driver; empty where none is bound. */
  readonly driver: string;
  /** /sys/class/drm/card<number>, where i915 keeps its own files. */
  readonly top: string;
  /** /sys/class/drm/card<number>/device: the PCI function. */
  readonly folder: string;
}

const drm = "/sys/class/drm";

/**
 * One card from the uevent file of its device; undefined for what is no PCI function (the partitions of an MI300X are
 * platform devices "amdgpu_xcp.N", each with a card number of its own) or neither display controller nor accelerator.
 * The file is written by the PCI core: reading it neither asks the driver nor wakes the card.
 */
export function parseCard(number: number, uevent: string): Card | undefined {
  const field = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(uevent)?.[1]?.trim() ?? "";
  const [vendor = "", device = ""] = field("PCI_ID").toLowerCase().split(":");
  const pci = field("PCI_SLOT_NAME").toLowerCase();
  // Base class of the PCI code and ID assignment specification: 03 display controller, 12 processing accelerator.
  const base = Number.parseInt(field("PCI_CLASS"), 16) >> 16;
  if (pci === "" || device === "" || (base !== 0x03 && base !== 0x12)) return undefined;
  const top = `${drm}/card${number}`;
  return { number, pci, vendor, device, driver: field("DRIVER"), top, folder: `${top}/device` };
}

/** Finds the cards of one vendor, by PCI address: the order in which the vendors' own tools number them. */
export class Finder {
  readonly #machine: Machine;
  readonly #vendor: string;
  /** Cards of others, which need no second look while the list of cards stays the same. */
  #others = new Set<string>();
  #names = "";

  /** @param vendor PCI vendor in lower-case hexadecimal. */
  constructor(machine: Machine, vendor: string) {
    this.#machine = machine;
    this.#vendor = vendor;
  }

  find(): Card[] {
    // Connectors ("card1-DP-1") and render nodes are listed beside the cards.
    const names = this.#machine.list(drm).filter((name) => /^card\d+$/.test(name));
    const all = names.join(" ");
    if (all !== this.#names) this.#others = new Set();
    this.#names = all;
    const cards: Card[] = [];
    for (const name of names) {
      if (this.#others.has(name)) continue;
      const uevent = this.#machine.read(`${drm}/${name}/device/uevent`);
      const card = parseCard(Number(name.slice(4)), uevent ?? "");
      if (card?.vendor === this.#vendor) cards.push(card);
      else if (uevent !== undefined) this.#others.add(name);
    }
    return cards.sort((a, b) => (a.pci < b.pci ? -1 : 1));
  }
}

/** True while the card is powered down because nobody uses it; most of its files would wake it when read. */
export function asleep(machine: Machine, card: Card): boolean {
  // Documentation/ABI/testing/sysfs-devices-power: "suspended", "suspending", "resuming", "active", "error", "unsupported".
  return machine.read(`${card.folder}/power/runtime_status`)?.startsWith("suspend") ?? false;
}

/** Its device nodes below /dev/dri: "card1", "renderD128". */
export const nodes = (machine: Machine, card: Card): string[] =>
  machine.list(`${card.folder}/drm`).filter((name) => /^(card|renderD)\d+$/.test(name));

/** Lasting name of a card that has no serial number of its own: its place, as udev's ID_PATH writes it. */
export const placeName = (card: Card): string => `pci-${card.pci}`;

/** The whole number that a text is; undefined for anything else. */
export function whole(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? "";
  return /^-?\d{1,19}$/.test(trimmed) ? Number(trimmed) : undefined;
}

/** A whole number in a file; undefined where the file is not there, cannot be read, or holds anything else. */
export const count = (machine: Machine, path: string): number | undefined => whole(machine.read(path));

/** The same, where it lies between two bounds: a reading beyond what such a thing can be is garbage. */
export function within(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}

/** A field only where there is a value: absent is not 0. */
export function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };
}
