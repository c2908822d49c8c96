import { gpuKey } from "../../proto/device.ts";
import { type GPUInfo, State } from "../../proto/gen/host_pb.js";

/** Cards remembered of one host; a report has no more. */
const mostCards = 256;

/** Where a card was seen last. */
interface Slot {
  /** Index; undefined once another card has it. */
  id: number | undefined;
  /** PCI address as it was reported, and normalized; undefined if it never was. */
  readonly address: string | undefined;
  readonly pci: string | undefined;
  readonly name: string | undefined;
}

/** Slots of one host's cards by uuid, in the order in which they changed. */
export type CardSlots = Map<string, Slot>;

/** Cards of one host as history knows them: of each index the card that was measured last. */
export function recall(
  known: Iterable<{ readonly key: string; readonly index?: number; readonly last: number }>,
): CardSlots {
  const cards: CardSlots = new Map();
  const named = new Set<number>();
  for (const { key, index: id } of [...known].sort((a, b) => b.last - a.last)) {
    if (id === undefined || named.has(id)) continue;
    named.add(id);
    if (key !== gpuKey({ id })) cards.set(key, { id, address: undefined, pci: undefined, name: undefined });
  }
  return cards;
}

/**
 * Gives cards without a uuid, in place, the uuid under which the same card is known: a driver that fails, or another
 * program on the machine, reports a card by its PCI address or its index alone, and it must not become a second card.
 * The PCI address decides if the report has one, else the index: where a driver is gone, the cards of another one may have
 * its indices. A card keeps no uuid if another one of the report has it, if the models differ, or if it is an instance
 * (MIG): instances are made and destroyed under the same index.
 */
export function identify(gpus: readonly GPUInfo[], cards: CardSlots): void {
  if (cards.size === 0 || !gpus.some(unnamed)) return;
  const taken = new Set(gpus.map(({ uuid }) => uuid));
  for (const gpu of gpus) {
    if (!unnamed(gpu) || gpu.parent !== undefined) continue;
    const uuid = uuidOf(gpu, cards);
    if (uuid === undefined || taken.has(uuid)) continue;
    gpu.uuid = uuid;
    taken.add(uuid);
  }
}

const unnamed = ({ uuid }: GPUInfo): boolean => !uuid;

function uuidOf({ id = 0, pciBusId, name }: GPUInfo, cards: CardSlots): string | undefined {
  const pci = normalized(pciBusId);
  let byIndex: string | undefined;
  for (const [uuid, slot] of cards) {
    if (name && slot.name && name !== slot.name) continue;
    if (pci !== undefined && slot.pci === pci) return uuid;
    if (pci === undefined && slot.id === id) byIndex = uuid;
  }
  return byIndex;
}

/** Remembers where the cards of a current report are. A lost card may be listed under another's index. */
export function remember(gpus: readonly GPUInfo[], cards: CardSlots): void {
  for (const gpu of gpus) {
    const { uuid, parent, state } = gpu;
    if (!uuid || parent !== undefined || state === State.LOST) continue;
    const slot = cards.get(uuid);
    if (slot === undefined || moved(gpu, slot)) put(gpu, uuid, cards);
  }
}

const moved = ({ id = 0, pciBusId, name }: GPUInfo, slot: Slot): boolean =>
  slot.id !== id || (pciBusId ?? slot.address) !== slot.address || (name ?? slot.name) !== slot.name;

function put({ id = 0, pciBusId, name }: GPUInfo, uuid: string, cards: CardSlots): void {
  const { address: before, name: called } = cards.get(uuid) ?? {};
  cards.delete(uuid);
  for (const slot of cards.values()) if (slot.id === id) slot.id = undefined;
  const address = pciBusId ?? before;
  cards.set(uuid, { id, address, pci: normalized(address), name: name ?? called });
  for (const oldest of cards.keys()) {
    if (cards.size <= mostCards) break;
    cards.delete(oldest);
  }
}

/** A PCI address in lspci's form: NVIDIA's tools write eight digits of domain, in capitals. */
export function normalized(address: string | undefined): string | undefined {
  return address ? address.toLowerCase().replace(/^0000(?=[0-9a-f]{4}:)/, "") : undefined;
}
