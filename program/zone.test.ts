import fc from "fast-check";
import { expect, test } from "vitest";
import { dayAfter, dayNumber, dayText, timeZone, Zone } from "./zone.ts";

const at = (iso: string): number => Date.parse(iso);

test.each([
  ["Asia/Shanghai", "2026-11-28 08:30:05", "2026-11-28T00:30:05Z"],
  ["UTC", "2026-11-28 08:30:05", "2026-11-28T08:30:05Z"],
  ["Asia/Kathmandu", "2026-11-28 05:45:00", "2026-11-28T00:00:00Z"],
  ["Australia/Lord_Howe", "2026-07-01 10:30:00", "2026-07-01T00:00:00Z"],
  ["America/St_Johns", "2026-01-01 00:00:00", "2026-01-01T03:30:00Z"],
])("in %s %s is %s, and back", (name, text, iso) => {
  const zone = new Zone(name);
  expect(zone.parse(text)).toBe(at(iso));
  expect(zone.format(at(iso))).toBe(text);
});

test.each([
  // Clocks are set forward from 02:00 to 03:00, and back from 03:00 to 02:00.
  ["2026-03-29 01:59:59", "2026-03-29T00:59:59Z"],
  ["2026-03-29 02:30:00", "2026-03-29T01:30:00Z"],
  ["2026-03-29 03:00:00", "2026-03-29T01:00:00Z"],
  ["2026-10-25 01:59:59", "2026-10-24T23:59:59Z"],
  ["2026-10-25 02:30:00", "2026-10-25T00:30:00Z"],
  ["2026-10-25 03:00:00", "2026-10-25T02:00:00Z"],
])("in Berlin %s is %s", (text, iso) => {
  expect(new Zone("Europe/Berlin").parse(text)).toBe(at(iso));
});

test("a day begins at its first instant, also where there is no midnight, and may have 23 or 25 hours", () => {
  const hours = (zone: Zone, day: string): number =>
    ((zone.startOfDay(dayAfter(day)) ?? 0) - (zone.startOfDay(day) ?? 0)) / 3_600_000;
  const berlin = new Zone("Europe/Berlin");
  expect([hours(berlin, "2026-03-29"), hours(berlin, "2026-10-25"), hours(berlin, "2026-03-30")]).toEqual([23, 25, 24]);
  const cairo = new Zone("Africa/Cairo");
  expect(cairo.startOfDay("2026-04-24")).toBe(at("2026-04-23T22:00:00Z"));
  expect(hours(cairo, "2026-04-24")).toBe(23);
  expect(cairo.dayOf(at("2026-04-23T21:59:59Z"))).toBe("2026-04-23");
  expect([berlin.startOfDay("2026-02-30"), berlin.startOfDay("2026-2-3"), berlin.startOfDay("today")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(dayAfter("2028-02-28")).toBe("2028-02-29");
});

test.each([
  ["2026-11-28T08:30:05", "2026-11-28T08:30:05Z"],
  ["2026-11-28 08:30:05.5", "2026-11-28T08:30:05.500Z"],
  ["2026-11-28 08:30:05.123456", "2026-11-28T08:30:05.123Z"],
  ["2026-11-28T08:30:05Z", "2026-11-28T08:30:05Z"],
  ["2026-11-28 08:30:05+08:00", "2026-11-28T00:30:05Z"],
  ["2026-11-28 08:30:05-0330", "2026-11-28T12:00:05Z"],
])("%s is also read", (text, iso) => {
  expect(new Zone("UTC").parse(text)).toBe(at(iso));
});

test.each([
  "",
  "now",
  "2026-13-01 00:00:00",
  "2026-02-29 00:00:00",
  "2026-11-28",
  "2026-11-28 24:00:00",
  "2026-11-28 8:30:05",
  "0000-01-01 00:00:00",
  "2026-11-28 08:30:05 ",
])("%j is not a time", (text) => {
  expect(new Zone("UTC").parse(text)).toBeUndefined();
});

test("any second is written and read back, but for an hour that comes twice", () => {
  const zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"];
  const held = new Map(zones.map((name) => [name, new Zone(name)]));
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.integer({ min: 86_400, max: 4_102_444_800 }), (name, second) => {
      const zone = held.get(name) as Zone;
      const back = zone.parse(zone.format(second * 1000)) ?? Number.NaN;
      const early = second * 1000 - back;
      expect(early === 0 || (early > 0 && early <= 3_600_000 && zone.format(back) === zone.format(second * 1000))).toBe(
        true,
      );
    }),
  );
});

test("a time zone is a name that the system knows", () => {
  expect(["", "UTC", "Asia/Shanghai", "ROC"].map((name) => timeZone.parse(name))).toEqual([
    "",
    "UTC",
    "Asia/Shanghai",
    "ROC",
  ]);
  expect(["Mars/Base", "+08:00", "CST", "ist", 8, null].map((name) => timeZone.parse(name))).toEqual(
    Array(6).fill(undefined),
  );
});

test.each(["UTC", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"])(
  "in %s a range is divided where the offset changes, and nowhere else",
  (name) => {
    const zone = new Zone(name);
    const minutes = 15 * 60_000;
    const [first, last] = [at("2010-01-01T00:00:00Z") / minutes, at("2028-01-01T00:00:00Z") / minutes];
    const moment = fc.integer({ min: first, max: last });
    const check = (a: number, b: number): void => {
      const [from, to] = [Math.min(a, b) * minutes, Math.max(a, b) * minutes];
      const spans = zone.spans(from, to);
      expect([spans[0]?.from ?? from, spans.at(-1)?.to ?? to]).toEqual([from, to]);
      for (const [i, span] of spans.entries()) {
        const next = spans[i + 1];
        expect([span.from < span.to, zone.offset(span.from)]).toEqual([true, span.offset]);
        expect(zone.offset(span.to - 1)).toBe(span.offset);
        if (next === undefined) continue;
        expect(next.from).toBe(span.to);
        expect(next.offset).not.toBe(span.offset);
      }
    };
    fc.assert(fc.property(moment, moment, check), { numRuns: 20 });
    expect(zone.spans(last, first)).toEqual([]);
  },
);

test("days have numbers, from 1970-01-01 on and before", () => {
  for (const [day, number] of [
    ["1970-01-01", 0],
    ["1969-12-31", -1],
    ["2028-02-29", 21_243],
    ["0001-01-01", -719_162],
    ["9999-12-31", 2_932_896],
  ] as const) {
    expect([dayNumber(day), dayText(number)]).toEqual([number, day]);
  }
  for (const wrong of [
    "",
    "2026-02-30",
    "2027-02-29",
    "2026-13-01",
    "2026-1-01",
    "10000-01-01",
    "2026-01-01 ",
    "today",
  ]) {
    expect(dayNumber(wrong)).toBeUndefined();
  }
});
