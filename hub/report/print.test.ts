import fc from "fast-check";
import { expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { hidden } from "../../proto/clean.ts";
import { cases } from "../../test/cases.ts";
import { expectedRows, reportDay } from "./day.ts";
import { printReport } from "./print.ts";
import type { CardFigures, ReportFigures } from "./report.ts";

function figuresOf(cards: readonly Partial<CardFigures>[], node = "n1", date = "2025-08-01"): ReportFigures {
  const whole = cards.map((card, index) => ({
    ...{ index, card: undefined, gpu: undefined, vram: undefined, user: undefined, rows: [] },
    ...card,
  }));
  return { node, date, cards: whole, gpu: 0, vram: 0, rows: 0, expected: 0 };
}

/** Making one is slow. */
const zones = new Map(["UTC", "Asia/Taipei", "America/New_York"].map((name) => [name, new Zone(name)]));

function print(figures: ReportFigures, zone = "UTC", language: "en" | "zh-CN" | "zh-TW" = "en"): string {
  const day = reportDay(zones.get(zone) ?? new Zone(zone), figures.date);
  if (day === undefined) throw new Error("the test has a wrong day");
  return [...printReport(figures, { day, language, expected: expectedRows(day, day.to).length })].join("");
}

const hours = (html: string): string[] =>
  [...html.matchAll(/<text x="([\d.]+)"[^>]*>(\d\d:\d\d)</g)].map(([, x, label]) => `${label} ${x}`);

test.each([
  ["Asia/Taipei", "2025-08-01", ["00:00 0", "06:00 85", "12:00 170", "18:00 255", "24:00 340"]],
  // Clocks are set forward at 02:00: a day of 23 hours.
  ["America/New_York", "2025-03-09", ["00:00 0", "06:00 73.9", "12:00 162.6", "18:00 251.3", "24:00 340"]],
  ["America/New_York", "2025-11-02", ["00:00 0", "06:00 95.2", "12:00 176.8", "18:00 258.4", "24:00 340"]],
])("%s, %s: charts name local hours at their places", (zone, date, wanted) => {
  expect(hours(print(figuresOf([{}], "n1", date), zone))).toEqual(wanted);
});

test("a row is drawn at the end of its ten minutes, and a line is broken where rows are missing", () => {
  const from = Date.UTC(2025, 7, 1) / 1000;
  const row = (place: number, gpu: number) => ({ at: from + 600 * (place + 1), gpu, vram: 0 });
  const html = print(figuresOf([{ rows: [row(0, 0), row(1, 50), row(143, 100)], gpu: 50, vram: 0 }]));
  const [, gpu] = /<path class="gpu" d="([^"]*)"/.exec(html) ?? [];
  expect(gpu).toBe("M0 60h0L2.4 30M340 0h0");
});

test("rows outside of the day, as of another zone, are in the table and not in the charts", () => {
  const at = Date.UTC(2025, 6, 31) / 1000;
  const html = print(figuresOf([{ rows: [{ at, gpu: 1, vram: 1 }], gpu: 1, vram: 1 }]));
  expect(html).toContain('<path class="gpu" d=""/>');
  expect(html).toContain("1 of 144");
});

test("a row of the interval that runs is none too many", () => {
  const rows = [600, 1200, 1800].map((end) => ({ at: Date.UTC(2025, 7, 1) / 1000 + end, gpu: 1, vram: 1 }));
  const figures = { ...figuresOf([{ rows, gpu: 1, vram: 1 }]), rows: 3 };
  const day = reportDay(new Zone("UTC"), figures.date);
  if (day === undefined) throw new Error("the test has a wrong day");
  const html = [...printReport(figures, { day, language: "en", expected: 2 })].join("");
  expect(html.match(/\d+ of \d+/g)).toEqual(["2 of 2", "2 of 2", "2 of 2"]);
});

test("what is unknown is said to be so, never 0", () => {
  const html = print(figuresOf([{}, { gpu: 0, vram: 0.14, user: "alice" }]));
  expect(html).toContain('<td>GPU[0]</td><td class="number"></td><td class="number">no data</td>');
  expect(html).toContain('<td class="number">0.00 %</td><td class="number">0.14 %</td>');
  expect(print(figuresOf([{}]))).not.toContain("0.00 %");
});

test.each([
  ["zh-CN", "GPU 每日报告", "未使用"],
  ["zh-TW", "GPU 每日報告", "未使用"],
] as const)("%s has its own words and no English ones", (language, title, nobody) => {
  const html = print(figuresOf([{}, {}]), "UTC", language);
  expect([html.includes(title), html.includes(nobody)]).toEqual([true, true]);
  const text = html.replace(/<style>[\s\S]*?<\/style>|<[^>]*>/g, " ");
  expect([...new Set(text.match(/[A-Za-z]{2,}/g))].sort()).toEqual(
    language === "zh-CN" ? ["GPU", "UTC"] : ["GPU", "UTC", "VRAM"],
  );
});

test("no name of a node or user changes the page: it has the same tags, and no hidden character", () => {
  const tags = (html: string): string[] => html.match(/<[^>]*>/g) ?? [];
  const plain = tags(print(figuresOf([{ user: "x" }], "x")));
  const name = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom('"><script>', "</td></table>", "' onload='x", "&lt;", "\u202egnp.exe", "\u001b[31m", "]]>", "<!--"),
  );
  fc.assert(
    fc.property(name, name, (node, user) => {
      const html = print(figuresOf([{ user }], node));
      expect(tags(html).length).toBe(plain.length);
      expect(html.replace(/[\n\x20-\x7e]+/g, "").search(hidden)).toBe(-1);
    }),
    cases,
  );
});
