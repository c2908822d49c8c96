// What every engine promises, and the plain list that they are compared with: examples worked out by hand.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { latestWins, type Opener, openers } from "../../test/engines.ts";
import { Model } from "../../test/model.ts";
import { day, gpu, StoreFixture, start } from "../../test/store.ts";
import type { Aggregate, DeviceSample, Range, SeriesId, Store } from "./store.ts";

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

  test("a card has the name of its newest sample that gave one, whichever sample came last", async () => {
    const known = async () =>
      (await store.known({ host: "a" })).map(({ key, name, last }) => [key, name, last - start]);
    const model = (at: number, name: string | undefined, key = "x"): void =>
      put(at, { ...card(key, 1), ...(name === undefined ? {} : { name }) });
    model(5, undefined);
    expect(await known()).toEqual([["x", undefined, 5]]);
    model(3, "old");
    expect(await known()).toEqual([["x", "old", 5]]);
    model(7, "new");
    model(9, undefined);
    // An import, of the same block and of one long before.
    model(6, "imported");
    store.append({ host: "a", at: start - day, devices: [{ ...card("x", 1), name: "imported" }] });
    expect(await known()).toEqual([["x", "new", 9]]);
    // Nothing was measured of it then.
    put(11, card("y", 1), { ...card("x", Number.NaN), name: "dead" });
    expect((await known())[0]).toEqual(["x", "new", 9]);
    model(11, "newer");
    expect(store.rename(named("x"), "z")).toBe(true);
    model(2, "another", "x");
    expect((await known()).sort()).toEqual([
      ["x", "another", 2],
      ["y", undefined, 11],
      ["z", "newer", 11],
    ]);
    await store.forget("a");
    model(12, undefined);
    expect(await known()).toEqual([["x", undefined, 12]]);
  });

  test("a name that is more than one line is refused, and nothing of its sample is kept", async () => {
    put(1, { ...card("x", 1), name: "A" });
    const bad = expect.objectContaining({ code: "sample_bad" });
    expect(() => put(2, { ...card("x", 2), name: "A\nB" })).toThrow(bad);
    expect((await store.known()).map(({ name, last }) => [name, last - start])).toEqual([["A", 1]]);
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
