import { create } from "@bufbuild/protobuf";
import { effect } from "@preact/signals";
import { expect, test } from "vitest";
import { diff } from "../proto/delta.ts";
import { type Event, EventSchema, type Host, HostSchema, IdleSchema, Link } from "../proto/gen/feed_pb.js";
import { type HostInfo, HostInfoSchema, State } from "../proto/gen/host_pb.js";
import { createFleet, type Fleet } from "./store.ts";

const start = 1_800_000_000_000;
const info = (utilization: number, username = "ada"): HostInfo =>
  create(HostInfoSchema, {
    gpus: [
      {
        id: 0,
        name: "NVIDIA H100",
        state: State.OK,
        utilization,
        memUsed: 40n,
        memTotal: 80n,
        procs: [{ pid: 1, username, basename: "train" }],
      },
    ],
  });
const host = (number: number, name: string, held: HostInfo, at = start): Host =>
  create(HostSchema, { number, name, address: "10.0.0.1:9203", link: Link.OPEN, seen: BigInt(at), info: held });

function live(...hosts: Host[]): Fleet {
  const fleet = createFleet();
  fleet.take(create(EventSchema, { whole: true, now: BigInt(start), interval: 10, hosts }), start - 5000, start - 5000);
  fleet.connection.value = { state: "live", since: 0 };
  return fleet;
}

function change(fleet: Fleet, number: number, before: HostInfo, after: HostInfo, at: number): void {
  const delta = diff(before, after);
  if (delta === undefined) throw new Error("the shape changed");
  delta.number = number;
  delta.seen = BigInt(at);
  fleet.take(create(EventSchema, { now: BigInt(at), interval: 10, deltas: [delta] }), at - 5000, 0);
}

test("a change of numbers reaches its own host and no other", () => {
  const fleet = live(host(1, "a", info(10)), host(2, "b", info(20)));
  const drawn: string[] = [];
  for (const entry of fleet.entries.value) {
    effect(() => {
      drawn.push(`${entry.name}:${entry.tick.value}`);
    });
  }
  drawn.length = 0;
  change(fleet, 1, info(10), info(70), start + 1000);
  expect(drawn).toEqual(["a:1"]);
  expect(fleet.entries.value[0]?.host.value.info?.gpus[0]?.utilization).toBe(70);
  expect(fleet.entries.value[0]?.host.value.seen).toBe(BigInt(start + 1000));
});

test("a host is found by its own name and by the one that is shown, which a waiting machine does not take", () => {
  const blue = { ...host(1, "a", info(10)), shown: "Blue" };
  const stranger = { ...host(2, "Blue", info(10)), waiting: true };
  const fleet = live(stranger, blue, host(3, "b", info(10)), { ...host(4, "w", info(10)), waiting: true });
  expect(["a", "Blue", "b", "w", "nobody"].map((name) => fleet.find(name)?.name)).toEqual([
    "a",
    "a",
    "b",
    "w",
    undefined,
  ]);
  expect(["a", "b", "nobody"].map((name) => fleet.nameOf(name))).toEqual(["Blue", "b", "nobody"]);
  expect([fleet.summary.value.hosts, fleet.summary.value.cards]).toEqual([2, 2]);
});

test("a delta for a host that is not here is refused", () => {
  const fleet = live(host(1, "a", info(10)));
  expect(() => change(fleet, 9, info(10), info(20), start)).toThrow("no host 9");
});

test("a host whose answer is too old stops being live as time goes by", () => {
  const fleet = live(host(1, "a", info(0)));
  const [entry] = fleet.entries.value;
  expect(entry?.fresh.value).toBe(true);
  fleet.pass(start - 5000 + 29_000);
  expect(entry?.fresh.value).toBe(true);
  fleet.pass(start - 5000 + 31_000);
  expect(entry?.fresh.value).toBe(false);
  expect(fleet.summary.value.count.unknown).toBe(1);
  expect(fleet.summary.value.troubles[0]?.kind).toBe("late");
});

test("ages are counted on the hub's clock, whatever the viewer's says", () => {
  const fleet = live(host(1, "a", info(0)));
  fleet.pass(start - 5000 + 2000);
  expect(fleet.now.value).toBe(start + 2000);
});

test("while the hub is lost its clock stands still", () => {
  const fleet = live(host(1, "a", info(0)));
  fleet.connection.value = { state: "lost", since: start, reason: "closed" };
  fleet.pass(start + 600_000);
  expect(fleet.now.value).toBe(start);
});

test("a host is itself by its name, whatever number a hub that started again gives it", () => {
  const fleet = live(host(1, "a", info(0)), host(2, "b", info(0)));
  const before = fleet.entries.value;
  const [a, b] = [host(2, "a", info(7)), host(1, "b", info(0))];
  fleet.take(
    create(EventSchema, { whole: true, now: BigInt(start + 60_000), hosts: [b, a] }),
    start + 55_000,
    start + 55_000,
  );
  expect(fleet.entries.value).toEqual([before[1], before[0]]);
  change(fleet, 2, info(7), info(8), start + 61_000);
  expect(before[0]?.host.value.info?.gpus[0]?.utilization).toBe(8);
});

