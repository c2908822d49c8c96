import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { apply } from "../proto/delta.ts";
import type { Event, Idle, Sentence } from "../proto/gen/feed_pb.js";
import type { HostGlance } from "../proto/glance.ts";
import { isFresh, type Summary, shownName, summarize } from "../proto/summary.ts";
import { keysOf } from "../proto/verdict.ts";
import type { Connection } from "./feed.ts";

/** A host on the page. Read `tick` to subscribe to its numbers, `host` to its structure. */
export interface HostEntry {
  readonly name: string;
  readonly host: Signal<HostGlance>;
  readonly tick: Signal<number>;
  /** True if its last answer was recent at the hub's last event. */
  readonly fresh: ReadonlySignal<boolean>;
  /** True if its values are current: its answer is recent, and the hub is connected. */
  readonly live: ReadonlySignal<boolean>;
  /** Since when cards have been held without computing, by key (`keysOf`). */
  readonly idle: ReadonlySignal<ReadonlyMap<string, Idle>>;
}

/** A message of the hub about itself. */
interface HubNotice {
  /** In the hub's own language. */
  readonly words: string;
  readonly sentence: Sentence | undefined;
}

export interface Fleet {
  readonly entries: ReadonlySignal<readonly HostEntry[]>;
  readonly notices: ReadonlySignal<readonly HubNotice[]>;
  readonly connection: Signal<Connection>;
  /** The hub's clock in Unix milliseconds; stops without a connection. */
  readonly now: ReadonlySignal<number>;
  /** Seconds between polls. */
  readonly interval: ReadonlySignal<number>;
  /** False until the first event. */
  readonly known: ReadonlySignal<boolean>;
  readonly summary: ReadonlySignal<Summary>;
  /** The host of a name: its own, or the one that is shown. */
  find(name: string): HostEntry | undefined;
  /** The name to show for a host. */
  nameOf(host: string): string;
  /**
   * @param local Monotonic clock of the viewer in milliseconds.
   * @param begun Time of that clock when the stream of the event began.
   * @throws Error if the event does not fit the state, or is so late that a new connection is faster.
   */
  take(event: Event, local: number, begun: number): void;
  /** Advances the hub's clock; `local` as in take(). */
  pass(local: number): void;
  /** Removes everything that the hub sent, until its next snapshot. */
  forget(): void;
}

/** Delay of events that any connection may have. */
const longestLagMs = 30_000;

export function createFleet(): Fleet {
  const entries = signal<readonly HostEntry[]>([]);
  const notices = signal<readonly HubNotice[]>([]);
  const connection = signal<Connection>({ state: "opening", since: 0 });
  const now = signal(0);
  const interval = signal(10);
  const known = signal(false);
  const beat = signal(0);
  const byNumber = new Map<number, HostEntry>();
  /** The hub's clock minus the viewer's, milliseconds. */
  let clockOffset = 0;
  /** Maximum delay of an event, milliseconds. */
  let lagMs = 0;

  const statuses = computed(() => {
    beat.value;
    return entries.value.map((entry) => ({ host: entry.host.value, fresh: entry.fresh.value }));
  });
  const summary = computed(() => summarize(statuses.value));
  const names = computed(() => new Map(entries.value.map(({ name, host }) => [name, shownName(host.value)])));
  const find = (name: string): HostEntry | undefined => {
    const own = entries.value.find((entry) => entry.name === name);
    // A machine that waits for approval takes no shown name from another host.
    const shown = own === undefined || own.host.value.waiting;
    return (shown ? entries.value.find(({ host }) => host.value.shown === name) : undefined) ?? own;
  };

  // A host keeps its entry, with the state of its components, across snapshots, even if a restarted hub numbered the hosts
  // anew.
  const addHost = (host: HostGlance, before: ReadonlyMap<string, HostEntry>): void => {
    const held = before.get(host.name);
    byNumber.set(host.number, held ?? createEntry(host, { now, interval, connection }));
    if (held === undefined) return;
    held.host.value = host;
    held.tick.value++;
  };

  // Events queue up on a slow connection. The snapshot was written when the stream began: that moment, not its arrival,
  // gives the difference of the clocks. Later events can only be later than that.
  const setClock = (event: Event, local: number, begun: number): void => {
    const sent = Number(event.now);
    if (event.whole) {
      clockOffset = sent - begun;
      lagMs = 2 * (local - begun) + longestLagMs;
    } else {
      clockOffset = Math.max(clockOffset, sent - local);
      if (local + clockOffset - sent > lagMs) throw new Error("the event is too late, or the hub's clock was set back");
    }
    now.value = local + clockOffset;
  };

  const take = (event: Event, local: number, begun: number): void => {
    setClock(event, local, begun);
    const before = new Map([...byNumber.values()].map((entry) => [entry.name, entry]));
    if (event.whole) byNumber.clear();
    if (event.interval > 0) interval.value = event.interval;
    for (const host of event.hosts) addHost(host, before);
    for (const delta of event.deltas) {
      const entry = byNumber.get(delta.number);
      const host = entry?.host.peek();
      if (entry === undefined || host?.info === undefined) throw new Error(`no host ${delta.number} to change`);
      apply(host.info, delta);
      host.seen = delta.seen;
      for (const one of delta.idle)
        host.idle = [...host.idle.filter(({ card }) => card !== one.card), ...(one.since > 0n ? [one] : [])];
      entry.tick.value++;
    }
    for (const number of event.removed) byNumber.delete(number);
    if (event.whole || event.hosts.length > 0 || event.removed.length > 0) entries.value = [...byNumber.values()];
    notices.value = event.notices.map((words, i) => ({ words, sentence: event.noticeSentences[i] }));
    known.value = true;
    beat.value++;
  };

  return {
    entries,
    notices,
    connection,
    now,
    interval,
    known,
    summary,
    find,
    nameOf: (host) => names.value.get(host) ?? host,
    take: (event, local, begun) => batch(() => take(event, local, begun)),
    pass(local) {
      if (known.value && connection.value.state === "live") now.value = Math.max(now.value, local + clockOffset);
    },
    forget() {
      byNumber.clear();
      batch(() => {
        entries.value = [];
        notices.value = [];
        known.value = false;
        beat.value++;
      });
    },
  };
}

type Around = Pick<Fleet, "now" | "interval" | "connection">;

function createEntry(first: HostGlance, { now, interval, connection }: Around): HostEntry {
  const host = signal(first);
  const tick = signal(0);
  const fresh = computed(() => {
    tick.value;
    return isFresh(host.value, now.value, interval.value);
  });
  const live = computed(() => fresh.value && connection.value.state === "live");
  const idle = computed(() => {
    tick.value;
    const { idle, info } = host.value;
    const keys = keysOf(info?.gpus ?? []);
    return new Map(idle.map((one) => [keys[one.card] ?? "", one]));
  });
  return { name: first.name, host, tick, fresh, live, idle };
}

/** The fleet that the page shows. */
export const fleet: Fleet = createFleet();
