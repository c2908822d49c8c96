// What every engine promises, and the plain list that they are compared with: examples worked out by hand, then whatever
// comes in, in whatever order, and however often the store is stopped.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Table } from "../../program/setting.ts";
import { Model } from "../../test/model.ts";
import { day, gpu, hour, measured, StoreFixture, start } from "../../test/store.ts";
import { silent } from "../log.ts";
import { engines } from "./all.ts";
import type { Engine } from "./engine.ts";
import type {
  Aggregate,
  DeviceSample,
  GroupColumns,
  HostSample,
  KnownDevice,
  Local,
  Range,
  SeriesId,
  Store,
} from "./store.ts";

/** Opens a history in the folder of a scene: a new one, or the one that was closed there. */
type Opener = (scene: StoreFixture) => Promise<{ store: Store; local?: Local }>;

/** Settings under which an engine keeps every sample for ever. */
const forever: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  sqlite: { keepSamples: "forever", keepFiveMinutes: "forever", keepHours: "forever", keepDaily: "forever" },
};

function opener({ name, table, open }: Engine): Opener {
  const usual = Object.entries(table as Table).map(([key, row]) => [key, row.default]);
  const values = { ...Object.fromEntries(usual), ...forever[name] };
  return ({ folder, clock }) => open({ folder, clock, log: silent, notice: () => {} }, values);
}

const openers = engines.map((engine) => [engine.name, opener(engine)] as const);
/** Of two values of one series at one time, these return the one that came later: not every engine does. */
const latestWins = new Set(["plain list", "sqlite"]);

let scene: StoreFixture;
beforeEach(() => {
  scene = new StoreFixture();
});
afterEach(() => scene.remove());

const temperature = (key: string): SeriesId => ({ host: "a", level: "gpu", key, metric: "gpu_temperature" });
const card = (key: string, value: number, index = 0): DeviceSample => gpu({ gpu_temperature: value }, key, index);
const everything: readonly Aggregate[] = ["avg", "count", "last", "max", "min", "p95"];
const plainList: Opener = async () => ({ store: new Model() });

