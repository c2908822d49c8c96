// What administrators have set for hosts, as ingest applies it: selected devices, approval, names; and clocks of hosts.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { RosterFixture } from "../test/roster.ts";
import { everything } from "./book/book.ts";
import type { HostSample } from "./history/store.ts";
import { Ingest, type Owner } from "./ingest.ts";
import { Live } from "./live.ts";
import { Troubles } from "./trouble.ts";

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

const start = 1_800_000_000_000;
const poll: Owner = { input: "poll", origin: "settings" };
const push: Owner = { input: "portal", origin: "push" };
const logger: Owner = { input: "logger", origin: "push", trusted: true };
const approved = "approved" as const;

let now: number;
let scene: RosterFixture;
let live: Live;
let troubles: Troubles;
let ingest: Ingest;
let polls: HostSample[];
let heard: number[];

beforeEach(() => {
  now = start;
  scene = new RosterFixture({ a: "h:1" });
  live = new Live(() => now);
  troubles = new Troubles(() => now);
  polls = [];
  heard = [];
  const append = (poll: HostSample) => void polls.push({ ...poll, devices: [...poll.devices] });
  const history = { append, rename: () => false };
  ingest = new Ingest({ live, history, now: () => now, directory: scene.roster, troubles });
  ingest.onReading(({ info }) => heard.push(info.gpus.length));
  ingest.claim("a", poll, "h:1");
});

const report = (init: Init = {}) =>
  create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now), system: { load1: 1 }, ...init });

const cards = (): Init => ({
  gpus: [0, 1, 2].map((id) => ({ id, uuid: `GPU-${id}`, temp: 50 + id, procs: [{ pid: id }] })),
  nics: [{ name: "eth0", rxRate: 1n }],
});

const uuids = () => live.host("a")?.info?.gpus.map(({ uuid }) => uuid);
const keys = () => polls.at(-1)?.devices.map(({ key }) => key);

test("live state, history and readings have nothing of a device that is not selected, of polled hosts too, also late", () => {
  scene.write({ hosts: [{ name: "a", config: { ...everything, gpuIndices: [1], nicNames: [] } }] });
  ingest.received("a", report(cards()), poll);
  expect([uuids(), keys(), heard]).toEqual([["GPU-1"], ["", "GPU-1"], [1]]);
  expect(live.host("a")?.info?.nics).toEqual([]);
  now += 1000;
  ingest.late("a", report({ ...cards(), sampled: BigInt(start - 60_000) }), poll);
  expect([keys(), heard]).toEqual([
    ["", "GPU-1"],
    [1, 1],
  ]);
});

test("a selection holds from the moment at which it is saved, and a device that is selected again is back at once", () => {
  ingest.received("a", report(cards()), poll);
  const before = live.host("a");
  expect(ingest.offered("a")).toBeUndefined();
  scene.write({ hosts: [{ name: "a", config: { ...everything, gpuIndices: [0] } }] });
  expect([uuids(), before?.info?.gpus.length]).toEqual([["GPU-0"], 3]);
  expect(ingest.offered("a")?.gpus.map(({ id }) => id)).toEqual([0, 1, 2]);
  scene.write({ hosts: [{ name: "a", config: { ...everything, gpuIndices: [2, 0] } }] });
  expect(uuids()).toEqual(["GPU-0", "GPU-2"]);
  scene.write({ hosts: [{ name: "a", group: "lab" }] });
  expect([uuids(), ingest.offered("a")]).toEqual([["GPU-0", "GPU-1", "GPU-2"], undefined]);
  expect(live.host("a")?.info?.gpus[1]).toMatchObject({ temp: 51, procs: [{ pid: 1 }] });
});

test("a card that a push names by index alone is the one that history knows, whatever is selected", () => {
  scene.write({ hosts: [{ name: "a", config: { ...everything, gpuIndices: [1] } }] });
  ingest.received("a", report(cards()), poll);
  ingest.received(
    "a",
    report({
      gpus: [
        { id: 0, temp: 1 },
        { id: 1, temp: 2 },
      ],
    }),
    poll,
  );
  expect(live.host("a")?.info?.gpus).toMatchObject([{ uuid: "GPU-1", temp: 2 }]);
});