test("since when a card has been idle goes with the card, not with its place", () => {
  const cards = (...uuids: string[]): HostInfo => create(HostInfoSchema, { gpus: uuids.map((uuid) => ({ uuid })) });
  const with_ = (at: number, idle: { card: number; since: bigint }[], ...uuids: string[]): Event =>
    create(EventSchema, {
      now: BigInt(at),
      hosts: [{ ...host(1, "a", cards(...uuids), at), idle: idle.map((one) => create(IdleSchema, one)) }],
    });
  const fleet = live();
  fleet.take(with_(start, [{ card: 0, since: 5n }], "A", "B"), start - 5000, 0);
  const idle = (): [string, bigint][] =>
    [...(fleet.entries.value[0]?.idle.value ?? [])].map(([key, { since }]) => [key, since]);
  expect(idle()).toEqual([["A", 5n]]);
  fleet.take(with_(start, [{ card: 0, since: 9n }], "B"), start - 5000, 0);
  expect(idle()).toEqual([["B", 9n]]);
  const delta = { number: 1, seen: BigInt(start), idle: [{ card: 0, since: 0n }] };
  fleet.take(create(EventSchema, { now: BigInt(start), deltas: [delta] }), start - 5000, 0);
  expect(idle()).toEqual([]);
});

test("on a slow line values are as old as they are: what was long on its way is not taken for new", () => {
  const fleet = createFleet();
  const whole = { whole: true, now: BigInt(start), interval: 10, hosts: [host(1, "a", info(0))] };
  // The hub began to answer a minute before the event was here.
  fleet.take(create(EventSchema, whole), 160_000, 100_000);
  fleet.connection.value = { state: "live", since: 0 };
  expect(fleet.now.value).toBe(start + 60_000);
  expect(fleet.entries.value[0]?.fresh.value).toBe(false);
  const delta = { number: 1, seen: BigInt(start + 50_000) };
  fleet.take(create(EventSchema, { now: BigInt(start + 50_000), deltas: [delta] }), 170_000, 100_000);
  expect(fleet.now.value).toBe(start + 70_000);
  expect(fleet.entries.value[0]?.fresh.value).toBe(true);
});

test("an event that lags too far behind, or a hub whose clock was set back, is asked for anew", () => {
  const fleet = live(host(1, "a", info(0)));
  const late = (by: number) => create(EventSchema, { now: BigInt(start + 60_000 - by) });
  fleet.take(late(29_000), start + 55_000, 0);
  expect(() => fleet.take(late(31_000), start + 55_000, 0)).toThrow("too late");
  fleet.take(create(EventSchema, { whole: true, now: BigInt(start - 3_600_000) }), start, start);
  expect(fleet.now.value).toBe(start - 3_600_000);
});

test("until the hub has spoken again nothing is live that was there before", () => {
  const fleet = live(host(1, "a", info(0)));
  fleet.connection.value = { state: "opening", since: 0 };
  expect(fleet.entries.value[0]?.live.value).toBe(false);
});

test("hosts with names that every object has are hosts like others", () => {
  const names = ["constructor", "toString", "__proto__", "hasOwnProperty"];
  const fleet = live(...names.map((name, i) => host(i + 1, name, info(0))));
  expect(fleet.entries.value.map(({ name }) => name)).toEqual(names);
  expect(fleet.summary.value.holders).toMatchObject([{ user: "ada", cards: 4 }]);
});

test("a host that was taken out of the settings is gone", () => {
  const fleet = live(host(1, "a", info(0)), host(2, "b", info(0)));
  fleet.take(create(EventSchema, { now: BigInt(start), removed: [1] }), start, start);
  expect(fleet.entries.value.map(({ name }) => name)).toEqual(["b"]);
});

test("a fleet that is forgotten leaves nothing behind, and is whole again with the next snapshot", () => {
  const fleet = live(host(1, "a", info(10)), host(2, "b", info(20)));
  fleet.forget();
  expect([fleet.entries.value, fleet.notices.value, fleet.known.value, fleet.summary.value.cards]).toEqual([
    [],
    [],
    false,
    0,
  ]);
  expect(() => change(fleet, 1, info(10), info(20), start)).toThrow("no host 1");
  const whole = { whole: true, now: BigInt(start), interval: 10, hosts: [host(1, "b", info(30))] };
  fleet.take(create(EventSchema, whole), start - 5000, start - 5000);
  expect(fleet.entries.value.map(({ name }) => name)).toEqual(["b"]);
  expect(fleet.summary.value.cards).toBe(1);
});
