import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { apply } from "../../../proto/delta.ts";
import { type Event, EventSchema, type Host, HostSchema, Link } from "../../../proto/gen/feed_pb.js";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { utilizationOf } from "../../../proto/verdict.ts";
import { Live } from "../../live.ts";
import { notice } from "../../notice.ts";
import { Privacy } from "../../privacy.ts";
import { reason } from "../../reason.ts";
import { detail, FeedEncoder } from "./encoder.ts";

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

let now = 0;
let page = "app-A.js";

function input() {
  now = 1000;
  page = "app-A.js";
  const live = new Live(() => now);
  const encoder = new FeedEncoder({
    live,
    clock: { now: () => now, after: () => () => {} },
    instance: "h",
    interval: () => 10,
    page: () => page,
  });
  const read = (bytes: Uint8Array): Event => fromBinary(EventSchema, bytes);
  return {
    live,
    say: (name: string, init: Init) => live.received(name, create(HostInfoSchema, init)),
    step: () => read(encoder.step()),
    whole: () => read(encoder.whole()),
  };
}

const card = (utilization: number, name = "H100"): Init => ({ gpus: [{ id: 0, name, utilization }] });

test("a host that only changed its numbers is sent as a delta, one that changed its shape whole", () => {
  const { live, say, step } = input();
  live.expect("a", "x:1");
  expect(step().hosts).toMatchObject([{ name: "a", address: "x:1", link: Link.IDLE }]);
  say("a", card(5));
  expect(step()).toMatchObject({ hosts: [{ link: Link.OPEN, seen: 1000n }], deltas: [] });
  now = 2000;
  say("a", card(8));
  expect(step()).toMatchObject({ hosts: [], deltas: [{ number: 1, seen: 2000n, integers: [3n] }], now: 2000n });
  say("a", card(8, "H200"));
  expect(step()).toMatchObject({ hosts: [{ name: "a" }], deltas: [] });
});

test("decimals of a utilization reach every viewer, in a delta too", () => {
  const { live, say, step } = input();
  live.expect("a", "x:1");
  say("a", { gpus: [{ id: 0, utilization: 37, utilizationExact: 37.45 }] });
  const [shown] = step().hosts;
  expect(shown?.info?.gpus.map(utilizationOf)).toEqual([37.45]);
  say("a", { gpus: [{ id: 0, utilization: 37, utilizationExact: 36.58 }] });
  const [delta] = step().deltas;
  if (shown?.info === undefined || delta === undefined) return expect.fail();
  apply(shown.info, delta);
  expect(shown.info.gpus.map(utilizationOf)).toEqual([36.58]);
});

test("what is not drawn of every host is told of one that is asked for, and is no news to the others", () => {
  const { live, say, step, whole } = input();
  live.expect("a", "x:1");
  const counted = (energy: bigint): Init => ({
    gpus: [{ id: 0, utilization: 5, energy, nvlink: { rxTotal: energy } }],
  });
  say("a", counted(7n));
  step();
  say("a", counted(9n));
  expect(step()).toMatchObject({ hosts: [], deltas: [{ number: 1, slots: [] }] });
  expect(whole().hosts[0]?.info?.gpus[0]?.energy).toBeUndefined();
  const all = fromBinary(HostSchema, detail(live.host("a") ?? expect.fail()));
  expect(all).toMatchObject({ name: "a", link: Link.OPEN, info: { gpus: [{ energy: 9n, nvlink: { rxTotal: 9n } }] } });
});

test("digits that the page does not write are no news", () => {
  const { live, say, step } = input();
  live.expect("a", "x:1");
  const reads = (busy: number, load1: number, power: number): Init => ({
    gpus: [{ id: 0, power }],
    cpu: { busy },
    system: { load1 },
  });
  say("a", reads(12.34, 3.04, 300_100));
  const [first] = step().hosts;
  expect(first?.info).toMatchObject({ cpu: { busy: 12 }, gpus: [{ power: 300_000 }] });
  expect(first?.info?.system?.load1?.toFixed(1)).toBe("3.0");
  say("a", reads(12.21, 2.96, 299_800));
  expect(step().deltas).toMatchObject([{ number: 1, slots: [] }]);
  say("a", reads(12.6, 3.06, 300_600));
  expect(step().deltas).toMatchObject([{ slots: [expect.anything(), expect.anything(), expect.anything()] }]);
});

