import type { Machine } from "../../machine/machine.ts";
import { whole } from "../../number.ts";

const top = "/sys/class/kfd/kfd";
/** No machine runs more compute programs on its cards. */
const most = 1024;
/** No program has more queues on all cards; what has more is looked at no further. */
const mostQueues = 256;
/** Milliseconds after which a process's queues are read again although their numbers are the same: numbers are reused. */
const lasting = 60_000;

/** A GPU as the KFD counts: a whole card, or one partition of it. */
interface Node {
  /** PCI bus address, "0000:c1:00" without the function. */
  readonly slot: string;
  /** Of its device node, /dev/dri/renderD<number>; undefined where it has none. */
  readonly render: number | undefined;
}

/**
 * From the properties of a KFD topology node. Its `location_id` is the function's number on the bus; partitions of one
 * card (MI300X) add their own number, in the bits of the function (kernels before 6.8) or in the highest four.
 */
export function parseNode(properties: string): Node | undefined {
  const field = (name: string): number | undefined =>
    whole(new RegExp(`^${name} (\\d+)$`, "m").exec(properties)?.[1] ?? undefined);
  const location = field("location_id");
  // CPUs are nodes too, at location 0.
  if (!location) return undefined;
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return {
    slot: `${hex(field("domain") ?? 0, 4)}:${hex((location >> 8) & 0xff, 2)}:${hex((location >> 3) & 0x1f, 2)}`,
    render: field("drm_render_minor") || undefined,
  };
}

/** A card's address without its function, by which the KFD knows it. */
export const slotOf = (pci: string): string => pci.replace(/\.\d+$/, "");

/** Memory and queue of one compute process on one card. */
export interface Hold {
  /** Bytes of device memory. */
  readonly memory: number;
  /** It has a queue there, into which it puts its kernels without asking the driver. */
  readonly queue: boolean;
}

/** By PCI slot. A program has an entry for every card that it may use; those on which it has nothing are left out. */
export type Holds = ReadonlyMap<string, Hold>;

/**
 * Reads compute processes (ROCm) from the KFD, which lists them to every user, with the host's pids. Their work does not
 * appear in the engines that fdinfo counts.
 */
export class Kfd {
  readonly #machine: Machine;
  #generation: string | undefined;
  /** GPUs are listed whose numbers may not be read. */
  hidden = false;
  #nodes: ReadonlyMap<string, Node> = new Map();
  /** Cards on which a program has queues: reading them all costs more than all the rest. */
  #queues = new Map<string, { readonly names: string; readonly at: number; readonly slots: ReadonlySet<string> }>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Nodes by gpu_id, the number under which the KFD counts. Several share a slot where a card is partitioned. */
  nodes(): ReadonlyMap<string, Node> {
    const generation = this.#machine.read(`${top}/topology/generation_id`);
    // The number grows with each node that comes or goes, partitions too (kfd_topology_add_device() in kfd_topology.c).
    if (generation !== undefined && generation === this.#generation && !this.hidden) return this.#nodes;
    const nodes = new Map<string, Node>();
    this.hidden = false;
    for (const name of this.#machine.list(`${top}/topology/nodes`)) {
      const id = this.#machine.read(`${top}/topology/nodes/${name}/gpu_id`)?.trim();
      // Refused to a cgroup that may not use the GPU's device node (kfd_devcgroup_check_permission() in kfd_priv.h).
      if (id === undefined) this.hidden = true;
      if (id === undefined || id === "0" || id === "") continue;
      const node = parseNode(this.#machine.read(`${top}/topology/nodes/${name}/properties`) ?? "");
      if (node !== undefined) nodes.set(id, node);
    }
    this.#generation = generation;
    this.#nodes = nodes;
    return nodes;
  }

  /** Programs by pid. */
  holds(): Map<number, Holds> {
    const nodes = this.nodes();
    const found = new Map<number, Holds>();
    const pids = this.#machine.list(`${top}/proc`).filter((name) => /^\d+$/.test(name));
    const queues = new Map<string, { names: string; at: number; slots: ReadonlySet<string> }>();
    for (const pid of pids.slice(0, most)) {
      const memory = new Map<string, number>();
      const slots = new Set<string>();
      for (const folder of this.#contexts(`${top}/proc/${pid}`, memory)) {
        const read = this.#queuesOf(folder, nodes);
        if (read === undefined) continue;
        queues.set(folder, read);
        for (const slot of read.slots) slots.add(slot);
      }
      const cards = new Set([...memory.keys(), ...slots]);
      found.set(
        Number(pid),
        new Map([...cards].map((slot) => [slot, { memory: memory.get(slot) ?? 0, queue: slots.has(slot) }])),
      );
    }
    this.#queues = queues;
    return found;
  }

  /** Adds up the memory of a program's contexts by slot; returns their folders. */
  #contexts(folder: string, sums: Map<string, number>): string[] {
    const folders = [folder];
    for (const name of this.#machine.list(folder)) {
      const slot = this.#nodes.get(/^vram_(\d+)$/.exec(name)?.[1] ?? "")?.slot;
      const bytes = slot === undefined ? 0 : (whole(this.#machine.read(`${folder}/${name}`)) ?? 0);
      if (slot !== undefined && bytes > 0) sums.set(slot, (sums.get(slot) ?? 0) + bytes);
      // A program that opened the device anew after a fork, or twice, has further contexts below its own.
      if (name.startsWith("context_")) folders.push(...this.#contexts(`${folder}/${name}`, sums));
    }
    return folders;
  }

  #queuesOf(folder: string, nodes: ReadonlyMap<string, Node>) {
    const names = this.#machine.list(`${folder}/queues`).slice(0, mostQueues);
    if (names.length === 0) return undefined;
    const all = names.join(" ");
    const at = this.#machine.ticks();
    const cached = this.#queues.get(folder);
    if (cached?.names === all && at - cached.at < lasting) return cached;
    const slots = new Set<string>();
    for (const name of names) {
      const slot = nodes.get(this.#machine.read(`${folder}/queues/${name}/gpuid`)?.trim() ?? "")?.slot;
      if (slot !== undefined) slots.add(slot);
    }
    return { names: all, at, slots };
  }
}
