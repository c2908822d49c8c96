// Cards that come by their indices alone and later with uuids, through ingest into a real store: which series they have.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { RosterFixture } from "../test/roster.ts";
import { hour, pairs, StoreFixture, temperature } from "../test/store.ts";
import { everything } from "./book/book.ts";
import type { Store } from "./history/store.ts";
import { Ingest, type Owner } from "./ingest.ts";
import { Live } from "./live.ts";

type Card = NonNullable<Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>["gpus"]>[number];

const push: Owner = { input: "portal", origin: "push", trusted: true };
const stranger: Owner = { input: "portal", origin: "push" };
const poll: Owner = { input: "poll", origin: "settings" };

let scene: StoreFixture;
let roster: RosterFixture;
let store: Store;
let live: Live;
let ingest: Ingest;
let started: number;

beforeEach(async () => {
  scene = new StoreFixture();
  scene.now += 10 * 24 * hour;
  started = scene.now - hour;
  roster = new RosterFixture({});
  await open();
});
afterEach(() => scene.remove());

async function open(): Promise<void> {
  store = scene.open();
  live = new Live(() => scene.now);
  const known = await store.known();
  ingest = new Ingest({ live, history: store, now: () => scene.now, known, directory: roster.roster });
  ingest.claim("a", push, "127.0.0.1");
}

async function restart(): Promise<void> {
  scene.shut(store);
  await open();
}

const card = (id: number, uuid?: string): Card => ({
  id,
  name: "A100",
  temp: 40 + id,
  ...(uuid === undefined ? {} : { uuid }),
});

function report(gpus: readonly Card[], at = scene.now) {
  const system = { uptime: BigInt(Math.floor((at - started) / 1000)) };
  return create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(at), system, gpus: [...gpus] });
}

function hear(gpus: readonly Card[], by = push): void {
  ingest.received("a", report(gpus), by);
  scene.now += 10_000;
}

const keys = async (): Promise<string[]> =>
  (await store.known({ level: "gpu" })).map(({ host, key }) => (host === "a" ? key : `${host} ${key}`)).sort();
const count = async (key: string): Promise<number> => (await pairs(store, temperature(key))).length;
const bare = [card(0), card(1)];
const full = [card(0, "GPU-a"), card(1, "GPU-b")];

test("a card that is known by its index first and by its uuid later has one series, also after a restart of the hub", async () => {
  hear(bare);
  hear(bare);
  hear(full);
  expect([await keys(), await count("GPU-a"), await count("GPU-b")]).toEqual([["GPU-a", "GPU-b"], 3, 3]);
  hear(bare);
  await restart();
  hear(bare);
  hear(full);
  expect([await keys(), await count("GPU-a"), await count("GPU-b")]).toEqual([["GPU-a", "GPU-b"], 6, 6]);
});

test("a late report of the time before is of the same card, and one with uuids may be the first of them", async () => {
  hear(bare);
  const before = scene.now;
  scene.now += 100_000;
  ingest.late("a", report(full, before + 5000), push);
  expect([await keys(), await count("GPU-a")]).toEqual([["GPU-a", "GPU-b"], 2]);
  ingest.late("a", report(bare, before - 60_000), push);
  hear(bare);
  expect([await keys(), await count("GPU-a")]).toEqual([["GPU-a", "GPU-b"], 4]);
});

test("after a restart of the machine, or of the hub, nothing shows that a card is the same: there are two series", async () => {
  hear(bare);
  started = scene.now;
  scene.now += 60_000;
  hear(full);
  expect([await keys(), await count("GPU-a")]).toEqual([["#0", "#1", "GPU-a", "GPU-b"], 1]);
  ingest.claim("b", push, "127.0.0.1");
  ingest.received("b", report(bare), push);
  await restart();
  ingest.claim("b", push, "127.0.0.1");
  ingest.received("b", report(full), push);
  expect((await keys()).filter((key) => key.startsWith("b"))).toEqual(["b #0", "b #1", "b GPU-a", "b GPU-b"]);
});

test("a series that may hold samples of a card with a uuid is renamed to no other card, also after a restart of the hub", async () => {
  hear(bare);
  started = scene.now;
  scene.now += 60_000;
  hear(full);
  const others = [
    { ...card(0), name: "H100" },
    { ...card(1), name: "H100" },
  ];
  hear(others);
  hear(others);
  await restart();
  // The cards that were measured last at these indices have no uuids.
  hear(others);
  hear([
    { ...card(0, "GPU-c"), name: "H100" },
    { ...card(1, "GPU-d"), name: "H100" },
  ]);
  expect(await keys()).toEqual(["#0", "#1", "GPU-a", "GPU-b", "GPU-c", "GPU-d"]);
});

test("a machine that pushes indices and is polled with uuids has one series of each card, whichever comes when", async () => {
  hear(bare);
  ingest.claim("a", poll, "127.0.0.1:1");
  hear(full, poll);
  hear(bare);
  hear(full, poll);
  ingest.failed("a", "gone", poll);
  hear(bare);
  expect([await keys(), await count("GPU-a"), await count("GPU-b")]).toEqual([["GPU-a", "GPU-b"], 4, 4]);
});

test("what a machine reported that nobody has approved joins no series of a host that others have a right to", async () => {
  ingest.release("a", push);
  ingest.claim("a", stranger, "10.0.0.9");
  hear(bare, stranger);
  roster.write({ nodes: [{ hostname: "a", state: "waiting" }] });
  ingest.claim("a", poll, "127.0.0.1:1");
  hear(full, poll);
  expect(await keys()).toEqual(["#0", "#1", "GPU-a", "GPU-b"]);
});

test("a machine of which history gets nothing yet changes nothing in it", async () => {
  hear(bare);
  const other: Owner = { ...push, liveOnly: true };
  ingest.claim("a", other, "10.0.0.9");
  ingest.release("a", push);
  hear(full, other);
  expect(await keys()).toEqual(["#0", "#1"]);
});

test("a poll that goes to another address asks another machine, whose cards are not those of the first", async () => {
  ingest.release("a", push);
  ingest.claim("a", poll, "10.0.0.1:1");
  hear(bare, poll);
  ingest.claim("a", poll, "10.0.0.1:2");
  hear(full, poll);
  expect(await keys()).toEqual(["#0", "#1", "GPU-a", "GPU-b"]);
});

test("of a host of which only some cards are kept, it is not certain which ones its indices mean", async () => {
  roster.write({ hosts: [{ name: "a", config: { ...everything, gpuIndices: [0, 1] } }] });
  hear(bare);
  hear(full);
  expect(await keys()).toEqual(["#0", "#1", "GPU-a", "GPU-b"]);
});

test("a card that gets a uuid has been held without computing for as long as before", () => {
  const held = (uuid?: string): Card => ({
    ...card(0, uuid),
    utilization: 0,
    memUsed: 40n << 30n,
    memTotal: 80n << 30n,
  });
  hear([{ ...held(), utilization: 90 }]);
  const since = scene.now;
  hear([held()]);
  hear([held("GPU-a")]);
  expect([...(live.host("a")?.idle ?? [])]).toEqual([["GPU-a", { since, orLonger: false }]]);
  expect(live.host("a")?.info?.gpus.map(({ uuid }) => uuid)).toEqual(["GPU-a"]);
});
