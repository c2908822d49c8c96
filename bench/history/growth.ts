// Growth curves: cost of a sample and of a query as the history grows, over time and over hosts.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mark } from "./ingest.ts";
import { ingest } from "./ours.ts";
import { svg } from "./plot.ts";
import { type Shape, shapes } from "./question.ts";
import { type PlayedFleet, writeSamples } from "./samples.ts";

/** One point of a curve: cost of the samples since the previous point, and of queries at this point. */
export interface Point {
  readonly x: number;
  /** CPU seconds per million samples, and bytes written to the disk per sample. */
  readonly cpu: number;
  readonly disk: number;
  /** Bytes in files per sample, of all samples ever taken. */
  readonly bytes: number;
  readonly asked: Partial<Record<Shape, number>>;
}

/** Computes a point from a checkpoint. @param before the previous checkpoint, from which costs count */
export function point(mark: Mark, x: number, before?: Mark): Point {
  const samples = mark.samples - (before?.samples ?? 0);
  return {
    x,
    cpu: ((mark.cpu - (before?.cpu ?? 0)) / samples) * 1e6,
    disk: (mark.disk - (before?.disk ?? 0)) / samples,
    bytes: mark.bytes / mark.samples,
    asked: mark.asked,
  };
}

/** Computes the points of a curve. @param x the x value of each checkpoint */
export const points = (marks: readonly Mark[], x: readonly number[]): Point[] =>
  x.flatMap((value, i) => {
    const mark = marks[i];
    return mark ? [point(mark, value, marks[i - 1])] : [];
  });

/** Writes the samples of a fleet and measures the cost until each time of `marks` (Unix ms). */
export async function play(played: PlayedFleet, marks: readonly number[]): Promise<readonly Mark[]> {
  const folder = `${played.path}.data`;
  try {
    writeSamples(played);
    return await ingest({ folder, played, marks });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(played.path, { force: true });
  }
}

const names = Object.keys(shapes) as Shape[];

export function table(first: string, curve: readonly Point[]): string[] {
  const asked = ({ asked }: Point): string =>
    names.map((shape) => `${(asked[shape] ?? Number.NaN).toFixed(2)} ms`).join(" | ");
  return [
    `| ${first} | CPU s per million samples | bytes written per sample | bytes on disk per sample | ${names.map((shape) => `query-${shape}`).join(" | ")} |`,
    `|---|---|---|---|${names.map(() => "---|").join("")}`,
    ...curve.map(
      (point) =>
        `| ${point.x} | ${point.cpu.toFixed(3)} | ${point.disk.toFixed(2)} | ${point.bytes.toFixed(2)} | ${asked(point)} |`,
    ),
  ];
}

/** Draws each cost as a multiple of the first point's: a level line is a cost that does not grow. */
export function draw(
  file: string,
  { title, across }: { title: string; across: string },
  curve: readonly Point[],
): void {
  const share = (of: (point: Point) => number): number[] => curve.map((point) => of(point) / of(curve[0] ?? point));
  const lines = [
    { name: "CPU per sample", y: share(({ cpu }) => cpu) },
    { name: "bytes on disk per sample", y: share(({ bytes }) => bytes) },
    ...names.map((shape) => ({ name: `query-${shape}`, y: share(({ asked }) => asked[shape] ?? Number.NaN) })),
  ];
  writeFileSync(
    join(import.meta.dirname, "..", file),
    svg({ title, across, up: "cost relative to the first point", x: curve.map(({ x }) => x), lines }),
  );
}
