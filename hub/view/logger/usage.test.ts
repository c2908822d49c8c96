// The answers over the real store, beside those of a plain list of samples with their local hours as text: at every filter,
// in time zones of all kinds, before and after samples are compacted and deleted.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dayText, Zone } from "../../../program/zone.ts";
import { round } from "../../../proto/round.ts";
import { cases } from "../../../test/cases.ts";
import { RosterFixture } from "../../../test/roster.ts";
import { gpu, StoreFixture } from "../../../test/store.ts";
import { viewOf } from "../../../test/view.ts";
import type { Store } from "../../history/store.ts";
import { application } from "../../http/application.ts";
import { silent } from "../../log.ts";
import { logger } from "../logger.ts";

const minute = 60_000;
const day = 86_400_000;
/** Days with samples. */
const days = 5;

interface Row {
  readonly client: string;
  readonly gpu: number;
  /** Local "YYYY-MM-DD HH". */
  readonly hour: string;
  /** Hundredths of a percent. */
  readonly value: number;
}

interface Question {
  readonly start_date: string;
  readonly end_date: string;
  readonly client_name: string | null;
  readonly gpu_id: number | string | null;
}

/** Cards of hosts; the second host is shown under another name, and the first has had two cards at one index. */
const cards = [
  { host: "a", key: "GPU-a0", index: 0, until: 2 * day },
  { host: "a", key: "GPU-a0b", index: 0, from: 2 * day },
  { host: "a", key: "#1", index: 1 },
  { host: "b", key: "GPU-b0", index: 0 },
  { host: "gone", key: "GPU-g3", index: 3, until: day },
] as const satisfies readonly { host: string; key: string; index: number; from?: number; until?: number }[];
const shown: Readonly<Record<string, string>> = { b: "Blue lab" };

// Clocks are set within these days where they are set at all.
const places = [
  ["UTC", "2026-03-27"],
  ["Asia/Shanghai", "2026-03-27"],
  ["Asia/Kathmandu", "2026-03-27"],
  ["Europe/Berlin", "2026-03-27"],
  ["Europe/Berlin", "2026-10-23"],
  ["Australia/Lord_Howe", "2026-04-03"],
  ["Australia/Lord_Howe", "2026-10-02"],
  ["Africa/Cairo", "2026-04-22"],
] as const;
const phases = ["samples in memory", "samples in rows", "summaries of five minutes", "summaries of an hour"] as const;
/** Time zones in which an hour does not begin with one of UTC. */
const odd: ReadonlySet<string> = new Set(["Asia/Kathmandu", "Australia/Lord_Howe"]);

/** The exact sum of doubles, rounded once, as Python's math.fsum. */
function exactSum(values: readonly number[]): number {
  let partials: number[] = [];
  for (const value of values) {
    let x = value;
    const next: number[] = [];
    for (const y of partials) {
      const [big, small] = Math.abs(x) >= Math.abs(y) ? [x, y] : [y, x];
      const sum = big + small;
      const low = small - (sum - big);
      if (low !== 0) next.push(low);
      x = sum;
    }
    partials = [...next, x];
  }
  return partials.reduceRight((sum, part) => sum + part, 0);
}

const mean = (rows: readonly Row[]): number => rows.reduce((sum, { value }) => sum + value, 0) / 100 / rows.length;

function meanOfMeans(rows: readonly Row[], key: (row: Row) => string): number {
  const means = [...Map.groupBy(rows, key).values()].map(mean);
  return means.length === 0 ? 0 : exactSum(means) / means.length;
}

function expected(all: readonly Row[], { start_date, end_date, client_name, gpu_id }: Question) {
  const dayOf = ({ hour }: Row): string => hour.slice(0, 10);
  const named = (host: string): boolean =>
    !client_name || client_name === (shown[host] ?? host) || client_name === host;
  const rows = all.filter(
    (row) =>
      (gpu_id === null || row.gpu === Number(gpu_id)) &&
      named(row.client) &&
      dayOf(row) >= start_date &&
      dayOf(row) <= end_date,
  );
  const byHour = Map.groupBy(rows, ({ hour }) => hour);
  const byDay = Map.groupBy(rows, dayOf);
  const dates: string[] = [];
  for (let at = Date.parse(start_date); at <= Date.parse(end_date); at += day) {
    dates.push(new Date(at).toISOString().slice(0, 10));
  }
  const least = (some: readonly Row[]): number => some.reduce((a, { value }) => Math.min(a, value), 10_000) / 100;
  const most = (some: readonly Row[]): number => some.reduce((a, { value }) => Math.max(a, value), 0) / 100;
  return {
    statistics: {
      hourly_average: round(
        meanOfMeans(rows, ({ hour }) => hour),
        2,
      ),
      daily_average: round(meanOfMeans(rows, dayOf), 2),
      period_average: rows.length === 0 ? 0 : round(mean(rows), 2),
      max_utilization: most(rows),
      min_utilization: rows.length === 0 ? 0 : least(rows),
    },
    hourly: dates.flatMap((date) =>
      Array.from({ length: 24 }, (_, hour) => {
        const some = byHour.get(`${date} ${String(hour).padStart(2, "0")}`);
        return { date, hour, utilization: some === undefined ? 0 : round(mean(some), 2) };
      }),
    ),
    daily: dates.map((date) => {
      const some = byDay.get(date) ?? [];
      const min_utilization = some.length === 0 ? 0 : least(some);
      return { date: `${date.slice(5, 7)}/${date.slice(8)}`, min_utilization, max_utilization: most(some) };
    }),
  };
}