describe.each([["plain list", plainList] as const, ...openers])("%s", (name, open) => {
  let store: Store;
  beforeEach(async () => {
    ({ store } = await open(scene));
  });
  afterEach(() => store.close());

  const put = (at: number, ...devices: DeviceSample[]): void => store.append({ host: "a", at: start + at, devices });
  const range = (from: number, to: number, step: number): Range => ({ from: start + from, to: start + to, step });
  const times = (...t: number[]): Float64Array => Float64Array.from(t, (one) => start + one);

  test("a bucket tells mean, count, newest, greatest, least and nearest-rank p95 of the samples in the half-open range", async () => {
    for (let i = 1; i <= 21; i++) put(1000 * i, card("x", 100 - i));
    const series = [temperature("x"), temperature("y")];
    // 99 is before the range and 79 at its end: 98 to 81 stand in the first bucket, 80 alone in the second.
    expect(await store.read({ series, range: range(2000, 21_000, 20_000), of: everything, most: 5 })).toEqual([
      {
        t: times(0, 20_000),
        avg: Float64Array.of(89.5, 80),
        count: Float64Array.of(18, 1),
        last: Float64Array.of(81, 80),
        max: Float64Array.of(98, 80),
        min: Float64Array.of(81, 80),
        p95: Float64Array.of(98, 80),
        cut: false,
      },
      { t: times(), cut: false, ...Object.fromEntries(everything.map((column) => [column, new Float64Array()])) },
    ]);
  });

  test.each([
    [19, 19],
    [20, 19],
    [21, 20],
    [100, 95],
    [1, 1],
  ])("p95 of 1 to %d is %d", async (count, wanted) => {
    for (let i = 1; i <= count; i++) put(i, card("x", count + 1 - i));
    const query = { series: [temperature("x")], range: range(0, 1000, 1000), of: ["p95"] as const, most: 1 };
    const [column] = await store.read(query);
    expect(column?.p95).toEqual(Float64Array.of(wanted));
  });

  test("absence takes nothing back, and only the newest points are given", async () => {
    put(2, card("x", 7));
    put(1, card("x", 6));
    put(1, card("x", Number.NaN));
    const query = { series: [temperature("x")], range: range(0, 9, 0), of: ["last"] as const };
    const [both] = await store.read({ ...query, most: 2 });
    expect(both).toEqual({ t: times(1, 2), last: Float64Array.of(6, 7), cut: false });
    const [newest] = await store.read({ ...query, most: 1 });
    expect(newest).toEqual({ t: times(2), last: Float64Array.of(7), cut: true });
  });

  test.runIf(latestWins.has(name))("of two values at one time the later one counts", async () => {
    put(2, card("x", 7));
    put(1, card("x", 5));
    put(1, card("x", 6));
    put(1, card("x", 4));
    const query = { series: [temperature("x")], range: range(0, 9, 0), of: ["last"] as const, most: 9 };
    const [both] = await store.read(query);
    expect(both).toEqual({ t: times(1, 2), last: Float64Array.of(4, 7), cut: false });
  });

  test("a group counts every series once, with its mean", async () => {
    put(1, card("x", 10));
    put(2, card("x", 20), card("y", 50, 1));
    put(3, card("x", 30));
    const groups = [[temperature("x"), temperature("y"), temperature("x")], []];
    const [all, none] = await store.fold({ groups, range: range(0, 10, 10) });
    expect(all).toEqual({
      t: times(0),
      avg: Float64Array.of(35),
      count: Float64Array.of(2),
      max: Float64Array.of(50),
      min: Float64Array.of(10),
      sum: Float64Array.of(70),
    });
    expect(none?.t.length).toBe(0);
  });

  test("a device is known by its newest poll, and one of which nothing was measured is not", async () => {
    put(5, card("x", 1, 3), card("y", Number.NaN, 4));
    put(4, card("x", 1, 2));
    expect(await store.known({ host: "a" })).toEqual([
      { host: "a", level: "gpu", key: "x", index: 3, metrics: ["gpu_temperature"], last: start + 5 },
    ]);
    expect(await store.known({ host: "a", level: "host" })).toEqual([]);
    expect(await store.known({ level: "gpu" })).toEqual(await store.known({ host: "a" }));
    expect(await store.known({ host: "b" })).toEqual([]);
  });

  test("what cannot be asked or kept is refused, and nothing of it is kept", async () => {
    const series = [temperature("x")];
    const refused = { code: "bad_request" };
    const bad = expect.objectContaining({ code: "sample_bad" });
    for (const odd of [range(0, 9, -1), range(0, Number.NaN, 1), range(0, 9, Number.POSITIVE_INFINITY)]) {
      await expect(store.read({ series, range: odd, of: ["avg"], most: 1 })).rejects.toMatchObject(refused);
      await expect(store.fold({ groups: [series], range: odd })).rejects.toMatchObject(refused);
    }
    await expect(store.read({ series, range: range(0, 9, 1), of: ["avg"], most: 0 })).rejects.toMatchObject(refused);
    await expect(store.fold({ groups: [series], range: range(0, 9, 0) })).rejects.toMatchObject(refused);
    expect(() => put(Number.NaN, card("x", 1))).toThrow(bad);
    expect(() => put(1, card("x", 1), card("y\nz", 1))).toThrow(bad);
    expect(await store.known()).toEqual([]);
  });

  test("a query whose signal is aborted ends with the fault canceled", async () => {
    put(1, card("x", 1));
    const signal = AbortSignal.abort();
    const series = [temperature("x")];
    const canceled = { code: "canceled" };
    const query = { series, range: range(0, 9, 1), of: ["avg"] as const, most: 1 };
    await expect(store.read(query, signal)).rejects.toMatchObject(canceled);
    await expect(store.fold({ groups: [series], range: range(0, 9, 1) }, signal)).rejects.toMatchObject(canceled);
    await expect(store.known({}, signal)).rejects.toMatchObject(canceled);
  });

  test("a host that is forgotten has no samples, and those that come after begin anew", async () => {
    put(1, card("x", 1));
    store.append({ host: "b", at: start + 1, devices: [card("x", 2)] });
    await store.forget("a");
    expect((await store.known()).map(({ host }) => host)).toEqual(["b"]);
    put(2, card("x", 3));
    const query = { series: [temperature("x")], range: range(0, 9, 0), of: ["last"] as const, most: 9 };
    const [found] = await store.read(query);
    expect(found).toEqual({ t: times(2), last: Float64Array.of(3), cut: false });
  });

  const named = (key: string) => ({ host: "a", level: "gpu" as const, key });

  test("a device that is renamed has all of its samples under the new key, and what comes under the old one is another device", async () => {
    put(1, card("#0", 1), card("z", 9, 1));
    expect(store.rename(named("#0"), "x")).toBe(true);
    put(2, card("x", 2), card("z", 9, 1));
    put(3, card("#0", 3), card("z", 9, 1));
    const series = [temperature("x"), temperature("#0")];
    const [renamed, other] = await store.read({ series, range: range(0, 9, 0), of: ["last"], most: 9 });
    expect(renamed).toEqual({ t: times(1, 2), last: Float64Array.of(1, 2), cut: false });
    expect(other).toEqual({ t: times(3), last: Float64Array.of(3), cut: false });
    const known = (await store.known({ host: "a" })).map(({ key, index, last }) => [key, index, last - start]);
    expect(known.sort()).toEqual([
      ["#0", 0, 3],
      ["x", 0, 2],
      ["z", 1, 3],
    ]);
  });

  test("a device is not renamed to one that is known, nor one that is not known, nor to what is no key", async () => {
    put(1, card("x", 1), card("y", 2, 1), card("empty", Number.NaN, 2));
    const before = await store.known();
    expect(store.rename(named("x"), "y")).toBe(false);
    expect(store.rename(named("x"), "x")).toBe(false);
    expect(store.rename(named("other"), "z")).toBe(false);
    expect(store.rename(named("empty"), "z")).toBe(false);
    expect(store.rename({ ...named("x"), host: "b" }, "z")).toBe(false);
    expect(store.rename({ ...named("x"), level: "disk" }, "z")).toBe(false);
    expect(() => store.rename(named("x"), "y\nz")).toThrow(expect.objectContaining({ code: "sample_bad" }));
    expect(await store.known()).toEqual(before);
    // Nothing was measured of that one.
    expect(store.rename(named("x"), "empty")).toBe(true);
    expect((await store.known()).map(({ key }) => key).sort()).toEqual(["empty", "y"]);
  });
});

