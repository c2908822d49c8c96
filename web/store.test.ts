import { create } from "@bufbuild/protobuf";
import { effect } from "@preact/signals";
import { expect, test } from "vitest";
import { diff } from "../proto/delta.ts";
import { EventSchema, type Host, HostSchema, Link } from "../proto/gen/feed_pb.js";
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
  fleet.take(create(EventSchema, { whole: true, now: BigInt(start), interval: 10, hosts }), start - 5000);
  fleet.connection.value = { state: "live", since: 0 };
  return fleet;
}

function change(fleet: Fleet, number: number, before: HostInfo, after: HostInfo, at: number): void {
  const delta = diff(before, after);
  if (delta === undefined) throw new Error("the shape changed");
  delta.number = number;
  delta.seen = BigInt(at);
  fleet.take(create(EventSchema, { now: BigInt(at), interval: 10, deltas: [delta] }), at - 5000);
}

test("a change of numbers reaches its own host and no other", () => {
  const fleet = live(host(1, "a", info(10)), host(2, "b", info(20)));
  const drawn: string[] = [];
  for (const entry of fleet.entries.value) {
    effect(() => {
      drawn.push(`${entry.number}:${entry.tick.value}`);
    });
  }
  drawn.length = 0;
  change(fleet, 1, info(10), info(70), start + 1000);
  expect(drawn).toEqual(["1:1"]);
  expect(fleet.entries.value[0]?.host.value.info?.gpus[0]?.utilization).toBe(70);
  expect(fleet.entries.value[0]?.host.value.seen).toBe(BigInt(start + 1000));
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

test("what the page noticed about a host outlasts a reconnection, unless the number means another host now", () => {
  const fleet = live(host(1, "a", info(0)), host(2, "b", info(0)));
  const before = fleet.entries.value;
  fleet.take(
    create(EventSchema, {
      whole: true,
      now: BigInt(start + 60_000),
      hosts: [host(1, "a", info(0)), host(2, "c", info(0))],
    }),
    start,
  );
  expect(fleet.entries.value[0]).toBe(before[0]);
  expect(fleet.entries.value[0]?.restingSince.get(0)).toBe(start);
  expect(fleet.entries.value[1]).not.toBe(before[1]);
});

test("how long a card has rested starts anew when it computed in between", () => {
  const fleet = live(host(1, "a", info(0)));
  const [entry] = fleet.entries.value;
  change(fleet, 1, info(0), info(50), start + 10_000);
  expect(entry?.restingSince.has(0)).toBe(false);
  change(fleet, 1, info(50), info(0), start + 20_000);
  expect(entry?.restingSince.get(0)).toBe(start + 20_000);
});

test("a host that was taken out of the settings is gone", () => {
  const fleet = live(host(1, "a", info(0)), host(2, "b", info(0)));
  fleet.take(create(EventSchema, { now: BigInt(start), removed: [1] }), start);
  expect(fleet.entries.value.map(({ number }) => number)).toEqual([2]);
});