test("several answers within one step are one change that adds up", () => {
  const { live, say, step } = input();
  live.expect("a", "x:1");
  say("a", card(5));
  const known = step().hosts[0]?.info ?? expect.fail();
  for (const load of [50, 7, 90]) say("a", card(load));
  for (const delta of step().deltas) apply(known, delta);
  expect(known.gpus[0]?.utilization).toBe(90);
});

test("a viewer that comes between two steps is told what the others know, so that the next delta fits it too", () => {
  const { live, say, step, whole } = input();
  live.expect("a", "x:1");
  say("a", card(5));
  const { sequence } = step();
  say("a", card(50));
  const first = whole();
  expect(first).toMatchObject({ whole: true, sequence, hosts: [{ info: { gpus: [{ utilization: 5 }] } }] });
  const next = step();
  expect(next.sequence).toBe(sequence + 1n);
  const known = first.hosts[0]?.info ?? expect.fail();
  for (const delta of next.deltas) apply(known, delta);
  expect(known.gpus[0]?.utilization).toBe(50);
});

test("a link that breaks is told with its reason, old values beside it and their age", () => {
  const { live, say, step } = input();
  live.expect("a", "x:1");
  say("a", card(5));
  step();
  now = 9000;
  live.failed("a", "no answer within 5 s");
  expect(step().hosts).toMatchObject([
    { link: Link.WAITING, since: 9000n, seen: 1000n, reason: "no answer within 5 s" },
  ]);
});

test("a host of which only history knows has a link of its own, and its reason", () => {
  const { live, step } = input();
  live.expect("a", "x:1");
  live.failed("a", reason("means_only"));
  expect(step().hosts).toMatchObject([{ link: Link.HISTORY, cause: { code: "means_only" } }]);
});

test("what the hub says of a host and of itself has its code and values beside the text; what comes from elsewhere has none", () => {
  const { live, say, step } = input();
  live.expect("a", "x:1");
  say("a", card(5));
  expect(step().hosts[0]?.cause).toBeUndefined();
  live.failed("a", reason("no_connection_in_time", { address: "x:1", deadlineMs: 5000 }));
  live.notice("push", notice("nodes_full", { most: 5000 }));
  live.notice("settings", "line 3");
  const told = step();
  expect(told.hosts).toMatchObject([
    {
      reason: "no connection to x:1 within 5 s",
      cause: { code: "no_connection_in_time", texts: { address: "x:1" }, numbers: { deadlineMs: 5000 } },
    },
  ]);
  expect(told.notices).toEqual([expect.stringMatching(/^5000 machines are registered/), "line 3"]);
  expect(told.noticeSentences).toMatchObject([{ code: "nodes_full", numbers: { most: 5000 } }, { code: "" }]);
  live.failed("a", "gone");
  const [host] = step().hosts;
  expect([host?.reason, host?.cause]).toEqual(["gone", undefined]);
});

test("who must not see people gets no name of one in a value either; of a machine that waits, nothing", () => {
  const { live } = input();
  const mask = new Privacy({ now: () => now, users: "hidden" }).maskFor({ kind: "anonymous" });
  live.expect("a", "x:1");
  live.failed("a", reason("refused", { address: "x:1", answer: "no /home/alice/bin" }));
  const sent = (): Host => fromBinary(HostSchema, detail(live.host("a") ?? expect.fail(), mask));
  expect(sent()).toMatchObject({
    reason: "refused by x:1: no /home/#1/bin",
    cause: { code: "refused", texts: { address: "x:1", answer: "no /home/#1/bin" } },
  });
  live.describe("a", { waiting: true });
  expect([sent().reason, sent().cause]).toEqual(["", undefined]);
});

test("nothing new makes an event without hosts, which still says the time, the pace and the notices", () => {
  const { live, step } = input();
  live.expect("a", "x:1");
  step();
  live.notice("settings", "line 3");
  now = 5000;
  expect(step()).toMatchObject({ hosts: [], deltas: [], now: 5000n, interval: 10, hub: "h", notices: ["line 3"] });
});

test("a host that was forgotten is told by its number, and its name comes back under another", () => {
  const { live, step } = input();
  live.expect("a", "x:1");
  step();
  live.forget("a");
  live.expect("a", "x:1");
  expect(step()).toMatchObject({ removed: [1], hosts: [{ name: "a", number: 2 }] });
});

