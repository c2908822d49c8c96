import { Fault } from "../fault.ts";
import type { Words } from "../sentence.ts";

/** Sources of host names by precedence: settings.json, the hub's own list, the host itself. */
const origins = ["settings", "book", "push"] as const;

/**
 * An input, with the source of the names of its hosts. Compared by reference: an input that polls uses one constant for each
 * source, and one that takes reports has one for each machine.
 */
export interface Owner {
  readonly input: string;
  readonly origin: (typeof origins)[number];
  /** True if hosts that report by themselves need no approval here. */
  readonly trusted?: true;
  /** True if it is one machine that reports by itself, and an administrator has approved it. */
  readonly approved?: boolean;
  /** True while its current reports are not added to history, which has those of another machine of that name. */
  readonly liveOnly?: boolean;
  /** True if other owners of its origin have precedence, whenever they claimed the host. */
  readonly yields?: true;
  /** True if it has means of the past only: the newest ones are shown as what is known last, if it is the only owner. */
  readonly means?: true;
  /** True if its samples are recognized by their times: history dates current ones by these alone, or refuses them. */
  readonly exact?: true;
}

/** What a machine can be recognized by; "" for what is unknown. */
export interface Machine {
  readonly bootId: string;
  readonly hostname: string;
  /** Network address that the hub hears it from. Addresses that a report has are claims, and not used. */
  readonly peer: string;
}

/** One owner's view of a host: nothing heard yet, up, or down for a reason. */
export interface Claim {
  address: string;
  /** Seconds between two reports, if the host decides that by itself. */
  intervalSec: number | undefined;
  state: "new" | "up" | "down";
  reason: Words;
  /** Unix milliseconds of the first and last report since the last time without any. */
  heard: { readonly from: number; readonly to: number } | undefined;
  machine: Machine | undefined;
}

export type Claims = ReadonlyMap<Owner, Claim>;

/** Without a report for longer, an owner counts as not having heard from its host, even if nothing failed. */
const unheardMs = 300_000;

export const newClaim = (address: string, intervalSec: number | undefined): Claim => ({
  address,
  intervalSec,
  state: "new",
  reason: "",
  heard: undefined,
  machine: undefined,
});

/** Seconds between two reports of a host that decides that by itself; undefined for all others. */
export function paceOf(claims: Claims): number | undefined {
  const all = [...claims];
  return all.every(([{ origin }]) => origin === "push") ? all[0]?.[1].intervalSec : undefined;
}

/** Position in the precedence of owners: 0 is the highest. */
export const rankOf = ({ origin, yields }: Owner): number => origins.indexOf(origin) + (yields ? 0.5 : 0);

export const needsApproval = ({ origin, trusted }: Owner): boolean => origin === "push" && trusted !== true;

/**
 * True if the reports are those of a machine that nobody has approved, under a name that others have a right to.
 * @param approved true if any machine of the host is approved, or it has none
 */
export function isRestrained(by: Owner, claims: Claims, approved: boolean): boolean {
  if (claims.size === 1 || !needsApproval(by) || by.approved === true) return false;
  const owners = [...claims.keys()];
  // What makes the host an approved one may be another machine.
  return owners.some((owner) => owner.approved) || (!approved && !owners.every(needsApproval));
}

/** Takes from restrained owners what they have heard. @returns these owners */
export function disown(claims: Claims, approved: boolean): readonly Owner[] {
  const owners = [...claims.keys()].filter((by) => isRestrained(by, claims, approved));
  for (const by of owners) Object.assign(claims.get(by) ?? {}, { state: "new", heard: undefined } as const);
  return owners;
}

export const unclaimed = (name: string): Fault =>
  new Fault("host_unknown", `No input has claimed a host "${name}": its report was not taken.`);

/** Claims of owners of higher precedence. Of two owners with one origin, the first to claim the host is higher. */
export function ahead(by: Owner, claims: Claims): readonly Claim[] {
  if (claims.size === 1) return [];
  const owners = [...claims.keys()].sort((a, b) => rankOf(a) - rankOf(b));
  return owners.slice(0, owners.indexOf(by)).flatMap((owner) => claims.get(owner) ?? []);
}

/** Marks that the owner has heard from the host. */
export function hear(claim: Claim, now: number): void {
  const from = heardAt(claim, now, now) ? claim.heard?.from : undefined;
  claim.heard = { from: from ?? now, to: now };
  claim.state = "up";
}

/**
 * Marks that the owner does not hear from the host.
 * @returns the reason to show; undefined if another owner is up, or if one before it has failed and this one did not feed the host
 */
export function fail(by: Owner, claims: Claims, reason: Words): Words | undefined {
  const claim = claims.get(by);
  if (claim === undefined) return undefined;
  const fed = claim.state === "up";
  Object.assign(claim, { state: "down", reason } satisfies Partial<Claim>);
  if (!fed && ahead(by, claims).some(({ state }) => state === "down")) return undefined;
  return [...claims.values()].some(({ state }) => state === "up") ? undefined : reason;
}

/** True if the owner heard from the host at that time, as far as its last reports without an interruption show. */
export function heardAt({ state, heard }: Claim, at: number, now: number): boolean {
  if (heard === undefined || at < heard.from) return false;
  return at <= heard.to || (state === "up" && now - heard.to <= unheardMs);
}

/** True if means of that age are shown as what is known last of a host: nobody else has it, and they are not those of an outage. */
export const isLastKnown = ({ means }: Owner, claims: Claims, ageMs: number): boolean =>
  means === true && claims.size === 1 && ageMs <= 3_600_000;

/** Notes what machine a report comes from. @returns true if it is another one than before, or at another address */
export function recognize(claim: Claim, { bootId, hostname, peer }: Machine): boolean {
  const { machine } = claim;
  if (machine?.bootId === bootId && machine.hostname === hostname && machine.peer === peer) return false;
  claim.machine = { bootId, hostname, peer };
  return true;
}
