import type { Columns, HistoryReader, SeriesId } from "../../history/store.ts";
import { turn } from "../body.ts";
import type { LoggerCard } from "../card.ts";
import type { LocalGrid } from "./grid.ts";

const metric = "gpu_utilization";
/** Cards of one host, and points of all of them, that are read together. */
const mostTogether = 16;
const mostPoints = 1_000_000;
/** Bytes of a point that is read, and of a bucket or hour of the grid. */
const pointBytes = 64;
const placeBytes = 36;
/** Values of the metric have two decimals, so that a sum of them is a whole number of hundredths. */
const scale = 100;
/** Milliseconds of work before others have a turn. */
const patience = 4;

/** Utilization of cards in each hour or day of a grid. */
export interface Usage {
  /** Sum of the samples in hundredths of a percent: whole numbers, which can be added in any order. */
  readonly sum: Float64Array;
  /** Number of samples. */
  readonly count: Float64Array;
  /** Infinity and -Infinity without samples. */
  readonly min: Float64Array;
  readonly max: Float64Array;
}

type UsageColumns = Columns<"avg" | "count" | "max" | "min">;

/** Memory that `usageOf` takes. */
export const usageBytes = ({ places, length }: LocalGrid): number =>
  pointBytes * places.length * together(places.length) + placeBytes * (places.length + length);

const together = (points: number): number =>
  Math.max(1, Math.min(mostTogether, Math.floor(mostPoints / Math.max(1, points))));

/** Adds up the samples of all cards by the hours or days of a grid. @throws Fault canceled */
export async function usageOf(
  history: Pick<HistoryReader, "read">,
  cards: readonly LoggerCard[],
  grid: LocalGrid,
): Promise<Usage> {
  const usage = emptyUsage(grid.length);
  if (grid.length === 0) return usage;
  let begun = performance.now();
  for (const some of batches(cards, together(grid.places.length))) {
    const read = await history.read({
      series: some,
      range: grid.range,
      of: ["avg", "count", "max", "min"],
      most: Number.POSITIVE_INFINITY,
    });
    for (const columns of read) {
      if (performance.now() - begun > patience) {
        await turn();
        begun = performance.now();
      }
      add(usage, columns, grid);
    }
  }
  return usage;
}

const emptyUsage = (length: number): Usage => ({
  sum: new Float64Array(length),
  count: new Float64Array(length),
  min: new Float64Array(length).fill(Number.POSITIVE_INFINITY),
  max: new Float64Array(length).fill(Number.NEGATIVE_INFINITY),
});

/** Series of one host at a time, which are in the same rows of the history. */
function* batches(cards: readonly LoggerCard[], most: number): Generator<SeriesId[]> {
  for (const [, some] of Map.groupBy(cards, ({ device }) => device.host)) {
    const series = seriesOf(some);
    for (let at = 0; at < series.length; at += most) yield series.slice(at, at + most);
  }
}

/** Utilization of cards that have it. */
export const seriesOf = (cards: readonly LoggerCard[]): SeriesId[] =>
  cards
    .filter(({ device }) => device.metrics.includes(metric))
    .map(({ device: { host, level, key } }): SeriesId => ({ host, level, key, metric }));

function add({ sum, count, min, max }: Usage, columns: UsageColumns, { range, places }: LocalGrid): void {
  const { t } = columns;
  for (let i = 0; i < t.length; i++) {
    const place = places[((t[i] ?? 0) - range.from) / range.step] ?? -1;
    if (place < 0) continue;
    const samples = columns.count[i] ?? 0;
    sum[place] = (sum[place] ?? 0) + Math.round((columns.avg[i] ?? 0) * samples * scale);
    count[place] = (count[place] ?? 0) + samples;
    min[place] = Math.min(min[place] ?? 0, columns.min[i] ?? 0);
    max[place] = Math.max(max[place] ?? 0, columns.max[i] ?? 0);
  }
}

/** Mean of the samples at a place; 0 without samples. */
export const meanAt = ({ sum, count }: Pick<Usage, "sum" | "count">, place: number): number =>
  mean(sum[place] ?? 0, count[place] ?? 0);

/** @param sum in hundredths */
export const mean = (sum: number, count: number): number => (count > 0 ? sum / scale / count : 0);
