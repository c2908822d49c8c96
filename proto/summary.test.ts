import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostSchema, Link } from "./gen/feed_pb.js";
import {
  type GPUInfo,
  GPUInfoSchema,
  HolderSchema,
  HostInfoSchema,
  ProcInfoSchema,
  State,
  Throttle,
} from "./gen/host_pb.js";
import { type HostStatus, hostVerdict, isFresh, noCardsReason, occupants, summarize, troublesOf } from "./summary.ts";

type Info = MessageInitShape<typeof HostInfoSchema>;
const host = (name: string, info: Info, fresh = true, link = Link.OPEN): HostStatus => ({
  fresh,
  host: create(HostSchema, {
    name,
    link,
    info,
    seen: 1000n,
    since: 500n,
    reason: link === Link.WAITING ? "refused" : "",
  }),
});
const free = (id: number, name = "NVIDIA H100"): GPUInfo =>
  create(GPUInfoSchema, { id, name, state: State.OK, utilization: 0, memUsed: 0n, memTotal: 80_000_000_000n });
const held = (id: number, utilization: number, ...users: string[]): GPUInfo => ({
  ...free(id),
  utilization,
  procs: users.map((username, pid) => create(ProcInfoSchema, { pid, username, mem: 1_000_000_000n })),
});

test("free cards are offered by model, most first, each host with its card numbers", () => {
  const { offers, count, cards } = summarize([
    host("node10", { gpus: [free(0), held(1, 90, "ada")] }),
    host("node2", { gpus: [free(2), free(5), free(7, "NVIDIA A100")] }),
  ]);
  expect(cards).toBe(5);
  expect(count).toEqual({ free: 4, busy: 1, held: 0, broken: 0, unknown: 0 });
  expect(offers.map(({ model, free, total }) => [model, free, total])).toEqual([
    ["H100", 3, 4],
    ["A100", 1, 1],
  ]);
  expect(offers[0]?.hosts.map(({ host, ids }) => [host, ids])).toEqual([
    ["node2", [2, 5]],
    ["node10", [0]],
  ]);
});

test("a card without visible processes is held by the pods it is allocated to; a single pod has the memory in use", () => {
  const pod = (name: string) => create(HolderSchema, { namespace: "lab", pod: name, container: "c" });
  const given = (id: number, ...pods: string[]): GPUInfo => ({
    ...free(id),
    memUsed: 5_000_000_000n,
    holders: pods.map(pod),
  });
  const seen = { ...held(3, 90, "ada"), holders: [pod("train")] };
  const { count, holders, offers } = summarize([host("a", { gpus: [given(0, "train"), given(1, "x", "y"), seen] })]);
  expect(count).toMatchObject({ free: 0, held: 2, busy: 1 });
  expect(offers[0]?.free).toBe(0);
  expect(holders).toEqual([
    { user: "lab/train", cards: 1, idle: 1, memory: 5_000_000_000 },
    { user: "ada", cards: 1, idle: 0, memory: 1_000_000_000 },
    { user: "lab/x", cards: 1, idle: 1, memory: undefined },
    { user: "lab/y", cards: 1, idle: 1, memory: undefined },
  ]);
});

test("integrated graphics are neither counted nor offered, and have no holders", () => {
  const inside = { ...held(2, 40, "ada"), integrated: true };
  const { cards, count, offers, holders } = summarize([host("a", { gpus: [free(0), inside] })]);
  expect(cards).toBe(1);
  expect(count).toEqual({ free: 1, busy: 0, held: 0, broken: 0, unknown: 0 });
  expect(offers.map(({ model }) => model)).toEqual(["H100"]);
  expect(holders).toEqual([]);
});

test("cards of a second vendor are offered under the numbers of the machine and of the vendor's tools", () => {
  const { offers } = summarize([host("a", { gpus: [{ ...free(2, "AMD Instinct MI300X"), vendorIndex: 0 }] })]);
  expect(offers[0]?.hosts).toMatchObject([{ ids: [2], selectors: ["0"] }]);
});

const part = (id: number, uuid: string): GPUInfo => ({
  ...free(id, "NVIDIA A100 MIG 1g.5gb"),
  uuid,
  parent: "GPU-0",
});

test("a divided card is counted by its instances, which are offered by their uuids", () => {
  const { cards, count, offers, troubles } = summarize([
    host("a", {
      gpus: [
        { ...free(0, "NVIDIA A100"), uuid: "GPU-0", divided: true },
        part(1000, "MIG-a"),
        { ...part(1001, "MIG-b"), procs: [create(ProcInfoSchema, { pid: 1, username: "ada" })] },
      ],
    }),
  ]);
  expect(cards).toBe(2);
  expect(count).toEqual({ free: 1, busy: 0, held: 1, broken: 0, unknown: 0 });
  expect(offers.map(({ model, free, total }) => [model, free, total])).toEqual([["A100 MIG 1g.5gb", 1, 2]]);
  expect(offers[0]?.hosts[0]).toMatchObject({ ids: [1000], selectors: ["MIG-a"] });
  expect(troubles).toEqual([]);
});

