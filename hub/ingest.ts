import { limitOf } from "../proto/clean.ts";
import { gpuKey, indexOfKey } from "../proto/device.ts";
import type { HostInfo } from "../proto/gen/host_pb.js";
import type { KnownDevice, Store } from "./history/store.ts";
import { BootGuard, type FeedingBoot, secondMachine, secondMs } from "./ingest/boot.ts";
import {
  ahead,
  type Claim,
  disown,
  fail,
  hear,
  heardAt,
  isLastKnown,
  isRestrained,
  type Machine,
  needsApproval,
  newClaim,
  type Owner,
  paceOf,
  rankOf,
  recognize,
  unclaimed,
} from "./ingest/claim.ts";
import { sanitize } from "./ingest/clean.ts";
import { ReportClock } from "./ingest/clock.ts";
import type { HostDirectory } from "./ingest/directory.ts";
import { type CardSlots, identify, recall, remember } from "./ingest/identity.ts";
import { type HostReading, Listeners } from "./ingest/listeners.ts";
import { type Arrival, CardMatcher } from "./ingest/match.ts";
import { Meter, type ReadTimes } from "./ingest/measure.ts";
import { type DeviceLists, type DeviceSelection, select, selectionOf, withDevices } from "./ingest/select.ts";
import { SkewMeter, skewTrouble } from "./ingest/skew.ts";
import type { Live } from "./live.ts";
import { type Log, silent } from "./log.ts";
import { cleanWords, type Words } from "./sentence.ts";
import type { Troubles } from "./trouble.ts";

export type { Machine, Owner } from "./ingest/claim.ts";
export type { HostReading } from "./ingest/listeners.ts";

/** A greater error of a host's clock is shown to administrators: history dates its current reports by the hub's clock then. */
const skewMs = 30_000;
/** Current reports that the hub dated, and that are recognized if they come again as late: some minutes of a host's. */
const mostRecent = 16;

type MachineListener = (host: string, by: Owner, machine: Machine) => void;

/** Stores that ingest writes to, and state at the start. */
export interface IngestTargets {
  readonly live: Live;
  readonly history: Pick<Store, "append" | "rename">;
  readonly now: () => number;
  /** Devices in history at the start. */
  readonly known?: readonly KnownDevice[];
  /** Milliseconds for which history keeps every sample; absent if forever. */
  readonly retentionMs?: () => number;
  readonly directory?: HostDirectory;
  readonly troubles?: Pick<Troubles, "set" | "forget">;
  readonly log?: Log;
}

/** A host with at least one owner. */
interface ClaimedHost {
  readonly claims: Map<Owner, Claim>;
  readonly cards: CardSlots;
  readonly matcher: CardMatcher;
  read: ReadTimes;
  readLate: ReadTimes;
  /** `sampled` of the last current reports that have another time in history, oldest first. */
  readonly recent: bigint[];
  readonly skew: SkewMeter;
  skewed: boolean;
  readonly boot: BootGuard;
  selection: DeviceSelection | undefined;
  /** Devices of its last report, also those that are not selected; undefined if all are. */
  offered: DeviceLists | undefined;
}

/**
 * Takes reports from all inputs, sanitizes them, and writes live state and history. One name is one host, whichever inputs
 * own it: the owner of highest precedence that hears from the host feeds it, and the others are on standby until it fails.
 */
export class Ingest {
  readonly #targets: IngestTargets;
  readonly #hosts = new Map<string, ClaimedHost>();
  /** Cards of the hosts that were in history at the start; also of those that it has forgotten since (decision 0034). */
  readonly #recalled = new Map<string, CardSlots>();
  /** Hosts of which history had cards with uuids at the start. */
  readonly #named: ReadonlySet<string>;
  readonly #meter = new Meter();
  readonly #clock: ReportClock;
  readonly #listeners: Listeners<HostReading>;
  readonly #machineListeners = new Set<MachineListener>();

