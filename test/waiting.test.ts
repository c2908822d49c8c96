// A machine that nobody has approved is in no count, no list and no summary, on any surface; it can be asked for by name.

import { create, fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Ingest, type Owner } from "../hub/ingest.ts";
import { Live } from "../hub/live.ts";
import type { HubView } from "../hub/view/view.ts";
import { HostSchema } from "../proto/gen/feed_pb.js";
import { HistMapSchema } from "../proto/gen/history_pb.js";
import { HostInfoSchema, State } from "../proto/gen/host_pb.js";
import { isFresh, summarize } from "../proto/summary.ts";
import { jsonOf } from "./answer.ts";
import { getHistory, view } from "./hub.ts";
import { Model } from "./model.ts";
import { RosterFixture } from "./roster.ts";
import { type ServedViews, serveViews } from "./served.ts";
import { emptyBook, viewOf } from "./view.ts";

const now = 1_800_000_000_000;
const poll: Owner = { input: "poll", origin: "settings" };
const push: Owner = { input: "portal", origin: "push" };

let scene: RosterFixture;
let hub: HubView;
let served: ServedViews;

const clock = { now: () => now, after: () => () => {} };

beforeEach(async () => {
  scene = new RosterFixture({ known: "127.0.0.1:1" });
  const live = new Live(clock.now);
  const history = new Model();
  const ingest = new Ingest({ live, history, now: clock.now, directory: scene.roster });
  const book = { ...emptyBook, hosts: () => scene.hosts, nodes: () => scene.nodes };
  hub = { ...viewOf({ live, history, clock, book }), roster: scene.roster };
  scene.write({ hosts: [{ name: "known", shown: "Blue" }], nodes: [{ hostname: "stranger" }] });
  ingest.claim("known", poll, "127.0.0.1:1");
  ingest.claim("stranger", push, "127.0.0.2");
  for (const [name, by] of [["known", poll] as const, ["stranger", push] as const]) {
    const idle = {
      id: 0,
      uuid: `GPU-${name}`,
      name: "H100",
      utilization: 0,
      memUsed: 0n,
      memTotal: 80n,
      power: 100_000,
    };
    const held = {
      ...idle,
      id: 1,
      uuid: `GPU-${name}-1`,
      procs: [{ pid: 1, username: name, mem: 60n, compute: true }],
    };
    const gpus = [idle, { ...held, utilization: 90, temp: 50 }].map((gpu) => ({ ...gpu, state: State.OK }));
    const disks = [{ mount: "/", used: 99n, total: 100n }];
    const system = { load1: 1 };
    ingest.received(
      name,
      create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now - 1000), gpus, disks, system }),
      by,
    );
  }
  served = await serveViews(hub);
});

afterEach(() => served.close());

const json = async (path: string) => jsonOf(await served.app.request(path));

/** Hosts that the page has after its first event. */
async function fleet() {
  const viewer = view(served.url);
  try {
    await vi.waitFor(() => expect(viewer.events).toHaveLength(1));
    return viewer.events[0]?.hosts ?? [];
  } finally {
    viewer.close();
  }
}

const summary = async () => summarize((await fleet()).map((host) => ({ host, fresh: isFresh(host, now, 10) })));

const approve = () => scene.write({ nodes: [{ hostname: "stranger", state: "approved" }] });

test("feed: cards, holders, offers, troubles and hosts do not count it", async () => {
  const counted = await summary();
  expect(counted).toMatchObject({
    hosts: 1,
    cards: 2,
    count: { free: 1, busy: 1 },
    offers: [{ total: 2, free: 1, hosts: [{ host: "known" }] }],
    holders: [{ user: "known" }],
    troubles: [{ host: "known", kind: "disk" }],
    troubled: 1,
  });
  expect(JSON.stringify(counted)).not.toContain("stranger");
});

test("feed: it is sent with the others, and marked", async () => {
  expect((await fleet()).map(({ name, shown, waiting }) => [name, shown, waiting])).toEqual([
    ["known", "Blue", false],
    ["stranger", "", true],
  ]);
});

test("feed: once it is approved, it counts as the others do", async () => {
  approve();
  expect(await summary()).toMatchObject({ hosts: 2, cards: 4, count: { free: 2, busy: 2 }, troubled: 2 });
});

test("REST: health does not count it, the fleet's history leaves it out, /pk and /hist do not list it", async () => {
  expect(await json("/api/health")).toMatchObject({ hosts: 1, open: 1, silent: [] });
  const fleetHistory = (by: string) =>
    json(`/api/fleet/history?metric=gpu_power&by=${by}&from=${now - 10_000}&to=${now}&step=10000`);
  for (const [by, name] of [
    ["all", "all"],
    ["host", "Blue"],
    ["model", "H100"],
  ] as const) {
    expect((await fleetHistory(by)).groups).toMatchObject([{ name, series: 2, sum: [200_000], count: [2] }]);
  }
  expect(Object.keys(await json("/hist?type=gpu_power"))).toEqual(["known_0", "known_1"]);
  const pk = await served.app.request("/pk?type=util");
  expect(Object.keys(fromBinary(HistMapSchema, Buffer.from(await pk.text(), "base64")).data)).toEqual([
    "known_0",
    "known_1",
  ]);
  expect((await json("/pk?host=nobody")).error.message).toBe('There is no host "nobody": servers are known');
  approve();
  expect(await json("/api/health")).toMatchObject({ hosts: 2, open: 2 });
  expect((await fleetHistory("all")).groups).toMatchObject([{ series: 4, sum: [400_000], count: [4] }]);
  expect(Object.keys(await json("/hist?type=gpu_power&step=1000000000"))).toEqual([
    "known_0",
    "known_1",
    "stranger_0",
    "stranger_1",
  ]);
});

