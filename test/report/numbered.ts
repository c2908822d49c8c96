// Reports of one node and day, each with other values.
import { expectedRows, reportDay } from "../../hub/report/day.ts";
import type { NodeDay } from "../../hub/report/report.ts";
import { Zone } from "../../program/zone.ts";

/** A whole day of two cards whose every value is a number. */
export function numberedReport(number: number): NodeDay {
  const day = reportDay(new Zone("UTC"), "2025-08-01");
  if (day === undefined) throw new Error("There is such a day");
  const rows = expectedRows(day, Number.POSITIVE_INFINITY).map((at) => ({ at, gpu: number, vram: number }));
  return { node: { name: "gpu1" }, day, cards: [0, 1].map((index) => ({ index, card: index, rows })), issues: [] };
}
