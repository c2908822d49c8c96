import type { HostInfo } from "../../proto/gen/host_pb.js";
import { ClockGuard, earliest } from "../clock.ts";
import { Fault } from "../fault.ts";
import type { Live } from "../live.ts";
import type { Log } from "../log.ts";
import { doubt, notice } from "../notice.ts";

/** Greatest age of a current report that is dated by its host's clock, and how far ahead a late one may be. */
const skewMs = 30_000;
/** Late reports are accepted up to this long before samples are deleted, as a store may write them later than it accepts them. */
const marginMs = 3_600_000;

interface ReportClockOptions {
  readonly live: Pick<Live, "notice">;
  readonly now: () => number;
  readonly log: Log;
  /** Milliseconds for which history keeps every sample; absent if forever. */
  readonly retentionMs?: (() => number) | undefined;
}

/** Dates reports for history, by the clocks of the hub and of their hosts. Times are Unix milliseconds. */
export class ReportClock {
  readonly #options: ReportClockOptions;
  readonly #guard: ClockGuard;
  #doubted = false;

  /** @param newest the newest sample of the history; undefined where there is none */
  constructor(options: ReportClockOptions, newest: number | undefined) {
    this.#options = options;
    this.#guard = new ClockGuard(newest);
  }

  /** True if the hub's clock can be right; else a notice says so, as samples of a wrong date stay in rollups for ever. */
  believes({ sampled }: HostInfo): boolean {
    const { live, log, now } = this.#options;
    const at = now();
    const believed = this.#guard.believes(at, sampled === undefined ? undefined : Number(sampled));
    if (believed !== this.#doubted) return believed;
    this.#doubted = !believed;
    const words = notice("clock_wrong", { now: at });
    live.notice("clock", believed ? undefined : words);
    if (believed) log.info("the clock of this machine is plausible again: history is kept");
    else log.warn(words.text);
    return believed;
  }

  /** Dates a current report. @param exact true if its own time counts up to 30 s ahead of the hub's clock, too */
  timeOf(info: HostInfo, exact = false): number {
    const now = this.#options.now();
    const own = Number(info.sampled ?? 0n);
    return own <= (exact ? now + skewMs : now) && own > now - skewMs ? own : now;
  }

  /** The fault while the hub's clock cannot be right, for a sender that keeps what is refused. */
  doubted(): Fault {
    return new Fault("history_unwritable", `${doubt(this.#options.now())}: nothing is kept until it is set.`);
  }

  /** Dates a late report of a host. @throws Fault sample_bad, history_unwritable */
  lateTimeOf(name: string, info: HostInfo): number {
    const { now, retentionMs } = this.#options;
    const at = now();
    if (!this.#guard.accepts(at)) throw this.doubted();
    return this.#pastTimeOf(name, info, at - (retentionMs?.() ?? Number.POSITIVE_INFINITY) + marginMs);
  }

  /** Dates an imported report of a host, which may be of any age. @throws Fault sample_bad, history_unwritable */
  importedTimeOf(name: string, info: HostInfo): number {
    const at = this.#options.now();
    if (!this.#guard.acceptsPast(at)) throw this.doubted();
    return this.#pastTimeOf(name, info, earliest);
  }

  #pastTimeOf(name: string, { sampled }: HostInfo, oldest: number): number {
    const at = this.#options.now();
    const least = Math.max(earliest, oldest);
    const most = at + skewMs;
    if (sampled !== undefined && sampled >= least && sampled <= most) return Number(sampled);
    throw new Fault(
      "sample_bad",
      `A late report of "${name}" must have been sampled from ${least} up to ${most} Unix milliseconds: its time is ${sampled ?? "absent"}.`,
    );
  }
}
