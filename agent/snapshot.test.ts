import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema, State } from "../proto/gen/host_pb.js";
import { valueRetentionMs } from "../proto/source.ts";
import { machineOf, options } from "../test/machine.ts";
import { Snapshot } from "./snapshot.ts";
import { Hung, type Source, type SourcePart, type SourceReader, Unsupported } from "./source/source.ts";

let now = 0;
let ticks = 0;
beforeEach(() => {
  vi.useFakeTimers();
  now = 1_700_000_000_000;
  ticks = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

const machine = machineOf({ now: () => now, ticks: () => ticks });

/** A source whose reads the test answers one by one. */
function scripted(
  name: Source["name"],
  ...reads: (() => Promise<SourcePart>)[]
): Source & { count: number; signals: AbortSignal[] } {
  const source = {
    name,
    count: 0,
    signals: [] as AbortSignal[],
    open: async (): Promise<SourceReader> => ({
      read(signal) {
        source.signals.push(signal);
        const read = reads[Math.min(source.count++, reads.length - 1)];
        return read ? read() : Promise.reject(new Error("no script"));
      },
      close: async () => undefined,
    }),
  };
  return source;
}

const good = (part: SourcePart) => () => Promise.resolve(part);
const bad = (error: Error) => () => Promise.reject(error);
const hangs = () => new Promise<SourcePart>(() => undefined);

const snapshot = (...sources: Source[]): Snapshot => new Snapshot({ ...options, sources, machine, version: "1.2.3" });

function pass(milliseconds: number): void {
  ticks += milliseconds;
  now += milliseconds;
}

test("what is told of a card that could not be read wins over what it last gave: its number, its events", async () => {
  const well = { id: 0, uuid: "GPU-1", temp: 50, xidCount: 0n, procs: [{ pid: 7 }] };
  const unread = { id: 1, uuid: "GPU-1", state: State.STALE, err: "zeros", xidCount: 1n, xidWorst: 79 };
  const other = { id: 0, uuid: "GPU-0", temp: 40 };
  const all = snapshot(scripted("nvidia", good({ gpus: [well] }), good({ gpus: [other, unread] })));
  await all.collect();
  const { gpus } = await all.collect();
  expect(gpus.map(({ id, temp }) => [id, temp])).toEqual([
    [0, 40],
    [1, 50],
  ]);
  expect(gpus[1]).toMatchObject({ state: State.STALE, xidCount: 1n, xidWorst: 79, procs: [{ pid: 7 }] });
});

test("a card that could not be read among others that could shows what it last gave, for five minutes, then nothing", async () => {
  const unread = { id: 1, uuid: "GPU-1", state: State.STALE, err: "zeros" };
  const well = { id: 1, uuid: "GPU-1", temp: 50, procs: [{ pid: 7 }] };
  const other = { id: 0, uuid: "GPU-0", temp: 40 };
  const source = scripted("nvidia", good({ gpus: [other, well] }), good({ gpus: [other, unread] }));
  const all = snapshot(source);
  const read = (await all.collect()).gpus[1];
  expect(read).toMatchObject({ state: State.OK, temp: 50 });
  pass(299_999);
  const { gpus, sources } = await all.collect();
  expect(gpus[0]).toMatchObject({ state: State.OK, sampled: BigInt(now) });
  expect(gpus[1]).toMatchObject({
    state: State.STALE,
    err: "zeros",
    temp: 50,
    procs: [{ pid: 7 }],
    sampled: read?.sampled,
  });
  expect(sources[0]?.state).toBe(State.OK);
  pass(1);
  const last = (await all.collect()).gpus[1];
  expect(last).toMatchObject({ uuid: "GPU-1", state: State.STALE, err: "zeros", procs: [] });
  expect(last?.temp).toBeUndefined();
});

test("a card that was never read well has no values, and nobody else's", async () => {
  const all = snapshot(
    scripted(
      "nvidia",
      good({
        gpus: [
          { id: 0, temp: 40 },
          { id: 1, state: State.STALE, err: "zeros" },
        ],
      }),
    ),
  );
  expect((await all.collect()).gpus[1]?.temp).toBeUndefined();
});

test("what a source notes is told with it, though it is sound, and logged once", async () => {
  const told: string[] = [];
  const log = { info: (text: string) => void told.push(text), warn: () => undefined };
  const source = scripted("nvidia", good({ note: "sees little" }), good({ note: "sees little" }), good({}));
  const all = new Snapshot({ ...options, log, sources: [source], machine, version: "" });
  expect((await all.collect()).sources).toMatchObject([{ state: State.OK, err: "sees little" }]);
  await all.collect();
  expect((await all.collect()).sources[0]?.err).toBeUndefined();
  expect(told).toEqual(["nvidia: sees little"]);
});

test("a source whose processes the system hides says so, and its cards are sound", async () => {
  const files = { "/proc/mounts": "proc /proc proc rw,hidepid=2 0 0\n" };
  const source = scripted("nvidia", good({ gpus: [{ id: 0, procs: [{ pid: 7, mem: 5n }] }] }));
  const { sources, gpus } = await new Snapshot({
    ...options,
    sources: [source],
    machine: machineOf({ files }),
    version: "",
  }).collect();
  expect(sources).toMatchObject([{ state: State.OK, err: expect.stringMatching(/hidepid/) }]);
  expect(gpus[0]).toMatchObject({ state: State.OK, procs: [{ pid: 7, mem: 5n }] });
});

test("parts of all sources together are the answer, with how each fared", async () => {
  const info = await snapshot(
    scripted("cpu", good({ cpu: { threads: 8 }, hostname: "box" })),
    scripted("nvidia", good({ gpus: [{ id: 0 }], system: { driverVersion: "570.1" } })),
    scripted("system", good({ system: { os: "Debian" } })),
  ).collect();
  expect(info).toMatchObject({
    hostname: "box",
    cpu: { threads: 8 },
    system: { driverVersion: "570.1", os: "Debian" },
    agentVersion: "1.2.3",
    sampled: BigInt(now),
    gpus: [{ id: 0, state: State.OK, sampled: BigInt(now) }],
  });
  expect(info.sources.map(({ name, state, err }) => [name, state, err])).toEqual([
    ["cpu", State.OK, undefined],
    ["nvidia", State.OK, undefined],
    ["system", State.OK, undefined],
  ]);
});

test("polls that arrive together share one collection, later ones start their own", async () => {
  const source = scripted("cpu", good({ cpu: { threads: 8 } }));
  const all = snapshot(source);
  const [a, b] = await Promise.all([all.collect(), all.collect()]);
  expect(a).toBe(b);
  expect(source.count).toBe(1);
  await all.collect();
  expect(source.count).toBe(2);
});

test("nothing is read between polls", async () => {
  const source = scripted("cpu", good({}));
  const all = snapshot(source);
  await all.collect();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(source.count).toBe(1);
});

const gpus = {
  gpus: [
    { id: 0, name: "H200", utilization: 97 },
    { id: 1, state: State.LOST },
  ],
};

test("after a failure the last good values stay, marked stale, with their own time", async () => {
  const all = snapshot(scripted("nvidia", good(gpus), bad(new Error("NVML says no"))));
  await all.collect();
  const sampled = BigInt(now);
  pass(10_000);
  const info = await all.collect();
  expect(info.gpus).toMatchObject([
    { id: 0, utilization: 97, state: State.STALE, sampled, err: "NVML says no" },
    { id: 1, state: State.LOST },
  ]);
  expect(info.sources).toMatchObject([{ name: "nvidia", state: State.STALE, sampled, err: "NVML says no" }]);
  expect(info.sampled).toBe(BigInt(now));
});

test("after five minutes of failure the old values are dropped, and a card that was lost before stays so", async () => {
  const all = snapshot({ ...scripted("nvidia", good(gpus), bad(new Error("NVML says no"))), gpus: true });
  await all.collect();
  pass(valueRetentionMs - 1);
  expect((await all.collect()).gpus.length).toBe(2);
  pass(1);
  const info = await all.collect();
  expect(info.gpus).toMatchObject([{ id: 1, state: State.LOST, procs: [] }]);
  expect(info.err).toBe("NVML says no");
});

test("a clock that is set back loses nothing, and one set forward drops nothing", async () => {
  const all = snapshot(scripted("nvidia", good(gpus), bad(new Error("x"))));
  await all.collect();
  now -= 86_400_000;
  expect((await all.collect()).gpus.length).toBe(2);
  now += 10 * 86_400_000;
  expect((await all.collect()).gpus.length).toBe(2);
});

test("values that are read again are fresh again", async () => {
  const all = snapshot(scripted("nvidia", good(gpus), bad(new Error("x")), good(gpus)));
  await all.collect();
  await all.collect();
  pass(1000);
  const info = await all.collect();
  expect(info.gpus[0]).toMatchObject({ state: State.OK, sampled: BigInt(now) });
  expect(info.gpus[0]?.err).toBeUndefined();
  expect(info.sources[0]?.err).toBeUndefined();
});

test("a reader that hangs costs one deadline once, and the others nothing", async () => {
  const hanging = scripted("nvidia", hangs);
  const all = snapshot(hanging, scripted("cpu", good({ cpu: { threads: 8 } })));
  const first = all.collect();
  await vi.advanceTimersByTimeAsync(5000);
  const info = await first;
  expect(info.cpu?.threads).toBe(8);
  expect(info.sources[0]).toMatchObject({ name: "nvidia", state: State.HUNG, err: "nvidia did not answer in 5 s" });
  expect(hanging.signals[0]?.aborted).toBe(true);
  // The second poll neither waits nor asks again.
  expect((await all.collect()).sources[0]?.state).toBe(State.HUNG);
  expect(hanging.count).toBe(1);
});

test("a reader that comes back late is read again, its state is fresh", async () => {
  let answer = (_: SourcePart): void => undefined;
  const late = scripted("nvidia", () => new Promise<SourcePart>((resolve) => (answer = resolve)), good(gpus));
  const all = snapshot(late);
  const first = all.collect();
  await vi.advanceTimersByTimeAsync(5000);
  await first;
  answer({ gpus: [] });
  await vi.advanceTimersByTimeAsync(0);
  expect((await all.collect()).gpus[0]?.state).toBe(State.OK);
  expect(late.count).toBe(2);
});

test("a read that took hours can still be told", async () => {
  let answer = (_: SourcePart): void => undefined;
  const late = scripted("nvidia", () => new Promise<SourcePart>((resolve) => (answer = resolve)), bad(new Error("x")));
  const all = snapshot(late);
  const first = all.collect();
  await vi.advanceTimersByTimeAsync(5000);
  await first;
  pass(3 * 3_600_000);
  answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(toBinary(HostInfoSchema, await all.collect()).length).toBeGreaterThan(0);
});

test("a failure is logged once, a device that was never there not at all", async () => {
  const lines: string[] = [];
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) };
  const sources = [
    scripted("nvidia", bad(new Unsupported("no driver"))),
    scripted("net", good({}), bad(new Error("gone")), bad(new Error("gone")), good({})),
  ];
  const all = new Snapshot({ ...options, log, sources, machine, version: "" });
  for (let i = 0; i < 4; i++) await all.collect();
  expect(lines).toEqual(["net: gone", "net: reads again"]);
});

