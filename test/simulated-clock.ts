import type { Clock } from "../hub/clock.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** A clock whose timers end when a test or a program lets time pass. */
export class SimulatedClock implements Clock {
  #time: number;
  #timers: Timer[] = [];

  /** @param time Unix milliseconds */
  constructor(time: number) {
    this.#time = time;
  }

  readonly now = (): number => this.#time;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#time + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Lets time pass, and runs the timers that end meanwhile. */
  elapse(ms: number): void {
    const end = this.#time + ms;
    while (this.#runNext(end));
    this.#time = end;
  }

  /** As `elapse`, with so many turns of the event loop after each timer. */
  async elapseWithTurns(ms: number, turns: number): Promise<void> {
    const end = this.#time + ms;
    while (this.#runNext(end)) for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    this.#time = end;
  }

  /** Runs the next timer that ends by a time. @returns false if there is none */
  #runNext(end: number): boolean {
    const [next] = this.#timers.toSorted((a, b) => a.at - b.at);
    if (next === undefined || next.at > end) return false;
    this.#timers = this.#timers.filter((timer) => timer !== next);
    this.#time = Math.max(this.#time, next.at);
    next.run();
    return true;
  }
}