/** A generator of numbers from 0 up to 1: the same each time. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Appends samples at uneven times, with gaps of hours and now and then a row of late ones. */
async function fill(scene: StoreFixture, store: Store, { zone, from }: { zone: string; from: number }): Promise<Row[]> {
  const random = dice(from);
  const local = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit" },
  });
  const samples: { at: number; card: (typeof cards)[number]; value: number }[] = [];
  for (const card of cards) {
    const { from: first = 0, until = days * day } = { from: undefined, until: undefined, ...card };
    for (let at = first; at < until; at += Math.ceil(random() * (random() < 0.02 ? 600 : 20) * minute)) {
      samples.push({ at: from + at, card, value: Math.floor(random() * 10_001) });
    }
  }
  samples.sort((a, b) => a.at - b.at);
  const append = ({ at, card: { host, key, index }, value }: (typeof samples)[number]): void => {
    scene.now = Math.max(scene.now, at);
    store.append({ host, at, devices: [gpu({ gpu_utilization: value / 100, gpu_power: 1 }, key, index)] });
  };
  for (const sample of samples.filter((_, i) => i % 50 >= 5)) append(sample);
  // Some come late, into blocks that are compacted.
  await scene.leap(2 * minute);
  for (const sample of samples.filter((_, i) => i % 50 < 5)) append(sample);
  return samples.map(({ at, card: { host, index }, value }) => ({
    ...{ client: host, gpu: index, value, hour: local.format(at) },
  }));
}

/** Lets everything expire but the summaries of some milliseconds and longer ones. */
async function expire(scene: StoreFixture, store: Store, summary: number): Promise<void> {
  const fiveMinutes = summary > 5 * minute ? day : 400 * day;
  scene.retention = { raw: day, fiveMinutes, hour: 400 * day, day: 400 * day };
  await scene.leap(30 * day);
  const series = [{ host: "a", level: "gpu" as const, key: "#1", metric: "gpu_utilization" }];
  const range = { from: 0, to: scene.now, step: 0 };
  for (let tries = 0; tries < 100; tries++) {
    // A leap of the clock is believed when it has gone on for an hour.
    await scene.pass(600_000);
    // What the store does by itself takes turns of the event loop, and only then waits for its next timer.
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
    const [left] = await store.read({ series, range, of: ["count"], most: 1e6 });
    expect(left?.t.length).toBeGreaterThan(50);
    if (left?.t.every((t) => t % summary === 0)) return;
  }
  throw new Error("they do not expire");
}

describe.each(places)("%s from %s", (zone, date) => {
  const from = Date.parse(`${date}T00:00:00Z`) - 12 * 3_600_000;
  let scene: StoreFixture;
  let rows: readonly Row[];
  let app: ReturnType<typeof application>;
  let store: Store;

  beforeAll(async () => {
    scene = new StoreFixture();
    scene.now = from;
    store = scene.open();
    rows = await fill(scene, store, { zone, from });
    const names = new RosterFixture();
    names.write({ hosts: [{ name: "b", shown: "Blue lab" }] });
    const hub = { ...viewOf({ history: store, clock: scene.clock, zone: () => new Zone(zone) }), roster: names.roster };
    app = application([await logger.open(hub, {})], { log: silent, entry: hub.identity });
  });
  afterAll(() => scene.remove());

  const ask = async (query: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await app.request(`/api/gpu/${query}`, { method: "POST", body: JSON.stringify(body) });
    return ((await answer.json()) as { data: Record<string, unknown> }).data;
  };

  const first = Math.floor(from / day);
  const aDay = fc.integer({ min: first - 2, max: first + days + 3 }).map(dayText);
  const question: fc.Arbitrary<Question> = fc.record({
    start_date: aDay,
    end_date: aDay,
    client_name: fc.constantFrom(null, null, "", "a", "b", "Blue lab", "gone", "nobody"),
    gpu_id: fc.constantFrom(null, null, 0, "0", 1, 3, 7),
  });

  const exact = phases.filter((phase) => !(odd.has(zone) && phase === "summaries of an hour"));
  test.each(exact)("the three answers are those of the plain list, from %s", async (phase) => {
    if (phase === "samples in rows") await scene.leap(2 * day);
    if (phase === "summaries of five minutes") await expire(scene, store, 5 * minute);
    if (phase === "summaries of an hour") await expire(scene, store, 60 * minute);
    const check = async (body: Question): Promise<void> => {
      const wanted = expected(rows, body);
      expect(await ask("statistics", body)).toMatchObject(wanted.statistics);
      expect((await ask("hourly-usage", body)).chart_data).toEqual(wanted.hourly);
      expect((await ask("daily-usage", body)).chart_data).toEqual(wanted.daily);
    };
    await fc.assert(fc.asyncProperty(question, check), { numRuns: Math.ceil(cases.numRuns / 250) });
  });
});
