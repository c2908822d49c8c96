import type { GPUGlance } from "../../../proto/glance.ts";
import {
  compareNames,
  type HostStatus,
  isCounted,
  occupants,
  podsOf,
  shownName,
  troublesOf,
  userOf,
} from "../../../proto/summary.ts";
import { cardFaults, harmfulThrottles, modelOf, parentOf, verdict } from "../../../proto/verdict.ts";
import type { Order, Show } from "../../choice.ts";

/** The viewer's filter. */
export interface CardFilter {
  readonly show: Show;
  readonly query: string;
  /** Selects cards that this user holds; "" selects all. */
  readonly user: string;
  /** The viewer's own user names. */
  readonly own: readonly string[];
}

/** Indexes of the cards to show, or "all". */
export type PickedCards = readonly number[] | "all";

const slowed = ({ throttle }: GPUGlance): boolean => throttle.some((reason) => harmfulThrottles.has(reason));
const holds = (gpu: GPUGlance, user: string): boolean => occupants(gpu).includes(user);

function matches(gpu: GPUGlance, query: string): boolean {
  const who = gpu.procs.flatMap((proc) => [userOf(proc), proc.basename, proc.podName]);
  const words = [modelOf(gpu), gpu.name, ...who, ...podsOf(gpu)];
  return words.some((word) => word?.toLowerCase().includes(query));
}

function shows(
  gpu: GPUGlance,
  { fresh, gpus, filter }: { fresh: boolean; gpus: readonly GPUGlance[]; filter: CardFilter },
): boolean {
  const card = parentOf(gpus, gpu);
  switch (filter.show) {
    case "all":
      return true;
    case "mine":
      return occupants(gpu).some((name) => filter.own.some((own) => own.toLowerCase() === name.toLowerCase()));
    case "trouble":
      return cardFaults(gpu, card).length > 0 || slowed(gpu) || (card !== undefined && slowed(card));
    case "free":
    case "held":
    case "busy":
    case "broken":
    case "unknown":
      return isCounted(gpu) && verdict(gpu, fresh, card) === filter.show;
    default:
      return filter.show satisfies never;
  }
}

/** Picks the cards of one host that match the filter; undefined if the host is not shown. */
export function pickCards({ host, fresh }: HostStatus, filter: CardFilter): PickedCards | undefined {
  // Its cards are in no count, so that a filter by what they are must not show them.
  if (host.waiting && (filter.show !== "all" || filter.user !== "")) return undefined;
  const query = filter.query.trim().toLowerCase();
  const named = [host.name, host.shown, host.address, host.info?.hostname, host.info?.ip].some((word) =>
    word?.toLowerCase().includes(query),
  );
  const gpus = host.info?.gpus ?? [];
  const whole = filter.show === "all" || (filter.show === "trouble" && hostTrouble({ host, fresh }));
  const all = named && whole && filter.user === "";
  if (all && !gpus.some(({ divided }) => divided)) return "all";
  // Of a divided card the instances are shown. Without instances it can still have a trouble of its own.
  const itself = (gpu: GPUGlance): boolean =>
    filter.show === "trouble" &&
    !gpus.some((one) => !one.divided && parentOf(gpus, one) === gpu) &&
    shows(gpu, { fresh, gpus, filter });
  const fits = (gpu: GPUGlance): boolean =>
    (!gpu.divided || itself(gpu)) &&
    (whole || shows(gpu, { fresh, gpus, filter })) &&
    (named || matches(gpu, query)) &&
    (filter.user === "" || holds(gpu, filter.user));
  const places = gpus.flatMap((gpu, i) => (fits(gpu) ? [i] : []));
  if (places.length === 0) return all ? places : undefined;
  return places.length === gpus.length ? "all" : places;
}

/** True if the host itself has a trouble, not only a card. */
function hostTrouble(standing: HostStatus): boolean {
  return troublesOf(standing).some((trouble) => trouble.kind !== "card" && trouble.kind !== "slowed");
}

function free({ host, fresh }: HostStatus): number {
  const gpus = host.waiting ? [] : (host.info?.gpus ?? []);
  return gpus.filter((gpu) => verdict(gpu, fresh, parentOf(gpus, gpu)) === "free").length;
}

/** Comparison function for an order of hosts. */
export function compare(order: Order): (a: HostStatus, b: HostStatus) => number {
  const names = (a: HostStatus, b: HostStatus): number => compareNames(shownName(a.host), shownName(b.host));
  return order === "name" ? names : (a, b) => free(b) - free(a) || names(a, b);
}
