import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { dayAfter } from "../../../program/zone.ts";
import { loggerFile } from "../../csv/day.ts";
import { fileOf, metrics } from "../../csv/form.ts";
import { checkSignal, type HistoryReader, type Range, until } from "../../history/store.ts";
import { type LoggerCard, loggerCards } from "../../view/card.ts";
import { type HubView, intervalOf } from "../../view/view.ts";

export interface DayFileOptions {
  readonly view: HubView;
  readonly folder: string;
  /** "YYYY-MM-DD" */
  readonly day: string;
  /** Ends the writing. */
  readonly signal: AbortSignal;
}

/** What history has of a day. */
interface DayRows {
  readonly rows: number;
  /** Samples that it counts: more than rows if some of those are summaries. */
  readonly samples: number;
}

const newline = 10;
const hourMs = 3_600_000;

/** The file of a day. */
export class DayFile {
  readonly #options: DayFileOptions;

  constructor(options: DayFileOptions) {
    this.#options = options;
  }

  /**
   * Writes the file, which appears when it is complete. One with more rows is never replaced: another program may have written
   * it, or history may have lost some.
   * @param fuller true if one with as many rows is not replaced either
   * @returns rows that history has of the day; 0 if it has none, or summaries instead of samples: no file is written then
   * @throws Error of the file system; Fault of the history
   */
  async write(fuller: boolean): Promise<number> {
    const { folder, day, view } = this.#options;
    const path = join(folder, fileOf(day));
    const part = join(folder, `.${fileOf(day)}.partial`);
    try {
      const { rows, samples } = await this.#make(part);
      if (rows === 0) return 0;
      if (rows < samples) {
        view.log.info(`${path} is not written: of ${samples} samples history has no more than ${rows} rows`);
        return 0;
      }
      const before = await rowsOf(path);
      if (before > rows || (fuller && before === rows)) {
        if (before > rows) {
          view.log.info(
            `${path} is left as it is: it has ${before} rows, and history ${rows}; gohm import takes it in`,
          );
        }
        return rows;
      }
      await rename(part, path);
      await sync(folder);
      view.log.info(`${path} was written: ${rows} rows`);
      return rows;
    } finally {
      await rm(part, { force: true }).catch(() => {
        // An earlier error explains it.
      });
    }
  }

  async #make(part: string): Promise<DayRows> {
    // Who may read the folder may read its files.
    const { mode } = await stat(this.#options.folder);
    // Others may write to the folder, too: what stands there is never opened, as it may be a link to another file, or a pipe.
    await rm(part, { force: true });
    const file = await open(part, "wx", 0o600);
    try {
      await file.chmod((mode & 0o444) | 0o200);
      const made = await this.#fill(file);
      await file.sync();
      return made;
    } finally {
      await file.close();
    }
  }

  async #fill(file: FileHandle): Promise<DayRows> {
    const { view, day, signal } = this.#options;
    const zone = view.zone();
    const from = zone.startOfDay(day) ?? 0;
    const to = zone.startOfDay(dayAfter(day)) ?? from;
    const history = until(view.history, signal);
    const all = await loggerCards({ ...view, history });
    const cards = all.filter(({ device }) => device.last >= from);
    const paces = new Set(cards.map(({ client }) => intervalOf(view, client)));
    const intervalMs = 1000 * Math.max(1, Math.min(60, ...paces));
    const samples = await samplesOf(history, cards, { from, to });
    let lines = 0;
    for await (const piece of loggerFile({ history, zone, cards, from, to, intervalMs })) {
      checkSignal(signal);
      for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, at + 1)) lines++;
      await file.writeFile(piece);
    }
    return { rows: lines - 1, samples };
  }
}

/** Counts the samples of cards: of each those of the metric that has the most. */
async function samplesOf(
  { read }: HistoryReader,
  cards: readonly LoggerCard[],
  { from, to }: Omit<Range, "step">,
): Promise<number> {
  // Days begin at whole hours or at quarters of one.
  const step = [from, to].every((time) => time % hourMs === 0) ? hourMs : hourMs / 4;
  let samples = 0;
  for (const { device } of cards) {
    const series = metrics.map((metric) => ({ ...device, metric }));
    const counts = await read({ series, range: { from, to, step }, of: ["count"], most: 100 });
    samples += Math.max(...counts.map(({ count }) => count.reduce((sum, one) => sum + one, 0)));
  }
  return samples;
}

/** Number of rows of a file, without its heading; 0 if it does not exist or is not a regular file. */
async function rowsOf(path: string): Promise<number> {
  let lines = 0;
  let last = newline;
  try {
    if (!(await stat(path)).isFile()) return 0;
    for await (const piece of createReadStream(path, { highWaterMark: 262_144 }) as AsyncIterable<Buffer>) {
      for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, at + 1)) lines++;
      last = piece.at(-1) ?? last;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  return Math.max(0, lines + (last === newline ? 0 : 1) - 1);
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
