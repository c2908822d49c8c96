import { expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { Schedule } from "./schedule.ts";

const zone = new Zone("America/New_York");

test.each([
  ["02:30, which the clocks leave out", "02:30", "2025-03-08", "2025-03-09T07:00:00Z", "2025-03-10T06:30:00Z"],
  ["01:30, which comes twice", "01:30", "2025-11-01", "2025-11-02T05:30:00Z", "2025-11-03T06:30:00Z"],
])(
  "at %s, the day before is reported once: at the first time after the gap, or the first of both",
  (_, time, date, due, next) => {
    const schedule = new Schedule({ zone, time });
    const at = Date.parse(due);
    const newest = (now: number): string | undefined => schedule.past(now)[0]?.day.date;
    expect([newest(at - 1) === date, newest(at), schedule.next(at - 1)]).toEqual([false, date, at]);
    // Not at midnight, when the next day begins, but a day later.
    const dayEnds = schedule.next(at);
    expect(schedule.next(dayEnds)).toBe(Date.parse(next));
  },
);
