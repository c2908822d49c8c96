import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { HostInfoSchema, State } from "../proto/gen/host_pb.js";
import { namesOf } from "../test/model.ts";
import type { HostSample } from "./history/store.ts";
import { type HostReading, Ingest, type Owner } from "./ingest.ts";
import { Live } from "./live.ts";

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

const now = 1_800_000_000_000;
const settings: Owner = { input: "poll", origin: "settings" };
const book: Owner = { input: "poll", origin: "book" };
const portal: Owner = { input: "portal", origin: "push" };
const logger: Owner = { input: "logger", origin: "push" };
let polls: HostSample[];
let lines: string[];
let live: Live;
let ingest: Ingest;

beforeEach(() => {
  polls = [];
  lines = [];
  live = new Live(() => now);
  const line = (text: string) => void lines.push(text);
  const log = { info: line, warn: line, error: line };
  const history = { append: (poll: HostSample) => polls.push(held(poll)), rename: () => false };
  ingest = new Ingest({ live, history, now: () => now, log });
  ingest.claim("a", settings, "x:1");
});

/** A poll with arrays of its own, as a store keeps it: the ones it comes with are used again. */
function held(poll: HostSample): HostSample {
  return { ...poll, devices: poll.devices.map((one) => ({ ...one, values: Float64Array.from(one.values) })) };
}

const report = (init: Init) => create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now), ...init });

/** What history was given of one answer: "level key" → values. */
function kept(init: Init): Record<string, Record<string, number>> {
  const before = polls.length;
  ingest.received("a", report(init), settings);
  const devices = polls.slice(before).flatMap((poll) => poll.devices);
  return Object.fromEntries(devices.map((one) => [`${one.level} ${one.key}`, namesOf(one)]));
}

const sampled = BigInt(now);

test("every kept metric of host, GPUs, disks and network is kept under its catalogue name, and no other", () => {
  expect(
    kept({
      cpu: { busy: 12.5, threads: 8 },
      system: { load1: 0.5, load5: 9 },
      gpus: [{ id: 3, uuid: "GPU-x", temp: 50, state: State.OK, sampled }],
      disks: [{ mount: "/", used: 1n }],
      nics: [{ name: "eth0", rxRate: 7n, rxBytes: 1n }],
    }),
  ).toEqual({
    "host ": { cpu_utilization: 12.5, load1: 0.5 },
    "gpu GPU-x": { gpu_temperature: 50 },
    "disk /": { disk_used: 1 },
    "nic eth0": { network_receive: 7 },
  });
  expect(polls[0]?.devices[1]?.index).toBe(3);
});

test.each([State.STALE, State.HUNG, State.LOST, State.UNSUPPORTED])("a card in state %d is no new sample", (state) => {
  expect(kept({ gpus: [{ uuid: "GPU-x", temp: 50, state, sampled }] })).toEqual({});
});

test("a reading that is given twice is one sample, whatever its state says", () => {
  const gpus = [{ uuid: "GPU-x", temp: 50, state: State.OK, sampled }];
  expect(kept({ gpus })).toHaveProperty("gpu GPU-x");
  expect(kept({ gpus, sampled: sampled + 1000n })).toEqual({});
  expect(kept({ gpus: [{ uuid: "GPU-x", temp: 50, state: State.OK, sampled: sampled + 1000n }] })).toHaveProperty(
    "gpu GPU-x",
  );
});

test("a reading much older than its answer is no new sample even the first time", () => {
  expect(kept({ gpus: [{ uuid: "GPU-x", temp: 50, state: State.OK, sampled: sampled - 300_000n }] })).toEqual({});
});

test("what a source repeats from before is left out, the rest of the host is kept", () => {
  const held = kept({
    sources: [
      { name: "cpu", state: State.STALE },
      { name: "net", state: State.HUNG },
    ],
    cpu: { busy: 1 },
    memory: { used: 2n },
    nics: [{ name: "eth0", rxRate: 7n }],
  });
  expect(held).toEqual({ "host ": { memory_used: 2 } });
});

test.each([
  ["now", 0, now],
  ["a second ago", -1000, now - 1000],
  ["a minute ago: its clock is slow", -60_000, now],
  ["a second ahead: its clock is fast", 1000, now],
])("a sample that says it is from %s is kept under the right time", (_what, offset, at) => {
  kept({ sampled: BigInt(now + offset), cpu: { busy: 1 } });
  expect(polls[0]?.at).toBe(at);
});

test("of two devices with one key only the first is kept, and one without any key is not", () => {
  const disks = [{ mount: "/", used: 1n }, { mount: "/", used: 2n }, { used: 3n }];
  expect(kept({ disks })).toEqual({ "disk /": { disk_used: 1 } });
});

