import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { Receiver } from "../../test/receiver.ts";
import { PlayedNetdata } from "../../test/report/netdata.ts";
import type { Owner } from "../ingest.ts";
import type { ReportNode } from "../report/report.ts";

const second = 1000;
const minute = 60 * second;
const poll: Owner = { input: "poll", origin: "settings" };
const gpu = "amdgpu.gpu_utilization_unknown_AMD_GPU_card1";

let netdata: PlayedNetdata;
let hub: Receiver;
let reads: number;

beforeEach(async () => {
  hub = new Receiver();
  reads = 0;
  hub.random = () => {
    reads++;
    return 0;
  };
  // A minute after a border of intervals, which the start of the simulated time is.
  hub.now += minute;
  netdata = await PlayedNetdata.start();
  netdata.now = () => Math.floor(hub.now / 1000);
});
afterEach(async () => {
  await hub.close();
  await netdata.stop();
});

const at = (ms: number): number => hub.now - ms;

/** Puts nodes into the settings of reports. */
function plan(...nodes: Partial<ReportNode>[]): void {
  hub.plan = { ...hub.plan, nodes: nodes.map((node) => ({ name: "gpu1", netdata: netdata.url("gpu1"), ...node })) };
}

/** Waits until nodes have been read so often, or were found to need it not: at its end each read asks when the next one is. */
const ended = (count: number) => expect.poll(() => reads, { interval: 2 }).toBe(count);

/** Lets time pass, at the end of which the node is read, and waits for that. */
async function read(ms = 30 * second): Promise<void> {
  const before = reads;
  hub.now += ms;
  await hub.pass(0);
  await ended(before + 1);
}

const rowsOf = (card: string) =>
  hub.kept("gpu1").map(([ms, devices]) => [hub.now + ms, new Map(devices).get(card)] as const);

test("rows are samples in the middle of their intervals, of GPUs by index, with decimals and bytes", async () => {
  const start = Math.floor(hub.now / second) - 60 - 1800;
  const card = (number: number) => ({
    card: number,
    gpu: () => number + 0.25,
    used: () => 4_000_000_000,
    total: 2 ** 37,
  });
  netdata.nodes.set("gpu1", { cards: [9, 1].map(card), since: start + 1 });
  plan({});
  await read();
  const times = [0, 1, 2].map((i) => (start + i * 600 + 300) * 1000);
  expect(hub.kept("gpu1")).toHaveLength(3);
  for (const [index, value] of [1.25, 9.25].entries()) {
    const wanted = { gpu_utilization: value, gpu_memory_used: 4_000_000_000, gpu_memory_total: 2 ** 37 };
    expect(rowsOf(`gpu #${index}`)).toEqual(times.map((time) => [time, wanted]));
  }
});

test("a host of which only means come is never live, says so, and shows the newest ones as what is known last", async () => {
  netdata.nodes.set("gpu1", { cards: [{ card: 1, gpu: (time) => (time / 600) % 100 }] });
  plan({});
  await read();
  expect(hub.linkOf("gpu1")).toMatchObject({
    state: "waiting",
    reason:
      "its Netdata gives means of 10 minutes, for history only: with hmonitor on this machine its present state is shown",
  });
  const end = Math.floor(hub.now / minute / 10) * 10 * minute;
  const { info, seen } = hub.live.host("gpu1") ?? {};
  expect([seen, info?.gpus.map(({ id, utilization }) => [id, utilization])]).toEqual([
    end - 5 * minute,
    [[0, (end / minute / 10) % 100]],
  ]);
});

test("what Netdata has no samples of, and what no card can have, is not known", async () => {
  const start = Math.floor(hub.now / second) - 60 - 1800;
  const gpu = (time: number) => [null, 250, 40][(time - start) / 600 - 1];
  netdata.nodes.set("gpu1", { cards: [{ card: 1, gpu, used: () => null }, { card: 2 }], since: start + 1 });
  plan({});
  await read();
  expect(rowsOf("gpu #0").map(([, values]) => values)).toEqual([undefined, undefined, { gpu_utilization: 40 }]);
  expect(rowsOf("gpu #1").map(([, values]) => values)).toEqual([0, 0, 0].map((value) => ({ gpu_utilization: value })));
});

