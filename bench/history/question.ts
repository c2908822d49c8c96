// Generates the benchmark's queries from a seed, each of another series and time, so that caches of answers do not help.
import { dice, gpus } from "./model.ts";
import { type Column, endOf, type PlayedFleet } from "./samples.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Shapes of queries, with their step in milliseconds. */
export const shapes = {
  /** One series, 24 hours. */
  series: minute,
  /** One series, every sample of 24 hours. */
  raw: 0,
  /** One metric of the eight GPUs of a host, 7 days: average, minimum and maximum. */
  week: 5 * minute,
  /** Average over all hosts, 24 hours. */
  fleet: 5 * minute,
} as const;

export type Shape = keyof typeof shapes;

export interface Question {
  readonly shape: Shape;
  readonly host: number;
  readonly column: Column;
  /** Time range in Unix milliseconds, multiples of the step, half-open. */
  readonly from: number;
  readonly to: number;
}

const spans: Readonly<Record<Shape, number>> = { series: day, raw: day, week: 7 * day, fleet: day };

function columnFor(shape: Shape, columns: readonly Column[], random: () => number): Column | undefined {
  const wanted = columns.filter(({ level, device }) => {
    if (shape === "fleet") return level === "host";
    return shape !== "week" || (level === "gpu" && device === 0);
  });
  return wanted[Math.floor(random() * wanted.length)];
}

/** Generates `count` queries of one shape. No query is repeated before all different ones were used. */
export function questions(shape: Shape, played: PlayedFleet, count: number): Question[] {
  const random = dice(shape.length * 7919 + played.hosts);
  const grid = Math.max(shapes[shape], minute);
  const end = Math.floor(endOf(played) / grid) * grid;
  const room = Math.max(0, end - spans[shape] - played.from);
  const asked = new Set<string>();
  const all: Question[] = [];
  for (let tries = 0; all.length < count; tries++) {
    const host = Math.floor(random() * played.hosts);
    const column = columnFor(shape, played.columns, random);
    if (column === undefined) return [];
    const to = end - Math.floor((random() * room) / grid) * grid;
    const id = shape === "fleet" ? `${column.metric} ${to}` : `${host} ${column.device} ${column.metric}`;
    if (asked.has(id) && tries < 20 * count) continue;
    asked.add(id);
    all.push({ shape, host, column, from: Math.max(to - spans[shape], played.from), to });
  }
  return all;
}

/** Returns the indices of the devices of a query: all GPUs for shape "week", else one. */
export const devicesOf = (question: Question): number[] =>
  question.shape === "week" ? Array.from({ length: gpus }, (_, i) => i) : [question.column.device];
