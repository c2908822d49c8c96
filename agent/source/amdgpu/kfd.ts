import { whole } from "../../machine/drm.ts";
import type { Machine } from "../../machine.ts";

const top = "/sys/class/kfd/kfd";
/** No machine runs more compute programs on its cards. */
const most = 1024;

/**
 * PCI bus address, "0000:c1:00" without the function, from the properties of a KFD topology node. Its `location_id` is
 * the function's number on the bus; partitions of one card (MI300X) add their own number, in the bits of the function
 * (kernels before 6.8) or in the highest four.
 */
export function parseNode(properties: string): string | undefined {
  const field = (name: string): number | undefined =>
    whole(new RegExp(`^${name} (\\d+)$`, "m").exec(properties)?.[1] ?? undefined);
  const location = field("location_id");
  // CPUs are nodes too, at location 0.
  if (!location) return undefined;
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return `${hex(field("domain") ?? 0, 4)}:${hex((location >> 8) & 0xff, 2)}:${hex((location >> 3) & 0x1f, 2)}`;
}

/** A card's address without its function, by which the KFD knows it. */
export const slotOf = (pci: string): string => pci.replace(/\.\d+$/, "");

/** PCI slot by gpu_id, the number under which the KFD counts memory. Several ids share a slot where a card is partitioned. */
export function gpuIds(machine: Machine): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  for (const node of machine.list(`${top}/topology/nodes`)) {
    const id = machine.read(`${top}/topology/nodes/${node}/gpu_id`)?.trim();
    if (id === undefined || id === "0" || id === "") continue;
    const slot = parseNode(machine.read(`${top}/topology/nodes/${node}/properties`) ?? "");
    if (slot !== undefined) ids.set(id, slot);
  }
  return ids;
}

/** Bytes of device memory of one process by PCI slot. */
export type Held = ReadonlyMap<string, number>;

/**
 * What compute programs (ROCm) hold, by pid. The kernel tells it to every user, and pids are the host's. A process
 * has an entry for every card that it may use; those on which it holds nothing are left out.
 */
export function heldMemory(machine: Machine, ids: ReadonlyMap<string, string>): Map<number, Held> {
  const found = new Map<number, Held>();
  const pids = machine.list(`${top}/proc`).filter((name) => /^\d+$/.test(name));
  for (const pid of pids.slice(0, most)) found.set(Number(pid), held(machine, `${top}/proc/${pid}`, ids));
  return found;
}

function held(machine: Machine, folder: string, ids: ReadonlyMap<string, string>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const name of machine.list(folder)) {
    const slot = ids.get(/^vram_(\d+)$/.exec(name)?.[1] ?? "");
    const bytes = slot === undefined ? 0 : (whole(machine.read(`${folder}/${name}`)) ?? 0);
    if (slot !== undefined && bytes > 0) sums.set(slot, (sums.get(slot) ?? 0) + bytes);
    // A process that opened the device anew after a fork, or twice, has further contexts below its own.
    if (name.startsWith("context_")) {
      for (const [at, more] of held(machine, `${folder}/${name}`, ids)) sums.set(at, (sums.get(at) ?? 0) + more);
    }
  }
  return sums;
}
