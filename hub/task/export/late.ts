import { dayAfter, type Zone } from "../../../program/zone.ts";

/** A day is written anew once no sample of it has come for this long, and at the latest after `mostMs`. Milliseconds. */
const quietMs = 600_000;
const mostMs = 6 * quietMs;

/** When late samples of a day came. Unix milliseconds. */
interface LateSamples {
  readonly first: number;
  readonly last: number;
}

/** Days of which late samples came. */
export class LateDays {
  readonly #zone: () => Zone;
  readonly #days = new Map<string, { first: number; last: number }>();
  /** The day of the last sample: an import brings thousands of the same. */
  #recent = { from: 0, to: 0, day: "" };

  constructor(zone: () => Zone) {
    this.#zone = zone;
  }

  /** @param at of the measurement @param now both Unix milliseconds */
  add(at: number, now: number): void {
    if (at < this.#recent.from || at >= this.#recent.to) this.#recent = this.#find(at);
    const held = this.#days.get(this.#recent.day);
    if (held === undefined) this.#days.set(this.#recent.day, { first: now, last: now });
    else held.last = now;
  }

  /** Days, not after one, that can be written. */
  due(now: number, most: string): string[] {
    const due = [...this.#days].filter(([day, { first, last }]) => {
      return day <= most && (Math.abs(now - last) >= quietMs || Math.abs(now - first) >= mostMs);
    });
    return due.map(([day]) => day).sort();
  }

  /** Removes a day that is written now. */
  take(day: string): LateSamples | undefined {
    const held = this.#days.get(day);
    this.#days.delete(day);
    return held;
  }

  /** Adds a day again that could not be written. */
  restore(day: string, samples: LateSamples | undefined): void {
    if (samples !== undefined) this.#days.set(day, { ...samples });
  }

  #find(at: number): { from: number; to: number; day: string } {
    const zone = this.#zone();
    const day = zone.dayOf(at);
    return { from: zone.startOfDay(day) ?? at, to: zone.startOfDay(dayAfter(day)) ?? at, day };
  }
}
