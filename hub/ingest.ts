import { clean as cleanText, limitOf } from "../proto/clean.ts";
import type { HostInfo } from "../proto/gen/host_pb.js";
import { sanitize } from "./clean.ts";
import { ClockGuard, earliest } from "./clock.ts";
import { Fault } from "./fault.ts";
import type { Known, Measured, Store } from "./history/store.ts";
import { type Cards, identify, recall, remember } from "./identity.ts";
import type { Live } from "./live.ts";
import { type Log, silent } from "./log.ts";
import { Meter, type ReadTimes } from "./measure.ts";

/** A host's own time is used for a current report that is no older than this, and for a late one no further ahead. */
const skewMs = 30_000;
/** Late samples end this long before the store deletes samples: it may write them later than it takes them. */
const marginMs = 3_600_000;
/** Between two log lines about one listener that throws. */
const logMs = 60_000;

/** Where the name of a host comes from, the one that wins first: settings.json, the hub's own list, or the host itself. */
const origins = ["settings", "book", "push"] as const;

/** A way in by which hosts are known. An input has one for each origin of its hosts, and passes that same object always. */
export interface Owner {
  readonly input: string;
  readonly origin: (typeof origins)[number];
}

/** Where ingest writes to, and what it knows at the start. */
export interface IngestTargets {
  readonly live: Live;
  readonly history: Pick<Store, "append">;
  readonly now: () => number;
  /** Devices that history knew at the start. */
  readonly known?: readonly Known[];
  /** Milliseconds for which history keeps samples as they were measured; forever if left out. */
  readonly retentionMs?: () => number;
  readonly log?: Log;
}

/** A report as it was taken. */
export interface Reading {
  readonly host: string;
  /** Unix milliseconds of the measurement, as history has it. */
  readonly at: number;
  /** Sanitized; never changed afterwards. */
  readonly info: HostInfo;
  /** What was measured for this report; empty if nothing was. Ingest uses the arrays of values again: copy what is kept. */
  readonly devices: readonly Measured[];
  /** True for a report of the past. Readings of one host are in the order of their times only where this is false. */
  readonly late: boolean;
}

/** What one owner knows of its host: nothing yet, that it answers, or why it does not. */
interface Claim {
  readonly address: string;
  state: "new" | "up" | "down";
  reason: string;
}

/** A name that at least one owner claims. */
interface Claimed {
  readonly claims: Map<Owner, Claim>;
  readonly cards: Cards;
  read: ReadTimes;
  readLate: ReadTimes;
  /** `sampled` of the report that was received last. */
  sampled: bigint | undefined;
}

/**
 * The only way by which reports, and the news that a host is silent, enter the hub. One name is one host, whichever inputs
 * know it: of several owners that hear from a host, the one whose name wins feeds live state and history, and the others
 * stand by until it fails.
 */
export class Ingest {
  readonly #to: IngestTargets;
  readonly #log: Log;
  readonly #hosts = new Map<string, Claimed>();
  /** GPUs that history knew at the start, by host. */
  readonly #known: ReadonlyMap<string, readonly Known[]>;
  readonly #meter = new Meter();
  readonly #clock: ClockGuard;
  #doubted = false;
  /** Listeners, and when an error of each was logged last. */
  readonly #listeners = new Map<(reading: Reading) => void, number>();

