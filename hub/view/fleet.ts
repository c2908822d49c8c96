import { clone } from "@bufbuild/protobuf";
import { Link } from "../../proto/gen/feed_pb.js";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { compareNames, isFresh } from "../../proto/summary.ts";
import { Fault } from "../fault.ts";
import { type LiveHost, shownName } from "../live.ts";
import type { Mask } from "../privacy.ts";
import { isHistoryOnly } from "../reason.ts";
import type { HostState } from "../route/v1.ts";
import type { Actor } from "../who.ts";
import { turn } from "./body.ts";
import { counts, type HubView, intervalOf } from "./view.ts";

/** Milliseconds of work before it yields. */
const patienceMs = 4;

/** A host as a client sees it. */
export interface SeenHost {
  readonly host: LiveHost;
  readonly shown: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The last report, without what the client may not see. */
  readonly info: HostInfo | undefined;
  /** True if the last report may be shown as live. */
  readonly fresh: boolean;
  readonly state: HostState;
  /** Since when it has been in this state, Unix milliseconds. */
  readonly since: number;
  /** Why it is down, or has history only. */
  readonly reason: string | undefined;
  readonly intervalSec: number;
}

/** Hosts that a request is about; all that count where it names none. */
export interface HostFilter {
  readonly group?: string | undefined;
  /** "name=value", or "name" for any value. */
  readonly label?: readonly string[];
  /** Names or shown names. */
  readonly host?: readonly string[];
}

/** Orders names as people count; no two are equal. */
export const inOrder = (a: string, b: string): number => compareNames(a, b) || (a < b ? -1 : a > b ? 1 : 0);

/** The hosts of the hub as its clients see them. */
export class Fleet {
  readonly #hub: HubView;
  /** Reports without the people, by what is removed: they serve until the next report of the host. */
  readonly #masked = new WeakMap<Mask, WeakMap<HostInfo, HostInfo>>();

  constructor(hub: HubView) {
    this.#hub = hub;
  }

  /**
   * Lists hosts in the order of their names, without those that wait for approval; it yields to other work of the hub.
   * @throws Fault host_unknown
   */
  async *hosts(by: Actor, filter: HostFilter): AsyncGenerator<SeenHost> {
    const hub = this.#hub;
    const mask = hub.privacy.maskFor(by);
    const wanted = filter.host?.length ? new Set(filter.host.map((name) => this.#keyOf(name))) : undefined;
    const hosts = hub.live
      .hosts()
      .filter(({ name, profile }) => counts(hub, name) && (wanted?.has(name) ?? true) && inGroup(profile, filter))
      .sort((a, b) => inOrder(a.name, b.name));
    let begun = performance.now();
    for (const host of hosts) {
      const labels = labelsOf(host, mask);
      if ((filter.label ?? []).every((label) => hasLabel(labels, label))) yield this.#seen(host, mask, labels);
      if (performance.now() - begun > patienceMs) {
        await turn();
        begun = performance.now();
      }
    }
  }

  /** One host by its name or the one that is shown. @throws Fault host_unknown */
  host(by: Actor, name: string): SeenHost {
    const host = this.#hub.live.host(this.#keyOf(name));
    if (host === undefined) throw unknown(name);
    const mask = this.#hub.privacy.maskFor(by);
    return this.#seen(host, mask, labelsOf(host, mask));
  }

  /** Key of a host that counts. @throws Fault host_unknown */
  #keyOf(name: string): string {
    const key = this.#hub.roster.keyOf(name);
    if (this.#hub.live.host(key) === undefined || !counts(this.#hub, key)) throw unknown(name);
    return key;
  }

  /** State of a host. */
  stateOf({ link, seen: at, profile }: LiveHost): HostState {
    const { clock, interval } = this.#hub;
    if (isHistoryOnly(link)) return "history";
    if (link.state === "waiting") return "down";
    if (at === undefined) return "pending";
    const age = { link: Link.OPEN, interval: profile?.intervalSec ?? 0, seen: BigInt(at) };
    return isFresh(age, clock.now(), interval()) ? "up" : "stale";
  }

  #seen(host: LiveHost, mask: Mask | undefined, labels: SeenHost["labels"]): SeenHost {
    const { link, seen: at } = host;
    const state = this.stateOf(host);
    const fresh = state === "up";
    return {
      host,
      shown: shownName(host),
      labels,
      info: host.info && mask ? this.#mask(host.info, mask) : host.info,
      fresh,
      state,
      since: state === "stale" && at !== undefined ? at : link.since,
      reason: link.state === "waiting" ? (mask?.text(link.reason, false) ?? link.reason) : undefined,
      intervalSec: intervalOf(this.#hub, host.name),
    };
  }

  #mask(info: HostInfo, mask: Mask): HostInfo {
    const made = this.#masked.get(mask) ?? new WeakMap<HostInfo, HostInfo>();
    this.#masked.set(mask, made);
    const before = made.get(info);
    if (before !== undefined) return before;
    const copy = clone(HostInfoSchema, info);
    mask.report(copy, false);
    made.set(info, copy);
    return copy;
  }
}

const unknown = (name: string): Fault => new Fault("host_unknown", `There is no host "${name}".`);

const inGroup = (profile: LiveHost["profile"], { group }: HostFilter): boolean =>
  group === undefined || profile?.group === group;

/** Labels as the client sees them: a filter must not tell what they hide. */
const labelsOf = ({ profile }: LiveHost, mask: Mask | undefined): Readonly<Record<string, string>> => {
  const labels = profile?.labels ?? {};
  if (mask === undefined) return labels;
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, mask.text(value, false)]));
};

function hasLabel(labels: Readonly<Record<string, string>>, label: string): boolean {
  const at = label.indexOf("=");
  const name = at < 0 ? label : label.slice(0, at);
  return Object.hasOwn(labels, name) && (at < 0 || labels[name] === label.slice(at + 1));
}
