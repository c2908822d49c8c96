// What a sample and a question cost when history grows: over time, and over hosts.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mark } from "./ingest.ts";
import { ingest } from "./ours.ts";
import { svg } from "./plot.ts";
import { type Shape, shapes } from "./question.ts";
import { type Played, writeSamples } from "./samples.ts";

/** One point of a curve: costs of the samples since the point before, and of questions asked then. */
export interface Point {
  readonly x: number;
  /** CPU seconds for a million samples, bytes towards the disk for each. */
  readonly cpu: number;
  readonly disk: number;
  /** Bytes in files, for each sample that was ever taken. */
  readonly bytes: number;
  readonly asked: Partial<Record<Shape, number>>;
}

/** @param before the mark since which the costs count */
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

/** @param x what each mark stands for */
export const points = (marks: readonly Mark[], x: readonly number[]): Point[] =>
  x.flatMap((value, i) => {
    const mark = marks[i];
    return mark ? [point(mark, value, marks[i - 1])] : [];
  });

/** Plays a fleet and tells what it cost until each of `marks` (Unix ms). */
export async function play(played: Played, marks: readonly number[]): Promise<readonly Mark[]> {
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
    `| ${first} | CPU s a million samples | bytes written a sample | bytes on disk a sample | ${names.map((shape) => `query-${shape}`).join(" | ")} |`,
    `|---|---|---|---|${names.map(() => "---|").join("")}`,
    ...curve.map(
      (point) =>
        `| ${point.x} | ${point.cpu.toFixed(3)} | ${point.disk.toFixed(2)} | ${point.bytes.toFixed(2)} | ${asked(point)} |`,
    ),
  ];
}

/** Each cost against that of the first point: a level line is a cost that does not grow. */
export function draw(
  file: string,
  { title, across }: { title: string; across: string },
  curve: readonly Point[],
): void {
  const share = (of: (point: Point) => number): number[] => curve.map((point) => of(point) / of(curve[0] ?? point));
  const lines = [
    { name: "CPU a sample", y: share(({ cpu }) => cpu) },
    { name: "bytes on disk a sample", y: share(({ bytes }) => bytes) },
    ...names.map((shape) => ({ name: `query-${shape}`, y: share(({ asked }) => asked[shape] ?? Number.NaN) })),
  ];
  writeFileSync(
    join(import.meta.dirname, "..", file),
    svg({ title, across, up: "cost, as multiple of the first", x: curve.map(({ x }) => x), lines }),
  );
}
