import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { Model, valuesOf } from "../../test/model.ts";
import type { Aggregate } from "../history/store.ts";
import { type SheetDevice, sheet } from "./sheet.ts";

const start = 1_800_000_000_000;
const day = 86_400_000;
const names = ["gpu_power", "gpu_fan"] as const;

/** Samples of one card: its host and index, a time after `start`, and which of its two values there are. */
const sample = fc.record({
  host: fc.constantFrom("a", "b"),
  index: fc.nat(1),
  at: fc.oneof(fc.nat(5000), fc.nat(40_000_000), fc.nat(200 * day)),
  values: fc.constantFrom([1, 2], [3, Number.NaN], [Number.NaN, 4]),
});

interface Sample {
  readonly host: string;
  readonly index: number;
  readonly at: number;
  readonly values: readonly number[];
}

const devices: SheetDevice[] = ["a", "b"].flatMap((host) =>
  [0, 1].map((index) => ({
    ...{ host, level: "gpu" as const, key: `#${index}`, last: start + 201 * day },
    series: names.map((metric, place) => ({ metric, of: "avg" as const, place })),
  })),
);

function modelOf(samples: readonly Sample[]): Model {
  const model = new Model();
  for (const { host, index, at, values } of samples) {
    const named = Object.fromEntries(names.map((name, i) => [name, values[i] ?? Number.NaN]));
    const device = { level: "gpu" as const, key: `#${index}`, index, values: valuesOf("gpu", named) };
    model.append({ host, at: start + at, devices: [device] });
  }
  return model;
}

interface Query {
  readonly from?: number;
  readonly to?: number;
  readonly step?: number;
  readonly grain?: number;
  readonly intervalMs?: number;
  readonly devices?: readonly SheetDevice[];
}

async function rows(model: Pick<Model, "read">, query: Query = {}): Promise<string[]> {
  const made = sheet({
    ...{ history: model, devices, width: 2, from: start, to: start + 201 * day, step: 0, grain: 1, intervalMs: 1000 },
    ...query,
    line: ({ host, key }, at, values) => `${at - start} ${host}${key} ${[...values].join(" ")}\n`,
  });
  let text = "";
  for await (const piece of made) text += Buffer.from(piece).toString();
  return text.split("\n").slice(0, -1);
}

/** The rows as the contract says: by time, then by device, the values of one time in one row. */
function wanted(samples: readonly Sample[], grain: number): string[] {
  const merged = new Map<string, { order: number; at: number; name: string; values: number[] }>();
  for (const { host, index, at, values } of samples) {
    const name = `${host}#${index}`;
    const held = merged.get(`${name} ${at}`) ?? { order: (host === "a" ? 0 : 2) + index, at, name, values: [NaN, NaN] };
    merged.set(`${name} ${at}`, held);
    for (const [i, value] of values.entries()) if (!Number.isNaN(value)) held.values[i] = value;
  }
  const all = [...merged.values()].sort(
    (a, b) =>
      Math.floor((start + a.at) / grain) - Math.floor((start + b.at) / grain) || a.order - b.order || a.at - b.at,
  );
  return all.map(({ at, name, values }) => `${at} ${name} ${values.join(" ")}`);
}

