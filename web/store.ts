import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { apply } from "../proto/delta.ts";
import { type Event, Link } from "../proto/gen/feed_pb.js";
import { State } from "../proto/gen/host_pb.js";
import type { HostGlance } from "../proto/glance.ts";
import { verdict, wholeOf } from "./card.ts";
import type { Connection } from "./feed.ts";
import { type Summary, summarize } from "./summary.ts";

/** One host on the page. Reading `tick` subscribes to its numbers, reading `host` to its shape. */
export interface Entry {
  readonly number: number;
  readonly host: Signal<HostGlance>;
  readonly tick: Signal<number>;
  /** Its last answer was recent when the hub last spoke. */
  readonly fresh: ReadonlySignal<boolean>;
  /** It may be shown as what is so now: its answer is recent, and the hub is there. */
  readonly live: ReadonlySignal<boolean>;
  /** Lower-case text that the search looks in. */
  readonly words: ReadonlySignal<string>;
  /** By card: hub's milliseconds since when it has been held without computing, as far as this page saw. */
  readonly restingSince: Map<number, number>;
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
  /** @throws Error when the event does not fit what is here. */
  take(event: Event, local: number): void;
  /** Lets the hub's clock go on; `local` in milliseconds of the viewer's clock. */
  pass(local: number): void;
}

/** Milliseconds after which an answer is too old to be shown as live. */
const lateAfter = (interval: number): number => Math.max(3 * interval, interval + 10) * 1000;

export function createFleet(): Fleet {
  const entries = signal<readonly Entry[]>([]);
  const notices = signal<readonly string[]>([]);
  const connection = signal<Connection>({ state: "opening", since: 0 });
  const now = signal(0);
  const interval = signal(10);
  const known = signal(false);
  const beat = signal(0);
  const byNumber = new Map<number, Entry>();
  let ahead = 0;

  const standing = computed(() => {
    beat.value;
    return entries.value.map((entry) => ({ host: entry.host.value, fresh: entry.fresh.value }));
  });
  const summary = computed(() => summarize(standing.value));

  // A host keeps its place, and what the page noticed about it, when the hub gives everything anew.
  const admit = (host: HostGlance, before: ReadonlyMap<number, Entry>): void => {
    const held = byNumber.get(host.number) ?? before.get(host.number);
    if (held?.host.peek().name === host.name) {
      held.host.value = host;
      held.tick.value++;
      byNumber.set(host.number, held);
    } else byNumber.set(host.number, createEntry(host, { now, interval, connection }));
  };

  const take = (event: Event, local: number): void => {
    ahead = Number(event.now) - local;
    const before = new Map(byNumber);
    if (event.whole) byNumber.clear();
    now.value = Number(event.now);
    if (event.interval > 0) interval.value = event.interval;
    for (const host of event.hosts) admit(host, before);
    for (const delta of event.deltas) {
      const entry = byNumber.get(delta.number);
      const host = entry?.host.peek();
      if (entry === undefined || host?.info === undefined) throw new Error(`no host ${delta.number} to change`);
      apply(host.info, delta);
      host.seen = delta.seen;
      entry.tick.value++;
    }
    for (const number of event.removed) byNumber.delete(number);
    for (const entry of byNumber.values()) markResting(entry, now.value);
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
    take: (event, local) => batch(() => take(event, local)),
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
    const { link, seen } = host.value;
    return link !== Link.WAITING && seen !== undefined && now.value - Number(seen) < lateAfter(interval.value);
  });
  const live = computed(() => fresh.value && connection.value.state !== "lost");
  const words = computed(() => haystack(host.value));
  return { number: first.number, host, tick, fresh, live, words, restingSince: new Map() };
}

function haystack({ name, address, info }: HostGlance): string {
  const gpus = info?.gpus ?? [];
  return [
    name,
    address,
    info?.hostname,
    info?.ip,
    ...gpus.flatMap((gpu) => [gpu.name, ...gpu.procs.flatMap((proc) => [proc.username, proc.basename])]),
  ]
    .join("\n")
    .toLowerCase();
}

function markResting(entry: Entry, now: number): void {
  const gpus = entry.host.peek().info?.gpus ?? [];
  gpus.forEach((gpu, i) => {
    const resting = gpu.state !== State.STALE && verdict(gpu, true, wholeOf(gpus, gpu)) === "held";
    if (!resting) entry.restingSince.delete(i);
    else if (!entry.restingSince.has(i)) entry.restingSince.set(i, now);
  });
}

/** The fleet of this page. */
export const fleet: Fleet = createFleet();