test("no instance of a broken card is offered, and its trouble is listed once, for the card", () => {
  const broken = { ...free(0, "NVIDIA A100"), uuid: "GPU-0", divided: true, eccUncorrected: 1n };
  const { count, offers, troubles } = summarize([
    host("a", { gpus: [broken, part(1000, "MIG-a"), part(1001, "MIG-b"), free(1, "NVIDIA A100")] }),
  ]);
  expect(count).toEqual({ free: 1, busy: 0, held: 0, broken: 2, unknown: 0 });
  expect(offers.map(({ model, free }) => [model, free])).toEqual([
    ["A100", 1],
    ["A100 MIG 1g.5gb", 0],
  ]);
  expect(troubles).toMatchObject([{ kind: "card", card: 0, fault: { kind: "ecc-uncorrected" } }]);
});

test("cards of a host that does not answer are neither offered nor counted for their users", () => {
  const { count, offers, holders } = summarize([
    host("a", { gpus: [free(0), held(1, 90, "ada")] }, false, Link.WAITING),
  ]);
  expect(count.unknown).toBe(2);
  expect(offers[0]?.free).toBe(0);
  expect(holders).toEqual([]);
});

test("a user holds a card once however many processes run there; idle cards are counted apart", () => {
  const { holders } = summarize([
    host("a", { gpus: [held(0, 90, "ada", "ada"), held(1, 0, "ada"), held(2, 50, "bob", "ada")] }),
  ]);
  expect(holders).toEqual([
    { user: "ada", cards: 3, idle: 1, memory: 4_000_000_000 },
    { user: "bob", cards: 1, idle: 0, memory: 1_000_000_000 },
  ]);
});

test("memory of unknown size is unknown, not 0", () => {
  const gpu = {
    ...free(0),
    procs: ["ada", "bob", "bob"].map((username, pid) => create(ProcInfoSchema, { pid, username })),
  };
  const [, , known] = gpu.procs;
  if (known !== undefined) known.mem = 5n;
  expect(summarize([host("a", { gpus: [gpu] })]).holders).toMatchObject([
    { user: "bob", memory: 5 },
    { user: "ada", memory: undefined },
  ]);
});

test("a process without a user name is shown by its number", () => {
  const gpu = { ...free(0), procs: [create(ProcInfoSchema, { pid: 1, uid: 1234 })] };
  expect(summarize([host("a", { gpus: [gpu] })]).holders[0]?.user).toBe("uid 1234");
});

test.each([
  [
    "a lost card",
    { gpus: [{ id: 3, state: State.LOST }] },
    [{ host: "a", kind: "card", card: 3, fault: { kind: "lost", count: 1 } }],
  ],
  [
    "a card slowed by heat",
    { gpus: [{ ...free(1), throttle: [Throttle.POWER_CAP, Throttle.HW_THERMAL] }] },
    [{ host: "a", kind: "slowed", card: 1, reasons: [Throttle.HW_THERMAL] }],
  ],
  [
    "a full disk",
    { disks: [{ mount: "/", used: 96n, total: 100n }] },
    [{ host: "a", kind: "disk", mount: "/", used: 96 }],
  ],
  ["a disk at the limit", { disks: [{ mount: "/", used: 95n, total: 100n }] }, []],
  ["a full disk that can only be read", { disks: [{ mount: "/cd", used: 1n, total: 1n, readOnly: true }] }, []],
  [
    "a mount that hangs",
    { disks: [{ mount: "/nfs", state: State.HUNG }] },
    [{ host: "a", kind: "mount", mount: "/nfs" }],
  ],
  [
    "a reader that fails",
    { sources: [{ name: "nvidia", state: State.STALE, err: "no" }] },
    [{ host: "a", kind: "source", source: "nvidia", reason: "no" }],
  ],
  ["a machine without GPUs", { err: "no driver", sources: [{ name: "nvidia", state: State.UNSUPPORTED }] }, []],
] satisfies [string, Info, object[]][])("%s: its troubles are these", (_, info, wanted) => {
  expect(troublesOf(host("a", info))).toEqual(wanted);
});

test("a host that does not answer has only that trouble: its last answer may be outdated", () => {
  const info = { gpus: [{ id: 0, state: State.LOST }] };
  expect(troublesOf(host("a", info, false, Link.WAITING))).toEqual([
    { host: "a", kind: "unreachable", reason: "refused", since: 1000 },
  ]);
  expect(troublesOf(host("a", info, false))).toEqual([{ host: "a", kind: "late", since: 1000 }]);
});

test("a host of which only history knows is neither broken nor a trouble, and its cards are unknown", () => {
  const past = host("a", { gpus: [free(0), held(1, 90, "ada")] }, false, Link.HISTORY);
  const { count, troubled, holders } = summarize([past]);
  expect([hostVerdict(past), count.unknown, troubled, holders]).toEqual(["unknown", 2, 0, []]);
  // However new its newest row is.
  expect(isFresh({ link: Link.HISTORY, seen: 1000n, interval: 10 }, 1001, 10)).toBe(false);
});

