import { clean as cleanText, limitOf } from "../proto/clean.ts";
import type { HostInfo } from "../proto/gen/host_pb.js";
import { ClockGuard, earliest } from "./clock.ts";
import { Fault } from "./fault.ts";
import type { DeviceSample, KnownDevice, Store } from "./history/store.ts";
import { sanitize } from "./ingest/clean.ts";
import { type CardSlots, identify, recall, remember } from "./ingest/identity.ts";
import { Meter, type ReadTimes } from "./ingest/measure.ts";
import type { Live } from "./live.ts";
import { type Log, silent } from "./log.ts";

/** Greatest age of a current report that is dated by its host's clock, and how far ahead a late one may be. */
const skewMs = 30_000;
/** Late reports are accepted up to this long before samples are deleted, as a store may write them later than it accepts them. */
const marginMs = 3_600_000;
/** Current reports of a host that are recognized if they come again as late: some minutes of them. */
const mostRecent = 16;
/** Without a report for longer, an owner counts as not having heard from its host, even if nothing failed. */
const unheardMs = 300_000;
/** Least time between two log lines about one listener that throws. */
const logPauseMs = 60_000;

/** Sources of host names by precedence: settings.json, the hub's own list, the host itself. */
const origins = ["settings", "book", "push"] as const;

/** An input, with the source of the names of its hosts. Compared by reference: an input uses one constant for each source. */
export interface Owner {
  readonly input: string;
  readonly origin: (typeof origins)[number];
}

/** Stores that ingest writes to, and state at the start. */
export interface IngestTargets {
  readonly live: Live;
  readonly history: Pick<Store, "append">;
  readonly now: () => number;
  /** Devices in history at the start. */
  readonly known?: readonly KnownDevice[];
  /** Milliseconds for which history keeps every sample; absent if forever. */
  readonly retentionMs?: () => number;
  readonly log?: Log;
}

/** A report that was kept. */
export interface HostReading {
  readonly host: string;
  /** Unix milliseconds of the measurement, as in history. A late reading that comes again has the same host and time. */
  readonly at: number;
  /** Sanitized; never changed afterwards. */
  readonly info: HostInfo;
  /** Devices that were measured for this report. Arrays of values are reused for the next one: copy what you keep. */
  readonly devices: readonly DeviceSample[];
  /** True for a report of the past, which comes in any order. */
  readonly late: boolean;
}

/** One owner's view of a host: nothing heard yet, up, or down for a reason. */
interface Claim {
  readonly address: string;
  state: "new" | "up" | "down";
  reason: string;
  /** Unix milliseconds of the first and last report since the last time without any. */
  heard: { readonly from: number; readonly to: number } | undefined;
}

/** A host with at least one owner. */
interface ClaimedHost {
  readonly claims: Map<Owner, Claim>;
  readonly cards: CardSlots;
  read: ReadTimes;
  readLate: ReadTimes;
  /** `sampled` of the last current reports, oldest first. */
  readonly recent: bigint[];
}

/**
 * Takes reports from all inputs, sanitizes them, and writes live state and history. One name is one host, whichever inputs
 * own it: the owner of highest precedence that hears from the host feeds it, and the others are on standby until it fails.
 */
export class Ingest {
  readonly #targets: IngestTargets;
  readonly #log: Log;
  readonly #hosts = new Map<string, ClaimedHost>();
  /** Cards of the hosts that were in history at the start; also of those that it has forgotten since (decision 0034). */
  readonly #recalled = new Map<string, CardSlots>();
  readonly #meter = new Meter();
  readonly #clock: ClockGuard;
  #doubted = false;
  /** Unix milliseconds at which an error of each listener was last logged. */
  readonly #listeners = new Map<(reading: HostReading) => void, number>();