test("idle times are sent with the host, then as they change, beside its numbers", () => {
  const { live, say, step, whole } = input();
  live.expect("a", "x:1");
  const cards = (...loads: number[]): Init => ({
    gpus: loads.map((utilization, id) => ({ uuid: `GPU-${id}`, id, utilization, procs: [{ pid: id, uid: 1 }] })),
  });
  say("a", cards(0, 97, 97));
  expect(step().hosts).toMatchObject([{ idle: [{ card: 0, since: 1000n, orLonger: true }] }]);
  now = 2000;
  say("a", cards(0, 97, 0));
  expect(step().deltas).toMatchObject([{ idle: [{ card: 2, since: 2000n, orLonger: false }] }]);
  now = 3000;
  say("a", cards(50, 97, 0));
  expect(step().deltas).toMatchObject([{ idle: [{ card: 0, since: 0n }] }]);
  say("a", cards(51, 97, 0));
  expect(step().deltas).toMatchObject([{ idle: [] }]);
  expect(whole().hosts).toMatchObject([{ idle: [{ card: 2, since: 2000n }] }]);
});

test("the script of the page is named in the first event, and again when it changes", () => {
  const { step, whole } = input();
  expect(whole().page).toBe("app-A.js");
  expect(step().page).toBe("");
  page = "app-B.js";
  expect(step().page).toBe("app-B.js");
  expect(step().page).toBe("");
  expect(whole().page).toBe("app-B.js");
});

test("what administrators have set for a host is told of it, whole, when it changes; of others nothing more is sent", () => {
  const { live, say, step, whole } = input();
  live.expect("a", "x:1");
  say("a", card(5));
  step();
  const usual = toBinary(EventSchema, whole());
  expect(whole().hosts).toMatchObject([{ shown: "", group: "", labels: {}, waiting: false, interval: 0 }]);
  live.describe("a", { shown: "Blue", group: "lab", labels: { rack: "b2" }, intervalSec: 60, waiting: true });
  say("a", card(6));
  const told = { name: "a", shown: "Blue", group: "lab", labels: { rack: "b2" }, waiting: true, interval: 60 };
  expect(step()).toMatchObject({ hosts: [told], deltas: [] });
  say("a", card(5));
  expect(step()).toMatchObject({ hosts: [], deltas: [{ number: 1 }] });
  expect(fromBinary(HostSchema, detail(live.host("a") ?? expect.fail()))).toMatchObject(told);
  live.describe("a", undefined);
  expect(step()).toMatchObject({ hosts: [{ name: "a", shown: "" }] });
  const { sequence: _, ...rest } = whole();
  const { sequence: __, ...before } = fromBinary(EventSchema, usual);
  expect(rest).toEqual(before);
});

test("of a machine that waits for approval the feed says little, whatever it sends, and its own page all", () => {
  const { live, say, step, whole } = input();
  const long = "長".repeat(100);
  const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
  const proc = { pid: 1, username: long, basename: long, podName: long };
  const hostile: Init = {
    hostname: long,
    err: long,
    gpus: many(100, { name: long, uuid: long, err: long, procs: many(4, proc), holders: many(4, { pod: long }) }),
    disks: many(50, { device: long, mount: long }),
    nics: many(50, { name: long, lower: many(10, long) }),
    sources: many(10, { name: long, err: long }),
    system: { os: long, osVersion: long, driverVersion: long },
  };
  for (const name of ["known", "stranger"]) {
    live.expect(name, "x:1");
    say(name, hostile);
  }
  live.describe("stranger", { waiting: true });
  const [known, stranger] = step().hosts.map((host) => toBinary(HostSchema, host).length);
  expect(known).toBeGreaterThan(500_000);
  expect(stranger).toBeLessThan(10_000);
  expect(toBinary(HostSchema, whole().hosts[1] ?? expect.fail()).length).toBe(stranger);
  expect(detail(live.host("stranger") ?? expect.fail()).length).toBeGreaterThan(500_000);
  say("stranger", {
    gpus: [{ id: 0, uuid: "GPU-1", name: "H100", utilization: 5, memTotal: 7n }],
    system: { load1: 2 },
  });
  const card = { id: 0, uuid: "GPU-1", name: "H100", utilization: 5, memTotal: 7n };
  expect(step().hosts).toMatchObject([{ name: "stranger", info: { gpus: [card], system: { load1: 2 } } }]);
  live.describe("stranger", undefined);
  say("stranger", { gpus: many(20, { name: "H100" }) });
  expect(step().hosts[0]?.info?.gpus).toHaveLength(20);
});
