import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silent } from "../../log.ts";
import type { Columns, Measured, Poll, Range, SeriesId, Store } from "../store.ts";
import { openStore } from "./store.ts";

const day = 86_400_000;
const start = 1_800_000_000_000;
let folder = "";
let now = start;
let timers: (() => void)[] = [];
let trouble: (string | undefined)[] = [];
let open: Store[] = [];

const clock = {
  now: () => now,
  after: (_ms: number, run: () => void) => {
    timers.push(run);
    return () => {
      timers = timers.filter((timer) => timer !== run);
    };
  },
};

function store(log = silent): Store {
  const made = openStore({ folder, clock, log, keepDays: () => 15, trouble: (text) => trouble.push(text) });
  open.push(made);
  return made;
}

function shut(one: Store): void {
  one.close();
  open = open.filter((other) => other !== one);
}

/** Lets the timers that are set run once. */
function tick(): void {
  for (const run of timers.splice(0)) run();
}

const gpu = (values: Record<string, number>, key = "GPU-1", index = 0): Measured => ({
  level: "gpu",
  key,
  index,
  values: new Map(Object.entries(values)),
});
const poll = (at: number, ...devices: Measured[]): Poll => ({ host: "a", at, devices });
const series = (metric: string, key = "GPU-1"): SeriesId => ({ host: "a", level: "gpu", key, metric });
const all: Range = { from: 0, to: Number.POSITIVE_INFINITY, step: 0 };
const pairs = ({ t, avg }: Columns): [number, number][] => [...t].map((at, i) => [at, avg[i] ?? Number.NaN]);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-history-"));
  now = 1_000_000;
  timers = [];
  trouble = [];
});

afterEach(() => {
  for (const one of open.splice(0)) one.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a sample can be read before it is written, and after a restart", () => {
  const first = store();
  first.append(poll(1000, gpu({ temp: 40 })));
  expect(pairs(first.read(series("temp"), all))).toEqual([[1000, 40]]);
  tick();
  expect(pairs(first.read(series("temp"), all))).toEqual([[1000, 40]]);
  shut(first);
  expect(pairs(store().read(series("temp"), all))).toEqual([[1000, 40]]);
});

test("a range holds its start and leaves out its end", () => {
  const one = store();
  for (const at of [1000, 2000, 3000]) one.append(poll(at, gpu({ temp: at / 1000 })));
  for (const written of [false, true]) {
    if (written) one.flush();
    expect(pairs(one.read(series("temp"), { from: 1000, to: 3000, step: 0 }))).toEqual([
      [1000, 1],
      [2000, 2],
    ]);
    expect(pairs(one.read(series("temp"), { from: 3000, to: 1000, step: 0 }))).toEqual([]);
  }
});

test("buckets are counted from the epoch and carry least, mean and greatest", () => {
  const one = store();
  one.append(poll(59_999, gpu({ temp: 10 })));
  one.append(poll(60_000, gpu({ temp: 20 })));
  one.append(poll(119_999, gpu({ temp: 50 })));
  expect(one.read(series("temp"), { from: 0, to: 200_000, step: 60_000 })).toEqual({
    t: Float64Array.of(0, 60_000),
    min: Float64Array.of(10, 20),
    avg: Float64Array.of(10, 35),
    max: Float64Array.of(10, 50),
  });
});

test("of two measurements of one device at one time the later one counts, written or not", () => {
  const one = store();
  one.append(poll(1000, gpu({ temp: 1, power: 5 })));
  one.append(poll(1000, gpu({ temp: 2 })));
  expect(pairs(one.read(series("temp"), all))).toEqual([[1000, 2]]);
  one.flush();
  one.append(poll(1000, gpu({ temp: 3 })));
  expect(pairs(one.read(series("temp"), all))).toEqual([[1000, 3]]);
  expect(pairs(one.read(series("power"), all))).toEqual([]);
});

