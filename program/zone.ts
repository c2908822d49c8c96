import type { SettingReader } from "./setting.ts";

const dayMs = 86_400_000;
/** Every change of an offset since 1970 is at a multiple of this. Milliseconds. */
const sliceMs = 900_000;
/** No zone changes its offset twice within this time. Milliseconds. */
const strideMs = 8 * dayMs;
/** Slices whose offset is remembered. */
const mostSlices = 20_000;

/** "2026-11-28 08:30:05", also with "T", a fraction of a second, or an offset from UTC. */
const written = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?$/;
const date = /^(\d{4})-(\d\d)-(\d\d)$/;

/** Name of the system's time zone. */
const systemZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A time without a change of the offset: from ≤ t < to, Unix milliseconds. */
export interface OffsetSpan {
  readonly from: number;
  readonly to: number;
  /** Milliseconds by which local time is ahead of UTC. */
  readonly offset: number;
}

/** Converts between Unix milliseconds and the local time of a time zone. */
export class Zone {
  /** IANA name. */
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  /** Offsets by number of their slice. */
  readonly #offsets = new Map<number, number>();

  /** @param name IANA name; "" for the system's zone. @throws RangeError for an unknown one */
  constructor(name = "") {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: name === "" ? systemZone() : name,
      hourCycle: "h23",
      ...{ year: "numeric", month: "2-digit", day: "2-digit" },
      ...{ hour: "2-digit", minute: "2-digit", second: "2-digit" },
    });
    this.name = this.#format.resolvedOptions().timeZone;
  }

  /** Milliseconds by which local time is ahead of UTC at a time. */
  offset(at: number): number {
    const slice = Math.floor(at / sliceMs);
    const known = this.#offsets.get(slice);
    if (known !== undefined) return known;
    const start = slice * sliceMs;
    const parts = new Map(this.#format.formatToParts(start).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? Number.NaN;
    const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
    if (this.#offsets.size >= mostSlices) this.#offsets.clear();
    this.#offsets.set(slice, local - start);
    return local - start;
  }

  /** Local time as "YYYY-MM-DD HH:MM:SS"; fractions of a second are cut off. */
  format(at: number): string {
    return new Date(at + this.offset(at)).toISOString().slice(0, 19).replace("T", " ");
  }

  /**
   * Reads a local time, or one with an offset from UTC. A local time that there are two of, when clocks are set back, is the
   * first one; one that there is none of, when they are set forward, is as much later as they are set.
   * @returns Unix milliseconds; undefined if it is not a time
   */
  parse(text: string): number | undefined {
    const [whole, year, month, day, hour, minute, second, fraction = "", zone] = written.exec(text) ?? [];
    if (whole === undefined) return undefined;
    const local = Date.UTC(
      Number(year),
      Number(month) - 1,
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
      Number(fraction.padEnd(3, "0").slice(0, 3)),
    );
    // Date.UTC takes 30 February for 2 March.
    const isValid = new Date(local).toISOString().slice(0, 19) === `${text.slice(0, 10)}T${text.slice(11, 19)}`;
    if (!isValid || Number(year) < 1970) return undefined;
    if (zone === undefined) return this.#instant(local);
    const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
    const offset = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * 60_000;
    return local - (sign === "-" ? -offset : offset);
  }

  /** Local day of a time: "YYYY-MM-DD". */
  dayOf(at: number): string {
    return this.format(at).slice(0, 10);
  }

  /**
   * Start of a local day, which has 23 or 25 hours when clocks are set.
   * @param day "YYYY-MM-DD"
   * @returns Unix milliseconds; undefined if it is not a day
   */
  startOfDay(day: string): number | undefined {
    return date.test(day) ? this.parse(`${day} 00:00:00`) : undefined;
  }

  /** Divides a range of time at every change of the offset; no span for an empty range. */
  spans(from: number, to: number): OffsetSpan[] {
    const spans: OffsetSpan[] = [];
    for (let start = from; start < to; ) {
      const end = this.#change(start, to);
      spans.push({ from: start, to: end, offset: this.offset(start) });
      start = end;
    }
    return spans;
  }

  /** The first change of the offset after a time; `to` if there is none before it. */
  #change(start: number, to: number): number {
    const offset = this.offset(start);
    for (let same = start; same < to; same += strideMs) {
      const next = Math.min(same + strideMs, to);
      if (this.offset(next) === offset) continue;
      let low = Math.floor(same / sliceMs);
      let high = Math.floor(next / sliceMs);
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (this.offset(middle * sliceMs) === offset) low = middle;
        else high = middle;
      }
      return high * sliceMs;
    }
    return to;
  }

  #instant(local: number): number {
    const before = this.offset(local - dayMs);
    const early = local - before;
    if (this.offset(early) === before) return early;
    const after = this.offset(local + dayMs);
    return this.offset(local - after) === after ? local - after : early;
  }
}

/** Counts the days from 1970-01-01 to a day. @param day "YYYY-MM-DD" @returns undefined if it is not a day */
export function dayNumber(day: string): number | undefined {
  const start = date.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  // Some engines take 30 February for 2 March.
  return Number.isNaN(start) || dayText(start / dayMs) !== day ? undefined : start / dayMs;
}

/** The day that is a number of days after 1970-01-01: "YYYY-MM-DD". */
export const dayText = (number: number): string => new Date(number * dayMs).toISOString().slice(0, 10);

/** The day after a day, both "YYYY-MM-DD". */
export const dayAfter = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + dayMs).toISOString().slice(0, 10);

/**
 * True for abbreviations that engines know beside the names of IANA, which mean something else than most who write them think:
 * CST is Chicago's time there, and China's for many.
 */
const isAmbiguous = (name: string): boolean =>
  /^[a-z]{3}$/i.test(name) && !/^(UTC|UCT|GMT|CET|EET|MET|WET|EST|HST|MST|PRC|ROC|ROK)$/i.test(name);

/** An IANA time zone; "" for the system's. */
export const timeZone: SettingReader<string> = {
  wanted: 'a time zone such as "Asia/Shanghai" or "UTC", or nothing',
  schema: { type: "string" },
  parse(value) {
    if (typeof value !== "string" || /^[+-]/.test(value) || isAmbiguous(value)) return undefined;
    try {
      return value === "" ? "" : new Zone(value).name && value;
    } catch {
      return undefined; // Intl does not know it.
    }
  },
};