  constructor(targets: IngestTargets) {
    const { known = [], log = silent, live, now, retentionMs } = targets;
    this.#targets = targets;
    this.#listeners = new Listeners("readings", { now, log });
    const gpus = known.filter(({ level }) => level === "gpu");
    this.#named = new Set(gpus.flatMap(({ host, key }) => (indexOfKey(key) === undefined ? [host] : [])));
    for (const [host, ofHost] of Map.groupBy(gpus, ({ host }) => host)) this.#recalled.set(host, recall(ofHost));
    this.#clock = new ReportClock(
      { live, now, log, retentionMs },
      known.length > 0 ? known.reduce((most, { last }) => Math.max(most, last), 0) : undefined,
    );
    targets.directory?.onChange(() => this.#refresh());
  }

  /**
   * Adds an owner of a host, or changes its address. The owner of highest precedence gives the address that is shown. The
   * last report is discarded if no owner has heard from the host at its present address; a host that reports by itself may
   * do so from any.
   * @param intervalSec seconds between two reports of a host that decides that by itself; absent if as usual
   */
  claim(name: string, by: Owner, address: string, intervalSec?: number): void {
    const host = this.#hosts.get(name) ?? this.#add(name);
    const before = host.claims.get(by);
    if (before?.address === address && before.intervalSec === intervalSec) return;
    if (before !== undefined && by.origin === "push") Object.assign(before, { address, intervalSec });
    else {
      host.claims.set(by, newClaim(address, intervalSec));
      host.boot.release(by);
      host.matcher.release(by);
    }
    this.#settle(name, host);
  }

  /** Removes an owner of a host. A host without owners is removed from live state; its history stays. */
  release(name: string, by: Owner): void {
    const host = this.#hosts.get(name);
    if (host === undefined || !host.claims.delete(by)) return;
    host.boot.release(by);
    if ([...host.claims.values()].every(({ state }) => state === "new")) this.#targets.live.forget(name);
    if (host.claims.size > 0) this.#settle(name, host);
    else {
      this.#hosts.delete(name);
      this.#targets.troubles?.forget(name);
    }
  }

  /** Marks that the first attempt to reach a host has begun. */
  dialling(name: string): void {
    this.#targets.live.dialling(name);
  }

