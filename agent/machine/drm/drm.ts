import { whole } from "../../number.ts";
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
  /** PCI addresses of its virtual functions (SR-IOV) that a driver of this machine runs: what they do is done by this card. */
  readonly shares: readonly string[];
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
  return { number, pci, vendor, device, driver: field("DRIVER"), top, folder: `${top}/device`, shares: [] };
}

/** PCI address of the function that a virtual one (SR-IOV) is a share of; undefined for what is whole. */
export function wholeOf(machine: Machine, pci: string): string | undefined {
  const link = machine.link(`/sys/bus/pci/devices/${pci}/physfn`);
  return link?.slice(link.lastIndexOf("/") + 1).toLowerCase();
}

/** Finds the cards of one vendor, by PCI address: the order in which the vendors' own tools number them. */
export class Finder {
  readonly #machine: Machine;
  readonly #vendor: string;
  /** Cards of others by name, with where they lead: they need no second look while they and the list stay what they are. */
  readonly #others = new Map<string, string | undefined>();
  #names = "";
  /** Address of the card that a virtual function is a share of, by its own address; undefined for whole cards. */
  readonly #wholes = new Map<string, string | undefined>();

  /** @param vendor PCI vendor in lower-case hexadecimal. */
  constructor(machine: Machine, vendor: string) {
    this.#machine = machine;
    this.#vendor = vendor;
  }

  find(): Card[] {
    // Connectors ("card1-DP-1") and render nodes are listed beside the cards.
    const names = this.#machine.list(drm).filter((name) => /^card\d+$/.test(name));
    const all = names.join(" ");
    if (all !== this.#names) this.#others.clear();
    this.#names = all;
    const cards = new Map<string, Card>();
    for (const name of names) {
      const card = this.#card(name);
      // One function is one card, however many nodes its drivers make.
      if (card !== undefined && !cards.has(card.pci)) cards.set(card.pci, card);
    }
    const shares = new Map<string, string[]>();
    for (const pci of cards.keys()) {
      const whole = this.#wholeOf(pci);
      if (whole !== undefined && cards.has(whole)) shares.set(whole, [...(shares.get(whole) ?? []), pci]);
    }
    const parts = new Set([...shares.values()].flat());
    return [...cards.values()]
      .filter(({ pci }) => !parts.has(pci))
      .map((card) => ({ ...card, shares: shares.get(card.pci) ?? [] }))
      .sort((a, b) => (a.pci < b.pci ? -1 : 1));
  }

  #card(name: string): Card | undefined {
    // A name may pass to another card between two rounds; to follow a link costs a third of reading the file.
    const others = this.#others.has(name);
    const place = others ? this.#machine.link(`${drm}/${name}`) : undefined;
    if (others && this.#others.get(name) === place) return undefined;
    const uevent = this.#machine.read(`${drm}/${name}/device/uevent`);
    const card = parseCard(Number(name.slice(4)), uevent ?? "");
    if (card?.vendor === this.#vendor) {
      this.#others.delete(name);
      return card;
    }
    if (uevent !== undefined) this.#others.set(name, this.#machine.link(`${drm}/${name}`));
    return undefined;
  }

  /** In a virtual machine a share is all there is of the card: it has no such link, and is a card. */
  #wholeOf(pci: string): string | undefined {
    if (!this.#wholes.has(pci)) this.#wholes.set(pci, wholeOf(this.#machine, pci));
    return this.#wholes.get(pci);
  }
}

/** True while the card is powered down because it is unused; reading most of its files would wake it. */
export function asleep(machine: Machine, card: Card): boolean {
  // Documentation/ABI/testing/sysfs-devices-power: "suspended", "suspending", "resuming", "active", "error", "unsupported".
  return machine.read(`${card.folder}/power/runtime_status`)?.startsWith("suspend") ?? false;
}

/** Its device nodes below /dev/dri, those of its shares too: "card1", "renderD128". */
export const nodes = (machine: Machine, card: Card): string[] =>
  [`${card.folder}/drm`, ...card.shares.map((pci) => `/sys/bus/pci/devices/${pci}/drm`)].flatMap((folder) =>
    machine.list(folder).filter((name) => /^(card|renderD)\d+$/.test(name)),
  );

/** True if a device node, or a function by its PCI address, belongs to the card or is a virtual function of it. */
export const belongs = ({ pci, shares }: Card, address: string | undefined): boolean =>
  address === pci || (address !== undefined && shares.includes(address));

/** Permanent name of a card without a serial number: its slot, in the form of udev's ID_PATH. */
export const placeName = (card: Card): string => `pci-${card.pci}`;

/** A whole number in a file; undefined where the file is not there, cannot be read, or holds anything else. */
export const count = (machine: Machine, path: string): number | undefined => whole(machine.read(path));
