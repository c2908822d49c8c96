import { gpuKey, indexOfKey } from "../../proto/device.ts";
import { hostNameOf } from "../csv/name.ts";
import type { KnownDevice } from "../history/store.ts";
import type { RosterView } from "../roster.ts";
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

/** Lists every physical card with samples. @throws Fault canceled */
export async function loggerCards(hub: CardSources): Promise<LoggerCard[]> {
  const { history, live } = hub;
  const known = await history.known({ level: "gpu" });
  const hosts = new Set(known.map(({ host }) => host));
  for (const host of hosts) if (!countsInHistory(hub, host)) hosts.delete(host);
  return known.flatMap((device): LoggerCard[] => {
    const client = device.host;
    const gpuId = device.index ?? indexOfKey(device.key);
    if (!hosts.has(client) || gpuId === undefined) return [];
    const now = live.host(device.host)?.info?.gpus.find((gpu) => gpuKey(gpu) === device.key);
    // The logger knows whole cards only; an instance (MIG) has the index of its card.
    if (now?.parent !== undefined || device.key.startsWith("MIG-")) return [];
    return [{ client, gpuId, name: device.name ?? now?.name ?? "", device }];
  });
}

/** Finds the cards that a question is about. A client may be named by the shown name of the host, too, and in any Unicode form. */
export function matching(
  cards: readonly LoggerCard[],
  { gpu_id, client_name }: CardFilter,
  roster: Pick<RosterView, "keyOf">,
): readonly LoggerCard[] {
  const gpuId = idOf(gpu_id);
  const names = client_name ? [client_name, hostNameOf(client_name) ?? client_name] : undefined;
  const hosts = names?.map((name) => roster.keyOf(name));
  return cards.filter(
    (card) =>
      (gpuId === null || card.gpuId === gpuId) &&
      (names === undefined || hosts?.includes(card.client) || names.includes(card.client)),
  );
}

/** The `gpu_id` of a question as a number; null if it was not given. */
export const idOf = (given: CardFilter["gpu_id"]): number | null => (given == null ? null : Number(given));

/** Groups cards by client and index: the newest of each first. */
export const byGpu = (cards: readonly LoggerCard[]): LoggerCard[][] =>
  [...Map.groupBy(cards, ({ client, gpuId }) => `${gpuId}\n${client}`).values()].map((some) =>
    some.sort((a, b) => b.device.last - a.device.last),
  );
