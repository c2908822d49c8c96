import type { HostInfo } from "../../../proto/gen/host_pb.js";
import type { NodeRecord } from "../../book/book.ts";
import { asFault, Fault } from "../../fault.ts";
import type { Owner } from "../../ingest.ts";
import { DeviceLimit } from "../../push/devices.ts";
import { Pace, silentIntervals } from "../../push/pace.ts";
import { RateLimit, type RateLimits } from "../../push/rate.ts";
import { type Timing, TimingRecord } from "../../push/timing.ts";
import { Turns } from "../../push/turns.ts";
import { reason } from "../../reason.ts";
import type { Sentence } from "../../sentence.ts";
import { trouble } from "../../trouble.ts";
import type { InputContext } from "../input.ts";
import { freshMs, Moments } from "./moment.ts";
import { Starts } from "./starts.ts";

/** Interval of the exporters if none is configured, in seconds. */
const usualInterval = 5;

/** A clock that differs by more is not believed before its machine is approved. */
const wrongClockMs = 86_400_000;

/** For how long administrators see what was wrong with a report. */
const troubleMs = 600_000;

/** Bytes of reports; a request counts as no less than `leastCharge`. Nobody knows a machine that waits for approval. */
const allowances: Readonly<Record<NodeRecord["state"], RateLimits>> = {
  approved: { rate: 1024 * 1024, burst: 16 * 1024 * 1024, waitMs: 4000 },
  waiting: { rate: 64 * 1024, burst: 1024 * 1024, waitMs: 4000 },
};
const leastCharge = 4096;
/** Most requests of one node that are answered at the same time; an agent sends one after the other. */
const mostRequests = 4;

/** A decoded report. */
export interface Report {
  readonly info: HostInfo;
  /** Unix milliseconds by the machine's clock when it was sent, if it says so. */
  readonly sent: number | undefined;
  /** Network address that it came from. */
  readonly address: string;
  /** What administrators should know of it, as a sentence. */
  readonly oddity?: Sentence | undefined;
}

export interface NodeOptions {
  readonly context: Pick<InputContext, "ingest" | "clock" | "log" | "troubles">;
  readonly record: NodeRecord;
  /** Seconds between reports, as configured; undefined for the usual interval. */
  readonly interval: () => number | undefined;
  /** Keeps in the book what its reports have shown of its timing. */
  readonly keep: (timing: Timing) => void;
  /** Most devices of the host. */
  readonly devices: () => number;
}

/** A machine that reports by itself, while the hub runs: its claim to a host, its schedule and its limits. */
export class Node {
  readonly #options: NodeOptions;
  #record: NodeRecord;
  /** Its own: several machines may be one host, and one that waits for approval must get nothing of what others have. */
  readonly #owner: Owner;
  #address: string;
  #interval: number | undefined;
  readonly #moments: Moments;
  readonly #devices = new DeviceLimit();
  readonly #starts: Starts;
  readonly #turns = new Turns();
  #allowance: RateLimit;
  #requests = 0;
  readonly #pace: Pace;
  readonly #timing: TimingRecord;
  #down = false;
  #behind = false;
  #refusal: Pick<Fault, "code" | "message"> | undefined;
  #taken: number | undefined;
  #cancel: () => void = () => {};