test.each<[string, () => void]>([
  ["that nobody has claimed", () => ingest.received("stranger", report({ cpu: { busy: 1 } }), settings)],
  ["that another input has claimed", () => ingest.received("a", report({ cpu: { busy: 1 } }), portal)],
  ["that nobody has claimed, late", () => ingest.late("stranger", report({ cpu: { busy: 1 } }), settings)],
  ["that only another owner has claimed, late", () => ingest.late("a", report({ cpu: { busy: 1 } }), portal)],
])("a report of a host %s is refused in words", (_whose, take) => {
  expect(take).toThrow(
    expect.objectContaining({ code: "host_unknown", message: expect.stringMatching(/"(stranger|a)"/) }),
  );
  expect([polls, live.host("a")?.info]).toEqual([[], undefined]);
});

test("fractions are kept with two decimals, whole numbers as they are", () => {
  expect(
    kept({ cpu: { busy: 12.3456, iowait: -0 }, system: { load1: 123_456_789.125 }, memory: { used: 123_456_789n } }),
  ).toEqual({
    "host ": { cpu_utilization: 12.35, cpu_iowait: 0, load1: 123_456_789.13, memory_used: 123_456_789 },
  });
});

test("what one poll or one card measured never stands for what another did not", () => {
  const later = sampled + 1000n;
  kept({
    cpu: { busy: 5 },
    gpus: [
      { uuid: "GPU-x", temp: 50, utilization: 7, sampled },
      { uuid: "GPU-y", temp: 60, sampled },
    ],
  });
  const second = kept({ memory: { used: 9n }, gpus: [{ uuid: "GPU-y", utilization: 8, sampled: later }] });
  expect(second).toEqual({ "host ": { memory_used: 9 }, "gpu GPU-y": { gpu_utilization: 8 } });
  expect(polls[0]?.devices.map(namesOf)).toEqual([
    { cpu_utilization: 5 },
    { gpu_temperature: 50, gpu_utilization: 7 },
    { gpu_temperature: 60 },
  ]);
});

test("while the hub's clock cannot be right, values are live and not kept, and a notice says so", () => {
  let clock = 20_000;
  const live = new Live(() => clock);
  const kept: number[] = [];
  const at = new Ingest({
    live,
    history: { append: (poll) => kept.push(poll.at), rename: () => false },
    now: () => clock,
  });
  const readings: HostReading[] = [];
  at.onReading((reading) => readings.push(reading));
  at.claim("a", settings, "x:1");
  const answer = () => create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now), system: { load1: 1 } });
  at.received("a", answer(), settings);
  expect([kept, readings, live.host("a")?.info?.system?.load1]).toEqual([[], [], 1]);
  // It can be sent again.
  expect(() => at.late("a", answer(), settings)).toThrow(expect.objectContaining({ code: "history_unwritable" }));
  expect(live.notices()).toEqual([
    "This machine's clock says 1970-01-01T00:00Z, which cannot be right: until it is set, live values go on and nothing is kept in history.",
  ]);
  clock = now;
  at.late("a", answer(), settings);
  at.received("a", answer(), settings);
  expect([kept, live.notices()]).toEqual([[now, now], []]);
});

/** Address, link and load of "a" as they are shown. */
const shown = () => {
  const host = live.host("a");
  return [host?.address, host?.link.state, host?.info?.system?.load1];
};
const load = (load1: number) => report({ system: { load1 } });

test("two owners of one name are one host, under the address of the settings, whoever came first", () => {
  const { number } = live.host("a") ?? {};
  ingest.claim("a", portal, "10.0.0.9");
  expect(live.hosts()).toMatchObject([{ number, name: "a", address: "x:1" }]);
  ingest.claim("b", portal, "10.0.0.8");
  ingest.received("b", load(1), portal);
  ingest.claim("b", book, "y:1");
  ingest.claim("b", settings, "z:1");
  expect(live.host("b")).toMatchObject({ address: "z:1", link: { state: "open" }, info: { system: { load1: 1 } } });
});

test("while the owner whose name wins hears from a host, the others stand by, and then feed it", () => {
  ingest.claim("a", portal, "10.0.0.9");
  ingest.received("a", load(1), settings);
  ingest.received("a", load(2), portal);
  expect([shown(), polls.length]).toEqual([["x:1", "open", 1], 1]);
  ingest.failed("a", "gone", settings);
  expect(shown()).toEqual(["x:1", "open", 1]);
  ingest.received("a", load(3), portal);
  expect([shown(), polls.length]).toEqual([["x:1", "open", 3], 2]);
  ingest.received("a", load(4), settings);
  expect([shown(), polls.length]).toEqual([["x:1", "open", 4], 3]);
});

