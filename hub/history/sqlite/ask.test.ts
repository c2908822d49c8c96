// Questions over many hosts, long times and what was asked before.
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { all, ask, day, gpu, hour, pairs, StoreFixture, start, temperature } from "../../../test/store.ts";
import type { SeriesId, Store } from "../store.ts";

let scene: StoreFixture;
beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

const week = { series: [temperature()], range: { from: start, to: start + 7 * day, step: 60_000 } };

const temp = (value: number) => gpu({ gpu_temperature: value });

test("sums of groups count every series once, with its mean", async () => {
  const one = scene.open();
  for (let i = 0; i < 10; i++) {
    one.append({ host: "a", at: start + i * 10_000, devices: [temp(10)] });
    if (i < 5) one.append({ host: "b", at: start + i * 10_000, devices: [temp(i < 2 ? 20 : 60)] });
  }
  const groups = [[temperature(), temperature("GPU-1", "b")], [temperature("GPU-1", "nobody")]];
  const [both, none] = await one.fold({ groups, range: { ...all, step: 60_000 } });
  const plain = Object.fromEntries(Object.entries(both ?? {}).map(([name, column]) => [name, [...column]]));
  expect(plain).toEqual({
    t: [start, start + 60_000],
    avg: [(10 + 44) / 2, 10],
    sum: [54, 10],
    min: [10, 10],
    max: [60, 10],
    count: [2, 1],
  });
  expect(none?.t).toHaveLength(0);
});

test("a series that is named twice in a group counts once there, and counts in every group that names it", async () => {
  const one = scene.open();
  for (let i = 0; i < 10; i++)
    one.append({ host: "a", at: start + i * 60_000, devices: [temp(10), gpu({ gpu_temperature: 30 }, "GPU-2", 1)] });
  await scene.leap(day);
  const [first, second] = [() => temperature(), () => temperature("GPU-2")];
  const groups = [[first(), first(), second()], [first()], [second(), second()]];
  for (const step of [60_000, 300_000, 600_000]) {
    const folded = await one.fold({ groups, range: { ...all, step } });
    const told = folded.map(({ avg, count }) => [avg[0], count[0], count.length]);
    const points = 600_000 / step;
    const wanted = [[20, 2, points], ...[10, 30].map((mean) => [mean, 1, points])];
    expect({ step, told }).toEqual({ step, told: wanted });
  }
  const [both, again] = await one.read({ series: [first(), first()], range: all, of: ["last"], most: 3 });
  expect([...(again?.last ?? [])]).toEqual([10, 10, 10]);
  expect(again).toEqual(both);
});

test("what was asked for before is told anew once late samples are in rows", async () => {
  const one = scene.open();
  const range = { ...all, step: 300_000 };
  const peak = async () => {
    const [folded] = await one.fold({ groups: [[temperature(), temperature("GPU-1", "b")]], range });
    return [folded?.max[0], (await ask(one, temperature(), range, "max")).max[0]];
  };
  for (const host of ["a", "b"]) one.append({ host, at: start, devices: [temp(10)] });
  await scene.leap(day);
  expect(await peak()).toEqual([10, 10]);
  one.append({ host: "a", at: start + 1000, devices: [temp(77)] });
  expect(await peak()).toEqual([77, 77]);
  await scene.leap(day);
  expect(await peak()).toEqual([77, 77]);
  one.append({ host: "b", at: start + 1000, devices: [temp(88)] });
  await scene.leap(day);
  expect(await peak()).toEqual([88, 77]);
});

test.each([
  ["samples", Number.POSITIVE_INFINITY],
  ["summaries of hours", 30 * day],
])("years without anything between some %s are passed over, in one series and in groups", async (_, kept) => {
  scene.retention = { ...scene.retention, raw: kept, fiveMinutes: kept };
  const one = scene.open();
  const years = [0, 3, 4].map((n) => start + n * 365 * day);
  for (const at of years) one.append({ host: "a", at, devices: [temp(at / day)] });
  await scene.leap(4 * 365 * day);
  for (let i = 0; i < 8; i++) await scene.leap(hour);
  one.append({ host: "a", at: start + 5 * 365 * day, devices: [temp(1)] });
  const wanted = [...years, start + 5 * 365 * day];
  for (const step of [hour, day]) {
    expect([...(await ask(one, temperature(), { ...all, step }, "avg")).t]).toEqual(wanted);
    const [folded] = await one.fold({ groups: [[temperature()]], range: { ...all, step } });
    expect([...(folded?.t ?? [])]).toEqual(wanted);
  }
});

test("years of which only other hosts have samples are passed over, but for what was imported meanwhile", async () => {
  const one = scene.open();
  const last = 100 * day;
  for (let at = 0; at <= last; at += day / 2) one.append({ host: "b", at: start + at, devices: [temp(1)] });
  const times = [0, 49, 50, 100].map((days) => start + days * day);
  for (const at of times) one.append({ host: "a", at, devices: [temp(at / day)] });
  await scene.leap(102 * day);
  for (let i = 0; i < 8; i++) await scene.leap(hour);
  const told = async (): Promise<unknown> => {
    const range = { from: start, to: start + last + day, step: 0 };
    const [newest, all] = [
      await ask(one, temperature(), range, "avg"),
      await ask(one, temperature(), { ...range, step: 60_000 }, "p95"),
    ];
    const [folded] = await one.fold({ groups: [[temperature()]], range: { ...range, step: 600_000 } });
    expect([...all.t]).toEqual([...newest.t]);
    expect([...(folded?.t ?? [])]).toEqual([...newest.t]);
    return [...newest.t];
  };
  // Each block is followed by a look at the clock.
  const looks = vi.spyOn(performance, "now");
  try {
    expect(await told()).toEqual(times);
    expect(looks.mock.calls.length).toBeLessThan(3 * 40);
  } finally {
    vi.restoreAllMocks();
  }
  const late = start + 70 * day;
  one.append({ host: "a", at: late, devices: [temp(1)] });
  for (let i = 0; i < 12; i++) {
    expect(await told()).toEqual([...times, late].sort((a, b) => a - b));
    await scene.pass(30_000);
  }
});