test("an empty history is filled from the first sample on, and then every ten minutes by the new interval", async () => {
  netdata.nodes.set("gpu1", { cards: [{ card: 1, gpu: () => 7 }], since: at(3 * 86_400 * second) / second });
  plan({});
  await read();
  const { length } = hub.samples;
  expect(length).toBe(3 * 144);
  netdata.requests.length = 0;
  await read(11 * minute);
  expect(hub.samples).toHaveLength(length + 1);
  expect(netdata.requests.filter(({ chart }) => chart === gpu)).toHaveLength(1);
  expect(new Set(hub.samples.map(({ at }) => at)).size).toBe(length + 1);
});

test("a hub that is started again goes on from its newest sample, and after an outage reads what it missed", async () => {
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], since: at(6 * 3600 * second) / second });
  plan({});
  await read();
  const { length } = hub.samples;
  const times = (): number => new Set(hub.samples.map(({ at }) => at)).size;
  const shown = () => hub.live.host("gpu1")?.info?.gpus.length;
  await hub.restart();
  await ended(2);
  // Its newest row once more, which is the same sample: the page has the cards again.
  expect([times(), hub.samples.length, shown()]).toEqual([length, length + 1, 1]);
  await read(11 * minute);
  expect([times(), hub.samples.length]).toEqual([length + 1, length + 2]);
  await read(5 * 3600 * second);
  expect([times(), hub.samples.length]).toEqual([length + 31, length + 32]);
});

test("a host that another input reports is neither disturbed nor doubled, and its outage is filled", async () => {
  const report = (): void =>
    hub.ingest.received(
      "gpu1",
      create(HostInfoSchema, { hostname: "gpu1", sampled: BigInt(hub.now), gpus: [{ id: 0, utilization: 99 }] }),
      poll,
    );
  hub.ingest.claim("gpu1", poll, "10.0.0.1:9203");
  report();
  netdata.nodes.set("gpu1", { cards: [{ card: 1, gpu: () => 7 }] });
  plan({});
  for (let i = 0; i < 60; i++) {
    await hub.pass(30 * second);
    report();
  }
  expect([reads > 2, netdata.requests.length, hub.linkOf("gpu1")?.state]).toEqual([true, 0, "open"]);
  expect(hub.samples).toHaveLength(61);
  hub.ingest.failed("gpu1", "no route", poll);
  const outage = hub.now;
  await read(41 * minute);
  expect(hub.linkOf("gpu1")).toMatchObject({ state: "waiting", reason: "no route" });
  expect(hub.live.host("gpu1")).toMatchObject({ seen: outage, info: { gpus: [{ utilization: 99 }] } });
  const filled = hub.samples.filter(({ at }) => at > outage);
  expect(filled).toHaveLength(3);
  // None of an interval in which the other input reported.
  expect(filled.every(({ at }) => at - 300_000 >= outage)).toBe(true);
  // It comes back, fails for a moment, and later for longer: only the last time of both is remembered.
  const back = hub.now;
  for (const minutes of [30, 2]) {
    for (let i = 0; i < 2 * minutes; i++) {
      await hub.pass(30 * second);
      report();
    }
    hub.ingest.failed("gpu1", "no route", poll);
  }
  const away = hub.now;
  await read(41 * minute);
  const utilization = hub.utilization("gpu1").map(([ms, { "gpu #0": value }]) => [hub.now + ms, value] as const);
  expect(utilization.filter(([at, value]) => at > back && at < away && value !== 99)).toEqual([]);
  expect(utilization.filter(([at]) => at > away)).toHaveLength(3);
});

test("a card whose chart fails is read again, and the others meanwhile", async () => {
  const node = { cards: [{ card: 1 }, { card: 2 }], since: at(3600 * second) / second };
  netdata.nodes.set("gpu1", { ...node, fault: (chart) => (chart === gpu ? "half" : undefined) });
  plan({});
  await read();
  expect(rowsOf("gpu #0").every(([, values]) => values === undefined)).toBe(true);
  expect(hub.linkOf("gpu1")).toMatchObject({
    reason: expect.stringMatching(/^its Netdata cannot be read: .* not whole/),
  });
  netdata.nodes.set("gpu1", node);
  await read(11 * minute);
  for (const card of ["gpu #0", "gpu #1"]) {
    expect(rowsOf(card).filter(([, values]) => values !== undefined)).toHaveLength(7);
  }
  expect(hub.linkOf("gpu1")).toMatchObject({ reason: expect.stringMatching(/^its Netdata gives means/) });
});

