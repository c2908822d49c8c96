import { create } from "@bufbuild/protobuf";
import { type GPUInfo, type HostInfo, HostInfoSchema, State } from "../../../proto/gen/host_pb.js";
import { asFault, Fault } from "../../fault.ts";
import type { Owner } from "../../ingest.ts";
import { DeviceLimit } from "../../push/devices.ts";
import { Pace, silentIntervals } from "../../push/pace.ts";
import { type Timing, TimingRecord } from "../../push/timing.ts";
import { Turns } from "../../push/turns.ts";
import { reason } from "../../reason.ts";
import type { Sentence } from "../../sentence.ts";
import { trouble } from "../../trouble.ts";
import type { InputContext } from "../input.ts";
import { cardOf } from "./card.ts";
import { type Age, Drift, freshMs } from "./drift.ts";
import type { LoggerRecord } from "./record.ts";

/** Interval between requests of a client that collects records, until its requests show another one. */
const usualPaceMs = 30_000;
/** A card is forgotten so long after its last record. */
const forgottenMs = 86_400_000;
/** Most cards that are shown of a host; ingest keeps no more. */
export const mostCards = 256;
/** Cards that are stored before others get a turn. */
const cardsAtOnce = 64;
/** For how long administrators see what was wrong with records. */
const troubleMs = 600_000;
/** A difference of clocks is shown from here on. */
const shownDriftMs = 30_000;

/** What the field "agent" of a host shows for clients of the logger. */
const agent = "GPU Metrics Logger";

/** The host that records belong to, and the right by which they do. */
export interface ClientIdentity {
  /** The name by which it calls itself. */
  readonly name: string;
  readonly host: string;
  readonly approved: boolean;
  /** True while its samples must not be added to those of another machine in history. */
  readonly liveOnly: boolean;
  /** True if it is a node of its own, which no other input knows. */
  readonly own: boolean;
  /** Network address that it was heard from last, or registered at. */
  readonly address: string;
}

export interface ClientOptions {
  readonly context: Pick<InputContext, "ingest" | "clock" | "log" | "troubles" | "push" | "zone">;
  readonly identity: ClientIdentity;
  /** What the book has of a client that is a node of its own. */
  readonly timing?: Timing | undefined;
}

/** Outcome of the records of one request. */
export interface Taken {
  readonly kept: number;
  /** Records whose times no history can have. */
  readonly failed: number;
}

interface Card {
  readonly at: number;
  readonly record: LoggerRecord;
}

/** Records of one time, the last one of each card. */
interface Tick {
  /** Unix milliseconds, corrected. */
  readonly at: number;
  readonly records: ReadonlyMap<number, LoggerRecord>;
}

