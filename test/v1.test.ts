// What /api/v1 says, against what the page, the agent's exporter, the history and gRPC say of the same machines.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Ingest, type Owner } from "../hub/ingest.ts";
import { Live } from "../hub/live.ts";
import { reason } from "../hub/reason.ts";
import { ServerList } from "../hub/servers.ts";
import { HostSchema } from "../proto/gen/feed_pb.js";
import { type HostInfo, State } from "../proto/gen/host_pb.js";
import { isFresh, type Summary, summarize } from "../proto/summary.ts";
import { environment } from "../proto/verdict.ts";
import { jsonOf } from "./answer.ts";
import { readExposition } from "./exposition.ts";
import { getHistory, view } from "./hub.ts";
import { labReports } from "./lab.ts";
import { Model } from "./model.ts";
import { top } from "./program.ts";
import { type ServedViews, serveViews } from "./served.ts";
import { viewOf } from "./view.ts";

const start = 1_800_000_000_000;
const poll: Owner = { input: "poll", origin: "settings" };

let now = start;
let served: ServedViews;
let summary: Summary;
const reports = labReports();
/** Hosts whose reports are too old, and that do not answer. */
const old = "old";
const down = "down";

const exactly = (percent: number): number => Math.min(100, percent + 0.25);

/** A report as it is polled now, with times of now. */
const polled = (info: HostInfo, name: string): HostInfo => ({
  ...info,
  agentVersion: "1",
  sampled: BigInt(now - 1000),
  gpus: info.gpus.map((gpu) => ({
    ...gpu,
    sampled: BigInt(now - 1000),
    state: gpu.state ?? State.OK,
    ...(gpu.uuid && { uuid: name === old || name === down ? `${gpu.uuid}-${name}` : gpu.uuid }),
    // As a client of the logger sends it.
    ...(gpu.utilization !== undefined && { utilizationExact: exactly(gpu.utilization) }),
  })),
});

beforeAll(async () => {
  const clock = { now: () => now, after: () => () => {} };
  const live = new Live(clock.now);
  const history = new Model();
  const ingest = new Ingest({ live, history, now: clock.now });
  const h100 = reports.get("8x-h100-80gb-hbm3");
  if (h100 === undefined) throw new Error("the machine with H100 was captured");
  const all = new Map([...reports, [old, h100], [down, h100]]);
  now = start - 600_000;
  for (const [name, info] of all) {
    ingest.claim(name, poll, "127.0.0.1:1");
    ingest.received(name, polled(info, name), poll);
  }
  now = start;
  for (const [name, info] of all) if (name !== old && name !== down) ingest.received(name, polled(info, name), poll);
  ingest.failed(down, reason("refused", { address: "127.0.0.1:1", answer: "nothing listens" }), poll);
  const servers = new ServerList(Object.fromEntries([...all.keys()].map((name) => [name, "127.0.0.1:1"])));
  served = await serveViews(viewOf({ live, history, clock, servers }));
  const viewer = view(served.url);
  try {
    await vi.waitFor(() => expect(viewer.events).toHaveLength(1));
    const hosts = viewer.events[0]?.hosts ?? [];
    summary = summarize(hosts.map((host) => ({ host, fresh: isFresh(host, now, 10) })));
  } finally {
    viewer.close();
  }
});

afterAll(() => served.close());

const json = async (path: string) => jsonOf(await served.app.request(`/api/v1/${path}`));

interface Card {
  readonly host: string;
  readonly index: number;
  readonly uuid: string;
  readonly model: string;
  readonly verdict: string;
  readonly counted: boolean;
  readonly utilization_percent: number | null;
  readonly memory_used_bytes: number;
  readonly memory_total_bytes: number;
  readonly temperature_celsius: number;
  readonly power_watts: number;
}

test("the page and /api/v1 count the same hosts and cards by verdict", async () => {
  const { gpus, count, next } = await json("gpus");
  expect(next).toBeNull();
  expect(count).toEqual(summary.count);
  expect((gpus as Card[]).filter(({ counted }) => counted)).toHaveLength(summary.cards);
  const hosts = await json("hosts");
  expect(hosts).toMatchObject({ total: summary.hosts, count: { up: reports.size, stale: 1, down: 1, pending: 0 } });
  const total: Record<string, number> = {};
  for (const { gpu_count } of hosts.hosts as { gpu_count: Record<string, number> }[])
    for (const [verdict, held] of Object.entries(gpu_count)) total[verdict] = (total[verdict] ?? 0) + held;
  expect(total).toEqual(summary.count);
  // Of every verdict there are some, so that nothing agrees by being empty.
  expect(Object.values(summary.count).filter((held) => held > 0).length).toBe(5);
});

test("the cards that the page offers are the ones that /api/v1/free finds, with the same variables", async () => {
  const offers = summary.offers.flatMap(({ hosts }) => hosts);
  expect(offers.length).toBeGreaterThan(4);
  const free = await json("gpus?verdict=free");
  const shown = offers.flatMap(({ host, ids }) => ids.map((id) => `${host} ${id}`));
  expect((free.gpus as Card[]).map(({ host, index }) => `${host} ${index}`).sort()).toEqual(shown.sort());
  // Instances are taken one by one.
  for (const { host, vendor, ids, selectors } of offers.filter(({ ids }) => ids.every((id) => id < 1000))) {
    const found = await json(`free?count=${ids.length}&host=${host}`);
    expect(found).toMatchObject({ satisfied: true, matching: ids.length });
    expect(found.hosts).toMatchObject([{ host, shell: `export ${environment(vendor, selectors)}` }]);
  }
  const instance = await json("free?host=2x-a100-40gb-one-mig");
  expect(instance).toMatchObject({ satisfied: true, gpus: [{ selector: expect.stringMatching(/^MIG-/) }] });
});

