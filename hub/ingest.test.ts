import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { HostInfoSchema, State } from "../proto/gen/host_pb.js";
import { namesOf } from "../test/model.ts";
import type { Poll } from "./history/store.ts";
import { Ingest } from "./ingest.ts";
import { Live } from "./live.ts";

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

const now = 1_800_000_000_000;
let polls: Poll[];
let ingest: Ingest;

beforeEach(() => {
  polls = [];
  const live = new Live(() => now);
  ingest = new Ingest({ live, history: { append: (poll) => polls.push(held(poll)) }, now: () => now });
  ingest.expect("a", "x:1");
});

/** A poll with arrays of its own, as a store keeps it: the ones it comes with are used again. */
function held(poll: Poll): Poll {
  return { ...poll, devices: poll.devices.map((one) => ({ ...one, values: Float64Array.from(one.values) })) };
}

/** What history was given of one answer: "level key" → values. */
function kept(init: Init): Record<string, Record<string, number>> {
  const before = polls.length;
  ingest.received("a", create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now), ...init }));
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

test("what a host says that nobody asked is dropped", () => {
  ingest.received("stranger", create(HostInfoSchema, { cpu: { busy: 1 } }));
  expect(polls).toEqual([]);
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
  const at = new Ingest({ live, history: { append: (poll) => kept.push(poll.at) }, now: () => clock });
  at.expect("a", "x:1");
  const answer = () => create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now), system: { load1: 1 } });
  at.received("a", answer());
  expect([kept, live.host("a")?.info?.system?.load1]).toEqual([[], 1]);
  expect(live.notices()).toEqual([
    "This machine's clock says 1970-01-01T00:00Z, which cannot be right: until it is set, live values go on and nothing is kept in history.",
  ]);
  clock = now;
  at.received("a", answer());
  expect([kept, live.notices()]).toEqual([[now], []]);
});