test("what a reader throws because it was given up does not hide that it hung", async () => {
  const source: Source = {
    name: "nvidia",
    open: async () => ({
      read: (signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")))),
      close: async () => undefined,
    }),
  };
  const all = snapshot(source);
  const first = all.collect();
  await vi.advanceTimersByTimeAsync(5000);
  expect((await first).sources[0]).toMatchObject({ state: State.HUNG, err: "nvidia did not answer in 5 s" });
});

test.each([
  [new Unsupported("NVML: no driver"), State.UNSUPPORTED],
  [new Hung("NVML hangs"), State.HUNG],
  [new Error("odd"), State.STALE],
])("%s gives state %s, and its text is why there are no GPUs", async (error, state) => {
  const info = await snapshot({ ...scripted("nvidia", bad(error)), gpus: true }).collect();
  expect(info.sources[0]).toMatchObject({ state, err: error.message });
  expect(info.err).toBe(error.message);
});

test("a source of something else that fails is not why there are no GPUs", async () => {
  expect((await snapshot(scripted("cpu", bad(new Error("x")))).collect()).err).toBeUndefined();
});

test("what a machine does not have is not mentioned anywhere, and looked for again each minute", async () => {
  const lines: string[] = [];
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) };
  let there = false;
  const plugged: Source = {
    name: "amdgpu",
    open: async () => (there ? { read: async () => gpus, close: async () => undefined } : undefined),
  };
  const all = new Snapshot({ ...options, log, sources: [plugged], machine, version: "" });
  expect((await all.collect()).sources).toEqual([]);
  pass(60_000);
  await all.collect();
  expect(lines).toEqual([]);
  there = true;
  pass(59_999);
  expect((await all.collect()).gpus).toEqual([]);
  pass(1);
  expect((await all.collect()).gpus).toHaveLength(2);
});

