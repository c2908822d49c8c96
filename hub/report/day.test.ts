import { expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { expectedRows, reportDay } from "./day.ts";

const hour = 3600;

test.each([
  ["UTC", "2025-08-01", Date.UTC(2025, 7, 1) / 1000, 144],
  ["Asia/Taipei", "2025-08-01", Date.UTC(2025, 6, 31, 16) / 1000, 144],
  ["America/New_York", "2025-03-09", Date.UTC(2025, 2, 9, 5) / 1000, 138],
  ["America/New_York", "2025-11-02", Date.UTC(2025, 10, 2, 4) / 1000, 150],
  // Clocks are set by half an hour.
  ["Australia/Lord_Howe", "2025-04-06", Date.UTC(2025, 3, 5, 13) / 1000, 147],
  // The day begins at 01:00.
  ["Africa/Cairo", "2025-04-25", Date.UTC(2025, 3, 24, 22) / 1000, 138],
])("a day in %s, %s, has its rows", (zone, date, from, rows) => {
  const day = reportDay(new Zone(zone), date);
  expect([day?.date, day?.from]).toEqual([date, from]);
  const times = day === undefined ? [] : expectedRows(day, Number.POSITIVE_INFINITY);
  expect([times.length, times[0], times.at(-1)]).toEqual([rows, from + 600, day?.to]);
});

test("a date may lack zeros, as Python's dates may", () => {
  expect(reportDay(new Zone("UTC"), "2025-8-1")?.date).toBe("2025-08-01");
  expect(reportDay(new Zone("UTC"), "2025-12-3")?.date).toBe("2025-12-03");
});

test.each([
  "",
  "2025-02-30",
  "2025-13-01",
  "2025-00-10",
  "20250801",
  "2025/08/01",
  "01-08-2025",
  "2025-08-01 ",
  "2025-08-01T00:00",
  "2025-008-01",
  "1969-12-31",
  "../../etc",
  "today",
])("%j is no date", (text) => {
  expect(reportDay(new Zone("UTC"), text)).toBeUndefined();
});

test("a day that a zone left out is no date", () => {
  expect(reportDay(new Zone("Pacific/Apia"), "2011-12-30")).toBeUndefined();
});

test("today has rows of intervals that have ended", () => {
  const day = reportDay(new Zone("UTC"), "2025-08-01");
  if (day === undefined) throw new Error("no day");
  const rows = (now: number): number => expectedRows(day, now).length;
  expect([rows(day.from - hour), rows(day.from), rows(day.from + 599), rows(day.from + 600)]).toEqual([0, 0, 0, 1]);
  expect([rows(day.to - 1), rows(day.to), rows(day.to + hour)]).toEqual([143, 144, 144]);
});
