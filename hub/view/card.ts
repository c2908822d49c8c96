import { gpuKey, indexOfKey } from "../../proto/device.ts";
import type { GPUInfo, HostInfo } from "../../proto/gen/host_pb.js";
import { hostNameOf } from "../csv/name.ts";
import type { KnownDevice } from "../history/store.ts";
import type { RosterView } from "../roster.ts";
import { turn } from "./body.ts";
import { countsInHistory, type HubView } from "./view.ts";

/** A card that history knows, as a GPU of one of the logger's clients: what its queries and its files are about. */
export interface LoggerCard {
  /** Its host's own name, which never changes: files are imported again under it. */
  readonly client: string;
  /** Its index on the host. Cards that replaced one another have the same. */
  readonly gpuId: number;
  /** Model; "" if it is not known. */
  readonly name: string;
  readonly device: KnownDevice;
}

export type CardSources = Pick<HubView, "history" | "live" | "roster">;

/** What a question says of the cards that it is about. */
export interface CardFilter {
  readonly gpu_id?: number | string | null | undefined;
  readonly client_name?: string | null | undefined;
}

/** Other work waits for at most this long while cards are listed. Milliseconds. */
const patienceMs = 4;

/** Lists the physical cards with samples that a question is about; all by default. @throws Fault canceled */
export async function loggerCards(hub: CardSources, filter: CardFilter = {}): Promise<LoggerCard[]> {
  const { history } = hub;
  const gpuId = idOf(filter.gpu_id);
  const names = hostsOf(filter, hub.roster);
  const asked = names === undefined ? [{}] : [...names].map((host) => ({ host }));
  const known = await Promise.all(asked.map((one) => history.known({ ...one, level: "gpu" })));
  const cards: LoggerCard[] = [];
  let seen: { readonly host: string; readonly is: boolean; readonly now: PresentCards } | undefined;
  let begun = performance.now();
  for (const device of known.flat()) {
    const client = device.host;
    if (seen?.host !== client) {
      if (performance.now() - begun > patienceMs) {
        await turn();
        begun = performance.now();
      }
      seen = { host: client, is: countsInHistory(hub, client), now: presentCards(hub.live.host(client)?.info) };
    }
    const id = device.index ?? indexOfKey(device.key);
    if (!seen.is || id === undefined || (gpuId !== null && id !== gpuId)) continue;
    const now = seen.now.get(device.key);
    // The logger knows whole cards only; an instance (MIG) has the index of its card.
    if (now?.parent !== undefined || device.key.startsWith("MIG-")) continue;
    cards.push({ client, gpuId: id, name: device.name ?? now?.name ?? "", device });
  }
  return cards;
}

type PresentCards = ReadonlyMap<string, GPUInfo>;

/** Cards of reports by their keys: a report never changes. */
const present = new WeakMap<HostInfo, PresentCards>();
const noCards: PresentCards = new Map();

function presentCards(info: HostInfo | undefined): PresentCards {
  if (info === undefined) return noCards;
  const made = present.get(info) ?? new Map(info.gpus.toReversed().map((gpu) => [gpuKey(gpu), gpu]));
  present.set(info, made);
  return made;
}

/** Finds the cards that a question is about among all. */
export function matching(
  cards: readonly LoggerCard[],
  filter: CardFilter,
  roster: Pick<RosterView, "keyOf">,
): readonly LoggerCard[] {
  const gpuId = idOf(filter.gpu_id);
  const hosts = hostsOf(filter, roster);
  return cards.filter(
    (card) => (gpuId === null || card.gpuId === gpuId) && (hosts === undefined || hosts.has(card.client)),
  );
}

/** Hosts that a client's name may mean: it may be the shown name of the host, and in any Unicode form. Undefined if any may be. */
function hostsOf({ client_name }: CardFilter, roster: Pick<RosterView, "keyOf">): ReadonlySet<string> | undefined {
  if (!client_name) return undefined;
  const names = [client_name, hostNameOf(client_name) ?? client_name];
  return new Set([...names.map((name) => roster.keyOf(name)), ...names]);
}

/** The `gpu_id` of a question as a number; null if it was not given. */
export const idOf = (given: CardFilter["gpu_id"]): number | null => (given == null ? null : Number(given));

/** Groups cards by client and index: the newest of each first. */
export const byGpu = (cards: readonly LoggerCard[]): LoggerCard[][] =>
  [...Map.groupBy(cards, ({ client, gpuId }) => `${gpuId}\n${client}`).values()].map((some) =>
    some.sort((a, b) => b.device.last - a.device.last),
  );