  constructor(targets: IngestTargets) {
    const { known = [], log = silent } = targets;
    this.#targets = targets;
    this.#log = log;
    const gpus = known.filter(({ level }) => level === "gpu");
    for (const [host, ofHost] of Map.groupBy(gpus, ({ host }) => host)) this.#recalled.set(host, recall(ofHost));
    this.#clock = new ClockGuard(
      known.length > 0 ? known.reduce((most, { last }) => Math.max(most, last), 0) : undefined,
    );
  }

  /**
   * Adds an owner of a host, or changes its address. The owner of highest precedence gives the address that is shown. The
   * last report is discarded if no owner has heard from the host at its present address.
   */
  claim(name: string, by: Owner, address: string): void {
    const host = this.#hosts.get(name) ?? this.#add(name);
    if (host.claims.get(by)?.address === address) return;
    host.claims.set(by, { address, state: "new", reason: "", heard: undefined });
    this.#settle(name, host);
  }

  /** Removes an owner of a host. A host without owners is removed from live state; its history stays. */
  release(name: string, by: Owner): void {
    const host = this.#hosts.get(name);
    if (host === undefined || !host.claims.delete(by)) return;
    if ([...host.claims.values()].every(({ state }) => state === "new")) this.#targets.live.forget(name);
    if (host.claims.size === 0) this.#hosts.delete(name);
    else this.#settle(name, host);
  }

  /** Marks that the first attempt to reach a host has begun. */
  dialling(name: string): void {
    this.#targets.live.dialling(name);
  }

  /**
   * Marks a host as down, unless another owner hears from it.
   * @param reason may quote the host, or another program that answers at its address
   */
  failed(name: string, reason: string, by: Owner): void {
    const host = this.#hosts.get(name);
    const claim = host?.claims.get(by);
    if (host === undefined || claim === undefined) return;
    claim.state = "down";
    claim.reason = cleanText(reason, limitOf("err"));
    if (![...host.claims.values()].some(({ state }) => state === "up")) this.#targets.live.failed(name, claim.reason);
  }

  /**
   * Takes a current report, for live state and history. History dates it by the host's clock if it is at most 30 s old,
   * else by the hub's. A report of an owner on standby is discarded.
   * @param info must not be used by the caller afterwards
   * @throws Fault host_unknown if that owner has not claimed the host
   */
  received(name: string, info: HostInfo, by: Owner): void {
    const host = this.#hosts.get(name);
    const claim = host?.claims.get(by);
    if (host === undefined || claim === undefined) throw unclaimed(name);
    hear(claim, this.#targets.now());
    if (ahead(by, host).some(({ state }) => state === "up")) return;
    sanitize(info);
    identify(info.gpus, host.cards);
    remember(info.gpus, host.cards);
    this.#targets.live.received(name, info);
    const { devices, times } = this.#meter.measure(info, host.read, false);
    host.read = times;
    if (!this.#believed(info)) return;
    this.#keep({ host: name, at: this.#time(info), info, devices, late: false });
    if (info.sampled !== undefined && host.recent.push(info.sampled) > mostRecent) host.recent.shift();
  }

  /**
   * Takes a report of the past, for history only, dated by its own `sampled`. A repeated report counts once, as history has
   * one value of a series at one time. It is discarded if an owner of higher precedence heard from the host at that time.
   * @param info must not be used by the caller afterwards
   * @throws Fault host_unknown if that owner has not claimed the host; sample_bad if `sampled` is absent, more than 30 s ahead, or
   *   older than samples are kept; history_unwritable while the hub's clock cannot be right: the report may be repeated
   */
  late(name: string, info: HostInfo, by: Owner): void {
    const host = this.#hosts.get(name);
    if (host?.claims.has(by) !== true) throw unclaimed(name);
    sanitize(info);
    const at = this.#lateTime(name, info);
    const now = this.#targets.now();
    if (ahead(by, host).some((claim) => heardAt(claim, at, now))) return;
    // It was received, possibly dated by the hub's clock, and the confirmation was lost.
    if (info.sampled !== undefined && host.recent.includes(info.sampled)) return;
    identify(info.gpus, host.cards);
    const { devices, times } = this.#meter.measure(info, host.readLate, true);
    host.readLate = times;
    this.#keep({ host: name, at, info, devices, late: true });
  }

  /**
   * Calls a listener for every reading that is kept, after it was written to history.
   * @param listener must be synchronous; errors are logged
   * @returns a function that unsubscribes it
   */
  onReading(listener: (reading: HostReading) => void): () => void {
    this.#listeners.set(listener, Number.NEGATIVE_INFINITY);
    return () => this.#listeners.delete(listener);
  }

  #add(name: string): ClaimedHost {
    const cards: CardSlots = this.#recalled.get(name) ?? new Map();
    const host = { claims: new Map(), cards, read: new Map(), readLate: new Map(), recent: [] };
    this.#hosts.set(name, host);
    return host;
  }

  /** Updates live state after a change of owners. */
  #settle(name: string, host: ClaimedHost): void {
    const { live } = this.#targets;
    const claims = [...host.claims].sort(([a], [b]) => rankOf(a) - rankOf(b)).map(([, claim]) => claim);
    const address = claims[0]?.address ?? "";
    if (claims.every(({ state }) => state === "new")) {
      if (live.host(name)?.address !== address) host.read = new Map();
      live.expect(name, address);
      return;
    }
    live.readdress(name, address);
    const down = claims.find(({ state }) => state === "down");
    if (down !== undefined && !claims.some(({ state }) => state === "up")) live.failed(name, down.reason);
  }

  #keep(reading: HostReading): void {
    const { host, at, devices } = reading;
    if (devices.length > 0) this.#targets.history.append({ host, at, devices });
    for (const listener of this.#listeners.keys()) {
      try {
        listener(reading);
      } catch (error) {
        this.#logFailure(listener, error);
      }
    }
  }

  #logFailure(listener: (reading: HostReading) => void, error: unknown): void {
    const now = this.#targets.now();
    const last = this.#listeners.get(listener);
    if (last === undefined || Math.abs(now - last) < logPauseMs) return;
    this.#listeners.set(listener, now);
    this.#log.error(`a listener to readings failed: ${error instanceof Error ? error.stack : String(error)}`);
  }

  /** True if the hub's clock can be right; else a notice says so, as samples of a wrong date stay in rollups for ever. */
  #believed({ sampled }: HostInfo): boolean {
    const { live, now } = this.#targets;
    const at = now();
    const believed = this.#clock.believes(at, sampled === undefined ? undefined : Number(sampled));
    if (believed !== this.#doubted) return believed;
    this.#doubted = !believed;
    const text = `${doubt(at)}: until it is set, live values go on and nothing is kept in history.`;
    live.notice("clock", believed ? undefined : text);
    if (believed) this.#log.info("the clock of this machine is plausible again: history is kept");
    else this.#log.warn(text);
    return believed;
  }

  #time(info: HostInfo): number {
    const now = this.#targets.now();
    const own = Number(info.sampled ?? 0n);
    return own <= now && own > now - skewMs ? own : now;
  }

  /** @throws Fault sample_bad, history_unwritable */
  #lateTime(name: string, { sampled }: HostInfo): number {
    const { now, retentionMs } = this.#targets;
    const at = now();
    if (!this.#clock.accepts(at))
      throw new Fault("history_unwritable", `${doubt(at)}: nothing is kept until it is set.`);
    const least = Math.max(earliest, at - (retentionMs?.() ?? Number.POSITIVE_INFINITY) + marginMs);
    const most = at + skewMs;
    if (sampled !== undefined && sampled >= least && sampled <= most) return Number(sampled);
    throw new Fault(
      "sample_bad",
      `A late report of "${name}" must have been sampled from ${least} up to ${most} Unix milliseconds: its time is ${sampled ?? "absent"}.`,
    );
  }
}