  constructor(to: IngestTargets) {
    const { known = [], log = silent } = to;
    this.#to = to;
    this.#log = log;
    this.#known = Map.groupBy(
      known.filter(({ level }) => level === "gpu"),
      ({ host }) => host,
    );
    this.#clock = new ClockGuard(
      known.length > 0 ? known.reduce((most, { last }) => Math.max(most, last), 0) : undefined,
    );
  }

  /**
   * Makes a host known, or gives it another address. The address shown is that of the owner whose name wins. What was
   * heard of the host is void if no owner is left that heard from it at the address it has now.
   */
  claim(name: string, by: Owner, address: string): void {
    const host = this.#hosts.get(name) ?? this.#add(name);
    if (host.claims.get(by)?.address === address) return;
    host.claims.set(by, { address, state: "new", reason: "" });
    this.#settle(name, host);
  }

  /** Ends a claim. A host without owners is no longer live; its history stays. */
  release(name: string, by: Owner): void {
    const host = this.#hosts.get(name);
    if (host === undefined || !host.claims.delete(by)) return;
    if ([...host.claims.values()].every(({ state }) => state === "new")) this.#to.live.forget(name);
    if (host.claims.size === 0) this.#hosts.delete(name);
    else this.#settle(name, host);
  }

  dialling(name: string): void {
    this.#to.live.dialling(name);
  }

  /**
   * Marks a host as silent, unless another owner hears from it.
   * @param reason may quote the host, or whatever answers at its address
   */
  failed(name: string, reason: string, by: Owner): void {
    const host = this.#hosts.get(name);
    const claim = host?.claims.get(by);
    if (host === undefined || claim === undefined) return;
    claim.state = "down";
    claim.reason = cleanText(reason, limitOf("err"));
    if (![...host.claims.values()].some(({ state }) => state === "up")) this.#to.live.failed(name, claim.reason);
  }

  /**
   * Takes a report of the present, for live state and history. Its own time counts if it is at most 30 s old, else the
   * hub's. A report of an owner that stands by only shows that this owner hears from the host.
   * @param info belongs to ingest from now on
   * @throws Fault host_unknown if that owner has not claimed the host: nothing is taken
   */
  received(name: string, info: HostInfo, by: Owner): void {
    const host = this.#hosts.get(name);
    const claim = host?.claims.get(by);
    if (host === undefined || claim === undefined) throw unclaimed(name);
    claim.state = "up";
    if (standsBy(by, host)) return;
    sanitize(info);
    identify(info.gpus, host.cards);
    remember(info.gpus, host.cards);
    this.#to.live.received(name, info);
    const { devices, times } = this.#meter.measure(info, host.read, false);
    host.read = times;
    if (!this.#believed(info)) return;
    this.#keep({ host: name, at: this.#time(info), info, devices, late: false });
    host.sampled = info.sampled;
  }

  /**
   * Takes a report of the past, for history alone, at the time that it says. The same report is kept once however often it
   * comes, as history keeps one value of a series at one time.
   * @param info belongs to ingest from now on
   * @throws Fault host_unknown if nobody has claimed the host; sample_bad if `sampled` is absent, more than 30 s ahead, or
   *   older than samples are kept; history_unwritable while this machine's clock cannot be right: it may be sent again
   */
  late(name: string, info: HostInfo): void {
    const host = this.#hosts.get(name);
    if (host === undefined) throw unclaimed(name);
    sanitize(info);
    const at = this.#lateTime(name, info);
    // The host was not told that it was received, and the hub may have dated it.
    if (info.sampled === host.sampled) return;
    identify(info.gpus, host.cards);
    const { devices, times } = this.#meter.measure(info, host.readLate, true);
    host.readLate = times;
    this.#keep({ host: name, at, info, devices, late: true });
  }

  /**
   * Calls a listener for every reading, after history has it; not for reports while this machine's clock cannot be right.
   * @param listener must not wait for anything; what it throws is logged
   * @returns a function that ends that
   */
  onReading(listener: (reading: Reading) => void): () => void {
    this.#listeners.set(listener, Number.NEGATIVE_INFINITY);
    return () => this.#listeners.delete(listener);
  }

  #add(name: string): Claimed {
    const cards = recall(this.#known.get(name) ?? []);
    const host = { claims: new Map(), cards, read: new Map(), readLate: new Map(), sampled: undefined };
    this.#hosts.set(name, host);
    return host;
  }

  /** Brings live state in line with who owns the host. */
  #settle(name: string, host: Claimed): void {
    const { live } = this.#to;
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

  #keep(reading: Reading): void {
    const { host, at, devices } = reading;
    if (devices.length > 0) this.#to.history.append({ host, at, devices });
    for (const listener of this.#listeners.keys()) {
      try {
        listener(reading);
      } catch (error) {
        this.#logFailure(listener, error);
      }
    }
  }

  #logFailure(listener: (reading: Reading) => void, error: unknown): void {
    const now = this.#to.now();
    const last = this.#listeners.get(listener);
    if (last === undefined || Math.abs(now - last) < logMs) return;
    this.#listeners.set(listener, now);
    this.#log.error(`a listener to readings failed: ${error instanceof Error ? error.stack : String(error)}`);
  }

  /** True if the hub's clock can be right: what is kept under a wrong date stays in the summaries for ever. */
  #believed({ sampled }: HostInfo): boolean {
    const { live, now } = this.#to;
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
    const now = this.#to.now();
    const own = Number(info.sampled ?? 0n);
    return own <= now && own > now - skewMs ? own : now;
  }

  /** @throws Fault sample_bad, history_unwritable */
  #lateTime(name: string, { sampled }: HostInfo): number {
    const { now, retentionMs } = this.#to;
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

/** True if an owner whose name wins hears from the host: of two owners with one origin, the one that claimed it first. */
function standsBy(by: Owner, { claims }: Claimed): boolean {
  if (claims.size === 1) return false;
  let before = true;
  for (const [owner, { state }] of claims) {
    if (owner === by) before = false;
    else if (state === "up" && (rankOf(owner) < rankOf(by) || (before && rankOf(owner) === rankOf(by)))) return true;
  }
  return false;
}

const unclaimed = (name: string): Fault =>
  new Fault("host_unknown", `No input has claimed a host "${name}": its report was not taken.`);

const doubt = (now: number): string =>
  `This machine's clock says ${new Date(now).toISOString().slice(0, 16)}Z, which cannot be right`;
