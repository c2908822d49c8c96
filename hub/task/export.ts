import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { path, row, type Table, text, type Values } from "../../program/setting.ts";
import { cause, writeCause } from "../cause.ts";
import { dayOfFile } from "../csv/form.ts";
import { notice } from "../notice.ts";
import type { Words } from "../sentence.ts";
import { DayFile } from "./export/file.ts";
import { LateDays } from "./export/late.ts";
import type { RunningTask, Task, TaskContext } from "./task.ts";

const table = {
  folder: row({
    name: "export.folder",
    env: "GOHM_EXPORT_FOLDER",
    default: "",
    help: "Folder into which a file gpu_metrics_YYYYMMDD.csv is written after each day, as the NVIDIA GPU Metrics Logger kept it; empty writes none.",
    reader: path("folder"),
  }),
  time: row({
    name: "export.time",
    env: "GOHM_EXPORT_TIME",
    default: "00:10",
    help: "Local time (hub.timezone) at which the file of the day before is written.",
    reader: text('a time from "00:00" to "23:59"', (value) => /^([01]\d|2[0-3]):[0-5]\d$/.test(value)),
  }),
} satisfies Table;

type ExportSettings = Values<typeof table>;

/** Writes history into a file of CSV after each day. */
export const dailyExport: Task<typeof table> = {
  name: "export",
  table,
  open: async (context, settings) => new DailyExport(context, settings),
};

/** Milliseconds between two looks at what is due, and between attempts while a file cannot be written. */
const tickMs = 60_000;
const retryMs = 600_000;
/** Most days that are made up for. */
const mostDays = 366;
/** Days before a start whose files are compared with history: late samples of them may have come before it. */
const recentDays = 3;

class DailyExport implements RunningTask<typeof table> {
  readonly #context: TaskContext;
  #settings: ExportSettings;
  readonly #late: LateDays;
  readonly #unsubscribe: () => void;
  readonly #abort = new AbortController();
  #cancel: (() => void) | undefined;
  #work: Promise<void> | undefined;
  /** The last day for which all files up to it were written. */
  #checked: string | undefined;
  /** Days without samples. */
  readonly #empty = new Set<string>();
  #retryAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(context: TaskContext, settings: ExportSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#late = new LateDays(context.view.zone);
    this.#unsubscribe = context.onReading(({ at, late, devices }) => {
      if (!late || this.#settings.folder === "" || !devices.some(({ level }) => level === "gpu")) return;
      this.#late.add(at, context.view.clock.now());
    });
    this.#schedule(0);
  }

  change(settings: ExportSettings): void {
    if (settings.folder !== this.#settings.folder) this.#checked = undefined;
    this.#settings = settings;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    if (settings.folder === "") this.#report(undefined);
    this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#abort.abort();
    this.#cancel?.();
    await this.#work;
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    if (this.#abort.signal.aborted || this.#settings.folder === "") return;
    this.#cancel = this.#context.view.clock.after(ms, () => {
      this.#work ??= this.#tick().finally(() => {
        this.#work = undefined;
        this.#schedule(tickMs);
      });
    });
  }

  async #tick(): Promise<void> {
    const { clock } = this.#context.view;
    const { folder } = this.#settings;
    const now = clock.now();
    if (folder === "" || now < this.#retryAt) return;
    try {
      await this.#writeDue(folder, now);
      this.#report(undefined);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#retryAt = clock.now() + retryMs;
      this.#report(error as Error);
    }
  }

  /** @throws Error of the file system; Fault of the history */
  async #writeDue(folder: string, now: number): Promise<void> {
    const last = this.#lastDue(now);
    if (last !== this.#checked) {
      for (const { day, isThere } of await this.#missing(folder, last, now)) {
        await this.#write(folder, day, isThere);
      }
      this.#checked = last;
    }
    for (const day of this.#late.due(now, last)) {
      // Samples of it that come while it is written mark it again.
      const first = this.#late.take(day);
      if ((this.#context.view.zone().startOfDay(day) ?? 0) < this.#oldest(now)) continue;
      try {
        await this.#write(folder, day, false);
      } catch (error) {
        this.#late.restore(day, first);
        throw error;
      }
    }
  }

  /** The last day whose file is due. */
  #lastDue(now: number): string {
    const zone = this.#context.view.zone();
    const today = zone.dayOf(now);
    const due = zone.parse(`${today} ${this.#settings.time}:00`) ?? now;
    const before = this.#dayBefore(today);
    return now >= due ? before : this.#dayBefore(before);
  }

  #dayBefore(day: string): string {
    const zone = this.#context.view.zone();
    return zone.dayOf((zone.startOfDay(day) ?? 0) - 1);
  }

  /** The time before which history has no samples any more. */
  #oldest(now: number): number {
    return now - Math.min(this.#context.retentionMs?.() ?? Number.POSITIVE_INFINITY, mostDays * 86_400_000);
  }

  /** Days up to one whose files are missing, are due for the first time, or may lack late samples; the oldest first. */
  async #missing(folder: string, last: string, now: number): Promise<{ day: string; isThere: boolean }[]> {
    const zone = this.#context.view.zone();
    const there = new Set((await readdir(folder)).map(dayOfFile));
    const days: { day: string; isThere: boolean }[] = [];
    const oldest = this.#oldest(now);
    let count = 0;
    for (let day = last; (zone.startOfDay(day) ?? 0) >= oldest; day = this.#dayBefore(day)) {
      const isThere = there.has(day);
      const isRecent = this.#checked === undefined ? count++ < recentDays : day > this.#checked;
      if ((!isThere || isRecent) && !this.#empty.has(day)) days.push({ day, isThere });
    }
    return days.reverse();
  }

  /** @param fuller true if only a file with more rows takes the place of one that is there */
  async #write(folder: string, day: string, fuller: boolean): Promise<void> {
    const { view } = this.#context;
    const file = new DayFile({ view, folder, day, signal: this.#abort.signal });
    const rows = await file.write(fuller);
    if (rows === 0) this.#empty.add(day);
    else this.#empty.delete(day);
  }

  #report(error: Error | undefined): void {
    const { log } = this.#context.view;
    const path = resolve(this.#settings.folder);
    const words = error && notice("export_failed", { path, error: reasonOf(error, path), retryMs });
    this.#context.notice("export", words);
    if (words !== undefined && !this.#failing) log.warn(words.text);
    if (words === undefined && this.#failing) log.info(`daily files are written to ${path} again`);
    this.#failing = words !== undefined;
  }
}

/** Why files cannot be written: the folder must be there. */
function reasonOf(error: NodeJS.ErrnoException, folder: string): Words {
  const { code } = error;
  if (code === "EACCES" || code === "EPERM") return cause("hub_may_not_write");
  if (code !== "ENOENT") return writeCause(error);
  return statSync(folder, { throwIfNoEntry: false }) === undefined ? cause("no_folder") : error.message;
}
