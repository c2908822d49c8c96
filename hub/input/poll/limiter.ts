/**
 * Limits concurrent polls. Hosts that may not answer share half of the limit, so that a rack without power does not delay
 * the others.
 */
export class Limiter {
  size: number;
  readonly #waiting = { answering: [] as (() => void)[], doubtful: [] as (() => void)[] };
  #running = 0;
  #doubtful = 0;
  #admitting = false;

  constructor(size: number) {
    this.size = size;
  }

  /** Number of polls that were started and not released. */
  get running(): number {
    return this.#running;
  }

  /** Number of polls that wait. */
  get queued(): number {
    return this.#waiting.answering.length + this.#waiting.doubtful.length;
  }

  /** Calls `start` as soon as the limit allows it; `release` must follow when the poll has ended. */
  start(answering: boolean, start: () => void): void {
    this.#waiting[answering ? "answering" : "doubtful"].push(start);
    this.#admit();
  }

  release(answering: boolean): void {
    this.#running--;
    if (!answering) this.#doubtful--;
    this.#admit();
  }

  /** Not reentrant: polls that end at once, as those of removed machines do, call it from `next`, and the running loop continues. */
  #admit(): void {
    if (this.#admitting) return;
    this.#admitting = true;
    try {
      this.#admitAll();
    } finally {
      this.#admitting = false;
    }
  }

  #admitAll(): void {
    while (this.#running < this.size) {
      const answering = this.#waiting.answering.shift();
      const doubtful =
        answering || this.#doubtful >= Math.floor(this.size / 2) ? undefined : this.#waiting.doubtful.shift();
      const next = answering ?? doubtful;
      if (next === undefined) return;
      this.#running++;
      if (doubtful) this.#doubtful++;
      next();
    }
  }
}
