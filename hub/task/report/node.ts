import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readFigures } from "../../report/figures.ts";
import { gpuOfFile, partialFolder } from "../../report/place.ts";
import type { NodeOutcome, ReportDay } from "../../report/report.ts";

const hourMs = 3_600_000;
/** Waits before a day is asked for again whose source had not all of it, or whose users are not known. Milliseconds. */
const againMs = [hourMs, 6 * hourMs, 24 * hourMs];
/** A day that ended before this is asked for once. Milliseconds. */
const recentMs = 48 * hourMs;
/** Waits for a node that does not answer, or whose files cannot be written; the last one stays. Milliseconds. */
const failedMs = [hourMs / 6, hourMs / 3, hourMs];
/** Late samples are waited for this long. Milliseconds. */
const lateMs = 600_000;

interface NotedAt {
  readonly now: number;
  /** True if the task API did not say whose tasks ran on that day. */
  readonly lacksUsers: boolean;
}

/** A day of a node. */
interface NodeDayState {
  /** How often its source had less than all of it. */
  asks: number;
  /** Unix milliseconds; Infinity once it is settled. */
  nextAt: number;
}

/** Which days of a node lack a whole report, and when its source is asked for them. Times are Unix milliseconds. */
export class NodeDays {
  readonly #folder: string;
  readonly #name: string;
  readonly #days = new Map<string, NodeDayState>();
  /** Its last report failed: no other is made before. */
  #retryAt = Number.NEGATIVE_INFINITY;
  #failure: NodeOutcome["failure"];
  #failures = 0;

  /** @param folder of the reports */
  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** True if its report of today can be made now: also without a source, but not while files cannot be written. */
  canWrite(now: number): boolean {
    return this.#failure !== "folder" || now >= this.#retryAt;
  }

  /** True if its source is to be asked for a day that has ended; undefined until the day was looked up. */
  isDue({ date }: ReportDay, now: number): boolean | undefined {
    if (now < this.#retryAt) return false;
    const state = this.#days.get(date);
    return state && now >= state.nextAt;
  }

  /** Looks for the files of a day that has ended. */
  async lookUp(day: ReportDay, now: number): Promise<void> {
    const isSettled = await this.#isSettled(day, now);
    // A late sample may have come meanwhile.
    if (this.#days.has(day.date)) return;
    this.#days.set(day.date, { asks: 0, nextAt: isSettled ? Number.POSITIVE_INFINITY : now });
  }

  /** Takes in what became of a report. @param day one that has ended, or today */
  note(outcome: NodeOutcome, day: ReportDay, { now, lacksUsers }: NotedAt): void {
    this.#failure = outcome.failure;
    if (outcome.failure !== undefined) {
      this.#retryAt = now + (failedMs[this.#failures++] ?? hourMs);
      return;
    }
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.#failures = 0;
    if (now < 1000 * day.to) return;
    const asks = this.#days.get(day.date)?.asks ?? 0;
    const wait = now - 1000 * day.to > recentMs ? undefined : againMs[asks];
    const isSettled = (outcome.state === "complete" && !lacksUsers) || wait === undefined;
    this.#days.set(day.date, { asks: asks + 1, nextAt: isSettled ? Number.POSITIVE_INFINITY : now + wait });
  }

  /** Late samples of a day came: it is asked for again, but not more often than every ten minutes. */
  reopen(date: string, now: number): void {
    const state = this.#days.get(date);
    if (state !== undefined && state.nextAt <= now + lateMs) return;
    this.#days.set(date, { asks: state?.asks ?? 0, nextAt: now + lateMs });
  }

  /** Forgets days before one. */
  prune(oldest: string): void {
    for (const date of this.#days.keys()) if (date < oldest) this.#days.delete(date);
  }

  /**
   * True if there is a report with data that was made after the end of the day: its source was asked then. Those of the last
   * days are looked into.
   */
  async #isSettled(day: ReportDay, now: number): Promise<boolean> {
    const folder = join(this.#folder, this.#name, day.date);
    const names: readonly string[] = await readdir(folder).catch(() => []);
    if (!names.some((name) => gpuOfFile(name, day.date) !== undefined)) return false;
    // A program that was killed while it wrote has left it: the time of the folder says nothing then.
    if (names.some((name) => name.startsWith(partialFolder))) return false;
    // Files are made in the folder, so that its time is that of the last report, also if nothing in them was new.
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: 0 }));
    if (mtimeMs < 1000 * day.to) return false;
    if (now - 1000 * day.to > recentMs) return true;
    const figures = await readFigures(this.#folder, this.#name, day.date);
    return figures !== undefined && figures.rows >= figures.expected;
  }
}