  constructor(options: NodeOptions) {
    const { record, context } = options;
    this.#options = options;
    this.#record = record;
    const isApproved = (): boolean => this.#record.state === "approved";
    const isLiveOnly = (): boolean => this.#isLiveOnly();
    this.#owner = {
      input: "portal",
      origin: "push",
      get approved() {
        return isApproved();
      },
      get liveOnly() {
        return isLiveOnly();
      },
    };
    this.#address = record.usedFrom ?? record.origin;
    this.#taken = record.taken?.version;
    this.#starts = new Starts(record.used === undefined);
    this.#allowance = new RateLimit(allowances[record.state], context.clock.now());
    this.#moments = new Moments(record.clock?.aheadMs);
    this.#pace = new Pace(record.intervalMs);
    this.#timing = new TimingRecord(record);
    this.#interval = this.#ownInterval();
    this.#claim();
    this.#watch();
  }

  get record(): NodeRecord {
    return this.#record;
  }

  /** True if it sends samples that it stored, and is not done yet. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Marks that it took a version of its configuration. False if it had that already. */
  takes(version: number): boolean {
    if (this.#taken === version) {
      this.#starts.askAgain();
      return false;
    }
    this.#taken = version;
    return true;
  }

  /** Takes a change of its record: an approval, or another host that its reports belong to. */
  change(record: NodeRecord): void {
    const before = this.#record;
    this.#record = record;
    const { ingest, clock } = this.#options.context;
    // Registered anew after a reset.
    if (record.registered !== before.registered) {
      this.#taken = record.taken?.version;
      this.#starts.register();
    }
    if (record.state !== before.state) this.#allowance = new RateLimit(allowances[record.state], clock.now());
    if (record.host === before.host) return;
    ingest.release(before.host, this.#owner);
    this.#claim();
    this.#down = false;
  }

  /** Ends its timer. */
  close(): void {
    this.#cancel();
  }

  /** Gives up its host: the machine was deleted. */
  remove(): void {
    this.close();
    this.#options.context.ingest.release(this.#record.host, this.#owner);
  }

  /**
   * Waits until the node may send so many bytes.
   * @returns a function that must be called when the request was answered
   * @throws Fault busy
   */
  async admit(bytes: number): Promise<() => void> {
    if (this.#requests >= mostRequests) throw this.#busy("at_once");
    const { clock } = this.#options.context;
    const wait = this.#allowance.take(Math.max(bytes, leastCharge), clock.now());
    if (wait === undefined) throw this.#busy("too_much");
    this.#requests++;
    if (wait > 0) await new Promise<void>((done) => clock.after(wait, done));
    return () => {
      this.#requests--;
    };
  }

  /** Takes a report. @throws Fault sample_bad, history_unwritable */
  take({ info, address, oddity }: Report, late: boolean): void {
    const { ingest } = this.#options.context;
    const { host } = this.#record;
    if (oddity !== undefined) this.#tell("oddity", oddity);
    this.#limit(info);
    if (late) {
      this.#fallBehind();
      if (!this.#isLiveOnly()) ingest.late(host, info, this.#owner);
      return;
    }
    this.#hear();
    this.#place(address);
    // A boot id tells two machines apart more surely (hub/ingest/boot.ts).
    if (!info.system?.bootId) this.#checkTurns(address);
    this.#disregardTime(info);
    this.#starts.apply(info);
    ingest.received(host, info, this.#owner, address);
  }

  /** True if a report describes the past: its machine stored it. A report without a time does not. */
  isLate({ info: { sampled }, sent }: Report): boolean {
    const received = this.#options.context.clock.now();
    return sampled !== undefined && !this.#moments.isCurrent({ sampled: Number(sampled), sent, received });
  }

  /** Shows to administrators why a report was refused. */
  refused(error: unknown): void {
    const { code, message } = asFault(error);
    if (code === "canceled" || code === "busy" || code === "internal") return;
    this.#refusal = { code, message };
    this.#tell("report", trouble("report_refused", { fault: code, message }));
  }

  /** A stranger's samples must not be added to those of a host that is gone. */
  #isLiveOnly(): boolean {
    const { state, history } = this.#record;
    return state === "waiting" && history !== undefined;
  }

  #busy(what: keyof typeof tooFast): Fault {
    this.#tell("rate", trouble(what));
    return new Fault("busy", `This machine sends ${tooFast[what]}: send this report again in some seconds.`);
  }

  #tell(topic: string, sentence: Sentence): void {
    this.#options.context.troubles.set(this.#record.host, topic, sentence, troubleMs);
  }

  #limit(info: HostInfo): void {
    const most = this.#options.devices();
    const left = this.#devices.apply(info, most, this.#options.context.clock.now());
    if (left === 0) return;
    this.#tell("devices", trouble("too_many_devices", { most, left }));
  }

  /** Notes that it sends samples that it stored. */
  #fallBehind(): void {
    if (this.#behind) return;
    this.#behind = true;
    if (this.#down) this.#options.context.ingest.failed(this.#record.host, this.#reason(), this.#owner);
  }

  /** Ingest takes the times of hosts as evidence of the hub's own clock, which a stranger must not make it doubt. */
  #disregardTime(info: HostInfo): void {
    const { sampled } = info;
    if (this.#record.state !== "waiting" || sampled === undefined) return;
    if (Math.abs(Number(sampled) - this.#options.context.clock.now()) <= wrongClockMs) return;
    info.sampled = undefined;
    this.#tell("clock", trouble("clock_wrong"));
  }

  /** Shows the address from which reports come, and how often they do. */
  #place(address: string): void {
    const interval = this.#ownInterval();
    if (address === this.#address && interval === this.#interval) return;
    this.#address = address;
    this.#interval = interval;
    this.#claim();
  }

  /** Shows that two machines without boot ids report with one token. */
  #checkTurns(address: string): void {
    const other = this.#turns.take(address, this.#options.context.clock.now(), silentIntervals * this.#paceMs());
    if (other === undefined) return;
    const [one = "", two = ""] = [address, other].toSorted();
    this.#tell("turns", trouble("by_turns", { one, other: two }));
  }

  #claim(): void {
    this.#options.context.ingest.claim(this.#record.host, this.#owner, this.#address, this.#interval);
  }

  /** Seconds between its reports, if it has a longer interval than usual that nobody configured (--interval). */
  #ownInterval(): number | undefined {
    return this.#options.interval() === undefined ? this.#pace.unusualSec(this.#interval) : undefined;
  }

  #hear(): void {
    const { clock, log } = this.#options.context;
    this.#pace.hear(clock.now());
    const changed = this.#timing.take({ intervalMs: this.#pace.steadyMs, clock: this.#slowClock() });
    if (changed !== undefined) this.#options.keep(changed);
    this.#behind = false;
    this.#refusal = undefined;
    if (this.#down) log.info(`${this.#record.hostname} reports again`);
    this.#down = false;
    this.#watch();
  }

  #watch(): void {
    this.#cancel();
    this.#cancel = this.#options.context.clock.after(this.#pace.silenceMs(this.#paceMs()), () => this.#fail());
  }

  /** Error of a clock that is slow; one that is ahead need not be known before a report shows it. */
  #slowClock(): NodeRecord["clock"] {
    const { skewMs = 0 } = this.#moments;
    return skewMs < -freshMs ? { aheadMs: Math.round(skewMs), zone: undefined } : undefined;
  }

  /** Milliseconds between its reports. A machine may have an interval of its own, which only its reports show. */
  #paceMs(): number {
    const configured = (this.#options.interval() ?? usualInterval) * 1000;
    return Math.max(configured, this.#pace.ownMs ?? 0);
  }

  #fail(): void {
    const { ingest, log } = this.#options.context;
    const { host, hostname } = this.#record;
    const why = this.#reason();
    if (!this.#down && this.#pace.heard !== undefined) log.warn(`${hostname} is down: ${why.text}`);
    this.#down = true;
    ingest.failed(host, why, this.#owner);
    // What keeps it silent may change.
    this.#watch();
  }

  #reason(): Sentence {
    if (this.#record.reset) return reason("token_reset");
    if (this.#refusal !== undefined) {
      return reason("reports_refused", { fault: this.#refusal.code, message: this.#refusal.message });
    }
    if (this.#behind) return reason("catching_up");
    return reason(this.#pace.heard === undefined ? "never_reported" : "stopped");
  }
}

/** What a machine sends that is asked to wait. */
const tooFast = {
  at_once: "reports at the same time, not one after the other",
  too_much: "more than the hub takes of one machine",
} as const;