test("rows are ordered by time, then by device, however many samples there are and however long the windows", async () => {
  const samples = fc.array(sample, { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(samples, fc.constantFrom(1, 1000), fc.constantFrom(1, 1000, day), async (all, grain, ms) => {
      expect(await rows(modelOf(all), { grain, intervalMs: ms })).toEqual(wanted(all, grain));
    }),
    { numRuns: 300 },
  );
});

test("rows are those of the range alone, also where it begins and ends within a day", async () => {
  const range = fc.tuple(fc.nat(2 * day), fc.integer({ min: 4 * day, max: 6 * day }));
  const near = sample.map((one) => ({ ...one, at: one.at % (6 * day) }));
  await fc.assert(
    fc.asyncProperty(fc.array(near, { minLength: 8, maxLength: 40 }), range, async (samples, [from, to]) => {
      const within = samples.filter(({ at }) => at >= from && at < to);
      expect(await rows(modelOf(samples), { from: start + from, to: start + to })).toEqual(wanted(within, 1));
    }),
    { numRuns: Math.ceil(cases.numRuns / 10) },
  );
});

test("buckets are whole where windows meet", async () => {
  const all = Array.from({ length: 200 }, (_, i) => ({ host: "a", index: 0, at: i * 100_000, values: [i, NaN] }));
  const step = 7_000_000;
  const aligned = Math.floor(start / step) * step;
  const read = await rows(modelOf(all), { from: aligned, step, intervalMs: 1 });
  const [series] = await modelOf(all).read({
    series: [{ host: "a", level: "gpu", key: "#0", metric: "gpu_power" }],
    range: { from: aligned, to: start + 50_000_000, step },
    of: ["avg"],
    most: 100,
  });
  expect(read.length).toBeGreaterThan(2);
  expect(read).toEqual([...(series?.t ?? [])].map((at, i) => `${at - start} a#0 ${series?.avg[i]} NaN`));
});

test("a window with more samples than the interval says is read in parts", async () => {
  const all = Array.from({ length: 3000 }, (_, i) => ({ host: "a", index: 0, at: i * 10, values: [i, NaN] }));
  const model = modelOf(all);
  const sizes: number[] = [];
  const history: Pick<Model, "read"> = {
    async read<A extends Aggregate>(query: Parameters<Model["read"]>[0] & { of: readonly A[] }) {
      const answer = await model.read<A>({ ...query, most: Math.min(query.most, 500) });
      sizes.push(...answer.map(({ t }) => t.length));
      return answer;
    },
  };
  expect(await rows(history, { intervalMs: 60_000 })).toEqual(wanted(all, 1));
  expect(Math.max(...sizes)).toBe(500);
});

test("a sample that comes while rows are read is in none of them, rather than in part", async () => {
  const sample = (at: number): Sample => ({ host: "a", index: 0, at, values: [1, 2] });
  const model = modelOf([sample(0), sample(1000)]);
  const powers = devices.map((one) => ({ ...one, last: start + 1000 }));
  const series =
    powers[0]?.series.map((one, i) => ({ ...one, of: i === 0 ? ("avg" as const) : ("last" as const) })) ?? [];
  const history: Pick<Model, "read"> = {
    async read(query) {
      const answer = await model.read(query);
      const device = {
        level: "gpu" as const,
        key: "#0",
        index: 0,
        values: valuesOf("gpu", { gpu_power: 1, gpu_fan: 2 }),
      };
      model.append({ host: "a", at: start + 2000, devices: [device] });
      return answer;
    },
  };
  const asked = powers.map((one) => ({ ...one, series }));
  expect(await rows(history, { devices: asked })).toEqual(["0 a#0 1 2", "1000 a#0 1 2"]);
});

test("few samples cost few reads, however many devices and years there are, and buckets are whole", async () => {
  const many = Array.from(
    { length: 600 },
    (_, i): SheetDevice => ({
      ...{ host: `h${i}`, level: "gpu", key: "#0", last: start + 3000 * day },
      series: names.map((metric, place) => ({ metric, of: "avg" as const, place })),
    }),
  );
  const model = new Model();
  const wantedRows: string[] = [];
  const append = (host: string, at: number): void => {
    const values = valuesOf("gpu", { gpu_power: 1, gpu_fan: at });
    model.append({ host, at: start + at, devices: [{ level: "gpu", key: "#0", index: 0, values }] });
    wantedRows.push(`${at} ${host}#0 1 ${at}`);
  };
  // One host is busy for a day, others have a sample now and then.
  for (let i = 0; i < 300; i++) append("h7", 1000 * day + i * 120_000);
  for (let i = 0; i < 20; i++) append(`h${i * 25 + 1}`, 1100 * day + i * 93 * day);
  let series = 0;
  const history: Pick<Model, "read"> = {
    read(query) {
      series += query.series.length;
      return model.read(query);
    },
  };
  const range = { devices: many, from: start, to: start + 3000 * day, intervalMs: 10_000 };
  expect(await rows(history, range)).toEqual(wantedRows);
  // All are looked at once, those that have samples some times more.
  expect(series).toBeLessThan(2 * 600 + 100);
  const hours = await rows(history, { ...range, step: 3_600_000 });
  expect(hours).toHaveLength(10 + 20);
  // Buckets that do not end with days.
  const border = Math.ceil(start / (48 * day)) * 48 * day - start;
  const near = modelOf([-1, 1].map((at) => ({ host: "a", index: 0, at: border + at, values: [at + 2, at + 2] })));
  const odd = { from: start, to: start + 201 * day, step: 7_000_000 };
  const first = Math.floor((start + border) / odd.step) * odd.step - start;
  expect(await rows(near, odd)).toEqual([`${first} a#0 2 2`]);
});