const rankOf = ({ origin }: Owner): number => origins.indexOf(origin);

/** Claims of owners of higher precedence. Of two owners with one origin, the first to claim the host is higher. */
function ahead(by: Owner, { claims }: ClaimedHost): readonly Claim[] {
  if (claims.size === 1) return [];
  const owners = [...claims.keys()].sort((a, b) => rankOf(a) - rankOf(b));
  return owners.slice(0, owners.indexOf(by)).flatMap((owner) => claims.get(owner) ?? []);
}

/** Marks that the owner has heard from the host. */
function hear(claim: Claim, now: number): void {
  const from = heardAt(claim, now, now) ? claim.heard?.from : undefined;
  claim.heard = { from: from ?? now, to: now };
  claim.state = "up";
}

/** True if the owner heard from the host at that time, as far as its last reports without an interruption show. */
function heardAt({ state, heard }: Claim, at: number, now: number): boolean {
  if (heard === undefined || at < heard.from) return false;
  return at <= heard.to || (state === "up" && now - heard.to <= unheardMs);
}

const unclaimed = (name: string): Fault =>
  new Fault("host_unknown", `No input has claimed a host "${name}": its report was not taken.`);

const doubt = (now: number): string =>
  `This machine's clock says ${new Date(now).toISOString().slice(0, 16)}Z, which cannot be right`;
