import type { InputContext } from "../input.ts";
import type { Channel, Outcome } from "./channel.ts";
import type { Gate } from "./limiter.ts";
import type { PollSettings } from "./settings.ts";

type Dial = (address: string) => Channel;

export interface TargetOptions {
  readonly name: string;
  readonly address: string;
  readonly context: Pick<InputContext, "ingest" | "clock" | "random" | "log">;
  readonly gate: Gate;
  readonly dial: Dial;
  readonly settings: () => Pick<PollSettings, "interval" | "deadline">;
}

/** First pause after a failure, doubled with each further one. Milliseconds. */
const firstPause = 1000;
/** A host that is silent costs a place for a whole deadline: it is asked this often at least. Milliseconds. */
const longestPause = 60_000;

/** One host that is polled: its channel, its pace, and how often it failed. */
export class Target {
  readonly address: string;
  readonly #options: TargetOptions;
  #channel: Channel | undefined;
  #cancel: () => void = () => {};
  #closed = false;
  #asking = false;
  #answered = false;
  /** Failures in a row, and missed deadlines in a row on this channel. */
  #failures = 0;
  #missed = 0;
  /** When the poll under way was to begin: the next one is counted from it, so that late polls do not shift the rest. */
  #due: number;

  constructor(options: TargetOptions) {
    this.#options = options;
    this.address = options.address;
    this.#due = options.context.clock.now();
    this.#wait(0);
  }

  /** Asks now and goes on from there: the pace has changed. */
  again(): void {
    if (!this.#asking) this.#wait(0);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#channel?.close();
  }

  #wait(pause: number): void {
    this.#cancel();
    const { clock } = this.#options.context;
    this.#due = clock.now() + pause;
    this.#cancel = clock.after(pause, () => this.#enter());
  }

  #enter(): void {
    if (this.#asking) return;
    this.#asking = true;
    const { gate, context, name } = this.#options;
    const sure = this.#failures === 0 && this.#channel !== undefined;
    gate.enter(sure, () => {
      if (this.#closed) return gate.leave(sure);
      context.ingest.dialling(name);
      this.#channel ??= this.#options.dial(this.address);
      this.#channel
        .ask(this.#options.settings().deadline * 1000)
        .then((outcome) => this.#settle(outcome))
        .catch((error: unknown) => context.log.error(`poll of ${name}: ${String(error)}`))
        .finally(() => gate.leave(sure));
    });
  }

  #settle(outcome: Outcome): void {
    this.#asking = false;
    if (this.#closed) return;
    const { context, name } = this.#options;
    this.#watch(outcome);
    if (outcome.kind === "answer") {
      if (this.#failures > 0) context.log.info(`${name} answers again`);
      this.#failures = 0;
      this.#wait(this.#next());
      this.#answered = true;
      context.ingest.received(name, outcome.info);
      return;
    }
    if (this.#failures === 0) context.log.warn(`${name} cannot be reached: ${outcome.reason}`);
    this.#failures++;
    this.#wait(this.#pause(outcome));
    context.ingest.failed(name, outcome.reason);
  }

  /** A channel that lost its connection, or missed two deadlines, is not used again: some never recover by themselves. */
  #watch(outcome: Outcome): void {
    this.#missed = outcome.kind === "silence" ? this.#missed + 1 : 0;
    if (outcome.kind !== "lost" && this.#missed < 2) return;
    this.#missed = 0;
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** Milliseconds to the next poll of a host that answers, kept to the pace however long the answer took. */
  #next(): number {
    const interval = this.#options.settings().interval * 1000;
    // All hosts are asked at once when the hub starts; from then on each has its own place within the interval.
    if (!this.#answered) return interval * (0.5 + 0.5 * this.#options.context.random());
    // A clock that is set back must not put the next poll off.
    const late = Math.max(0, this.#options.context.clock.now() - this.#due);
    return Math.max(0, late >= interval ? interval - (late % interval) : interval - late);
  }

  #pause(outcome: Outcome): number {
    const interval = this.#options.settings().interval * 1000;
    const longest = outcome.kind === "silence" ? Math.max(interval, longestPause) : Math.max(interval, firstPause);
    const doubled = firstPause * 2 ** Math.min(this.#failures - 1, 20);
    return Math.min(doubled, longest) * (0.75 + 0.25 * this.#options.context.random());
  }
}