test("of two pushes of one host the one that claimed it first feeds it", () => {
  ingest.claim("b", portal, "10.0.0.9");
  ingest.claim("b", logger, "10.0.0.9");
  for (const by of [logger, portal, logger]) ingest.received("b", load(1), by);
  // The portal's had not been heard from when the logger's came first.
  expect(polls).toHaveLength(2);
});

test("a host waits when no owner hears from it, and says why", () => {
  ingest.claim("a", portal, "10.0.0.9");
  ingest.received("a", load(1), portal);
  ingest.failed("a", "no\u0000 route", settings);
  expect(live.host("a")?.link.state).toBe("open");
  ingest.failed("a", "no report for 30 s", portal);
  expect(live.host("a")?.link).toMatchObject({ state: "waiting", reason: "no report for 30 s" });
  ingest.release("a", portal);
  expect(live.host("a")?.link).toMatchObject({ state: "waiting", reason: "no route" });
});

test("a host stays when one of its owners lets go, and goes with the last", () => {
  ingest.claim("a", portal, "10.0.0.9");
  ingest.received("a", load(1), settings);
  ingest.received("a", load(2), portal);
  const { number } = live.host("a") ?? {};
  ingest.release("a", settings);
  expect([shown(), live.host("a")?.number]).toEqual([["10.0.0.9", "open", 1], number]);
  ingest.received("a", load(3), portal);
  expect(shown()).toEqual(["10.0.0.9", "open", 3]);
  ingest.release("a", settings);
  expect(shown()).toEqual(["10.0.0.9", "open", 3]);
  ingest.release("a", portal);
  expect(live.hosts()).toEqual([]);
});

test.each(["10.0.0.9", "x:1"])("what only one owner heard is void when that one lets go: %s", (address) => {
  ingest.claim("a", portal, address);
  ingest.received("a", load(1), settings);
  ingest.release("a", settings);
  expect(shown()).toEqual([address, "idle", undefined]);
});

test("another address voids what was heard at the one before, unless another owner hears from the host", () => {
  ingest.received("a", load(1), settings);
  ingest.claim("a", settings, "x:1");
  expect(shown()).toEqual(["x:1", "open", 1]);
  ingest.claim("a", settings, "x:2");
  expect(shown()).toEqual(["x:2", "idle", undefined]);
  ingest.claim("a", portal, "10.0.0.9");
  ingest.received("a", load(2), portal);
  ingest.claim("a", settings, "x:3");
  expect(shown()).toEqual(["x:3", "open", 2]);
});

test("cards that a push names by index are the ones that the poll knows by uuid, in live state and history", () => {
  ingest.claim("a", portal, "10.0.0.9");
  ingest.received("a", report({ gpus: [{ id: 0, uuid: "GPU-x", temp: 50 }] }), settings);
  ingest.failed("a", "gone", settings);
  ingest.received("a", report({ gpus: [{ id: 0, temp: 51 }] }), portal);
  expect(live.host("a")?.info?.gpus).toMatchObject([{ uuid: "GPU-x", temp: 51 }]);
  expect(polls.map(({ devices }) => devices.map(({ key }) => key))).toEqual([["GPU-x"], ["GPU-x"]]);
});

test("listeners hear of every reading that is kept, current or late, with what was measured, until they end that", () => {
  const heard: object[] = [];
  const end = ingest.onReading(({ host, at, info, devices, late }) =>
    heard.push({ host, at, name: info.hostname, values: devices.map(namesOf), late }),
  );
  ingest.received("a", report({ hostname: "h\u200b1", system: { load1: 1 } }), settings);
  ingest.late("a", report({ hostname: "h1", system: { load1: 2 }, sampled: BigInt(now - 3_600_000) }), settings);
  ingest.received("a", report({ hostname: "h1" }), settings);
  expect(heard).toEqual([
    { host: "a", at: now, name: "h1", values: [{ load1: 1 }], late: false },
    { host: "a", at: now - 3_600_000, name: "h1", values: [{ load1: 2 }], late: true },
    { host: "a", at: now, name: "h1", values: [], late: false },
  ]);
  end();
  ingest.received("a", load(3), settings);
  expect([heard.length, polls.length]).toEqual([3, 3]);
});

test("a listener that throws costs neither history nor the other listeners, and is logged once a minute", () => {
  const heard: number[] = [];
  ingest.onReading(() => {
    throw new Error("no ledger");
  });
  ingest.onReading(({ at }) => heard.push(at));
  ingest.received("a", load(1), settings);
  ingest.received("a", load(2), settings);
  expect([heard, polls.length, shown()]).toEqual([[now, now], 2, ["x:1", "open", 2]]);
  expect(lines).toEqual([expect.stringMatching(/a listener to readings failed: Error: no ledger/)]);
});
