// Reports of the past, through ingest into a real store: what is read back, in which order, and how often it counts.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { Model } from "../test/model.ts";
import { ask, day, hour, pairs, StoreFixture } from "../test/store.ts";
import type { Aggregate, SeriesId, SeriesQuery, Store } from "./history/store.ts";
import { Ingest, type Owner } from "./ingest.ts";
import { Live } from "./live.ts";

const by: Owner = { input: "portal", origin: "push" };
const poll: Owner = { input: "poll", origin: "settings" };
const third: Owner = { input: "poll", origin: "book" };
const minute = 60_000;
const load: SeriesId = { host: "a", level: "host", key: "", metric: "load1" };
const of: readonly Aggregate[] = ["avg", "count", "last", "max", "min"];
const temperature: SeriesId = { host: "a", level: "gpu", key: "GPU-x", metric: "gpu_temperature" };

let scene: StoreFixture;
let store: Store;
let live: Live;
let ingest: Ingest;

beforeEach(async () => {
  scene = new StoreFixture();
  scene.now += 10 * day;
  await open();
});
afterEach(() => scene.remove());

async function open(): Promise<void> {
  store = scene.open();
  live = new Live(() => scene.now);
  const retentionMs = () => scene.retention.raw;
  ingest = new Ingest({ live, history: store, now: () => scene.now, known: await store.known(), retentionMs });
  ingest.claim("a", by, "127.0.0.1");
}

async function restart(): Promise<void> {
  scene.shut(store);
  await open();
}

/** A report of one card, which was read together with its host. */
function report(at: number, value: number): HostInfo {
  const sampled = BigInt(at);
  const gpus = [{ id: 0, uuid: "GPU-x", temp: value, sampled }];
  return create(HostInfoSchema, { agentVersion: "1", sampled, system: { load1: value }, gpus });
}

test("a report of an hour ago is read back at its own time, before newer ones, and the host does not look live", async () => {
  const { now } = scene;
  ingest.late("a", report(now - hour, 1), by);
  expect(live.host("a")).toEqual({ number: 1, name: "a", address: "127.0.0.1", link: { state: "idle", since: now } });
  ingest.received("a", report(now, 3), by);
  ingest.late("a", report(now - hour / 2, 2), by);
  expect(live.host("a")).toMatchObject({ seen: now, info: { system: { load1: 3 } } });
  const samples = [
    [now - hour, 1],
    [now - hour / 2, 2],
    [now, 3],
  ];
  expect([await pairs(store, load), await pairs(store, temperature)]).toEqual([samples, samples]);
  expect((await store.known({ host: "a" })).map(({ last }) => last)).toEqual([now, now]);
});

test("a host that waits goes on waiting when it sends what it measured before", () => {
  ingest.received("a", report(scene.now, 1), by);
  ingest.failed("a", "gone", by);
  const before = live.host("a");
  ingest.late("a", report(scene.now - minute, 2), by);
  expect(live.host("a")).toBe(before);
});

type Way = "received" | "late" | "restart" | "seal";

test.each<readonly Way[]>([
  ["late", "late"],
  ["received", "late"],
  ["late", "received"],
  ["late", "restart", "late"],
  ["received", "restart", "late"],
  ["late", "seal", "late"],
  ["late", "seal", "restart", "late", "seal"],
])("the same report counts once: %s, %s, %s", async (...ways) => {
  const at = scene.now;
  for (const way of ways) {
    if (way === "received") ingest.received("a", report(at, 7), by);
    else if (way === "late") ingest.late("a", report(at, 7), by);
    else if (way === "restart") await restart();
    else await scene.leap(day);
  }
  const range = { from: at - 2 * day, to: at + 2 * day };
  for (const id of [load, temperature]) {
    for (const step of [0, 5 * minute, hour, day]) {
      const { count, avg } = await ask(store, id, { ...range, step }, "count", "avg");
      expect([step, [...count], [...avg]]).toEqual([step, [1], [7]]);
    }
  }
});

test("a report that the hub dated is not taken again when its host, whose clock is slow, did not hear of that", async () => {
  const at = scene.now - 5 * minute;
  ingest.received("a", report(at, 7), by);
  ingest.late("a", report(at, 7), by);
  expect(await pairs(store, load)).toEqual([[scene.now, 7]]);
});

test.each([
  ["ahead", 5],
  ["slow", -5 * minute],
])("of a host whose clock is %s, none of the last reports that were received is taken again", async (_how, error) => {
  const all = Array.from({ length: 16 }, (_, i) => scene.now + i * 10_000);
  for (const now of all) {
    scene.now = now;
    ingest.received("a", report(now + error, 7), by);
  }
  const heard: number[] = [];
  ingest.onReading(({ at }) => heard.push(at));
  for (const now of all) ingest.late("a", report(now + error, 7), by);
  expect([await pairs(store, load), heard]).toEqual([all.map((now) => [now, 7]), []]);
});