const hosts = ["a", "b"] as const;
const key = fc.constantFrom("GPU-1", "GPU-2", "GPU-3");
const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 100 }) },
  { weight: 2, arbitrary: fc.integer({ min: -1000, max: 1000 }).map((n) => n / 100) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }).map((n) => n * 4096) },
  { weight: 1, arbitrary: fc.double({ min: -1e9, max: 1e15, noNaN: true, noDefaultInfinity: true }) },
);
const device = fc.oneof(
  fc
    .record({
      values: fc.dictionary(fc.constantFrom("gpu_temperature", "gpu_power", "gpu_xid"), value, { maxKeys: 3 }),
      key: fc.constantFrom("GPU-1", "GPU-2", "/mnt/ü"),
      index: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ values, key, index }) => gpu(values, key, index)),
  fc.dictionary(fc.constantFrom("load1", "cpu_utilization"), value).map((values) => measured("host", "", values)),
);
/** True if groups can be read at once: an answer has 100,000 points at most. No sample is more than 60 days before the start. */
const hasFewPoints = ({ from, to, step }: Range): boolean => (to - Math.max(from, start - 60 * day)) / step < 100_000;

/** Most polls come one after the other; some late, some of the same time again, some from another day. */
const time = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 200 }).map((n) => start + n * 10_000 + (n % 7)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 * day }).map((n) => start + n) },
  { weight: 1, arbitrary: fc.integer({ min: -60, max: 60 }).map((n) => start + n * day) },
);
const polls = fc.array(
  fc.record({
    host: fc.constantFrom(...hosts),
    at: time,
    devices: fc.uniqueArray(device, { minLength: 1, maxLength: 4, selector: ({ level, key }) => level + key }),
  }),
  { minLength: 1, maxLength: 30 },
);
/** A series of polls at one pace, as most of what comes in is. */
const stretch = fc
  .record({
    host: fc.constantFrom(...hosts),
    from: time,
    every: fc.constantFrom(1000, 10_000, 60_000),
    length: fc.integer({ min: 2, max: 60 }),
    values: fc.array(value, { minLength: 1, maxLength: 5 }),
  })
  .map(({ host, from, every, length, values }): HostSample[] =>
    Array.from({ length }, (_, i) => ({
      host,
      at: from + i * every,
      devices: [gpu({ gpu_temperature: values[i % values.length] ?? 0, gpu_xid: i })],
    })),
  );
const step = fc.oneof(
  { weight: 4, arbitrary: polls },
  { weight: 4, arbitrary: stretch },
  { weight: 2, arbitrary: fc.constantFrom("flush", "restart", "seal", "wait" as const) },
  { weight: 1, arbitrary: fc.constantFrom({ forget: "a" }, { forget: "b" }) },
  { weight: 2, arbitrary: fc.record({ host: fc.constantFrom(...hosts), rename: key, to: key }) },
);
const range = fc.record({
  from: fc.oneof(
    time,
    fc.constant(0),
    fc.integer({ min: -40, max: 40 }).map((n) => start + n * day),
  ),
  to: fc.oneof(
    time,
    fc.constant(Number.POSITIVE_INFINITY),
    fc.integer({ min: -40, max: 40 }).map((n) => start + n * hour),
  ),
  step: fc.constantFrom(0, 1, 1000, 60_000, 300_000, 420_000, 600_000, hour, 2 * hour, 5 * hour, day, 7 * day),
});
const exact: readonly Aggregate[] = ["count", "max", "min"];