test.each(["never had a row", "lagged"])(
  "a card that %s when the hub ended gets all its rows after the start",
  async (how) => {
    const node = { cards: [{ card: 1 }, { card: 2 }], since: at(3600 * second) / second };
    const fault = (chart: string) => (chart === gpu ? "half" : undefined);
    netdata.nodes.set("gpu1", how === "lagged" ? node : { ...node, fault });
    plan({});
    await read();
    netdata.nodes.set("gpu1", { ...node, fault });
    await read(30 * minute);
    netdata.nodes.set("gpu1", node);
    const before = reads;
    await hub.restart();
    await ended(before + 1);
    for (const card of ["gpu #0", "gpu #1"]) {
      const times = rowsOf(card).flatMap(([time, values]) => (values === undefined ? [] : [time]));
      expect(new Set(times).size, card).toBe(9);
    }
  },
);

test("a node that is down says why, and is read later", async () => {
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], fault: "html", since: at(3600 * second) / second });
  plan({});
  await read();
  expect(hub.linkOf("gpu1")).toMatchObject({ reason: expect.stringMatching(/page \(HTML\)/) });
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], since: at(3600 * second) / second });
  await read(11 * minute);
  expect(hub.samples).toHaveLength(7);
});

test("a node that stays down is in the log once, and again with another reason and when it answers", async () => {
  const since = at(3600 * second) / second;
  const lines = () => hub.log.lines.filter((line) => line.includes("Netdata"));
  const set = (fault?: "html" | "down"): void =>
    void netdata.nodes.set("gpu1", { cards: [{ card: 1 }], since, ...(fault && { fault }) });
  set("html");
  plan({});
  await read();
  for (let i = 0; i < 3; i++) await read(11 * minute);
  const first = [expect.stringMatching(/^gpu1 cannot be read from its Netdata: .*page \(HTML\)/)];
  expect(lines()).toEqual(first);
  set("down");
  for (let i = 0; i < 3; i++) await read(11 * minute);
  const both = [...first, expect.stringMatching(/^gpu1 cannot be read from its Netdata: .*the connection was cut$/)];
  expect(lines()).toEqual(both);
  set();
  for (let i = 0; i < 3; i++) await read(11 * minute);
  expect(lines()).toEqual([...both, "gpu1 is read from its Netdata again"]);
});

test("eight nodes are read at a time, those first that were due first", async () => {
  const names = Array.from({ length: 20 }, (_, i) => `gpu${i}`);
  const waiting: { readonly name: string; readonly done: () => void }[] = [];
  for (const name of names) {
    netdata.nodes.set(name, { cards: [], wait: () => new Promise((done) => waiting.push({ name, done })) });
  }
  const read: string[] = [];
  // Each node is due sooner than those that were read before it.
  hub.random = () => 1 - ++reads / 100;
  /** Reads all nodes, one after the other. */
  const readAll = async (): Promise<void> => {
    for (let left = names.length; left > 0; left--) {
      await expect.poll(() => waiting.length, { interval: 1 }).toBe(Math.min(8, left));
      const [first] = waiting.splice(0, 1);
      const before = reads;
      first?.done();
      read.push(first?.name ?? "");
      await ended(before + 1);
    }
  };
  plan(...names.map((name) => ({ name, netdata: netdata.url(name) })));
  await hub.pass(0);
  await readAll();
  expect(read.toSorted()).toEqual(names.toSorted());
  const order = read.splice(0).reverse();
  hub.now += 11 * minute;
  await hub.pass(0);
  await expect.poll(() => waiting.length, { interval: 1 }).toBe(8);
  expect(waiting.map(({ name }) => name).toSorted()).toEqual(order.slice(0, 8).toSorted());
  await readAll();
  expect(read.slice(8)).toEqual(order.slice(8));
});

