import { round } from "../../../proto/round.ts";
import type { HistoryReader, SeriesId } from "../../history/store.ts";
import { byGpu, type LoggerCard } from "../card.ts";

/** The newest samples that count as current. Milliseconds, both ends inclusive. */
const windowMs = 300_000;
/** Cards that are read together. */
const together = 64;

/** Means of the newest five minutes; 0 for what was not measured. */
export interface Realtime {
  readonly utilization_gpu: number;
  readonly temperature: number;
  readonly memory_used_percent: number;
  readonly power_draw: number;
  readonly gpu_count: number;
  readonly client_count: number;
}

/** A mean of the answer. */
interface Measure {
  readonly metric: string;
  /** Whole units of the sum in one of the answer: sums of whole numbers can be made in any order. */
  readonly scale: number;
  readonly decimals: number;
  /** Value of a sample in these units. */
  readonly units: (value: number) => number;
}

const percent = (metric: string): Measure => ({
  metric,
  scale: 100,
  decimals: 2,
  units: (value) => Math.round(value * 100),
});

const measures = {
  utilization_gpu: percent("gpu_utilization"),
  temperature: { metric: "gpu_temperature", scale: 1, decimals: 0, units: (value) => value },
  memory_used_percent: percent("gpu_memory_utilization"),
  // A record of the logger has watts with two decimals: the mean is that of the records, as they are exported.
  power_draw: { metric: "gpu_power", scale: 100, decimals: 2, units: hundredthsOfWatts },
} as const satisfies Readonly<Record<string, Measure>>;

type MeasureName = keyof typeof measures;

/** Time of the newest sample of any card; undefined without cards. Unix milliseconds. */
export const newestOf = (cards: readonly LoggerCard[]): number | undefined =>
  cards.length === 0 ? undefined : cards.reduce((newest, { device }) => Math.max(newest, device.last), 0);

/** Cards with a sample in the five minutes before the newest one. */
export const current = (cards: readonly LoggerCard[], newest: number): LoggerCard[] =>
  cards.filter(({ device }) => device.last >= newest - windowMs);

/** @param cards those with a sample in the five minutes before `newest` @throws Fault canceled */
export async function realtimeOf(
  history: Pick<HistoryReader, "read">,
  cards: readonly LoggerCard[],
  newest: number,
): Promise<Realtime> {
  const names = Object.keys(measures) as MeasureName[];
  const sums = new Map(names.map((name) => [name, { sum: 0, count: 0 }]));
  const range = { from: newest - windowMs, to: newest + 1, step: 0 };
  for (let at = 0; at < cards.length; at += together) {
    const asked = cards
      .slice(at, at + together)
      .flatMap(({ device: { host, level, key, metrics } }) =>
        names
          .filter((name) => metrics.includes(measures[name].metric))
          .map((name) => ({ name, id: { host, level, key, metric: measures[name].metric } satisfies SeriesId })),
      );
    const series = asked.map(({ id }) => id);
    const read = await history.read({ series, range, of: ["avg", "count"], most: Number.POSITIVE_INFINITY });
    for (const [i, { name }] of asked.entries()) {
      const total = sums.get(name);
      const columns = read[i];
      if (total === undefined || columns === undefined) continue;
      for (let point = 0; point < columns.t.length; point++) {
        const count = columns.count[point] ?? 0;
        total.sum += measures[name].units(columns.avg[point] ?? 0) * count;
        total.count += count;
      }
    }
  }
  const mean = (name: MeasureName): number => {
    const { sum, count } = sums.get(name) ?? { sum: 0, count: 0 };
    const { scale, decimals } = measures[name];
    return count > 0 ? round(sum / scale / count, decimals) : 0;
  };
  return {
    utilization_gpu: mean("utilization_gpu"),
    temperature: mean("temperature"),
    memory_used_percent: mean("memory_used_percent"),
    power_draw: mean("power_draw"),
    gpu_count: byGpu(cards).length,
    client_count: new Set(cards.map(({ client }) => client)).size,
  };
}

function hundredthsOfWatts(milliwatts: number): number {
  // Only where the third decimal is 5 does it depend on how the number is rounded.
  if (Number.isInteger(milliwatts) && Math.abs(milliwatts % 10) !== 5) return Math.round(milliwatts / 10);
  return Math.round(round(milliwatts / 1000, 2) * 100);
}