/** A client of the logger, while the hub runs: its claim to a host, the cards that it reports, and its schedule. */
export class Client {
  readonly #options: ClientOptions;
  #identity: ClientIdentity;
  readonly #owner: Owner;
  #address: string;
  #intervalSec: number | undefined;
  readonly #cards = new Map<number, Card>();
  readonly #devices = new DeviceLimit();
  readonly #drift: Drift;
  readonly #pace: Pace;
  readonly #timing: TimingRecord | undefined;
  readonly #turns = new Turns();
  #isDown = false;
  /** Milliseconds by which its newest record was too old; undefined if it was current. */
  #behindMs: number | undefined;
  #cancel: () => void = () => {};
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#identity = options.identity;
    const isApproved = (): boolean => this.#identity.approved;
    const isLiveOnly = (): boolean => this.#identity.liveOnly;
    this.#owner = {
      input: "logger",
      origin: "push",
      yields: true,
      exact: true,
      get approved() {
        return isApproved();
      },
      get liveOnly() {
        return isLiveOnly();
      },
    };
    this.#address = options.identity.address;
    const { timing } = options;
    this.#drift = new Drift(timing?.clock);
    this.#pace = new Pace(timing?.intervalMs);
    this.#timing = timing && new TimingRecord(timing);
    this.#intervalSec = this.#pace.unusualSec(undefined);
    this.#claim();
    this.#watch();
  }

  get identity(): ClientIdentity {
    return this.#identity;
  }

  /** Network address that it was heard from last. */
  get address(): string {
    return this.#address;
  }

  /** What its records have shown of its timing, if the book does not have it. */
  takeTiming(): Timing | undefined {
    const { correctionMs: aheadMs } = this.#drift;
    const clock = aheadMs === 0 ? undefined : { aheadMs, zone: this.#options.context.zone().name };
    return this.#timing?.take({ intervalMs: this.#pace.steadyMs, clock });
  }

  /** The newest record of each card that it reports now. */
  get newest(): readonly LoggerRecord[] {
    return [...this.#cards.values()].map(({ record }) => record);
  }

  /** Takes a change of its node: an approval, or another host that its records belong to. */
  change(identity: ClientIdentity): void {
    const before = this.#identity;
    this.#identity = identity;
    if (identity.host === before.host) return;
    this.#options.context.ingest.release(before.host, this.#owner);
    this.#claim();
    this.#isDown = false;
  }

  /** Gives up its host. */
  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#options.context.ingest.release(this.#identity.host, this.#owner);
  }

  /**
   * Takes records of one request.
   * @param records in any order
   * @param isLast false if more records of the request follow
   * @param yielded lets others have a turn
   * @throws Fault history_unwritable, busy: records may be sent again
   */
  async take(
    records: readonly LoggerRecord[],
    { isLast, address, yielded }: { isLast: boolean; address: string; yielded: () => Promise<void> },
  ): Promise<Taken> {
    const { zone } = this.#options.context;
    this.#drift.begin(zone().name);
    const newest = records.reduce((most, { at }) => Math.max(most, at), Number.NEGATIVE_INFINITY);
    const isCurrent = isLast && this.learn(newest) === "current";
    let [kept, failed, cards] = [0, 0, 0];
    for (const { at, records: ofTick } of ticksOf(records, this.#drift.correctionMs)) {
      const isLive = isCurrent && at > this.#options.context.clock.now() - freshMs;
      const stored = isLive ? this.#receive(at, ofTick, address) : this.#store(at, [...ofTick.values()]);
      if (stored) kept += ofTick.size;
      else failed += ofTick.size;
      cards += ofTick.size;
      if (cards < cardsAtOnce) continue;
      cards = 0;
      await yielded();
      if (this.#closed) throw gone();
    }
    if (isCurrent && kept > 0) this.#hear(address);
    // Of several records of one card at one time the last one counts, and none failed.
    return { kept: records.length - failed, failed };
  }

  /** True if a record is of the future, as far as is known of its clock. */
  isAhead(at: number): boolean {
    const { clock, zone } = this.#options.context;
    this.#drift.begin(zone().name);
    return this.#drift.isAhead(at, clock.now());
  }

  /** Takes the time of the newest record of a request. */
  learn(newest: number): Age {
    const now = this.#options.context.clock.now();
    const age = this.#drift.take(newest, now);
    this.#noteDrift(newest, now);
    return age;
  }

  /** Takes current records. @returns false if history cannot have their time */
  #receive(at: number, records: ReadonlyMap<number, LoggerRecord>, address: string): boolean {
    const known = [...records.values()].filter(({ gpu }) => (this.#cards.get(gpu)?.at ?? 0) >= at);
    const fresh = [...records.values()].filter(({ gpu }) => (this.#cards.get(gpu)?.at ?? 0) < at);
    // One that comes again, or was overtaken.
    if (known.length > 0 && !this.#store(at, known)) return false;
    for (const record of known) if (this.#cards.get(record.gpu)?.at === at) this.#cards.set(record.gpu, { at, record });
    if (fresh.length === 0) return true;
    for (const record of fresh) this.#cards.set(record.gpu, { at, record });
    const { ingest } = this.#options.context;
    const info = this.#report(at, this.#shown(at));
    this.#limit(info);
    try {
      ingest.received(this.#identity.host, info, this.#owner, address);
    } catch (error) {
      throw asFault(error).code === "host_unknown" ? gone() : error;
    }
    return true;
  }

  /** Stores records in history alone. @returns false if history cannot have their time @throws Fault history_unwritable, busy */
  #store(at: number, records: readonly LoggerRecord[]): boolean {
    const { ingest } = this.#options.context;
    const { host, liveOnly } = this.#identity;
    if (liveOnly) return true;
    const report = (): HostInfo => {
      const info = this.#report(
        at,
        records.map((record) => cardOf(record)),
      );
      this.#limit(info);
      return info;
    };
    try {
      ingest.late(host, report(), this.#owner);
      return true;
    } catch (error) {
      const { code } = asFault(error);
      if (code === "host_unknown") throw gone();
      if (code !== "sample_bad") throw error;
    }
    return this.#import(at, report());
  }

  /** Stores what is older than samples are kept, of a client whose history is its own. */
  #import(at: number, info: HostInfo): boolean {
    const { ingest, clock } = this.#options.context;
    const { host, own, approved } = this.#identity;
    if (!own || !approved || at > clock.now()) return false;
    try {
      ingest.imported(host, info);
      return true;
    } catch (error) {
      if (asFault(error).code !== "sample_bad") throw error;
      return false;
    }
  }

  #report(at: number, gpus: GPUInfo[]): HostInfo {
    const { name } = this.#identity;
    return create(HostInfoSchema, { hostname: name, agentVersion: agent, sampled: BigInt(at), gpus });
  }

  /** All cards that it reports, by index. One that it stopped reporting is stale, and later forgotten. */
  #shown(at: number): GPUInfo[] {
    const staleMs = this.#pace.silenceMs(this.#paceMs());
    for (const [gpu, card] of this.#cards) if (at - card.at > forgottenMs) this.#cards.delete(gpu);
    // Of more cards than a host can have, those that were reported last.
    const told = [...this.#cards.values()];
    const cards = told.length <= mostCards ? told : told.toSorted((a, b) => b.at - a.at).slice(0, mostCards);
    for (const gpu of this.#cards.keys()) {
      if (this.#cards.size <= 2 * mostCards) break;
      this.#cards.delete(gpu);
    }
    return cards
      .toSorted((a, b) => a.record.gpu - b.record.gpu)
      .map(({ at: sampled, record }) =>
        cardOf(record, {
          sampled: BigInt(sampled),
          state: at - sampled > staleMs ? State.STALE : State.OK,
        }),
      );
  }

  #limit(info: HostInfo): void {
    const { clock, push } = this.#options.context;
    const most = push().devices;
    const left = this.#devices.apply(info, most, clock.now());
    if (left > 0) this.tell("devices", trouble("too_many_devices", { most, left }));
  }

  /** Shows something to administrators for a while. */
  tell(topic: string, sentence: Sentence): void {
    this.#options.context.troubles.set(this.#identity.host, topic, sentence, troubleMs);
  }

  #noteDrift(newest: number, now: number): void {
    const { troubles, zone } = this.#options.context;
    const differenceMs = newest - now;
    const seemsMs = differenceMs - this.#drift.correctionMs;
    this.#behindMs = seemsMs < -freshMs ? -seemsMs : undefined;
    const offMs = Math.abs(differenceMs);
    // Of a record of a moment ago in a zone an hour away, people must read 1 h, and not 59 min.
    const shownMs = offMs < 600_000 ? offMs : Math.round(offMs / 60_000) * 60_000;
    const values = { differenceMs: shownMs, zone: zone().name };
    const isOff = offMs > shownDriftMs;
    const sentence =
      differenceMs > 0
        ? trouble("records_ahead", values)
        : this.#drift.correctionMs === 0
          ? trouble("records_old", values)
          : trouble("records_behind", values);
    troubles.set(this.#identity.host, "drift", isOff ? sentence : undefined, troubleMs);
    if (this.#isDown && this.#behindMs !== undefined) this.#fail();
  }

  #hear(address: string): void {
    const { clock, log } = this.#options.context;
    this.#pace.hear(clock.now());
    const other = this.#turns.take(address, clock.now(), silentIntervals * this.#paceMs());
    if (other !== undefined) {
      const [one = "", two = ""] = [address, other].toSorted();
      this.tell("turns", trouble("names_by_turns", { one, other: two }));
    }
    const intervalSec = this.#pace.unusualSec(this.#intervalSec);
    if (address !== this.#address || intervalSec !== this.#intervalSec) {
      this.#address = address;
      this.#intervalSec = intervalSec;
      this.#claim();
    }
    if (this.#isDown) log.info(`${this.#identity.name} reports again`);
    this.#isDown = false;
    this.#watch();
  }

  #claim(): void {
    const { host } = this.#identity;
    this.#options.context.ingest.claim(host, this.#owner, this.#address, this.#intervalSec);
  }

  #watch(): void {
    this.#cancel();
    this.#cancel = this.#options.context.clock.after(this.#pace.silenceMs(this.#paceMs()), () => this.#fail());
  }

  #paceMs(): number {
    return this.#pace.ownMs ?? usualPaceMs;
  }

  #fail(): void {
    const { ingest, log } = this.#options.context;
    const { host, name } = this.#identity;
    const why =
      this.#behindMs !== undefined
        ? reason("records_old", { behindMs: this.#behindMs })
        : reason(this.#pace.heard === undefined ? "never_reported" : "stopped");
    if (!this.#isDown && this.#pace.heard !== undefined) log.warn(`${name} is down: ${why.text}`);
    this.#isDown = true;
    ingest.failed(host, why, this.#owner);
    this.#watch();
  }
}

const gone = (): Fault => new Fault("busy", "This client was removed meanwhile: send the records again.");

/** Records by their corrected times, in their order. */
function ticksOf(records: readonly LoggerRecord[], correctionMs: number): Tick[] {
  const ticks = new Map<number, Map<number, LoggerRecord>>();
  for (const record of records) {
    const at = record.at - correctionMs;
    const tick = ticks.get(at);
    if (tick === undefined) ticks.set(at, new Map([[record.gpu, record]]));
    else tick.set(record.gpu, record);
  }
  return [...ticks].map(([at, of]) => ({ at, records: of })).sort((a, b) => a.at - b.at);
}
