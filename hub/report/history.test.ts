import fc from "fast-check";
import { expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { cases } from "../../test/cases.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { StoreFixture } from "../../test/store.ts";
import type { HistoryReader, Store } from "../history/store.ts";
import { textOf } from "../sentence.ts";
import { reportDay } from "./day.ts";
import { historyReader } from "./history.ts";
import type { NodeDay, ReportDay, ReportNode } from "./report.ts";

const minute = 60_000;
const gib = 2 ** 30;
const host: ReportNode = { name: "colab-gpu1", host: "gpu1" };

function dayOf(date: string, zone = "UTC"): ReportDay {
  const day = reportDay(new Zone(zone), date);
  if (day === undefined) throw new Error(`${date} is not a day`);
  return day;
}

const read = (
  history: HistoryReader,
  day: ReportDay,
  { node = host, now = 1000 * day.to + minute }: { node?: ReportNode; now?: number } = {},
): Promise<NodeDay> => historyReader({ history, now: () => now })(node, day, new AbortController().signal);

interface Sample {
  readonly gpu?: number;
  /** GiB of 80. */
  readonly used?: number;
  readonly index?: number;
  readonly key?: string;
}

function put(store: Pick<Store, "append">, at: number, { gpu, used, index = 0, key = `#${index}` }: Sample): void {
  const values = valuesOf("gpu", {
    ...(gpu === undefined ? {} : { gpu_utilization: gpu }),
    ...(used === undefined ? {} : { gpu_memory_used: used * gib, gpu_memory_total: 80 * gib }),
  });
  store.append({ host: "gpu1", at, devices: [{ level: "gpu", key, index, values }] });
}

test("an interval has the means of its samples, and the time of its end: a sample at the end belongs to the next one", async () => {
  const day = dayOf("2025-08-01", "Asia/Taipei");
  const from = 1000 * day.from;
  const model = new Model();
  put(model, from - 1, { gpu: 99, used: 80 });
  put(model, from, { gpu: 10, used: 20 });
  put(model, from + 10 * minute - 1, { gpu: 20, used: 40 });
  put(model, from + 10 * minute, { gpu: 50, used: 8 });
  put(model, 1000 * day.to - 1, { gpu: 1, used: 80 });
  put(model, 1000 * day.to, { gpu: 99, used: 80 });
  const { cards, issues } = await read(model, day);
  expect([cards, issues]).toEqual([
    [
      {
        index: 0,
        card: 0,
        rows: [
          { at: day.from + 600, gpu: 15, vram: 37.5 },
          { at: day.from + 1200, gpu: 50, vram: 10 },
          { at: day.to, gpu: 1, vram: 100 },
        ],
      },
    ],
    [],
  ]);
});

test.each([
  // 5:45 ahead of UTC: its days begin between two tens of minutes of the epoch.
  ["Asia/Kathmandu", "2026-05-01", 144],
  ["America/New_York", "2026-11-01", 150],
])("in %s, %s has %i rows, as long as samples are kept, and after that", async (zone, date, count) => {
  const day = dayOf(date, zone);
  const scene = new StoreFixture();
  try {
    scene.now = 1000 * day.from;
    const store = scene.open();
    for (let at = 1000 * day.from, i = 0; at < 1000 * day.to; at += 2 * minute, i++) {
      put(store, at, { gpu: (i % 5) * 10, used: (i % 5) * 16 });
    }
    scene.now = 1000 * day.to;
    const whole = await read(store, day);
    const rows = whole.cards[0]?.rows ?? [];
    expect(rows.map(({ at }) => at)).toEqual(Array.from({ length: count }, (_, i) => day.from + 600 * (i + 1)));
    expect(rows.every(({ gpu, vram }) => Math.abs(gpu - 20) < 1e-9 && Math.abs(vram - 40) < 1e-9)).toBe(true);
    scene.retention = { ...scene.retention, raw: 86_400_000 };
    const left = async (): Promise<number> => {
      const series = [{ host: "gpu1", level: "gpu", key: "#0", metric: "gpu_utilization" } as const];
      const range = { from: 1000 * day.from, to: 1000 * day.to, step: 0 };
      const [columns] = await store.read({ series, range, of: ["count"], most: 1000 });
      return columns?.t.length ?? 0;
    };
    // Deletion waits for turns of the event loop, of which a busy machine needs more.
    for (let i = 0; i < 60 && (await left()) > 300; i++) await scene.pass(24 * 60 * minute);
    expect(await left()).toBeLessThanOrEqual(300);
    const after = await read(store, day);
    const near = (value: number): unknown => expect.closeTo(value, 6);
    expect(after.cards[0]?.rows).toEqual(rows.map(({ at, gpu, vram }) => ({ at, gpu: near(gpu), vram: near(vram) })));
  } finally {
    scene.remove();
  }
});

test("rows are the means of the samples of their interval, wherever those are", async () => {
  const sample = fc.record({
    at: fc.integer({ min: 0, max: 86_400_000 - 1 }),
    gpu: fc.integer({ min: 0, max: 100 }),
    used: fc.integer({ min: 0, max: 80 }),
  });
  const zones = fc.constantFrom("UTC", "Asia/Kathmandu", "America/New_York", "Australia/Eucla");
  await fc.assert(
    fc.asyncProperty(fc.array(sample, { maxLength: 40 }), zones, async (samples, zone) => {
      const day = dayOf("2026-06-10", zone);
      const model = new Model();
      // Of two values of one time, the last counts.
      const last = new Map(samples.map((one) => [one.at, one]));
      for (const { at, ...values } of last.values()) put(model, 1000 * day.from + at, values);
      const byRow = new Map<number, { gpu: number; used: number }[]>();
      for (const { at, gpu, used } of last.values()) {
        const end = day.from + 600 * (Math.floor(at / 600_000) + 1);
        byRow.set(end, [...(byRow.get(end) ?? []), { gpu, used }]);
      }
      const mean = (values: readonly number[]): unknown =>
        expect.closeTo(values.reduce((sum, value) => sum + value, 0) / values.length, 6);
      const wanted = [...byRow]
        .sort(([a], [b]) => a - b)
        .map(([at, all]) => ({
          at,
          gpu: mean(all.map(({ gpu }) => gpu)),
          vram: mean(all.map(({ used }) => (used / 80) * 100)),
        }));
      if (wanted.length === 0) return;
      expect((await read(model, day)).cards).toEqual([{ index: 0, card: 0, rows: wanted }]);
    }),
    cases,
  );
});

test("the interval that still runs has no row yet", async () => {
  const day = dayOf("2025-08-01");
  const model = new Model();
  for (const minutes of [1, 11, 21]) put(model, 1000 * day.from + minutes * minute, { gpu: 1, used: 1 });
  const rows = async (now: number): Promise<number | undefined> =>
    (await read(model, day, { now: 1000 * day.from + now })).cards[0]?.rows?.length;
  expect([await rows(29.9 * minute), await rows(30 * minute)]).toEqual([2, 3]);
});

test("a card that was exchanged during the day has the rows of both", async () => {
  const day = dayOf("2025-08-01");
  const from = 1000 * day.from;
  const model = new Model();
  put(model, from + minute, { gpu: 10, used: 8, key: "GPU-old" });
  put(model, from + 11 * minute, { gpu: 20, used: 8, key: "GPU-old" });
  put(model, from + 12 * minute, { gpu: 60, used: 16, key: "GPU-new" });
  put(model, from + 21 * minute, { gpu: 70, used: 16, key: "GPU-new" });
  const [card] = (await read(model, day)).cards;
  expect(card?.rows?.map(({ gpu }) => gpu)).toEqual([10, 60, 70]);
});

test("cards are numbered as the settings say, and else by their index; a card without samples has no rows", async () => {
  const day = dayOf("2025-08-01");
  const model = new Model();
  for (const index of [0, 1, 3]) put(model, 1000 * day.from, { gpu: index, used: 8, index });
  const numbers = async (node: ReportNode): Promise<unknown> =>
    (await read(model, day, { node })).cards.map(({ index, card, rows }) => [index, card, rows?.length]);
  expect(await numbers(host)).toEqual([
    [0, 0, 1],
    [1, 1, 1],
    [3, 3, 1],
  ]);
  expect(await numbers({ ...host, cards: [1, 9, 17] })).toEqual([
    [0, 1, 1],
    [1, 9, 1],
    [2, 17, undefined],
  ]);
});

test("cards that were removed long before the day are not in its report, unless the host had none since", async () => {
  const day = dayOf("2025-08-05");
  const model = new Model();
  put(model, 1000 * day.from - 90 * 86_400_000, { gpu: 1, used: 1, index: 7 });
  put(model, 1000 * day.from - 7 * 86_400_000, { gpu: 1, used: 1, index: 1 });
  expect((await read(model, day)).cards).toEqual([{ index: 1, card: 1, rows: undefined }]);
  expect((await read(model, day)).issues.map(textOf)).toEqual(['history has no samples of "gpu1" of that day']);
  put(model, 1000 * day.from, { gpu: 1, used: 1, index: 0 });
  expect((await read(model, day)).cards.map(({ index }) => index)).toEqual([0]);
  // One that was there on the day, and was removed since.
  put(model, 1000 * day.from + 30 * 86_400_000, { gpu: 1, used: 1, index: 3 });
  expect((await read(model, day)).cards.map(({ index }) => index)).toEqual([0, 3]);
});

test("a card of unknown memory has 0 in its column, and the issues say so; one of unknown utilization has no file", async () => {
  const day = dayOf("2025-08-01");
  const model = new Model();
  put(model, 1000 * day.from, { gpu: 5 });
  put(model, 1000 * day.from, { used: 5, index: 1 });
  const { cards, issues } = await read(model, day);
  expect(cards.map(({ rows }) => rows)).toEqual([[{ at: day.from + 600, gpu: 5, vram: 0 }], undefined]);
  expect(issues.map(textOf)).toEqual(["1 rows have no value of VRAM, which counts as 0: GPU[0]"]);
});

test("a host that history does not know is an error that names those that it knows", async () => {
  const model = new Model();
  put(model, 0, { gpu: 1, used: 1 });
  await expect(read(model, dayOf("2025-08-01"), { node: { name: "n", host: "gpu11" } })).rejects.toThrow(
    'history has no GPU of a host "gpu11": hosts are gpu1',
  );
});

test("once summaries of hours are all that is left, each hour has one row with its mean", async () => {
  const day = dayOf("2026-05-01");
  const scene = new StoreFixture();
  try {
    scene.now = 1000 * day.from;
    const store = scene.open();
    for (let at = 1000 * day.from; at < 1000 * day.to; at += 2 * minute) put(store, at, { gpu: 30, used: 40 });
    scene.retention = { ...scene.retention, raw: 86_400_000, fiveMinutes: 86_400_000 };
    let rows = (await read(store, day)).cards[0]?.rows ?? [];
    for (let i = 0; i < 60 && rows.length > 24; i++) {
      await scene.pass(24 * 60 * minute);
      rows = (await read(store, day)).cards[0]?.rows ?? [];
    }
    expect(rows.map(({ at, gpu }) => [at, gpu])).toEqual(
      Array.from({ length: 24 }, (_, hour) => [day.from + 3600 * hour + 600, 30]),
    );
  } finally {
    scene.remove();
  }
});