test("no card of a host that is down or late is free, and its verdict is not of its old readings", async () => {
  for (const host of [old, down]) {
    expect(await json(`free?host=${host}`)).toEqual({ satisfied: false, count: 1, matching: 0, gpus: [], hosts: [] });
    expect((await json(`gpus?host=${host}`)).count).toEqual({ free: 0, held: 0, busy: 0, broken: 0, unknown: 8 });
  }
  expect((await json("hosts?state=down,stale")).hosts).toMatchObject([
    { name: down, state: "down", since: new Date(start).toISOString(), reason: expect.stringContaining("nothing") },
    { name: old, state: "stale", since: new Date(start - 600_000).toISOString(), reason: null },
  ]);
});

test("who holds cards is the same on the page and in /api/v1/users, and each one's cards are found by their name", async () => {
  const { users } = await json("users");
  const listed = (users as { name: string; cards: number; idle_cards: number; memory_bytes: number | null }[]).map(
    ({ name, cards, idle_cards, memory_bytes }) => ({
      user: name,
      cards,
      idle: idle_cards,
      memory: memory_bytes ?? undefined,
    }),
  );
  expect(listed).toEqual(summary.holders);
  expect(listed.length).toBeGreaterThan(5);
  for (const { user, cards } of summary.holders) {
    const { gpus } = await json(`gpus?user=${encodeURIComponent(user)}`);
    expect((gpus as Card[]).filter(({ host, counted }) => counted && host !== old && host !== down)).toHaveLength(
      cards,
    );
  }
});

test("readings are those of the agent's own exporter", async () => {
  const folder = join(
    top,
    "test/capture",
    readdirSync(join(top, "test/capture")).find((name) => name.includes("8x-h100")) ?? "",
  );
  const families = new Map(
    readExposition(readFileSync(join(folder, "metrics.txt"), "utf8"), "text").map((one) => [one.name, one]),
  );
  const exported = (name: string, uuid: string): number | undefined =>
    families.get(`hw_gpu_${name}`)?.samples.find(({ labels }) => labels.gpu_uuid === uuid)?.value;
  const { gpus } = await json("hosts/8x-h100-80gb-hbm3");
  expect(gpus).toHaveLength(8);
  for (const gpu of gpus as (Card & { metrics: Record<string, number> })[]) {
    // A quarter of a percent was added here.
    expect(Math.floor(gpu.utilization_percent ?? -1)).toBe(exported("utilization_percent", gpu.uuid));
    // The exporter leaves out what the driver reserves, as nvidia-smi does.
    const used = gpu.memory_used_bytes - (gpu.metrics.gpu_memory_reserved ?? 0);
    expect(used).toBe(exported("memory_used_bytes", gpu.uuid));
    for (const name of ["memory_total_bytes", "temperature_celsius", "power_watts"] as const)
      expect(gpu[name]).toBe(exported(name === "power_watts" ? "power_draw_watts" : name, gpu.uuid));
  }
});

test("a fraction of a percent is the same now, in history and as CSV, and gRPC has it rounded", async () => {
  const [gpu] = (await json("gpus?host=8x-h100-80gb-hbm3")).gpus as Card[];
  if (gpu === undefined) throw new Error("there is a card");
  const held = gpu.utilization_percent ?? 0;
  expect(held % 1).toBe(0.25);
  const range = `from=${new Date(start - 60_000).toISOString()}&to=${new Date(start).toISOString()}`;
  const query = `host=${gpu.host}&metric=gpu_utilization&key=${gpu.uuid}&step=0&of=last&${range}`;
  expect((await json(`history?${query}`)).series).toMatchObject([{ t: [start - 1000], last: [held] }]);
  const csv = await served.app.request(`/api/v1/history?${query}`, { headers: { accept: "text/csv" } });
  expect((await csv.text()).split("\r\n")).toEqual([
    "time,host,level,key,metric,unit,last",
    `${new Date(start - 1000).toISOString()},${gpu.host},gpu,${gpu.uuid},gpu_utilization,percent,${held}`,
    "",
  ]);
  const { v } = await getHistory(served.grpc, { id: `${gpu.host}_${gpu.index}`, type: "util" });
  expect(v.at(-1)).toBe(BigInt(Math.round(held)));
});

test("a host has the cards that its own page has, and every reading of them", async () => {
  const answer = await served.app.request("/feed/host?name=8x-mi300x");
  const { info } = fromBinary(HostSchema, new Uint8Array(await answer.arrayBuffer()));
  const host = await json("hosts/8x-mi300x");
  expect(host.gpus.map(({ uuid }: Card) => uuid)).toEqual(info?.gpus.map(({ uuid }) => uuid));
  expect(host.disks.map(({ mount }: { mount: string }) => mount)).toEqual(info?.disks.map(({ mount }) => mount));
  expect(host.gpus[0].metrics).toMatchObject({
    gpu_utilization: exactly(info?.gpus[0]?.utilization ?? 0),
    gpu_memory_used: Number(info?.gpus[0]?.memUsed),
    gpu_power: info?.gpus[0]?.power,
  });
});