test("listeners hear of a late report each time it comes, under the same host and time", () => {
  const heard: string[] = [];
  ingest.onReading(({ host, at, late }) => heard.push(`${host} ${scene.now - at} ${late}`));
  for (const ago of [2, 1, 2]) ingest.late("a", report(scene.now - ago * minute, 7), by);
  expect(heard).toEqual([`a ${2 * minute} true`, `a ${minute} true`, `a ${2 * minute} true`]);
});

test("what a device repeats in the next late report is no new sample of it", async () => {
  const at = scene.now - hour;
  ingest.late("a", report(at, 7), by);
  const repeated = report(at + 5000, 8);
  for (const gpu of repeated.gpus) gpu.sampled = BigInt(at);
  ingest.late("a", repeated, by);
  expect([await pairs(store, load), await pairs(store, temperature)]).toEqual([
    [
      [at, 7],
      [at + 5000, 8],
    ],
    [[at, 7]],
  ]);
});

test("after a restart, and when it is claimed anew, a card that is reported by its index goes on in its series", async () => {
  ingest.received("a", report(scene.now, 1), by);
  await restart();
  for (const value of [2, 3]) {
    scene.now += minute;
    const info = report(scene.now, value);
    for (const gpu of info.gpus) gpu.uuid = undefined;
    ingest.received("a", info, by);
    ingest.release("a", by);
    ingest.claim("a", by, "127.0.0.1");
  }
  expect((await pairs(store, temperature)).map(([, value]) => value)).toEqual([1, 2, 3]);
});

test("an outage of days comes in, in batches of any order, between what was received before and after it", async () => {
  const model = new Model();
  const append = (poll: Parameters<Store["append"]>[0]) => [model, store].map((one) => one.append(poll));
  const both = { append, rename: () => false };
  const to = new Ingest({ live, history: both, now: () => scene.now });
  to.claim("a", by, "127.0.0.1");
  const from = scene.now;
  to.received("a", report(from, 50), by);
  scene.now += 3 * day;
  const buffered = Array.from({ length: 3 * 288 - 1 }, (_, i) => report(from + (i + 1) * 5 * minute, i % 90));
  to.received("a", report(scene.now, 51), by);
  for (const batch of [buffered.slice(500), buffered.slice(0, 200), buffered.slice(200, 500)]) {
    for (const one of batch) to.late("a", one, by);
    await scene.leap(5 * minute);
    to.received("a", report(scene.now, 52), by);
  }
  expect((await pairs(store, temperature)).slice(0, 3 * 288 - 1)).toEqual(
    [50, ...buffered.map((_, i) => i % 90)].slice(0, 3 * 288 - 1).map((value, i) => [from + i * 5 * minute, value]),
  );
  await scene.leap(2 * day);
  for (const step of [0, 5 * minute, hour, 4 * hour, day]) {
    const range = { from: from - day, to: scene.now + day, step };
    const question: SeriesQuery<Aggregate> = { series: [load, temperature], range, of, most: 1e6 };
    expect(await store.read(question)).toEqual(await model.read(question));
  }
});

test.each([
  ["without a time", undefined],
  ["more than 30 s ahead", 30_001],
  ["by a clock that is hours ahead", 8 * hour],
  ["older than samples are kept", -30 * day + hour - 1],
  ["of 1970", -Infinity],
])("a late report %s is refused, with what was wanted, and nothing of it is kept", async (_which, offset) => {
  scene.retention = { raw: 30 * day, fiveMinutes: Infinity, hour: Infinity, day: Infinity };
  const info = report(Math.max(0, scene.now + (offset ?? 0)), 1);
  if (offset === undefined) info.sampled = undefined;
  expect(() => ingest.late("a", info, by)).toThrow(
    expect.objectContaining({
      code: "sample_bad",
      message: expect.stringMatching(
        /^A late report of "a" must have been sampled from \d+ up to \d+ Unix milliseconds: its time is (\d+|absent)\.$/,
      ),
    }),
  );
  expect(await store.known()).toEqual([]);
});

test("a report that comes again when its samples are about to be deleted counts once", async () => {
  scene.retention = { raw: 30 * day, fiveMinutes: Infinity, hour: Infinity, day: Infinity };
  // Shortly before the end of what the store deletes at once.
  scene.now += 4 * hour - minute;
  const at = scene.now;
  const count = async () => [
    ...(await ask(store, load, { from: at - day, to: at + day, step: 5 * minute }, "count")).count,
  ];
  ingest.received("a", report(at, 7), by);
  await scene.leap(day);
  scene.now = at + 30 * day - hour;
  ingest.late("a", report(at, 7), by);
  await scene.leap(10 * minute);
  expect(await count()).toEqual([1]);
  scene.now = at + 30 * day - minute;
  expect(() => ingest.late("a", report(at, 7), by)).toThrow(/must have been sampled from/);
  await scene.leap(10 * minute);
  expect(await count()).toEqual([1]);
});