const cards = (...ids: number[]): SourcePart => ({ gpus: ids.map((id) => ({ id, uuid: `uuid-${id}` })) });

test("GPUs of several vendors bear different numbers, the first vendor's its own", async () => {
  const { gpus: all } = await snapshot(
    scripted("nvidia", good(cards(0, 1))),
    scripted("amdgpu", good(cards(0, 2))),
    scripted("intel", good(cards(0))),
  ).collect();
  expect(all.map(({ id, vendorIndex }) => [id, vendorIndex])).toEqual([
    [0, undefined],
    [1, undefined],
    [2, 0],
    [4, 2],
    [5, 0],
  ]);
});

test("parts of a divided card do not push the next vendor's numbers away", async () => {
  const { gpus: all } = await snapshot(
    scripted("nvidia", good(cards(0, 1003, 1004))),
    scripted("amdgpu", good(cards(0))),
  ).collect();
  expect(all.map(({ id }) => id)).toEqual([0, 1003, 1004, 1]);
});

test("a vendor whose cards are away for a while does not give their numbers to another's", async () => {
  const all = snapshot(scripted("nvidia", good(cards(0, 1)), bad(new Error("x"))), scripted("amdgpu", good(cards(0))));
  await all.collect();
  pass(10_000);
  await all.collect();
  pass(valueRetentionMs);
  expect((await all.collect()).gpus.map(({ id }) => id)).toEqual([2]);
});

