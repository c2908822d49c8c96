import { State, Vendor } from "../../proto/gen/host_pb.js";
import { Clients, clientKey } from "../machine/drm/clients.ts";
import { asleep, belongs, type Card, Finder, nodes } from "../machine/drm/drm.ts";
import type { FdInfo } from "../machine/drm/fdinfo.ts";
import { HangGuard } from "../machine/drm/hang.ts";
import { CardNumbers, type NumberedCard } from "../machine/drm/numbering.ts";
import type { Machine } from "../machine/machine.ts";
import { containedNote, isContained } from "../machine/namespace.ts";
import { given } from "../number.ts";
import { loads, procsOf } from "./intel/engines.ts";
import { Arc } from "./intel/values.ts";
import {
  Baseline,
  type Gpu,
  lostCardRetentionMs,
  type Source,
  type SourceOptions,
  type SourcePart,
  type SourceReader,
} from "./source.ts";

const vendor = "8086";

/** Reads Intel GPUs from the files of i915 and xe in sysfs, hwmon and fdinfo. GPUs inside a processor are marked as integrated. */
export const intel: Source = {
  name: "intel",
  gpus: true,
  open(machine, options) {
    const present = new Finder(machine, vendor).find().length > 0;
    return Promise.resolve(present ? new IntelGpus(machine, options) : undefined);
  },
};

/** One card in this reading. */
interface CardReading {
  readonly card: Card;
  readonly gpu: Gpu;
  /** Its device nodes must be left alone: it sleeps, or hangs. */
  readonly closed: boolean;
  /** True if it slept all the time since the previous collection: nothing worked on it, even if it is open. */
  readonly resting: boolean;
}

class IntelGpus implements SourceReader {
  readonly #machine: Machine;
  readonly #finder: Finder;
  readonly #seats = new CardNumbers(lostCardRetentionMs);
  readonly #gate: HangGuard;
  readonly #clients: Clients;
  readonly #arcs = new Map<string, Arc>();
  readonly #baseline = new Baseline<ReadonlyMap<string, FdInfo>>();

  constructor(machine: Machine, { deadline }: SourceOptions) {
    this.#machine = machine;
    this.#finder = new Finder(machine, vendor);
    this.#gate = new HangGuard(machine, Math.min(1000, deadline * 0.2));
    this.#clients = new Clients(machine, ["i915", "xe"]);
  }

  async read(): Promise<SourcePart> {
    const seats = this.#seats.number(this.#finder.find(), this.#machine.ticks());
    const reads: CardReading[] = [];
    // One after the other: one process asks for all of them as long as they answer.
    for (const seat of seats) reads.push(await this.#card(seat));
    const apart = isContained(this.#machine);
    return { ...(apart && { note: containedNote }), gpus: this.#withWork(reads, apart) };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #arc(card: Card): Arc {
    const known = this.#arcs.get(card.pci);
    // The same place with another driver (i915, xe) has other files.
    if (known?.card.folder === card.folder && known.card.driver === card.driver) return known;
    const arc = new Arc(this.#machine, card);
    this.#arcs.set(card.pci, arc);
    return arc;
  }

  async #card({ card, index: id }: NumberedCard): Promise<CardReading> {
    const arc = this.#arc(card);
    const base: Gpu = { id, card: card.number, vendor: Vendor.INTEL, ...arc.names() };
    const closed = (rest: Gpu): CardReading => ({ card, gpu: { ...base, ...rest }, closed: true, resting: false });
    if (asleep(this.#machine, card)) return closed({ asleep: true });
    if ((await this.#gate.ask(arc.probe())) === undefined) {
      return closed({ state: State.HUNG, err: "The driver does not answer for this card" });
    }
    return { card, gpu: { ...base, ...arc.values() }, closed: false, resting: arc.resting() };
  }

  /**
   * The same cards with who works on them.
   * @param apart Only a container's own processes can be seen.
   */
  #withWork(reads: readonly CardReading[], apart: boolean): Gpu[] {
    const owners = new Map<string, string>();
    const skip = new Set<string>();
    for (const { card, closed } of reads) {
      for (const node of nodes(this.#machine, card)) {
        owners.set(node, card.pci);
        if (closed) skip.add(node);
      }
    }
    const clients = this.#clients.read(skip);
    const readings = new Map(clients.map((client) => [clientKey(client), client.info]));
    const since = this.#baseline.take(this.#machine.ticks(), readings);
    // A share that leaves out other users' work would call a busy card idle: then there is none.
    const complete = !apart && this.#clients.complete();
    return reads.map(({ card, gpu, closed, resting }) => {
      if (closed) return gpu;
      const own = clients.filter(({ info, node }) => belongs(card, info.pci ?? owners.get(node)));
      const load = complete ? loads(own, since) : undefined;
      const share = load?.utilization ?? (resting ? 0 : undefined);
      // Another user's work on a card may be all there is; on graphics inside a processor nobody looks for a free one.
      const unknown = !complete && !resting && gpu.integrated !== true;
      return {
        ...gpu,
        ...given("utilization", share),
        ...given("media", load?.media),
        procs: procsOf(own, since),
        ...(unknown && { procsUnknown: true }),
      };
    });
  }
}