test("what is no finite number is absent, not 0", () => {
  const one = store();
  one.append(poll(1000, gpu({ temp: Number.NaN, power: Number.POSITIVE_INFINITY, util: 3 })));
  one.flush();
  expect(pairs(one.read(series("temp"), all))).toEqual([]);
  expect(pairs(one.read(series("power"), all))).toEqual([]);
  expect(pairs(one.read(series("util"), all))).toEqual([[1000, 3]]);
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 8.65e15])("a measurement at %d is refused", (at) => {
  const one = store();
  expect(() => one.append(poll(at, gpu({ temp: 1 })))).toThrow(/must be Unix milliseconds/);
  one.flush();
  expect(one.known()).toEqual([]);
});

test("known() lists devices with their newest index, metrics and time", () => {
  const one = store();
  one.append(poll(1000, gpu({ temp: 1 }, "GPU-1", 0), gpu({ temp: 1 }, "GPU-2", 1)));
  one.append(poll(2000, gpu({ power: 1 }, "GPU-1", 1)));
  one.append(poll(1500, gpu({ temp: 1 }, "GPU-1", 7)));
  const wanted = [
    { host: "a", level: "gpu", key: "GPU-1", index: 1, metrics: ["temp", "power"], last: 2000 },
    { host: "a", level: "gpu", key: "GPU-2", index: 1, metrics: ["temp"], last: 1000 },
  ];
  expect(one.known("a")).toEqual(wanted);
  shut(one);
  expect(store().known()).toEqual(wanted);
  expect(one.known("b")).toEqual([]);
});

test("samples go when they are older than what is kept, and a device without any goes with them", () => {
  now = start;
  const one = store();
  for (let i = 0; i < 2500; i++) one.append(poll(start - 14 * day + i, gpu({ temp: i })));
  one.append(poll(start, gpu({ temp: 1 }, "GPU-2")));
  tick();
  now = start + 2 * day;
  for (let i = 0; i < 4; i++) {
    one.append(poll(now + i, gpu({ temp: 1 }, "GPU-2")));
    tick();
  }
  expect(one.known().map(({ key }) => key)).toEqual(["GPU-2"]);
  expect(pairs(one.read(series("temp"), all))).toEqual([]);
  expect(pairs(one.read(series("temp", "GPU-2"), all))).toHaveLength(5);
});

test("a second store on the same folder is refused while the first is open", () => {
  const one = store();
  expect(() => store()).toThrow(/Another hub is using the data folder .*GOHM_DATA/);
  shut(one);
  store();
});