test.each([
  ["a driver that fails", { err: "mismatch", sources: [{ name: "nvidia", state: State.STALE }] }, "mismatch"],
  ["no driver at all", { err: "no library", sources: [{ name: "nvidia", state: State.UNSUPPORTED }] }, undefined],
  ["a card", { err: "x", gpus: [free(0)], sources: [{ name: "nvidia", state: State.STALE }] }, undefined],
])("why no card is shown of a machine with %s", (_, info, reason) => {
  expect(noCardsReason(create(HostInfoSchema, info))).toBe(reason);
});

test("a host that never answered is unreachable since an unknown time: the hub may just have started", () => {
  const { host: never } = host("a", {}, false, Link.WAITING);
  const status = { host: create(HostSchema, { name: "a", link: Link.WAITING, since: never.since }), fresh: false };
  expect(troublesOf(status)).toEqual([{ host: "a", kind: "unreachable", reason: "", since: undefined }]);
});

test("a display server holds no card, neither a free one nor one that somebody else computes on", () => {
  const xorg = create(ProcInfoSchema, { pid: 9, username: "gdm", graphics: true, compute: false, mem: 4_000_000n });
  const both = { ...held(1, 90, "ada"), procs: [...held(1, 90, "ada").procs, xorg] };
  const { count, holders, offers } = summarize([host("a", { gpus: [{ ...free(0), procs: [xorg] }, both] })]);
  expect([count.free, count.busy, offers[0]?.free]).toEqual([1, 1, 1]);
  expect(holders.map(({ user, cards }) => [user, cards])).toEqual([["ada", 1]]);
  expect([{ ...free(0), procs: [xorg] }, both].map(occupants)).toEqual([[], ["ada"]]);
});

const lost: Info = { gpus: [{ state: State.LOST }] };
test.each([
  ["without GPUs", {}, true, Link.OPEN, undefined],
  ["with graphics inside its processor only", { gpus: [{ ...free(0), integrated: true }] }, true, Link.OPEN, undefined],
  ["whose only card is lost", lost, true, Link.OPEN, "broken"],
  [
    "with a lost card among busy ones",
    { gpus: [held(0, 90, "ada"), { state: State.LOST }] },
    true,
    Link.OPEN,
    "broken",
  ],
  ["with a free card", { gpus: [held(0, 90, "ada"), free(1)] }, true, Link.OPEN, "free"],
  [
    "all of whose cards are held, one of them idle",
    { gpus: [held(0, 90, "a"), held(1, 0, "b")] },
    true,
    Link.OPEN,
    "held",
  ],
  ["at full work", { gpus: [held(0, 90, "a")] }, true, Link.OPEN, "busy"],
  ["whose cards nobody measures", { gpus: [{ state: State.OK }] }, true, Link.OPEN, "unknown"],
  ["that is late", { gpus: [free(0)] }, false, Link.OPEN, "unknown"],
  ["that is away", {}, false, Link.WAITING, "broken"],
] satisfies [string, Info, boolean, Link, string | undefined][])(
  "a host %s is marked so",
  (_, info, fresh, link, state) => {
    expect(hostVerdict(host("a", info, fresh, link))).toBe(state);
  },
);

test.each([
  [10, 29_999, Link.OPEN, true],
  [10, 30_000, Link.OPEN, false],
  // Fast polls leave time for one slow answer.
  [1, 10_999, Link.OPEN, true],
  [1, 11_000, Link.OPEN, false],
  [60, 179_999, Link.IDLE, true],
  [60, 180_000, Link.IDLE, false],
  [10, 0, Link.WAITING, false],
])("with polls every %d s an answer of %d ms ago, link %s, is live: %s", (interval, age, link, live) => {
  const { host: status } = host("a", {}, true, link);
  expect(isFresh(status, 1000 + age, interval)).toBe(live);
});

test("a host with an interval of its own is late by that", () => {
  const status = create(HostSchema, { name: "a", link: Link.OPEN, seen: 1000n, interval: 600 });
  expect([isFresh(status, 1000 + 1_799_999, 10), isFresh(status, 1000 + 1_800_000, 10)]).toEqual([true, false]);
});

test("of a machine that waits for approval nothing is said", () => {
  const { host: held } = host("a", {
    gpus: [{ id: 0, name: "H100", state: State.OK, utilization: 0, memUsed: 0n, memTotal: 80n }],
  });
  expect(hostVerdict({ host: held, fresh: true })).toBe("free");
  expect(hostVerdict({ host: { ...held, waiting: true }, fresh: true })).toBe("unknown");
});

test("a host that never answered is not live", () => {
  expect(isFresh(create(HostSchema, { name: "a", link: Link.OPEN }), 0, 10)).toBe(false);
});
