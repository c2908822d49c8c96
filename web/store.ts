import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { apply } from "../proto/delta.ts";
import type { Event, Idle } from "../proto/gen/feed_pb.js";
import type { HostGlance } from "../proto/glance.ts";
import { isFresh, type Summary, summarize } from "../proto/summary.ts";
import { keysOf } from "../proto/verdict.ts";
import type { Connection } from "./feed.ts";

/** One host on the page. Reading `tick` subscribes to its numbers, reading `host` to its shape. */
export interface Entry {
  readonly name: string;
  readonly host: Signal<HostGlance>;
  readonly tick: Signal<number>;
  /** Its last answer was recent when the hub last spoke. */
  readonly fresh: ReadonlySignal<boolean>;
  /** It may be shown as what is so now: its answer is recent, and the hub is there. */
  readonly live: ReadonlySignal<boolean>;
  /** By card (`keysOf`): since when somebody has had it without computing. */
  readonly idle: ReadonlySignal<ReadonlyMap<string, Idle>>;
}

export interface Fleet {
  readonly entries: ReadonlySignal<readonly Entry[]>;
  readonly notices: ReadonlySignal<readonly string[]>;
  readonly connection: Signal<Connection>;
  /** Hub's clock, Unix milliseconds; stands still while the hub is lost. */
  readonly now: ReadonlySignal<number>;
  /** Seconds between polls. */
  readonly interval: ReadonlySignal<number>;
  /** False until the first event has come. */
  readonly known: ReadonlySignal<boolean>;
  readonly summary: ReadonlySignal<Summary>;
  /**
   * @param local Milliseconds of a clock of the viewer that nobody sets.
   * @param begun The same, of the moment at which the answer that the event is part of began.
   * @throws Error when the event does not fit what is here, or lags so far behind that asking again is quicker.
   */
  take(event: Event, local: number, begun: number): void;
  /** Advances the hub's clock; `local` as in take(). */
  pass(local: number): void;
}

/** Milliseconds that an event may come late on any line. */
const longestLag = 30_000;

export function createFleet(): Fleet {
  const entries = signal<readonly Entry[]>([]);
  const notices = signal<readonly string[]>([]);
  const connection = signal<Connection>({ state: "opening", since: 0 });
  const now = signal(0);
  const interval = signal(10);
  const known = signal(false);
  const beat = signal(0);
  const byNumber = new Map<number, Entry>();
  /** Hub's clock less the viewer's. */
  let ahead = 0;
  /** Milliseconds that an event may come late. */
  let lag = 0;

  const standing = computed(() => {
    beat.value;
    return entries.value.map((entry) => ({ host: entry.host.value, fresh: entry.fresh.value }));
  });
  const summary = computed(() => summarize(standing.value));

  // A host keeps its place, and what is open or focused in it, when the hub gives everything anew, also after a restart
  // that numbered the hosts anew.
  const admit = (host: HostGlance, before: ReadonlyMap<string, Entry>): void => {
    const held = before.get(host.name);
    byNumber.set(host.number, held ?? createEntry(host, { now, interval, connection }));
    if (held === undefined) return;
    held.host.value = host;
    held.tick.value++;
  };

  // On a slow line events queue up. The first one was written as the answer began, so that moment, not its arrival, tells
  // how far the clocks are apart; a later event can only come later than that.
  const setClock = (event: Event, local: number, begun: number): void => {
    const sent = Number(event.now);
    if (event.whole) {
      ahead = sent - begun;
      lag = 2 * (local - begun) + longestLag;
    } else {
      ahead = Math.max(ahead, sent - local);
      if (local + ahead - sent > lag) throw new Error("the event is too late, or the hub's clock was set back");
    }
    now.value = local + ahead;
  };

  const take = (event: Event, local: number, begun: number): void => {
    setClock(event, local, begun);
    const before = new Map([...byNumber.values()].map((entry) => [entry.name, entry]));
    if (event.whole) byNumber.clear();
    if (event.interval > 0) interval.value = event.interval;
    for (const host of event.hosts) admit(host, before);
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
    notices.value = event.notices;
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
    take: (event, local, begun) => batch(() => take(event, local, begun)),
    pass(local) {
      if (known.value && connection.value.state === "live") now.value = Math.max(now.value, local + ahead);
    },
  };
}

type Around = Pick<Fleet, "now" | "interval" | "connection">;

function createEntry(first: HostGlance, { now, interval, connection }: Around): Entry {
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

/** The fleet of this page. */
export const fleet: Fleet = createFleet();
