import type { Clock } from "../../hub/clock.ts";

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** Clock of simulated time: years of polls pass in seconds. */
export class PlayedClock implements Clock {
  #now: number;
  readonly #due = new Set<Due>();

  constructor(now: number) {
    this.#now = now;
  }

  // An arrow function, because it is passed without its object.
  readonly now = (): number => this.#now;

  after(ms: number, run: () => void): () => void {
    const due = { at: this.#now + ms, run };
    this.#due.add(due);
    return () => this.#due.delete(due);
  }

  /** Advances to a time (Unix milliseconds), and runs the timers that are due until then in order. */
  advance(to: number): void {
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#due) if (due.at <= to && (next === undefined || due.at < next.at)) next = due;
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = Math.max(this.#now, to);
  }
}
