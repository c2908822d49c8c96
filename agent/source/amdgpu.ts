import { State, Vendor } from "../../proto/gen/host_pb.js";
import { Clients, clientKey } from "../machine/drm/clients.ts";
import { asleep, belongs, type Card, Finder, nodes } from "../machine/drm/drm.ts";
import type { FdInfo } from "../machine/drm/fdinfo.ts";
import { HangGuard } from "../machine/drm/hang.ts";
import { CardNumbers, type NumberedCard } from "../machine/drm/numbering.ts";
import type { Machine } from "../machine/machine.ts";
import { containedNote, isContained } from "../machine/namespace.ts";
import { type Hold, type Holds, Kfd, slotOf } from "./amdgpu/kfd.ts";
import { procsApart, procsOf } from "./amdgpu/procs.ts";
import { Radeon } from "./amdgpu/values.ts";
import {
  Baseline,
  dropImplausible,
  type Gpu,
  type Log,
  lostCardRetentionMs,
  type Proc,
  type Source,
  type SourceOptions,
  type SourcePart,
  type SourceReader,
} from "./source.ts";

const vendor = "1002";

/**
 * Reads AMD GPUs from the amdgpu driver's files in sysfs, hwmon, the KFD and fdinfo, without a library or special rights.
 * Partitions of an MI300X are counted in their card.
 */
export const amdgpu: Source = {
  name: "amdgpu",
  gpus: true,
  open(machine, options) {
    const present = new Finder(machine, vendor).find().length > 0;
    return Promise.resolve(present ? new AmdGpus(machine, options) : undefined);
  },
};

/** One card in this reading. */
interface CardReading {
  readonly seat: NumberedCard;
  readonly gpu: Gpu;
  /** Its device nodes must be left alone: it sleeps, hangs, or is dead. */
  readonly closed: boolean;
}

class AmdGpus implements SourceReader {
  readonly #machine: Machine;
  readonly #log: Log;
  readonly #finder: Finder;
  readonly #seats = new CardNumbers(lostCardRetentionMs);
  readonly #gate: HangGuard;
  readonly #clients: Clients;
  readonly #kfd: Kfd;
  /** True if compute programs run that cannot be assigned to cards. */
  #hidden = false;
  readonly #radeons = new Map<string, Radeon>();
  /** Cards that gave values before: one that gives none any more is dead, not merely silent. */
  readonly #spoke = new Set<string>();
  readonly #baseline = new Baseline<ReadonlyMap<string, FdInfo>>();

  constructor(machine: Machine, { deadline, log }: SourceOptions) {
    this.#machine = machine;
    this.#log = log;
    this.#finder = new Finder(machine, vendor);
    this.#gate = new HangGuard(machine, Math.min(1000, deadline * 0.2));
    this.#clients = new Clients(machine, ["amdgpu"]);
    this.#kfd = new Kfd(machine);
  }

  async read(): Promise<SourcePart> {
    const seats = this.#seats.number(this.#finder.find(), this.#machine.ticks());
    const reads: CardReading[] = [];
    // One after the other: one process asks for all of them as long as they answer.
    for (const seat of seats) reads.push(await this.#card(seat));
    const apart = isContained(this.#machine);
    const { procs, known } = this.#procs(reads, apart);
    return {
      ...((apart || this.#hidden) && { note: apart ? containedNote : hiddenNote }),
      gpus: reads.map(({ seat, gpu, closed }) => ({
        ...gpu,
        procs: procs.get(seat.card.pci) ?? [],
        ...(!known && !closed && { procsUnknown: true }),
      })),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #radeon(card: Card): Radeon {
    const known = this.#radeons.get(card.pci);
    if (known?.card.folder === card.folder && known.card.driver === card.driver) return known;
    const radeon = new Radeon(this.#machine, card, this.#log);
    this.#radeons.set(card.pci, radeon);
    return radeon;
  }

  async #card(seat: NumberedCard): Promise<CardReading> {
    const { card, index: id } = seat;
    const radeon = this.#radeon(card);
    const base: Gpu = { id, card: card.number, vendor: Vendor.AMD, ...radeon.names() };
    const closed = (rest: Gpu): CardReading => ({ seat, gpu: { ...base, ...rest }, closed: true });
    if (asleep(this.#machine, card)) return closed({ asleep: true });
    const busy = await this.#gate.ask(`${card.folder}/gpu_busy_percent`);
    if (busy === undefined) return closed({ state: State.HUNG, err: "The driver does not answer for this card" });
    const values = radeon.values(busy);
    if (speaks(values)) this.#spoke.add(card.pci);
    else if (this.#spoke.has(card.pci)) {
      return closed({ state: State.LOST, err: "None of the card's sensors answers any more" });
    }
    return { seat, gpu: dropImplausible({ ...base, ...values }), closed: false };
  }

  /**
   * Processes by PCI address of the card; `known` is true if all compute processes are among them.
   * @param apart The KFD's process ids mean others than those of our /proc.
   */
  #procs(reads: readonly CardReading[], apart: boolean): { procs: ReadonlyMap<string, Proc[]>; known: boolean } {
    const owners = new Map<string, string>();
    const skip = new Set<string>();
    for (const { seat, closed } of reads) {
      for (const node of this.#nodes(seat.card)) {
        owners.set(node, seat.card.pci);
        if (closed) skip.add(node);
      }
    }
    const clients = this.#clients.read(skip);
    const readings = new Map(clients.map((client) => [clientKey(client), client.info]));
    const since = this.#baseline.take(this.#machine.ticks(), readings);
    const holds = this.#kfd.holds();
    this.#hidden = holds.size > 0 && this.#kfd.hidden;
    // If the KFD lists no card, open device files are the only evidence.
    const silent = [...holds.values()].every((cards) => cards.size === 0);
    const procs = new Map<string, Proc[]>();
    for (const { seat, gpu, closed } of reads) {
      const { pci } = seat.card;
      const own = clients.filter(({ info, node }) => belongs(seat.card, info.pci ?? owners.get(node)));
      const here = apart && silent ? new Map<number, Hold>() : onCard(holds, pci);
      const setAside = gpu.integrated === true ? Number(gpu.memTotal ?? 0n) : undefined;
      if (!closed) procs.set(pci, (apart ? procsApart : procsOf)({ clients: own, holds: here, since, setAside }));
    }
    return { procs, known: !this.#hidden && !(apart && this.#kfd.nodes().size === 0) };
  }

  /** Lists a card's device nodes with those of its partitions: these are not PCI functions, only the KFD knows their card. */
  #nodes(card: Card): string[] {
    const slot = slotOf(card.pci);
    const parts = [...this.#kfd.nodes().values()].filter((node) => node.slot === slot && node.render !== undefined);
    return [...nodes(this.#machine, card), ...parts.map(({ render }) => `renderD${render}`)];
  }
}

const hiddenNote =
  "The compute driver does not tell this program which GPU is which, so compute programs are not seen: its cgroup may not use /dev/dri/renderD* (a container, or systemd's DeviceAllow=)";

/** What each program has of one card. */
const onCard = (holds: ReadonlyMap<number, Holds>, pci: string): ReadonlyMap<number, Hold | undefined> =>
  new Map([...holds].map(([pid, cards]) => [pid, cards.get(slotOf(pci))]));

const speaks = ({ utilization, memUsed, temp, power, clockSm }: Gpu): boolean =>
  [utilization, memUsed, temp, power, clockSm].some((value) => value !== undefined);