test("a report from 30 s ahead is taken, as clocks differ", async () => {
  ingest.late("a", report(scene.now + 30_000, 7), by);
  expect(await pairs(store, load)).toEqual([[scene.now + 30_000, 7]]);
});

/** Minutes, from the start of the scene, of the late reports that are kept, of those given. */
function keptOf(start: number, ...minutes: number[]): number[] {
  const kept: number[] = [];
  const end = ingest.onReading(({ at }) => kept.push((at - start) / minute));
  for (const at of minutes) ingest.late("a", report(start + at * minute, 1), by);
  end();
  return kept;
}

/** Has an owner hear from the host each minute. */
function hear(start: number, from: number, to: number, owner = poll): void {
  for (let at = from; at <= to; at++) {
    scene.now = start + at * minute;
    ingest.received("a", report(scene.now, 2), owner);
  }
}

test("a late report of an owner on standby counts only for times at which the other one did not hear from the host", () => {
  const start = scene.now;
  ingest.claim("a", poll, "127.0.0.1:1");
  hear(start, 10, 20);
  scene.now += 30_000;
  expect(keptOf(start, 1, 9.9, 10, 15.5, 20, 20.4)).toEqual([1, 9.9]);
  ingest.failed("a", "gone", poll);
  scene.now = start + 30 * minute;
  expect(keptOf(start, 15.5, 19.5, 20.5, 29)).toEqual([20.5, 29]);
  hear(start, 30, 31);
  expect(keptOf(start, 25, 29.5, 30, 30.5, 31)).toEqual([25, 29.5]);
});

test("a time without a report is an outage though nothing failed: the hub itself was stopped", () => {
  const start = scene.now;
  ingest.claim("a", poll, "127.0.0.1:1");
  hear(start, 0, 5);
  scene.now = start + 65 * minute;
  expect(keptOf(start, 4.5, 40)).toEqual([40]);
  hear(start, 65, 66);
  expect(keptOf(start, 41, 65.5)).toEqual([41]);
});

test("late reports of the owner that feeds the host are kept, whatever owners on standby heard meanwhile", () => {
  const start = scene.now;
  ingest.release("a", by);
  ingest.claim("a", third, "127.0.0.1:2");
  ingest.claim("a", by, "127.0.0.1");
  ingest.claim("a", poll, "127.0.0.1:1");
  hear(start, 0, 5, by);
  const kept: number[] = [];
  ingest.onReading(({ at }) => kept.push((at - start) / minute));
  ingest.late("a", report(start + 2.5 * minute, 1), third);
  ingest.late("a", report(start + 3.5 * minute, 1), poll);
  expect(kept).toEqual([2.5, 3.5]);
});

const step = fc.oneof(
  fc.record({ way: fc.constantFrom("received", "late"), ago: fc.integer({ min: 0, max: 40 }), value: fc.nat(90) }),
  fc.constantFrom("restart", "seal", "wait"),
);

test("whatever comes late, twice or between restarts, history is that of a plain list", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      scene.remove();
      scene = new StoreFixture();
      scene.now += 10 * day;
      await open();
      const wanted = new Map<number, number>();
      for (const one of steps) {
        if (one === "restart") await restart();
        else if (one === "seal") await scene.leap(day);
        else if (one === "wait") scene.now += minute;
        else if (one.way === "received") {
          ingest.received("a", report(scene.now, one.value), by);
          wanted.set(scene.now, one.value);
        } else {
          const at = scene.now - one.ago * 7 * minute;
          const info = report(at, one.value);
          // Two reports of one host at one time are one report.
          info.system = create(HostInfoSchema, { system: { load1: wanted.get(at) ?? one.value } }).system;
          wanted.set(at, wanted.get(at) ?? one.value);
          ingest.late("a", info, by);
        }
      }
      expect(await pairs(store, load)).toEqual([...wanted].sort(([a], [b]) => a - b));
    }),
    { numRuns: 30 },
  );
});

test("an archive of years ago can be imported, in parts and after restarts, and does not make the hub doubt its clock", async () => {
  const old = scene.now;
  scene.now += 2 * 365 * day;
  for (const i of [0, 1]) {
    ingest.imported("archived", report(old + i * minute, i));
    await restart();
  }
  ingest.received("a", report(scene.now, 5), by);
  expect(live.notices()).toEqual([]);
  const archived: SeriesId = { ...load, host: "archived" };
  expect(await pairs(store, archived)).toEqual([
    [old, 0],
    [old + minute, 1],
  ]);
  expect(await pairs(store, load)).toEqual([[scene.now, 5]]);
  // A clock that is behind cannot tell what is too new.
  scene.now -= 2 * day;
  await restart();
  expect(() => ingest.imported("archived", report(old, 1))).toThrow(/nothing is kept until it is set/);
});
