import { Cron } from "croner";
import { dayAfter } from "../../../program/zone.ts";
import { reportDay } from "../../report/day.ts";
import type { ReportDay } from "../../report/report.ts";
import type { ReportPlan } from "../../report/settings.ts";

/** The last rows of a day are in every source this long after it: clocks of nodes differ. Milliseconds. */
const settleMs = 900_000;
/** Days before today whose reports are made up for. */
const mostDays = 31;

/** A run at the time of the settings, for the day that it is in. */
export interface TodayRun {
  /** Unix milliseconds. */
  readonly at: number;
  readonly day: ReportDay;
}

/** A day that has ended. */
export interface PastDay {
  readonly day: ReportDay;
  /** True if its report is the one that is due at the time of the settings; false if it is made up. */
  readonly isScheduled: boolean;
}

/** A time of one day without a run: from ≤ t < to, Unix milliseconds. */
interface Pause {
  readonly from: number;
  readonly to: number;
  /** The run at its beginning. */
  readonly today: TodayRun | undefined;
  /** The newest first. */
  readonly past: readonly PastDay[];
}

/** When reports are due, by the zone and time of the settings. Times are Unix milliseconds. */
export class Schedule {
  readonly #zone: ReportPlan["zone"];
  readonly #cron: Cron;
  /** True if reports are of the day that ends; false if they are of the day before. */
  readonly #isEvening: boolean;
  #pause: Pause = { from: 0, to: 0, today: undefined, past: [] };

  constructor({ zone, time }: Pick<ReportPlan, "zone" | "time">) {
    const [hour, minute] = time.split(":").map(Number);
    this.#zone = zone;
    this.#cron = new Cron(`${minute} ${hour} * * *`, { timezone: zone.name });
    this.#isEvening = Number(hour) >= 12;
  }

  /** The run of today; undefined if it is to come, or reports are of the day before. */
  today(now: number): TodayRun | undefined {
    return this.#at(now).today;
  }

  /** Days that have ended and whose whole report is due, the newest first. */
  past(now: number): readonly PastDay[] {
    return this.#at(now).past.filter(({ day }, age) => age > 0 || now >= this.#dueAt(day));
  }

  /** When the next run is, or the next day begins. */
  next(now: number): number {
    return this.#at(now).to;
  }

  #at(now: number): Pause {
    const { from, to } = this.#pause;
    if (now < from || now >= to) this.#pause = this.#find(now);
    return this.#pause;
  }

  #find(now: number): Pause {
    const today = this.#zone.dayOf(now);
    const start = this.#zone.startOfDay(today) ?? now;
    const end = this.#zone.startOfDay(dayAfter(today)) ?? now;
    // A run at the beginning of the second of the reference counts as past.
    const [last] = this.#cron.previousRuns(1, new Date(1000 * Math.floor(now / 1000) + 500));
    const at = last?.getTime() ?? 0;
    const day = this.#isEvening && at >= start ? reportDay(this.#zone, today) : undefined;
    return {
      from: Math.max(start, at),
      to: Math.min(end, this.#runAfter(now)),
      today: day && { at, day },
      past: this.#daysBefore(today),
    };
  }

  #runAfter(time: number): number {
    return this.#cron.nextRun(new Date(time))?.getTime() ?? Number.POSITIVE_INFINITY;
  }

  /** When the whole report of a day is due: not before the time of the settings, if that is on the day after. */
  #dueAt({ to }: ReportDay): number {
    const settled = 1000 * to + settleMs;
    return this.#isEvening ? settled : Math.max(settled, this.#runAfter(1000 * to - 1));
  }

  #daysBefore(today: string): PastDay[] {
    const days: PastDay[] = [];
    for (let date = today; days.length < mostDays; ) {
      date = this.#zone.dayOf((this.#zone.startOfDay(date) ?? 0) - 1);
      const day = reportDay(this.#zone, date);
      if (day === undefined) break;
      days.push({ day, isScheduled: days.length === 0 && !this.#isEvening });
    }
    return days;
  }
}
