import { given } from "../../number.ts";
import type { Machine } from "../machine.ts";
import { type Card, count } from "./drm.ts";

/** The fields of PcieLink in host.proto. */
export interface Link {
  readonly generation?: number;
  readonly width?: number;
  readonly generationMax?: number;
  readonly widthMax?: number;
}

/** Tenths of GT/s by generation, from 1 (PCI Express Base Specification 6.0, "Link Speeds"). */
const speeds = [25, 50, 80, 160, 320, 640];

/** Generation that runs at so many tenths of GT/s. */
export function generationOf(speed: number): number | undefined {
  const index = speeds.indexOf(speed);
  return index < 0 ? undefined : index + 1;
}

const functions = /[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/g;

/**
 * The PCI functions from the root port down to the card, from where sysfs keeps the card:
 * "../../devices/pci0000:00/0000:00:01.1/0000:01:00.0/drm/card1".
 */
const chain = (link: string): string[] => link.match(functions) ?? [];

/**
 * The link between a card and the machine. Radeon and Arc cards bear a switch of their own: the chip's link is then one
 * inside the card, always at its fastest (Radeon) or slowest (Arc), and the one through the slot is the switch's. amdgpu
 * looks for it the same way, by the maker of the bridges: amdgpu_device_partner_bandwidth() in amdgpu_device.c.
 */
export class Slot {
  readonly #machine: Machine;
  readonly #card: Card;
  /** Folders of the function at the card's end of the link, and of the one at the machine's. */
  #ends: { readonly own: string; readonly other: string | undefined } | undefined;
  #most: { readonly generation: number | undefined; readonly width: number | undefined } | undefined;

  constructor(machine: Machine, card: Card) {
    this.#machine = machine;
    this.#card = card;
  }

  /** Undefined if the system does not say: virtual functions, graphics inside a processor. */
  read(): Link | undefined {
    const { own, other } = this.#find();
    const generation = this.#generation(own, "current");
    const width = this.#width(own, "current");
    if (generation === undefined && width === undefined) return undefined;
    const most = this.#most ?? {
      generation: least([own, other].map((end) => this.#generation(end, "max"))),
      width: least([own, other].map((end) => this.#width(end, "max"))),
    };
    // What could not be read this time may be there the next.
    if (most.generation !== undefined && most.width !== undefined) this.#most = most;
    const { generation: generationMax, width: widthMax } = most;
    return {
      ...given("generation", generation),
      ...given("width", width),
      ...given("generationMax", above(generationMax, generation)),
      ...given("widthMax", above(widthMax, width)),
    };
  }

  #find(): { own: string; other: string | undefined } {
    if (this.#ends !== undefined) return this.#ends;
    const path = chain(this.#machine.link(this.#card.top) ?? "");
    const vendor = this.#vendor(path.at(-1));
    let at = path.length - 1;
    // A switch of the card is the maker's; the first function of the path is the machine's own port, be it by the same maker.
    while (at > 1 && vendor !== undefined && this.#vendor(path[at - 1]) === vendor) at -= 1;
    const own = at <= 0 ? this.#card.folder : folderOf(path[at] ?? "");
    const other = at <= 0 ? undefined : folderOf(path[at - 1] ?? "");
    this.#ends = { own, other };
    return this.#ends;
  }

  #vendor(pci: string | undefined): string | undefined {
    return pci === undefined ? undefined : this.#machine.read(`${folderOf(pci)}/vendor`)?.trim();
  }

  /** Parses "16.0 GT/s PCIe"; "Unknown" without a link (Documentation/ABI/testing/sysfs-bus-pci). */
  #generation(folder: string | undefined, which: "current" | "max"): number | undefined {
    if (folder === undefined) return undefined;
    const speed = /^(\d+(?:\.\d+)?) GT\/s/.exec(this.#machine.read(`${folder}/${which}_link_speed`) ?? "")?.[1];
    return speed === undefined ? undefined : generationOf(Math.round(Number(speed) * 10));
  }

  /** Parses lanes; 0 means no link, 255 not known. */
  #width(folder: string | undefined, which: "current" | "max"): number | undefined {
    if (folder === undefined) return undefined;
    const lanes = count(this.#machine, `${folder}/${which}_link_width`);
    return lanes !== undefined && lanes > 0 && lanes <= 32 ? lanes : undefined;
  }
}

const folderOf = (pci: string): string => `/sys/bus/pci/devices/${pci}`;

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((each) => each !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** Returns a maximum while the link runs below it. */
const above = (most: number | undefined, now: number | undefined): number | undefined =>
  most !== undefined && now !== undefined && most > now ? most : undefined;