  /**
   * Marks a host as down, unless another owner hears from it.
   * @param reason may quote the host, or another program that answers at its address
   */
  failed(name: string, reason: Words, by: Owner): void {
    const host = this.#hosts.get(name);
    if (host?.claims.has(by) !== true || this.#restrained(name, by, host)) return;
    this.#disown(name, host);
    const shown = fail(by, host.claims, cleanWords(reason, limitOf("err")));
    if (shown !== undefined) this.#targets.live.failed(name, shown);
  }

  /**
   * Takes a current report, for live state and history. History dates it by the host's clock if it is at most 30 s old,
   * else by the hub's. A report of an owner on standby is discarded, and so is one of a second machine of that name.
   * @param info must not be used by the caller afterwards
   * @param peer network address that it comes from; "" if unknown
   * @throws Fault host_unknown if that owner has not claimed the host; history_unwritable as `late`, of an owner whose samples have exact times
   */
  received(name: string, info: HostInfo, by: Owner, peer = ""): void {
    const host = this.#hosts.get(name);
    const claim = host?.claims.get(by);
    if (host === undefined || claim === undefined) throw unclaimed(name);
    const now = this.#targets.now();
    if (this.#restrained(name, by, host)) return;
    const feeding = host.boot.current(info, by, now);
    if (feeding !== undefined && feeding.by !== by) claim.state = "new";
    if (this.#isSecond(name, info, feeding)) return;
    hear(claim, now);
    this.#recognize(name, by, claim, { bootId: info.system?.bootId ?? "", hostname: info.hostname ?? "", peer });
    if (ahead(by, host.claims).some(({ state }) => state === "up")) return;
    sanitize(info);
    this.#identify(name, host, info, { by, at: now, late: false, peer });
    remember(info.gpus, host.cards);
    this.#select(name, host, info);
    this.#targets.live.received(name, info, this.#measureSkew(name, host, info));
    const { devices, times } = this.#meter.measure(info, host.read, false);
    host.read = times;
    const believed = this.#clock.believes(info);
    if (by.liveOnly) return;
    if (!believed) {
      if (by.exact) throw this.#clock.doubted();
      return;
    }
    const at = this.#clock.timeOf(info, by.exact);
    this.#keep({ host: name, input: by.input, at, info, devices, late: false });
    const { sampled } = info;
    // One that is dated by its own time is the same sample if it comes again, as history has one value at one time.
    if (sampled !== undefined && Number(sampled) !== at && host.recent.push(sampled) > mostRecent) host.recent.shift();
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
    const at = this.#clock.lateTimeOf(name, info);
    const now = this.#targets.now();
    if (this.#restrained(name, by, host) || this.#isSecond(name, info, host.boot.late(info, at))) return;
    if (ahead(by, host.claims).some((claim) => heardAt(claim, at, now))) return;
    // It was received, possibly dated by the hub's clock, and the confirmation was lost.
    if (info.sampled !== undefined && host.recent.includes(info.sampled)) return;
    this.#identify(name, host, info, { by, at, late: true, peer: "" });
    const selection = selectionOf(this.#targets.directory?.config(name));
    if (selection !== undefined) Object.assign(info, select(info, selection));
    const { devices, times } = this.#meter.measure(info, host.readLate, true);
    host.readLate = times;
    this.#keep({ host: name, input: by.input, at, info, devices, late: true });
    if (isLastKnown(by, host.claims, now - at)) this.#targets.live.recall(name, info, at);
  }

  /**
   * Takes a report of any age for history only, of a host that need not be claimed.
   * @param isIndexed true for the index of a card that history knows at that time, by its index alone
   * @throws Fault sample_bad if `sampled` is absent, before 2020 or more than 30 s ahead; history_unwritable as `late`
   */
  imported(name: string, info: HostInfo, isIndexed: (index: number) => boolean = () => false): void {
    sanitize(info);
    const at = this.#clock.importedTimeOf(name, info);
    const cards = this.#hosts.get(name)?.cards ?? this.#recalled.get(name);
    const others = info.gpus.filter(({ id = 0 }) => !isIndexed(id));
    if (cards !== undefined) identify(others, cards);
    const { devices } = this.#meter.measure(info, new Map(), true);
    this.#keep({ host: name, input: "import", at, info, devices, late: true });
  }

  /**
   * Calls a listener for every reading that is kept, after it was written to history.
   * @param listener must be synchronous; errors are logged
   * @returns a function that unsubscribes it
   */
  onReading(listener: (reading: HostReading) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Calls a listener when the first report of an owner of a host, or another machine than before, says what it is. */
  onMachine(listener: MachineListener): void {
    this.#machineListeners.add(listener);
  }

  /** Addresses at which the hub has reached a host that it polls, as it sees them. */
  peers(name: string): string[] {
    const claims = [...(this.#hosts.get(name)?.claims ?? [])];
    return claims.flatMap(([{ origin }, { machine }]) => (origin === "push" ? [] : machine?.peer || []));
  }

  /** Devices of the last report of a host, also those that are not selected; undefined if nothing is left out. */
  offered(name: string): DeviceLists | undefined {
    return this.#hosts.get(name)?.offered;
  }

  #add(name: string): ClaimedHost {
    const host: ClaimedHost = {
      claims: new Map(),
      cards: this.#recalled.get(name) ?? new Map(),
      matcher: new CardMatcher(this.#named.has(name)),
      read: new Map(),
      readLate: new Map(),
      recent: [],
      skew: new SkewMeter(),
      skewed: false,
      boot: new BootGuard(),
      selection: undefined,
      offered: undefined,
    };
    this.#hosts.set(name, host);
    return host;
  }

  /** Applies what administrators have changed at once: a host may report once an hour. */
  #refresh(): void {
    const { directory, live } = this.#targets;
    for (const [name, host] of this.#hosts) {
      this.#describe(name, host);
      const info = live.host(name)?.info;
      if (info === undefined || selectionOf(directory?.config(name)) === host.selection) continue;
      const whole = withDevices(info, host.offered ?? info);
      this.#select(name, host, whole);
      live.replace(name, whole);
    }
  }

  #describe(name: string, { claims }: ClaimedHost): void {
    const { directory, live } = this.#targets;
    if (directory === undefined) return;
    const { intervalSec = paceOf(claims), ...others } = directory.profile(name) ?? {};
    const waiting = !directory.approved(name) && [...claims.keys()].every(needsApproval);
    const profile = { ...others, ...(intervalSec ? { intervalSec } : {}), ...(waiting ? { waiting } : {}) };
    live.describe(name, Object.keys(profile).length === 0 ? undefined : profile);
  }

  #restrained(name: string, by: Owner, { claims }: ClaimedHost): boolean {
    return isRestrained(by, claims, this.#targets.directory?.approved(name) !== false);
  }

  /** Takes from machines that wait for approval what they had before others got a right to their name. */
  #disown(name: string, { claims, boot, matcher }: ClaimedHost): void {
    for (const by of disown(claims, this.#targets.directory?.approved(name) !== false)) {
      boot.release(by);
      matcher.release(by);
    }
  }

  /** Gives cards their permanent keys. */
  #identify(name: string, host: ClaimedHost, info: HostInfo, arrival: Omit<Arrival, "whole">): void {
    if (!host.matcher.decided && !arrival.by.liveOnly) this.#match(name, host, info, arrival);
    identify(info.gpus, host.cards);
  }

  /** Gives the uuids that become known now to what is kept of these cards. */
  #match(name: string, { cards, matcher }: ClaimedHost, info: HostInfo, arrival: Omit<Arrival, "whole">): void {
    const { history, live, directory } = this.#targets;
    // An agent leaves out what is not selected by itself.
    const whole = selectionOf(directory?.config(name))?.gpus === undefined;
    const found = matcher.take(info, { ...arrival, whole });
    if (found.length === 0) return;
    for (const { index, uuid } of found) history.rename({ host: name, level: "gpu", key: gpuKey({ id: index }) }, uuid);
    live.identify(name, new Map(found.map(({ index, uuid }) => [index, uuid])));
    remember(info.gpus, cards);
  }

  /** @param feeding the machine that feeds the host, if the report comes from a second one */
  #isSecond(name: string, info: HostInfo, feeding: FeedingBoot | undefined): boolean {
    if (feeding === undefined) return false;
    this.#targets.troubles?.set(name, "second machine", secondMachine(feeding, info), secondMs);
    return true;
  }

  /** Calls the listeners if the owner hears from another machine than before. */
  #recognize(host: string, by: Owner, claim: Claim, machine: Machine): void {
    if (recognize(claim, machine)) for (const listener of this.#machineListeners) listener(host, by, machine);
  }

  /** Removes devices that are not selected from a report. */
  #select(name: string, host: ClaimedHost, info: HostInfo): void {
    const selection = selectionOf(this.#targets.directory?.config(name));
    host.selection = selection;
    host.offered = undefined;
    if (selection === undefined) return;
    const { gpus, disks, nics } = info;
    host.offered = { gpus, disks, nics };
    Object.assign(info, select(info, selection));
  }

  /** How far the host's clock is ahead, in milliseconds. */
  #measureSkew(name: string, host: ClaimedHost, { sampled }: HostInfo): number | undefined {
    const skew = host.skew.add(sampled, this.#targets.now());
    const skewed = skew !== undefined && Math.abs(skew) > skewMs;
    if (skewed || host.skewed) this.#targets.troubles?.set(name, "clock", skewed ? skewTrouble(skew) : undefined);
    host.skewed = skewed;
    return skew;
  }

  /** Updates live state after a change of owners. */
  #settle(name: string, host: ClaimedHost): void {
    const { live } = this.#targets;
    this.#disown(name, host);
    const claims = [...host.claims].sort(([a], [b]) => rankOf(a) - rankOf(b)).map(([, claim]) => claim);
    const address = claims[0]?.address ?? "";
    if (claims.every(({ state }) => state === "new")) {
      if (live.host(name)?.address !== address) host.read = new Map();
      live.expect(name, address);
    } else {
      live.readdress(name, address);
      const down = claims.find(({ state }) => state === "down");
      if (down !== undefined && !claims.some(({ state }) => state === "up")) live.failed(name, down.reason);
    }
    this.#describe(name, host);
  }

  #keep(reading: HostReading): void {
    const { host, at, devices } = reading;
    if (devices.length > 0) this.#targets.history.append({ host, at, devices });
    this.#listeners.call(reading);
  }
}