test("a node that hangs holds up no other one, and not for ever", async () => {
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], fault: "hang" });
  netdata.nodes.set("gpu2", { cards: [{ card: 1 }], since: at(3600 * second) / second });
  plan({}, { name: "gpu2", netdata: netdata.url("gpu2") });
  await hub.pass(0);
  await expect.poll(() => hub.samples.length).toBe(6);
  await hub.pass(21 * second);
  await expect
    .poll(() => hub.linkOf("gpu1"))
    .toMatchObject({ reason: expect.stringMatching(/no complete answer within 20 s/) });
});

test("a node that answers slowly gives up its place, and what was read by then is kept: the rest follows", async () => {
  const cards = Array.from({ length: 56 }, (_, card) => ({ card }));
  const node = { cards, since: at(3600 * second) / second };
  const waiting: (() => void)[] = [];
  // A card takes 15 s, two are read at a time: all would take 420 s.
  const wait = (chart: string) =>
    chart.startsWith("amdgpu.gpu_utilization") ? new Promise<void>((done) => waiting.push(done)) : undefined;
  netdata.nodes.set("gpu1", { ...node, wait });
  // The history of the host is not empty, so that it is read from then on.
  hub.ingest.claim("gpu1", poll, "127.0.0.1:1");
  const report = { hostname: "gpu1", sampled: BigInt(hub.now), gpus: [{ id: 99, utilization: 1 }] };
  hub.ingest.received("gpu1", create(HostInfoSchema, report), poll);
  hub.ingest.release("gpu1", poll);
  plan({});
  hub.now += 41 * minute;
  await hub.pass(0);
  while (reads === 0) {
    await expect.poll(() => waiting.length === 2 || reads > 0, { interval: 1 }).toBe(true);
    await hub.pass(15 * second);
    for (const done of waiting.splice(0)) done();
  }
  const counts = () =>
    cards.map(({ card }) => rowsOf(`gpu #${card}`).filter(([, values]) => values !== undefined).length);
  // 19 pairs are read in 285 s.
  expect(counts()).toEqual(cards.map(({ card }) => (card < 38 ? 3 : 0)));
  expect(hub.linkOf("gpu1")).toMatchObject({
    reason: expect.stringMatching(/not all was read within 300 s, and the rest follows with the next interval$/),
  });
  netdata.nodes.set("gpu1", node);
  await read(10 * minute);
  expect([counts(), hub.linkOf("gpu1")]).toMatchObject([
    cards.map(() => 4),
    { reason: expect.stringMatching(/^its Netdata gives/) },
  ]);
});

test.each([
  [700, 6],
  [-700, 4],
])("a node whose clock is %i s ahead has no interval that is not over by both clocks", async (aheadSec, count) => {
  const since = at((3600 + 60) * second) / second;
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], since, aheadSec });
  plan({});
  await read();
  expect(hub.samples.filter(({ at }) => at > since * 1000)).toHaveLength(count);
  expect(Math.max(...hub.samples.map(({ at }) => at))).toBeLessThan(hub.now);
});

test("samples that are older than samples are kept are summaries", async () => {
  hub.retentionMs = 7200 * second;
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], since: at(6 * 3600 * second) / second });
  plan({});
  await read();
  expect(hub.samples).toHaveLength(36);
});

test("a node that leaves the settings is no host any more, and one with another address is read there", async () => {
  netdata.nodes.set("gpu1", { cards: [{ card: 1 }], since: at(3600 * second) / second });
  netdata.nodes.set("other", { cards: [{ card: 1 }], since: at(3600 * second) / second });
  plan({});
  await read();
  plan({ netdata: netdata.url("other") });
  await read(11 * minute);
  expect(netdata.requests.at(-1)?.node).toBe("other");
  plan();
  await hub.pass(30 * second);
  expect(hub.live.host("gpu1")).toBe(undefined);
});

test("a list of charts that cannot be read leaves the cards of the settings, by their names", async () => {
  netdata.nodes.set("gpu1", {
    cards: [{ card: 9 }],
    since: at(3600 * second) / second,
    fault: (chart) => (chart === "" ? "half" : undefined),
  });
  plan({ cards: [1, 9] });
  await read();
  expect(rowsOf("gpu #1").filter(([, values]) => values !== undefined)).toHaveLength(6);
});