test.each([
  ["read", (one: Store, signal: AbortSignal) => one.read({ ...week, of: ["avg"], most: 1_000_000 }, signal)],
  ["read, newest first", (one: Store, signal: AbortSignal) => one.read({ ...week, of: ["avg"], most: 100 }, signal)],
  ["fold", (one: Store, signal: AbortSignal) => one.fold({ groups: [week.series], range: week.range }, signal)],
])("a query that is canceled stops at its next turn: %s", async (_name, query) => {
  const one = scene.open();
  for (let i = 0; i < 7 * 24; i++) one.append({ host: "a", at: start + i * hour, devices: [temp(i)] });
  // Every look at the clock finds that others have waited for long enough.
  let looks = 0;
  vi.spyOn(performance, "now").mockImplementation(() => 1000 * ++looks);
  try {
    const controller = new AbortController();
    const answer = query(one, controller.signal);
    setImmediate(() => controller.abort());
    await expect(answer).rejects.toMatchObject({ code: "canceled" });
    const seen = looks;
    expect(seen).toBeLessThan(8);
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    expect(looks).toBe(seen);
    await query(one, new AbortController().signal);
    expect(looks - seen).toBeGreaterThan(30);
    await expect(query(one, AbortSignal.abort())).rejects.toMatchObject({ code: "canceled" });
    await expect(one.known({}, AbortSignal.abort())).rejects.toMatchObject({ code: "canceled" });
  } finally {
    vi.restoreAllMocks();
  }
});

test("sums of percentages with decimals are exact: a mean is that of whole hundredths", async () => {
  const hundredths = Array.from({ length: 17_280 }, (_, i) => (i * 7919 + (i % 7) * 137) % 10_001);
  const store = scene.open();
  for (const [i, value] of hundredths.entries()) {
    store.append({ host: "a", at: start + i * 10_000, devices: [gpu({ gpu_utilization: value / 100 })] });
  }
  await scene.leap(3 * day);
  const series: SeriesId[] = [{ host: "a", level: "gpu", key: "GPU-1", metric: "gpu_utilization" }];
  const range = { from: start, to: start + 2 * day, step: day };
  const [read] = await store.read({ series, range, of: ["avg", "count"], most: 9 });
  const sums = [0, 1].map((of) => hundredths.slice(of * 8640, of * 8640 + 8640).reduce((sum, one) => sum + one));
  expect([...(read?.avg ?? [])]).toEqual(sums.map((sum) => sum / 100 / 8640));
  expect([...(read?.count ?? [])]).toEqual([8640, 8640]);
});

test("the first and last day of a host are told by their summaries when nothing else is left, wherever in them it began and ended", async () => {
  let store = scene.open();
  const times = [start + 5 * hour, start + day + 13 * hour];
  for (const at of times) store.append({ host: "a", at, devices: [gpu({ gpu_temperature: 7 })] });
  await scene.leap(4 * day);
  scene.shut(store);
  const file = new Database(join(scene.folder, "history.db"));
  file.exec("DELETE FROM raw; DELETE FROM five; DELETE FROM hour");
  file.close();
  store = scene.open();
  for (const most of [1, 9]) {
    const range = { from: start, to: Number.POSITIVE_INFINITY, step: day };
    const [read] = await store.read({ series: [temperature()], range, of: ["max"], most });
    expect([...(read?.t ?? [])]).toEqual([start, start + day].slice(-most));
  }
});

test("the last minutes are the same however often they are asked for while polls come, also late ones and cards that go", async () => {
  const one = scene.open();
  const taken = new Map<number, number>();
  const put = (at: number, value: number): void => {
    if (!Number.isNaN(value)) taken.set(at, value);
    one.append({ host: "a", at, devices: [gpu({ gpu_temperature: value, gpu_power: 1 })] });
  };
  let state = 7;
  const dice = (most: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % most;
  };
  const minute = 60_000;
  for (let at = start; at < start + 90 * minute; at += 1000 + dice(9000)) {
    // A card is silent for ten minutes.
    put(at, at > start + 50 * minute && at < start + 60 * minute ? Number.NaN : dice(100));
    // Of two values at one time the later one counts.
    if (dice(250) === 0) put(at - dice(9 * minute), dice(100));
    if (dice(200) === 0) await scene.leap(minute);
    if (dice(6) > 0) continue;
    const from = at - dice(8) * minute;
    const wanted = [...taken].filter(([time]) => time >= from && time <= at).sort(([a], [b]) => a - b);
    expect(await pairs(one, temperature(), { from, to: at + 1, step: 0 })).toEqual(wanted);
  }
  expect(taken.size).toBeGreaterThan(700);
});