const series: readonly SeriesId[] = hosts.flatMap((host): SeriesId[] => [
  { host, level: "gpu", key: "GPU-1", metric: "gpu_temperature" },
  { host, level: "gpu", key: "GPU-2", metric: "gpu_temperature" },
  { host, level: "gpu", key: "GPU-3", metric: "gpu_temperature" },
  { host, level: "gpu", key: "GPU-1", metric: "gpu_xid" },
  { host, level: "host", key: "", metric: "load1" },
]);

async function same(one: Store, model: Store, { range, most }: { range: Range; most: number }): Promise<void> {
  for (const wanted of [everything, exact, ["avg", "max"] as const]) {
    const got = await one.read({ series, range, of: wanted, most });
    const plain = await model.read({ series, range, of: wanted, most });
    for (const [i, columns] of got.entries()) {
      const id = series[i];
      expect({ id, cut: columns.cut, t: [...columns.t] }).toEqual({
        id,
        cut: plain[i]?.cut,
        t: [...(plain[i]?.t ?? [])],
      });
      for (const name of wanted) {
        // A summary knows only the least, the greatest and the newest value of a counter.
        if (name === "avg" && id?.metric === "gpu_xid") continue;
        near({ id, name, range }, columns[name as keyof typeof columns] as Float64Array, plain[i]?.[name as "avg"]);
      }
    }
  }
}

/** Equal but for the last digits, which depend on the order in which a sum is made. */
function near(what: object, got: Float64Array, wanted: Float64Array | undefined): void {
  const scale = Math.max(1, ...(wanted ?? []).map(Math.abs));
  const off = [...got].filter((n, i) => !(Math.abs(n - (wanted?.[i] ?? Number.NaN)) <= 1e-9 * scale));
  expect({ ...what, off }).toEqual({ ...what, off: [] });
}

async function sameGroups(one: Store, model: Store, range: Range): Promise<void> {
  const groups = ["gpu_temperature", "load1"].map((name) => series.filter(({ metric }) => metric === name));
  const question = { groups, range };
  const [got, plain] = [await one.fold(question), await model.fold(question)];
  for (const [i, columns] of got.entries()) {
    expect([...columns.t]).toEqual([...(plain[i]?.t ?? [])]);
    for (const name of ["avg", "sum", "min", "max", "count"] as const) {
      near({ group: i, name, range }, columns[name], (plain[i] as GroupColumns)[name]);
    }
  }
}

/** Without polls of a host at a time of which there has been one, for engines that may return either value. */
function firstOfEach(): (poll: HostSample) => boolean {
  const seen = new Set<string>();
  return ({ host, at }) => !seen.has(`${host} ${at}`) && seen.add(`${host} ${at}`).size > 0;
}

test.each(openers)(
  "%s: answers are those of a plain list, whatever was appended, flushed, compacted, renamed, forgotten and restarted",
  async (name, open) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.array(range, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 5, 100, 10_000_000),
        async (steps, ranges, most) => {
          const scene = new StoreFixture();
          const wanted = latestWins.has(name) ? () => true : firstOfEach();
          let { store, local } = await open(scene);
          try {
            const model = new Model();
            for (const step of steps) {
              if (step === "flush") local?.flush();
              else if (step === "seal") await scene.leap(60 * day);
              else if (step === "wait") scene.now += 10_000;
              else if (step === "restart") {
                await store.close();
                ({ store, local } = await open(scene));
              } else if ("forget" in step) {
                await Promise.all([store.forget(step.forget), model.forget(step.forget)]);
              } else if ("rename" in step) {
                const device = { host: step.host, level: "gpu", key: step.rename } as const;
                expect(store.rename(device, step.to)).toBe(model.rename(device, step.to));
              } else
                for (const poll of step.filter(wanted)) {
                  store.append(poll);
                  model.append(poll);
                }
            }
            for (const range of ranges) {
              await same(store, model, { range, most });
              if (range.step >= 60_000 && hasFewPoints(range)) await sameGroups(store, model, range);
            }
            expect(byName(await store.known())).toEqual(byName(await model.known()));
          } finally {
            await store.close();
            scene.remove();
          }
        },
      ),
      { numRuns: 100 },
    );
  },
  120_000,
);

const byName = (known: readonly KnownDevice[]): object[] =>
  known
    .map((device) => ({ ...device, metrics: [...device.metrics].sort() }))
    .sort((a, b) => (a.host + a.level + a.key < b.host + b.level + b.key ? -1 : 1));