test("a history written by a newer version is refused and stays as it is", () => {
  shut(store());
  const file = new Database(join(folder, "history.db"));
  file.pragma("user_version = 99");
  file.close();
  expect(() => store()).toThrow(/newer version of the hub \(its schema is 99/);
  expect(readdirSync(folder).filter((name) => name.includes("damaged"))).toEqual([]);
});

test("a database of another program is refused and stays as it is", () => {
  const file = new Database(join(folder, "history.db"));
  file.exec("CREATE TABLE theirs (x)");
  file.close();
  expect(() => store()).toThrow(/belongs to another program/);
});

test("a folder that cannot be made is named, with the way out", () => {
  writeFileSync(join(folder, "file"), "");
  folder = join(folder, "file");
  expect(() => store()).toThrow(/Cannot use the data folder .*GOHM_DATA.*set GOHM_DATA to another folder/);
  folder = join(folder, "..");
});

test.each([
  ["no database at all", () => Buffer.from("this is not a database, however long it may be".repeat(200))],
  ["cut short", (was: Buffer) => was.subarray(0, was.length / 2)],
  [
    "overwritten in the middle",
    (was: Buffer) => Buffer.concat([was.subarray(0, 4096), Buffer.alloc(was.length - 4096, 7)]),
  ],
])("a file that is %s is moved aside by name and a new one begun", (_what, damage) => {
  const one = store();
  for (let i = 0; i < 2000; i++) one.append(poll(1000 + i, gpu({ temp: 1, util: i })));
  shut(one);
  const path = join(folder, "history.db");
  writeFileSync(path, damage(readFileSync(path)));
  const lines: string[] = [];
  const two = store({ ...silent, error: (line) => lines.push(line) });
  expect(lines.join()).toContain("history.db.damaged-1");
  expect(existsSync(join(folder, "history.db.damaged-1"))).toBe(true);
  two.append(poll(5000, gpu({ temp: 9 })));
  two.flush();
  expect(pairs(two.read(series("temp"), all))).toEqual([[5000, 9]]);
});

/** A store as plain as can be. */
class Model {
  readonly #held = new Map<string, Map<number, ReadonlyMap<string, number>>>();

  append({ host, at, devices }: Poll): void {
    for (const { level, key, values } of devices) {
      const finite = new Map([...values].filter(([, value]) => Number.isFinite(value)));
      if (finite.size === 0) continue;
      const id = [host, level, key].join("\n");
      this.#held.set(id, (this.#held.get(id) ?? new Map()).set(at, finite));
    }
  }

  read({ host, level, key, metric }: SeriesId, { from, to, step }: Range): [number, number, number, number][] {
    const buckets = new Map<number, number[]>();
    for (const [at, values] of this.#held.get([host, level, key].join("\n")) ?? []) {
      const held = values.get(metric);
      if (held === undefined || at < from || at >= to) continue;
      const bucket = step === 0 ? at : at - (at % step);
      buckets.set(bucket, [...(buckets.get(bucket) ?? []), held]);
    }
    return [...buckets]
      .sort(([a], [b]) => a - b)
      .map(([t, v]) => [t, Math.min(...v), v.reduce((a, b) => a + b) / v.length, Math.max(...v)]);
  }
}

const someMeasured = fc.record({
  level: fc.constantFrom("gpu" as const, "host" as const),
  key: fc.constantFrom("", "x", "/mnt/ü"),
  values: fc
    .dictionary(fc.constantFrom("temp", "util", "load"), fc.double({ min: -1e6, max: 1e15 }), { maxKeys: 3 })
    .map((held) => new Map(Object.entries(held))),
});
const someStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      host: fc.constantFrom("a", "b"),
      at: fc.integer({ min: start, max: start + 300 }),
      devices: fc.uniqueArray(someMeasured, { maxLength: 3, selector: ({ level, key }) => level + key }),
    }),
  },
  { weight: 1, arbitrary: fc.constant("flush" as const) },
  { weight: 1, arbitrary: fc.constant("restart" as const) },
);
const someRange = fc.record({
  from: fc.integer({ min: start - 10, max: start + 310 }),
  to: fc.integer({ min: start - 10, max: start + 310 }),
  step: fc.constantFrom(0, 1, 7, 60, 1000),
});

test("whatever is appended, flushed and restarted, reads are those of a plain list", () => {
  fc.assert(
    fc.property(
      fc.array(someStep, { maxLength: 40 }),
      fc.array(someRange, { minLength: 1, maxLength: 4 }),
      (steps, ranges) => {
        folder = mkdtempSync(join(tmpdir(), "gohm-history-"));
        let one = store();
        const model = new Model();
        for (const step of steps) {
          if (step === "flush") one.flush();
          else if (step === "restart") {
            shut(one);
            one = store();
          } else {
            one.append(step);
            model.append(step);
          }
        }
        for (const range of ranges) {
          for (const metric of ["temp", "util"]) {
            const id: SeriesId = { host: "a", level: "gpu", key: "x", metric };
            const { t, min, avg, max } = one.read(id, range);
            const got = [...t].map((at, i) => [at, min[i], avg[i], max[i]]);
            const wanted = model.read(id, range);
            expect(got.map(([at, low, , high]) => [at, low, high])).toEqual(
              wanted.map(([at, low, , high]) => [at, low, high]),
            );
            for (const [i, row] of got.entries()) expect(row[2]).toBeCloseTo(wanted[i]?.[2] ?? Number.NaN, -3);
          }
        }
        shut(one);
        rmSync(folder, { recursive: true });
      },
    ),
    { numRuns: 150 },
  );
});