test("export: its rows are in no file until it is approved, and the others' are found by either name", async () => {
  const hosts = async (query: string): Promise<string[]> => {
    const text = await (await served.app.request(`/api/v1/export?${query}`)).text();
    return [
      ...new Set(
        text
          .split("\r\n")
          .slice(1, -1)
          .map((line) => line.split(",").at(-1) ?? ""),
      ),
    ];
  };
  expect(await hosts("")).toEqual(["known"]);
  expect(await hosts("host=Blue")).toEqual(["known"]);
  expect((await json("/api/v1/export?host=stranger")).error.code).toBe("host_unknown");
  approve();
  expect(await hosts("")).toEqual(["known", "stranger"]);
});

test("REST: what history has of a host that is gone counts, also while a stranger waits under its name", async () => {
  scene.write({ nodes: [{ hostname: "stranger", history: now - 1000 }] });
  const range = `from=${now - 10_000}&to=${now}&step=10000`;
  expect((await json(`/api/fleet/history?metric=gpu_power&by=all&${range}`)).groups).toMatchObject([{ series: 4 }]);
});

test("/api/v1: it is in no list, no count and no free card, and not found by its name", async () => {
  const everything = async () => ({
    hosts: await json("/api/v1/hosts"),
    gpus: await json("/api/v1/gpus"),
    free: await json("/api/v1/free?count=9"),
    users: await json("/api/v1/users"),
  });
  const counted = await everything();
  expect(counted).toMatchObject({
    hosts: { total: 1, count: { up: 1 }, hosts: [{ name: "known", shown_name: "Blue" }] },
    gpus: { total: 2, count: { free: 1, busy: 1 } },
    free: { satisfied: false, matching: 1 },
    users: { total: 1, users: [{ name: "known" }] },
  });
  expect(JSON.stringify(counted)).not.toContain("stranger");
  for (const path of ["hosts/stranger", "gpus?host=stranger", "free?host=stranger"])
    expect((await json(`/api/v1/${path}`)).error).toEqual({
      code: "host_unknown",
      message: 'There is no host "stranger".',
    });
  approve();
  expect(await everything()).toMatchObject({ hosts: { total: 2 }, gpus: { total: 4 }, users: { total: 2 } });
});

test("gRPC: it is not listed among the servers", async () => {
  const refused = getHistory(served.grpc, { id: "nobody", type: "load1" });
  await expect(refused).rejects.toThrow(/servers are known$/);
  approve();
  await expect(getHistory(served.grpc, { id: "nobody", type: "load1" })).rejects.toThrow(
    /servers are known, stranger$/,
  );
});

test("whoever asks for it by its name gets what it sent: live, in history, in the first GOHM's forms and by gRPC", async () => {
  const host = await served.app.request("/feed/host?name=stranger");
  expect(fromBinary(HostSchema, new Uint8Array(await host.arrayBuffer()))).toMatchObject({
    name: "stranger",
    waiting: true,
    info: { gpus: [{ uuid: "GPU-stranger" }, {}] },
  });
  const range = `from=${now - 10_000}&to=${now}`;
  expect((await json(`/api/history?host=stranger&metric=load1&${range}`)).series).toMatchObject([{ avg: [1] }]);
  expect(Object.keys(await json("/hist?host=stranger"))).toEqual(["stranger_0", "stranger_1"]);
  expect((await getHistory(served.grpc, { id: "stranger_1", type: "util" })).v).toEqual([90n]);
});

test("a host is found under its shown name, everywhere, and keeps its own name where programs read it", async () => {
  const host = await served.app.request("/feed/host?name=Blue");
  expect(fromBinary(HostSchema, new Uint8Array(await host.arrayBuffer()))).toMatchObject({
    name: "known",
    shown: "Blue",
  });
  const range = `from=${now - 10_000}&to=${now}`;
  const history = await json(`/api/history?host=Blue&metric=load1&${range}`);
  expect(history).toMatchObject({ host: "known", series: [{ avg: [1] }] });
  expect(await json(`/api/history?host=known&metric=load1&${range}`)).toEqual(history);
  expect(Object.keys(await json("/hist?host=Blue"))).toEqual(["known_0", "known_1"]);
  for (const server of ["Blue", "known"]) {
    expect((await getHistory(served.grpc, { id: `${server}_1`, type: "util" })).v).toEqual([90n]);
    expect((await getHistory(served.grpc, { id: server, type: "load1" })).v).toHaveLength(1);
  }
});
