import type { GPUGlance } from "../../../proto/glance.ts";
import {
  compareNames,
  type HostStatus,
  isCounted,
  occupants,
  podsOf,
  troublesOf,
  userOf,
} from "../../../proto/summary.ts";
import { cardFaults, harmfulThrottles, modelOf, parentOf, verdict } from "../../../proto/verdict.ts";
import type { Order, Show } from "../../choice.ts";

/** What the viewer wants to see. */
export interface Wish {
  readonly show: Show;
  readonly query: string;
  /** Only cards that this user holds; "" is everybody. */
  readonly user: string;
  /** The viewer's own user name; "" while not said. */
  readonly me: string;
}

/** Places of the cards to show, or "all" of them. */
export type Picked = readonly number[] | "all";

const slowed = ({ throttle }: GPUGlance): boolean => throttle.some((reason) => harmfulThrottles.has(reason));
const holds = (gpu: GPUGlance, user: string): boolean => occupants(gpu).includes(user);

function says(gpu: GPUGlance, query: string): boolean {
  const who = gpu.procs.flatMap((proc) => [userOf(proc), proc.basename, proc.podName]);
  const words = [modelOf(gpu), gpu.name, ...who, ...podsOf(gpu)];
  return words.some((word) => word?.toLowerCase().includes(query));
}

function shows(
  gpu: GPUGlance,
  { fresh, gpus, wish }: { fresh: boolean; gpus: readonly GPUGlance[]; wish: Wish },
): boolean {
  const card = parentOf(gpus, gpu);
  switch (wish.show) {
    case "all":
      return true;
    case "mine":
      return wish.me !== "" && holds(gpu, wish.me);
    case "trouble":
      return cardFaults(gpu, card).length > 0 || slowed(gpu) || (card !== undefined && slowed(card));
    case "free":
    case "held":
    case "busy":
    case "broken":
    case "unknown":
      return isCounted(gpu) && verdict(gpu, fresh, card) === wish.show;
    default:
      return wish.show satisfies never;
  }
}

/** The cards of one host that fit, or undefined when the host is not to be shown at all. */
export function picked({ host, fresh }: HostStatus, wish: Wish): Picked | undefined {
  const query = wish.query.trim().toLowerCase();
  const named = [host.name, host.address, host.info?.hostname, host.info?.ip].some((word) =>
    word?.toLowerCase().includes(query),
  );
  const gpus = host.info?.gpus ?? [];
  const whole = wish.show === "all" || (wish.show === "trouble" && hostTrouble({ host, fresh }));
  const all = named && whole && wish.user === "";
  if (all && !gpus.some(({ divided }) => divided)) return "all";
  // A divided card is shown by its instances; while it has none, it can still be in trouble.
  const itself = (gpu: GPUGlance): boolean =>
    wish.show === "trouble" &&
    !gpus.some((one) => !one.divided && parentOf(gpus, one) === gpu) &&
    shows(gpu, { fresh, gpus, wish });
  const fits = (gpu: GPUGlance): boolean =>
    (!gpu.divided || itself(gpu)) &&
    (whole || shows(gpu, { fresh, gpus, wish })) &&
    (named || says(gpu, query)) &&
    (wish.user === "" || holds(gpu, wish.user));
  const places = gpus.flatMap((gpu, i) => (fits(gpu) ? [i] : []));
  if (places.length === 0) return all ? places : undefined;
  return places.length === gpus.length ? "all" : places;
}

/** Trouble of the host as a whole, not of one of its cards. */
function hostTrouble(standing: HostStatus): boolean {
  return troublesOf(standing).some((trouble) => trouble.kind !== "card" && trouble.kind !== "slowed");
}

function free({ host, fresh }: HostStatus): number {
  const gpus = host.info?.gpus ?? [];
  return gpus.filter((gpu) => verdict(gpu, fresh, parentOf(gpus, gpu)) === "free").length;
}

/** Comparison of hosts for an order. */
export function compare(order: Order): (a: HostStatus, b: HostStatus) => number {
  const names = (a: HostStatus, b: HostStatus): number => compareNames(a.host.name, b.host.name);
  return order === "name" ? names : (a, b) => free(b) - free(a) || names(a, b);
}
