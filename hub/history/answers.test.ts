// Every engine answers as the plain list does, whatever comes in, in whatever order, and however often the store is stopped.
import fc from "fast-check";
import { expect, test } from "vitest";
import { latestWins, openers } from "../../test/engines.ts";
import { Model } from "../../test/model.ts";
import { day, gpu, hour, measured, StoreFixture, start } from "../../test/store.ts";
import type { Aggregate, GroupColumns, HostSample, KnownDevice, Range, SeriesId, Store } from "./store.ts";

const everything: readonly Aggregate[] = ["avg", "count", "last", "max", "min", "p95"];
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
      name: fc.constantFrom(undefined, "A", "B"),
    })
    .map(({ values, key, index, name }) => ({ ...gpu(values, key, index), ...(name === undefined ? {} : { name }) })),
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
