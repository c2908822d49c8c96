import { networkOf } from "../program/network.ts";
import { clean } from "../proto/clean.ts";
import type { FaultCode } from "./fault.ts";

/** Refused networks that are remembered; the one that was refused least recently gives way. */
const mostNetworks = 128;
/** A network is forgotten so long after its last refusal. */
const rememberedMs = 3_600_000;
/** Size limit of a name, in bytes. */
const nameLimit = 64;

/** Fault codes that are counted, by what a person can do about them. Faults of the hub itself are not: notices show those. */
const codesOf = {
  token: ["sign_in_needed", "access_denied"],
  sender: ["sender_refused"],
  secret: ["secret_refused", "too_many_attempts"],
  taken: ["node_registered"],
  full: ["too_many_nodes"],
  rate: ["busy"],
  format: [
    "bad_request",
    "validation_error",
    "body_too_large",
    "media_type_refused",
    "sample_bad",
    "method_refused",
    "page_unknown",
    "request_too_long",
    "expectation_refused",
  ],
  name: ["name_refused"],
  slow: ["request_too_slow"],
} as const satisfies Readonly<Record<string, readonly FaultCode[]>>;

/**
 * What a network was refused for; "crowd": its connections were closed because the hub had too many; "network": it may not
 * connect (`hub.allow`).
 */
export const refusalReasons = [
  "token",
  "sender",
  "secret",
  "taken",
  "full",
  "rate",
  "format",
  "name",
  "slow",
  "crowd",
  "network",
] as const satisfies readonly (keyof typeof codesOf | "crowd" | "network")[];
export type RefusalReason = (typeof refusalReasons)[number];

/** A fault code, or that of a connection which was closed to make room for others, or may not be made. */
export type RefusalCode = FaultCode | "connection_closed" | "connection_forbidden";

const reasons = new Map<string, RefusalReason>([
  ["connection_closed", "crowd"],
  ["connection_forbidden", "network"],
]);
for (const [reason, codes] of Object.entries(codesOf)) {
  for (const code of codes) reasons.set(code, reason as keyof typeof codesOf);
}

/** How often a network was refused with one code. */
export interface RefusalCount {
  readonly reason: RefusalReason;
  readonly code: string;
  readonly count: number;
}

/** What is known of a network that was refused: an IPv4 address, or the first 64 bits of IPv6 addresses. */
export interface Refusal {
  /** Address of its last refusal. */
  readonly address: string;
  /** Host name that it claimed last. */
  readonly host: string | undefined;
  /** Host name in its requests, if the hub does not answer to it. */
  readonly called: string | undefined;
  /** Unix milliseconds. */
  readonly first: number;
  readonly last: number;
  /** The commonest first. */
  readonly counts: readonly RefusalCount[];
}

export interface RefusalNames {
  readonly host?: string | undefined;
  readonly called?: string | undefined;
}

interface Tally {
  address: string;
  host: string | undefined;
  called: string | undefined;
  readonly first: number;
  last: number;
  readonly counts: Map<string, number>;
}

const newTally = (address: string, now: number): Tally => ({
  address,
  host: undefined,
  called: undefined,
  first: now,
  last: now,
  counts: new Map(),
});

/**
 * Counts what the routes for machines refuse, and connections that were closed to make room, by network, for administrators:
 * a machine whose token is not valid has no other trace. In memory only, and bounded.
 */
export class Refusals {
  readonly #now: () => number;
  readonly #most: number;
  /** By network, the least recent first. */
  readonly #tallies = new Map<string, Tally>();

  constructor(now: () => number, most = mostNetworks) {
    this.#now = now;
    this.#most = most;
  }

  /** Counts a refusal. @param address of the peer; undefined or "" if the connection is gone, so that nothing is counted */
  count(address: string | undefined, code: RefusalCode, { host, called }: RefusalNames = {}): void {
    if (address === undefined || address === "" || !reasons.has(code)) return;
    const now = this.#now();
    this.#forget(now);
    const plain = clean(address.replace(/^::ffff:(?=\d+\.)/, ""), nameLimit);
    const network = networkOf(plain);
    const tally = this.#tallies.get(network) ?? newTally(plain, now);
    tally.address = plain;
    tally.host = clean(host ?? "", nameLimit) || tally.host;
    tally.called = clean(called ?? "", nameLimit) || tally.called;
    tally.last = now;
    tally.counts.set(code, (tally.counts.get(code) ?? 0) + 1);
    this.#tallies.delete(network);
    this.#tallies.set(network, tally);
    const oldest = this.#tallies.keys().next();
    if (this.#tallies.size > this.#most && !oldest.done) this.#tallies.delete(oldest.value);
  }

  /** Networks that were refused within the last hour, the most recent first. */
  list(): Refusal[] {
    this.#forget(this.#now());
    return [...this.#tallies.values()].reverse().map(({ counts, ...tally }) => ({
      ...tally,
      counts: [...counts]
        .flatMap(([code, count]) => {
          const reason = reasons.get(code);
          return reason === undefined ? [] : { code, count, reason };
        })
        .sort((a, b) => b.count - a.count),
    }));
  }

  #forget(now: number): void {
    for (const [network, { last }] of this.#tallies) {
      // A clock that was set back must not keep an entry for longer.
      if (Math.abs(now - last) < rememberedMs) return;
      this.#tallies.delete(network);
    }
  }
}

/** Refusals as views see them. */
export type RefusalsView = Pick<Refusals, "list" | "count">;