test("a driver that is missing is no complaint while another vendor's GPUs are there", async () => {
  const missing = { ...scripted("nvidia", bad(new Unsupported("NVML: no driver"))), gpus: true as const };
  const info = await snapshot(missing, { ...scripted("amdgpu", good(cards(0))), gpus: true }).collect();
  expect(info.err).toBeUndefined();
  expect(info.sources[0]).toMatchObject({ name: "nvidia", state: State.UNSUPPORTED, err: "NVML: no driver" });
});

test("a source that cannot be opened is tried again after a minute, not at every poll", async () => {
  let tries = 0;
  const shy: Source = {
    name: "nvidia",
    open: async () => {
      if (++tries === 1) throw new Error("not yet");
      return { read: async () => ({ hostname: "box" }), close: async () => undefined };
    },
  };
  const all = snapshot(shy);
  expect((await all.collect()).sources[0]).toMatchObject({ err: "not yet" });
  pass(59_999);
  await all.collect();
  expect(tries).toBe(1);
  pass(1);
  expect((await all.collect()).hostname).toBe("box");
});

test("names are cut and cleaned before they leave", async () => {
  const part = { gpus: [{ name: `H200\u0000${"x".repeat(400)}`, procs: [{ pid: 1, basename: "a\nb" }] }] };
  const info = await snapshot(scripted("nvidia", good(part))).collect();
  expect(info.gpus[0]?.name).toHaveLength(256);
  expect(info.gpus[0]?.procs[0]?.basename).toBe("ab");
  toBinary(HostInfoSchema, info);
});

test("an answer that was given is not changed by later ones", async () => {
  const all = snapshot(scripted("nvidia", good(gpus), bad(new Error("x"))));
  const first = await all.collect();
  const bytes = toBinary(HostInfoSchema, first);
  await all.collect();
  expect(toBinary(HostInfoSchema, first)).toEqual(bytes);
  expect(first.gpus[0]).toMatchObject(create(HostInfoSchema, { gpus: [{ id: 0, state: State.OK }] }).gpus[0] ?? {});
});
