// Samples older than samples are kept, as imports bring them: in the summaries exactly, and once however often they come.
import { cpSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { Model } from "../../../test/model.ts";
import { all, ask, day, gpu, hour, poll, StoreFixture, start, temperature } from "../../../test/store.ts";
import { type HostSample, kept, type SeriesId, type Store } from "../store.ts";
import { blockMs, groupKeys } from "./key.ts";

let scene: StoreFixture;
beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

/** The clock of the hub, and ages of samples of which all summaries are kept, those of hours and days, and those of days. */
const now = start + 48 * day;
const ages = { five: 5 * day, hour: 12 * day, day: 40 * day } as const;
const steps = { five: 300_000, hour, day } as const;
const retention = { raw: 2 * day, fiveMinutes: 8 * day, hour: 20 * day, day: Number.POSITIVE_INFINITY };

const temp = (value: number) => gpu({ gpu_temperature: value });
const keys = ["GPU-1", "GPU-2"];
const series: readonly SeriesId[] = keys.flatMap((key): SeriesId[] =>
  ["gpu_temperature", "gpu_xid"].map((metric) => ({ host: "a", level: "gpu", key, metric })),
);

const polls = fc
  .uniqueArray(
    fc.record({
      at: fc.integer({ min: 0, max: 2 * 24 * 60 - 1 }),
      value: fc.integer({ min: 0, max: 90 }),
      gpus: fc.constantFrom([0], [1], [0, 1]),
    }),
    { minLength: 1, maxLength: 60, selector: ({ at }) => at },
  )
  .map((all) => all.sort((a, b) => a.at - b.at));

type Poll = { readonly at: number; readonly value: number; readonly gpus: readonly number[] };

/** What waits between two batches: nothing, a tick of the keeper, an end of the hub, or an hour in which all is tidied up. */
const wait = fc.constantFrom("no", "tick", "restart", "hour");

async function answers(
  store: Store,
  age: number,
  of: readonly (300_000 | typeof hour | typeof day)[],
): Promise<object[]> {
  const range = { from: now - age, to: now - age + 2 * day };
  const found: object[] = [];
  for (const step of of) {
    for (const id of series) {
      const { t, count, min, max, avg } = await ask(store, id, { ...range, step }, "count", "min", "max", "avg");
      // The mean of a counter means nothing.
      const mean = id.metric === "gpu_xid" ? [] : Array.from(avg, (one) => Math.round(one * 1e6));
      found.push({ id, step, t: [...t], count: [...count], min: [...min], max: [...max], mean });
    }
  }
  return found;
}

/** Lets the keeper do all that is due, and retention with it. */
const settle = (): Promise<void> => scene.pass(40 * 60_000);

test.each(["five", "hour", "day"] as const)(
  "whatever is imported, in whatever batches, is in the summaries as if it had been there in time, and once if it comes again: %s",
  async (tier) => {
    const age = ages[tier];
    const coarse = ([300_000, hour, day] as const).filter((step) => step >= steps[tier]);
    await fc.assert(
      fc.asyncProperty(
        polls,
        fc.array(fc.tuple(fc.nat(60), wait), { maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        async (all, cuts, reverse, raised) => {
          scene.remove();
          scene = new StoreFixture();
          scene.now = now;
          scene.retention = retention;
          let store = scene.open();
          const model = new Model();
          const sampleOf = ({ at, value, gpus }: Poll): HostSample => ({
            host: "a",
            at: now - age + at * 60_000,
            devices: gpus.map((i) => gpu({ gpu_temperature: value + i, gpu_xid: at }, keys[i], i)),
          });
          for (const poll of all) model.append(sampleOf(poll));
          const wanted = await answers(model, age, coarse);
          // An interruption that retention had time to follow may cost a part of a bucket at its seam, until all comes again in
          // one go: a bucket whose samples are gone takes the greater of two deliveries, and one that ends in it is two.
          const seamless = cuts.every(([, how]) => how !== "hour");
          const deliver = async (waits: boolean): Promise<void> => {
            const waiting = new Map(cuts.map(([place, how]) => [place % all.length, how]));
            for (const [i, poll] of (reverse ? all.toReversed() : all).entries()) {
              const how = waiting.get(i);
              if (how === "tick") await scene.pass(30_000);
              if (how === "hour" && waits) await settle();
              if (how === "restart" && (waits || seamless)) {
                scene.shut(store);
                store = scene.open();
              }
              store.append(sampleOf(poll));
              await store.ready();
            }
            await settle();
          };
          await deliver(true);
          if (seamless) {
            expect(await answers(store, age, coarse)).toEqual(wanted);
            // Some of it once more, at every moment, also if it is not too old any more.
            if (raised) scene.retention = { ...retention, raw: 50 * day, fiveMinutes: 50 * day };
            for (const poll of all) if (poll.at % 3 === 0) store.append(sampleOf(poll));
            for (const ms of [0, 65_000, 30_000]) {
              await scene.pass(ms);
              expect(await answers(store, age, coarse)).toEqual(wanted);
            }
            await settle();
            expect(await answers(store, age, coarse)).toEqual(wanted);
          }
          await deliver(false);
          expect(await answers(store, age, coarse)).toEqual(wanted);
        },
      ),
      { numRuns: Math.ceil(cases.numRuns / 300) },
    );
  },
  30 * cases.numRuns,
);

const at = (age: number, ms: number): HostSample => ({
  host: "a",
  at: now - age + ms,
  devices: [gpu({ gpu_temperature: 7 })],
});
const counts = async (store: Store, age: number, step: number): Promise<number[]> => {
  const range = { from: now - age, to: now - age + day, step };
  return [
    ...(await ask(store, { ...at(age, 0), level: "gpu", key: "GPU-1", metric: "gpu_temperature" }, range, "count"))
      .count,
  ];
};

test.each(["five", "hour", "day"] as const)(
  "an import of a day may take longer than a round of retention, and come back to where it was: %s",
  async (tier) => {
    scene.now = now;
    scene.retention = retention;
    const store = scene.open();
    store.append(at(ages[tier], 0));
    for (let i = 0; i < 90; i++) {
      store.append(at(ages[tier], 12 * hour + i * 1000));
      await scene.pass(20_000);
    }
    store.append(at(ages[tier], 1000));
    await settle();
    for (const step of [300_000, hour, day].filter((one) => one >= steps[tier])) {
      const found = await counts(store, ages[tier], step);
      expect([step, found]).toEqual([step, step === day ? [92] : [2, 90]]);
    }
  },
);

test("an hour that is imported anew with more samples is in its day beside the other hours, whose 5 minutes are gone", async () => {
  scene.now = now;
  scene.retention = retention;
  const store = scene.open();
  for (let i = 0; i < 48; i++) store.append(at(ages.hour, (i * hour) / 2));
  await settle();
  for (let i = 0; i < 5; i++) store.append(at(ages.hour, 3 * hour + i * 1000));
  await settle();
  const hours = Array.from({ length: 24 }, (_, i) => (i === 3 ? 5 : 2));
  expect(await counts(store, ages.hour, hour)).toEqual(hours);
  expect(await counts(store, ages.hour, day)).toEqual([51]);
});

test.each(["going on", "started again"])(
  "means of hours that are imported once retention is longer do not take the place of the samples that they were made of: a hub %s",
  async (how) => {
    const id = { ...at(0, 0), level: "gpu", key: "GPU-1", metric: "gpu_temperature" } as const;
    const range = { from: now - ages.five, to: now - ages.five + day };
    const aggregates = ["count", "min", "max", "avg"] as const;
    const read = async (store: Store, step: number): Promise<object> =>
      ask(store, id, { ...range, step }, ...aggregates);
    const sample = (ms: number, value: number): HostSample => ({ ...at(ages.five, ms), devices: [temp(value)] });
    scene.now = now;
    scene.retention = { ...retention, raw: day, fiveMinutes: 2 * day };
    let store = scene.open();
    const deliver = (): void => {
      for (let i = 0; i < 1440; i++) store.append(sample(i * 60_000, i % 101));
    };
    deliver();
    for (let i = 0; i < 10 && (await counts(store, ages.five, 300_000)).length > 24; i++) await settle();
    const before = await Promise.all([0, 300_000, hour, day].map((step) => read(store, step)));
    const tops = async (one: Store): Promise<object[]> =>
      Promise.all([2 * hour, day].map((step) => ask(one, id, { ...range, step }, "p95")));
    const topsBefore = await tops(store);
    expect(await counts(store, ages.five, 300_000)).toEqual(Array.from({ length: 24 }, () => 60));
    if (how === "started again") scene.shut(store);
    scene.retention = { ...retention, raw: 30 * day, fiveMinutes: 365 * day };
    if (how === "started again") store = scene.open();
    for (let i = 0; i < 24; i++) store.append(sample(i * hour, 50));
    for (let i = 0; i < 8; i++) {
      expect(await Promise.all([0, 300_000, hour, day].map((step) => read(store, step)))).toEqual(before);
      expect(await tops(store)).toEqual(topsBefore);
      await scene.pass(30_000);
    }
    await settle();
    expect(await Promise.all([0, 300_000, hour, day].map((step) => read(store, step)))).toEqual(before);
    deliver();
    await settle();
    expect(await Promise.all([hour, day].map((step) => read(store, step)))).toEqual(before.slice(2));
    expect(await counts(store, ages.five, 0)).toHaveLength(1440);
  },
);

test("an import that is larger than memory is written while it goes on, the oldest blocks first", async () => {
  scene.now = now;
  const store = scene.open();
  // Fractions that never repeat take nine bytes each: 1.3 MB of a block.
  const values = new Float64Array(kept.gpu.length);
  const cards = Array.from({ length: 5 }, (_, i) => ({ level: "gpu", key: `GPU-${i}`, index: i, values }) as const);
  const blocks = 30;
  const perBlock = 1440;
  for (let i = 0; i < blocks * perBlock; i++) {
    for (let k = 0; k < values.length; k++) values[k] = Math.sqrt(2 + i + k / 32);
    store.append({ host: "a", at: now - 30 * day + i * 10_000, devices: cards });
    if (i % perBlock === 0) await store.ready();
  }
  const copy = new StoreFixture();
  cpSync(scene.folder, copy.folder, { recursive: true });
  const file = new Database(join(copy.folder, "history.db"), { readonly: true });
  const sql = `SELECT DISTINCT id / ${groupKeys * 2 ** 14} FROM raw ORDER BY 1`;
  const written = file.prepare(sql).pluck().all() as number[];
  file.close();
  copy.remove();
  const oldest = (now - 30 * day) / blockMs;
  expect(written.length).toBeGreaterThan(3);
  expect(written.length).toBeLessThan(blocks / 2 + 3);
  expect(written.map((block) => block - oldest)).toEqual([...written.keys()]);
  // So that the end does not take long: the rest stays in the journal.
  scene.tick = 1000;
});

test("late samples of a block that was let go are in its summaries, unless those have as many of their 5 minutes", async () => {
  scene.retention = { raw: 2 * day, fiveMinutes: Infinity, hour: Infinity, day: Infinity };
  const one = scene.open();
  for (let i = 0; i < 60; i++) one.append(poll(start + i * 10_000, temp(20)));
  await scene.leap(4 * day);
  await scene.pass(1.5 * hour);
  expect((await ask(one, temperature(), all, "max")).t).toHaveLength(2);
  // Twice, as a file that is imported again: of the first bucket fewer than there were, of the second more, of a third all.
  for (const _ of [1, 2]) {
    for (let i = 0; i < 29; i++) one.append(poll(start + i * 10_000 + 5000, temp(40)));
    for (let i = 0; i < 31; i++) one.append(poll(start + 300_000 + i * 9000 + 5000, temp(60)));
    for (let i = 0; i < 10; i++) one.append(poll(start + 600_000 + i * 9000, temp(80)));
    await scene.leap(day);
    const fives = await ask(one, temperature(), { ...all, step: 300_000 }, "count", "min", "max");
    expect([[...fives.count], [...fives.min], [...fives.max]]).toEqual([
      [30, 31, 10],
      [20, 60, 80],
      [20, 60, 80],
    ]);
    for (const step of [hour, day]) {
      const { count, min, max, avg } = await ask(one, temperature(), { ...all, step }, "count", "min", "max", "avg");
      expect([step, ...count, ...min, ...max]).toEqual([step, 71, 20, 80]);
      expect(avg[0]).toBeCloseTo((30 * 20 + 31 * 60 + 10 * 80) / 71);
    }
  }
});