test("shown name, group, labels and interval are those of the roster, when a host appears and when they change", () => {
  const config = { ...everything, reportIntervalSec: 60 };
  scene.write({ hosts: [{ name: "a", shown: "Blue", group: "lab", labels: { rack: "b2" }, config }] });
  const profile = { shown: "Blue", group: "lab", labels: { rack: "b2" }, intervalSec: 60 };
  expect(live.host("a")?.profile).toEqual(profile);
  ingest.claim("a", poll, "h:2");
  ingest.received("a", report(), poll);
  expect(live.host("a")).toMatchObject({ name: "a", address: "h:2", profile });
  let changes = 0;
  live.onChange(() => changes++);
  scene.write({ hosts: [{ name: "a", shown: "Blue", group: "lab", labels: { rack: "b2" }, config }] });
  expect(changes).toBe(0);
  scene.write({ hosts: [] });
  expect([changes, live.host("a")?.profile, live.host("a")?.info?.system?.load1]).toEqual([1, undefined, 1]);
});

test("what a waiting machine sends is kept, live and in history, and the host is marked until somebody approves it", () => {
  scene.write({ nodes: [{ hostname: "n" }] });
  ingest.claim("n", push, "10.0.0.9");
  ingest.received("n", report(), push);
  expect(live.host("n")).toMatchObject({
    link: { state: "open" },
    info: { system: { load1: 1 } },
    profile: { waiting: true },
  });
  expect(polls.map(({ host }) => host)).toEqual(["n"]);
  scene.write({ nodes: [{ hostname: "n", state: approved }] });
  expect(live.host("n")).toMatchObject({ profile: undefined, info: { system: { load1: 1 } } });
});

test("a waiting machine with the name of a polled host neither feeds it, nor marks it, nor says why it is down", () => {
  scene.write({ nodes: [{ hostname: "a" }] });
  ingest.claim("a", push, "10.0.0.9");
  ingest.received("a", report({ system: { load1: 9 } }), push);
  expect([live.host("a")?.profile, live.host("a")?.info, polls]).toEqual([undefined, undefined, []]);
  ingest.failed("a", "no route", poll);
  ingest.received("a", report({ system: { load1: 9 } }), push);
  ingest.late("a", report({ system: { load1: 9 }, sampled: BigInt(now - 60_000) }), push);
  ingest.failed("a", "no report", push);
  expect(live.host("a")).toMatchObject({ address: "h:1", link: { state: "waiting", reason: "no route" } });
  expect([live.host("a")?.info, polls]).toEqual([undefined, []]);
  scene.write({ nodes: [{ hostname: "a", state: approved }] });
  ingest.received("a", report({ system: { load1: 9 } }), push);
  expect(live.host("a")).toMatchObject({ link: { state: "open" }, info: { system: { load1: 9 } } });
});

test("a machine that registers under the name of a host of another input does not hide that host", () => {
  ingest.claim("client", logger, "10.0.0.7");
  ingest.received("client", report(), logger);
  scene.write({ nodes: [{ hostname: "client" }] });
  ingest.claim("client", push, "10.0.0.9");
  ingest.received("client", report({ system: { load1: 9 } }), push);
  expect(live.host("client")).toMatchObject({ profile: undefined, info: { system: { load1: 1 } } });
});

test("the address from which a machine sends its reports may change: what it sent stays", () => {
  scene.write({ nodes: [{ hostname: "n", state: approved }] });
  ingest.claim("n", push, "10.0.0.9");
  ingest.received("n", report(), push);
  ingest.claim("n", push, "10.0.0.10");
  expect(live.host("n")).toMatchObject({
    address: "10.0.0.10",
    link: { state: "open" },
    info: { system: { load1: 1 } },
  });
});

test("the skew of a host's clock is that of the report that was on its way for the shortest time", () => {
  const skews = [-1000, -200, -4000].map((behind) => {
    ingest.received("a", report({ sampled: BigInt(now + 5000 + behind) }), poll);
    return live.host("a")?.skewMs;
  });
  expect([skews, troubles.of("a")]).toEqual([[4000, 4800, 4800], []]);
  for (let i = 0; i < 8; i++) ingest.received("a", report({ sampled: BigInt(now - 95_000) }), poll);
  expect([live.host("a")?.skewMs, troubles.of("a")]).toEqual([-95_000, [expect.stringMatching(/95 s behind/)]]);
  for (let i = 0; i < 8; i++) ingest.received("a", report({ sampled: BigInt(now) }), poll);
  expect([live.host("a")?.skewMs, troubles.of("a")]).toEqual([0, []]);
  ingest.received("a", report({ sampled: BigInt(now + 31_000) }), poll);
  expect(troubles.of("a")).toEqual([expect.stringMatching(/31 s ahead/)]);
  ingest.release("a", poll);
  expect(troubles.of("a")).toEqual([]);
});

test("of a host that does not report its time the skew is not known", () => {
  ingest.received("a", create(HostInfoSchema, { system: { load1: 1 } }), poll);
  expect(live.host("a")?.skewMs).toBeUndefined();
});
