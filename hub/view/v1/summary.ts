import { join } from "node:path";
import type { Zone } from "../../../program/zone.ts";
import { reportDay } from "../../report/day.ts";
import { type ReportPlace, readFigures } from "../../report/figures.ts";
import { averageFile, dayFolder, statOf, summaryFile } from "../../report/place.ts";
import type { ReportDay, ReportFigures } from "../../report/report.ts";
import { filesOfReport } from "../../report/shelf.ts";
import { turn } from "../body.ts";

/** Most summaries that are remembered. */
const mostKnown = 5000;

/** What the list of reports says of one. */
export interface ReportSummary extends ReportPlace {
  readonly day: ReportDay;
  /** Mean in percent; undefined without data. */
  readonly gpu: number | undefined;
  readonly vram: number | undefined;
  readonly cards: number;
  readonly rows: number;
  /** Each once, in the order of the cards. */
  readonly users: readonly string[];
  /** Mean GPU utilization by hour of the day; undefined without data. */
  readonly hours: readonly (number | undefined)[];
  readonly files: readonly string[];
}

interface Known {
  /** Changes when the files do. */
  readonly stamp: string;
  readonly summary: ReportSummary;
}

/** Summaries of the reports in a folder. Files of a report are read again only when they have changed. */
export class ReportSummaries {
  /** By folder, zone and name; the least recently used first. */
  readonly #known = new Map<string, Known>();

  /** @returns undefined if there is no such report any more. @throws Error of the file system */
  async summary(folder: string, zone: Zone, name: ReportPlace): Promise<ReportSummary | undefined> {
    const key = JSON.stringify([folder, zone.name, name.node, name.date]);
    const stamp = await stampOf(folder, name);
    if (stamp === undefined) return undefined;
    const before = this.#known.get(key);
    this.#known.delete(key);
    const summary = before?.stamp === stamp ? before.summary : await read(folder, zone, name);
    if (summary === undefined) return undefined;
    this.#known.set(key, { stamp, summary });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= mostKnown) break;
      this.#known.delete(oldest);
    }
    return summary;
  }
}

/** A report is written whole, so that its folder changes; other programs may write its files where they are. */
async function stampOf(folder: string, { node, date }: ReportPlace): Promise<string | undefined> {
  const path = await dayFolder(folder, node, date);
  if (path === undefined) return undefined;
  const files = [path, join(path, averageFile(date)), join(path, summaryFile(date))];
  const stats = await Promise.all(files.map(statOf));
  return stats.map((one) => one && `${one.ino} ${one.size} ${one.mtimeMs} ${one.ctimeMs}`).join("\n");
}

async function read(folder: string, zone: Zone, name: ReportPlace): Promise<ReportSummary | undefined> {
  await turn();
  const day = reportDay(zone, name.date);
  const figures = day && (await readFigures(folder, name.node, name.date));
  if (day === undefined || figures === undefined) return undefined;
  return {
    ...name,
    day,
    ...meansOf(figures),
    ...contentOf(figures, day),
    files: await filesOfReport(folder, name.node, name.date),
  };
}

/** Means of all cards; undefined if no card has one, where the file has 0.00. */
export const meansOf = ({ cards, gpu, vram }: ReportFigures): Pick<ReportSummary, "gpu" | "vram"> => ({
  gpu: cards.some((card) => card.gpu !== undefined) ? gpu : undefined,
  vram: cards.some((card) => card.vram !== undefined) ? vram : undefined,
});

function contentOf(
  { cards, rows }: ReportFigures,
  day: ReportDay,
): Pick<ReportSummary, "cards" | "rows" | "users" | "hours"> {
  return {
    cards: cards.length,
    rows,
    users: [...new Set(cards.flatMap(({ user }) => user ?? []))],
    hours: hoursOf(cards, day),
  };
}

/** Mean GPU utilization by hour. Rows have the time at which their interval ends, so the first hour has one of 01:00. */
function hoursOf(cards: ReportFigures["cards"], { from, to }: ReportDay): readonly (number | undefined)[] {
  const hours = Array.from({ length: Math.ceil((to - from) / 3600) }, () => ({ sum: 0, count: 0 }));
  for (const { rows } of cards) {
    for (const { at, gpu } of rows) {
      const hour = hours[Math.ceil((at - from) / 3600) - 1];
      if (hour === undefined) continue;
      hour.sum += gpu;
      hour.count++;
    }
  }
  return hours.map(({ sum, count }) => (count === 0 ? undefined : Math.round((sum / count) * 100) / 100));
}
