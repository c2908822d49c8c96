// Runs the benchmark's queries on the store itself, without a hub, for the growth curves in simulated time.
import type { Aggregate, SeriesId, Store } from "../../hub/history/store.ts";
import { devicesOf, type Question, questions, type Shape, shapes } from "./question.ts";
import { hostName, keyOf, type PlayedFleet } from "./samples.ts";

const counts: Readonly<Record<Shape, number>> = { series: 60, raw: 60, week: 30, fleet: 30 };
const warm = 10;
/** Milliseconds before now that queries are about: their cost must not depend on older samples. */
const recent = 8 * 86_400_000;

const of: Readonly<Record<Exclude<Shape, "fleet">, readonly Aggregate[]>> = {
  series: ["avg"],
  raw: ["last"],
  week: ["avg", "min", "max"],
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function seriesOf(host: number, question: Question): SeriesId[] {
  const { column } = question;
  return devicesOf(question).map((device) => ({
    host: hostName(host),
    level: column.level,
    key: keyOf(host, { level: column.level, device }),
    metric: column.metric,
  }));
}

async function put(store: Store, question: Question, hosts: number): Promise<void> {
  const { shape, from, to, host } = question;
  const range = { from, to, step: shapes[shape] };
  if (shape !== "fleet") {
    await store.read({ series: seriesOf(host, question), range, of: of[shape], most: 100_000 });
    return;
  }
  const all = Array.from({ length: hosts }, (_, i) => seriesOf(i, question)).flat();
  await store.fold({ groups: [all], range });
}

/** Measures the median duration of each shape of query in milliseconds, over the eight days before `now`. */
export async function ask(store: Store, played: PlayedFleet, now: number): Promise<Record<Shape, number>> {
  const from = Math.max(played.from, now - recent);
  const until = { ...played, from, polls: Math.floor((now - from) / played.interval / 1000) };
  const asked = { series: 0, raw: 0, week: 0, fleet: 0 };
  for (const shape of Object.keys(shapes) as Shape[]) {
    const times: number[] = [];
    for (const question of questions(shape, until, warm + counts[shape])) {
      const start = performance.now();
      await put(store, question, played.hosts);
      times.push(performance.now() - start);
    }
    asked[shape] = median(times.slice(warm));
  }
  return asked;
}
