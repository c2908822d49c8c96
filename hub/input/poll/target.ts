import type { Owner } from "../../ingest.ts";
import type { InputContext } from "../input.ts";
import type { Channel, PollOutcome } from "./channel.ts";
import type { Limiter } from "./limiter.ts";
import type { PollSettings } from "./settings.ts";

/** Own the hosts that the settings list, and those that administrators have added. */
export const owners: Readonly<Record<"settings" | "book", Owner>> = {
  settings: { input: "poll", origin: "settings" },
  book: { input: "poll", origin: "book" },
};

export interface PollTargetOptions {
  readonly name: string;
  readonly address: string;
  readonly owner: Owner;
  /** Seconds between two polls of this host; undefined for the usual interval. */
  readonly intervalSec: number | undefined;
  readonly context: Pick<InputContext, "ingest" | "clock" | "random" | "log" | "instruments">;
  readonly limiter: Limiter;
  readonly dial: (address: string) => Channel;
  readonly settings: () => Pick<PollSettings, "interval" | "deadline">;
}

/** Pause after the first failure; it doubles with each further one. */
const firstPauseMs = 1000;
/** Longest pause after a timeout, which occupies the limiter for a whole deadline. */
const longestPauseMs = 60_000;

/** Polls one host: holds its channel, its schedule and its failures. */
export class PollTarget {
  readonly address: string;
  readonly owner: Owner;
  intervalSec: number | undefined;
  readonly #options: PollTargetOptions;
  #channel: Channel | undefined;
  #cancel: () => void = () => {};
  #closed = false;
  #polling = false;
  #answered = false;
  /** Consecutive failures, and consecutive timeouts on this channel. */
  #failures = 0;
  #timeouts = 0;
  /** Unix milliseconds at which the current poll was due: the next is scheduled from it, so that a late poll does not shift the rest. */
  #due: number;

  constructor(options: PollTargetOptions) {
    this.#options = options;
    this.address = options.address;
    this.owner = options.owner;
    this.intervalSec = options.intervalSec;
    this.#due = options.context.clock.now();
    this.#wait(0);
  }

  /** Polls now and schedules from here: the interval has changed. */
  reschedule(): void {
    if (!this.#polling) this.#wait(0);
  }

  /** Sets the interval of this host. */
  pace(intervalSec: number | undefined): void {
    this.intervalSec = intervalSec;
    this.reschedule();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#channel?.close();
  }

  #wait(pauseMs: number): void {
    this.#cancel();
    const { clock } = this.#options.context;
    this.#due = clock.now() + pauseMs;
    this.#cancel = clock.after(pauseMs, () => this.#poll());
  }

  #poll(): void {
    if (this.#polling) return;
    this.#polling = true;
    const { limiter, context, name } = this.#options;
    const answering = this.#failures === 0 && this.#channel !== undefined;
    limiter.start(answering, () => {
      if (this.#closed) return limiter.release(answering);
      context.ingest.dialling(name);
      const begun = context.clock.now();
      context.instruments.observe("gohm_poll_lag_seconds", {}, (begun - this.#due) / 1000);
      this.#channel ??= this.#options.dial(this.address);
      this.#channel
        .ask(this.#options.settings().deadline * 1000)
        .then((outcome) => {
          this.#measure(outcome, begun);
          this.#settle(outcome);
        })
        .catch((error: unknown) => context.log.error(`poll of ${name}: ${String(error)}`))
        .finally(() => limiter.release(answering));
    });
  }

  #measure(outcome: PollOutcome, begun: number): void {
    const { clock, instruments } = this.#options.context;
    instruments.observe("gohm_poll_duration_seconds", {}, (clock.now() - begun) / 1000);
    instruments.count("gohm_polls_total", { result: outcome.kind });
    if (outcome.kind !== "answer") instruments.count("gohm_poll_failures_total", { reason: outcome.reason.code });
  }

  #settle(outcome: PollOutcome): void {
    this.#polling = false;
    if (this.#closed) return;
    const { context, name } = this.#options;
    this.#replaceBroken(outcome);
    if (outcome.kind === "answer") {
      if (this.#failures > 0) context.log.info(`${name} answers again`);
      this.#failures = 0;
      this.#wait(this.#next());
      this.#answered = true;
      context.ingest.received(name, outcome.info, this.owner, outcome.peer);
      return;
    }
    if (this.#failures === 0) context.log.warn(`${name} cannot be reached: ${outcome.reason.text}`);
    this.#failures++;
    this.#wait(this.#pause(outcome));
    context.ingest.failed(name, outcome.reason, this.owner);
  }

  /** Replaces a channel that lost its connection or timed out twice: some never recover by themselves. */
  #replaceBroken(outcome: PollOutcome): void {
    this.#timeouts = outcome.kind === "timeout" ? this.#timeouts + 1 : 0;
    if (outcome.kind !== "lost" && this.#timeouts < 2) return;
    this.#timeouts = 0;
    this.#channel?.close();
    this.#channel = undefined;
  }

  #intervalMs(): number {
    return (this.intervalSec ?? this.#options.settings().interval) * 1000;
  }

  /** Milliseconds to the next poll of a host that answers, on schedule however long the answer took. */
  #next(): number {
    const interval = this.#intervalMs();
    // All hosts are polled at once when the hub starts; then each gets its own phase within the interval.
    if (!this.#answered) return interval * (0.5 + 0.5 * this.#options.context.random());
    // A clock that is set back must not postpone the next poll.
    const late = Math.max(0, this.#options.context.clock.now() - this.#due);
    return Math.max(0, late >= interval ? interval - (late % interval) : interval - late);
  }

  /** Milliseconds to the next poll of a host that failed. */
  #pause(outcome: PollOutcome): number {
    const interval = this.#intervalMs();
    const longest = outcome.kind === "timeout" ? Math.max(interval, longestPauseMs) : Math.max(interval, firstPauseMs);
    const doubled = firstPauseMs * 2 ** Math.min(this.#failures - 1, 20);
    return Math.min(doubled, longest) * (0.75 + 0.25 * this.#options.context.random());
  }
}
