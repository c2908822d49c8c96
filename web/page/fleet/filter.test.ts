import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HostSchema, Link } from "../../../proto/gen/feed_pb.js";
import { type HostInfoSchema, State, Throttle } from "../../../proto/gen/host_pb.js";
import { type HostStatus, summarize } from "../../../proto/summary.ts";
import { verdicts } from "../../../proto/verdict.ts";
import { type CardFilter, compare, pickCards } from "./filter.ts";

type Info = MessageInitShape<typeof HostInfoSchema>;
type Card = NonNullable<Info["gpus"]>[number];
const everything: CardFilter = { show: "all", query: "", user: "", own: [] };
const host = (name: string, gpus: Card[], rest: Info = {}, fresh = true): HostStatus => ({
  fresh,
  host: create(HostSchema, {
    name,
    address: "10.1.2.3:9203",
    link: fresh ? Link.OPEN : Link.WAITING,
    info: { gpus, ...rest },
  }),
});
const free: Card = { name: "NVIDIA H100", state: State.OK, utilization: 0, memUsed: 0n, memTotal: 80n };
const busy = (username: string): Card => ({
  ...free,
  utilization: 90,
  procs: [{ pid: 1, username, basename: "train.py" }],
});
const given: Card = { ...free, holders: [{ namespace: "lab", pod: "train-0", container: "c" }] };
const inPod: Card = {
  state: State.OK,
  utilization: 90,
  procs: [{ pid: 1, username: "ada", podNamespace: "lab", podName: "serve-1" }],
};
const mixed = host("node3", [free, busy("ada"), { ...busy("bob"), utilization: 0 }, { id: 3, state: State.LOST }]);

test.each([
  ["everything", {}, "all"],
  ["free cards", { show: "free" }, [0]],
  ["busy cards", { show: "busy" }, [1]],
  ["held cards", { show: "held" }, [2]],
  ["trouble", { show: "trouble" }, [3]],
  ["one user's", { user: "ada" }, [1]],
  ["mine", { show: "mine", own: ["x", "Bob"] }, [2]],
  ["mine of nobody", { show: "mine" }, undefined],
  ["mine, before I said who I am", { show: "mine" }, undefined],
  ["the host by name", { query: "NODE" }, "all"],
  ["the host by address", { query: "10.1.2" }, "all"],
  ["a process", { query: "train" }, [1, 2]],
  ["a user by search", { query: " Ada " }, [1]],
  ["a model", { query: "h100" }, [0, 1, 2]],
  ["what nothing says", { query: "zzz" }, undefined],
  ["free cards of a user, which there cannot be", { show: "free", user: "ada" }, undefined],
  ["free cards of the host by name", { show: "free", query: "node3" }, [0]],
] as const)("asked for %s, the host shows these cards", (_, filter, wanted) => {
  expect(pickCards(mixed, { ...everything, ...filter })).toEqual(wanted);
});

test("a host without GPUs shows among all, and among the troubles only when it has one", () => {
  const quiet = host("store", []);
  const full = host("store", [], { disks: [{ mount: "/", used: 99n, total: 100n }] });
  expect(pickCards(quiet, everything)).toBe("all");
  expect(pickCards(quiet, { ...everything, show: "free" })).toBeUndefined();
  expect(pickCards(quiet, { ...everything, show: "trouble" })).toBeUndefined();
  expect(pickCards(full, { ...everything, show: "trouble" })).toBe("all");
});

test("a host that does not answer shows all its cards among the troubles, and none among the free", () => {
  const away = host("gone", [free, free], {}, false);
  expect(pickCards(away, { ...everything, show: "trouble" })).toBe("all");
  expect(pickCards(away, { ...everything, show: "free" })).toBeUndefined();
});

test("a pod finds the cards it was given and those its processes are on, by name and as who holds them", () => {
  const node = host("node5", [free, given, inPod]);
  expect(pickCards(node, { ...everything, query: "train-0" })).toEqual([1]);
  expect(pickCards(node, { ...everything, query: "serve" })).toEqual([2]);
  expect(pickCards(node, { ...everything, user: "lab/train-0" })).toEqual([1]);
});

test("names sort as people count, and free hosts come first when asked", () => {
  const hosts = [host("node10", [free, free]), host("node2", [free]), host("node1", [busy("ada")])];
  const names = (order: "name" | "free"): string[] => hosts.toSorted(compare(order)).map(({ host }) => host.name);
  expect(names("name")).toEqual(["node1", "node2", "node10"]);
  expect(names("free")).toEqual(["node10", "node2", "node1"]);
});

test("a machine that waits for approval shows among all, last of those with free cards, and under no other filter", () => {
  const waiting: HostStatus = {
    ...host("node1", [free, free]),
    host: { ...host("node1", [free]).host, waiting: true },
  };
  expect(pickCards(waiting, everything)).toBe("all");
  expect(pickCards(waiting, { ...everything, query: "node1" })).toBe("all");
  for (const show of ["free", "trouble", "mine", "unknown"] as const) {
    expect(pickCards(waiting, { ...everything, show, own: ["ada"] })).toBeUndefined();
  }
  expect(pickCards(waiting, { ...everything, user: "ada" })).toBeUndefined();
  const order = [waiting, host("node2", [free])].toSorted(compare("free"));
  expect(order.map(({ host }) => host.name)).toEqual(["node2", "node1"]);
});

test("a host is found and sorted by the name that is shown, and found by its own", () => {
  const named = (name: string, shown: string): HostStatus => ({
    fresh: true,
    host: { ...host(name, [free]).host, shown },
  });
  const hosts = [named("a", "Zebra"), named("z", "Ant")];
  expect(hosts.toSorted(compare("name")).map(({ host }) => host.shown)).toEqual(["Ant", "Zebra"]);
  expect(pickCards(named("a", "Zebra"), { ...everything, query: "zeb" })).toBe("all");
  expect(pickCards(named("gpu7", "Zebra"), { ...everything, query: "gpu7" })).toBe("all");
});

test("a divided card is shown by its instances, and its host also when it has none", () => {
  const divided = { ...free, divided: true };
  const host2 = host("node4", [divided, { ...free, id: 1000, parent: "GPU-0" }, busy("ada")]);
  expect(pickCards(host2, everything)).toEqual([1, 2]);
  expect(pickCards(host2, { ...everything, show: "free" })).toEqual([1]);
  expect(pickCards(host("node5", [divided]), everything)).toEqual([]);
  expect(pickCards(host("node5", [divided]), { ...everything, show: "free" })).toBeUndefined();
});

test("an instance of a broken card is a trouble, and not free", () => {
  const broken = { ...free, uuid: "GPU-0", divided: true, eccUncorrected: 1n };
  const mig = host("node6", [broken, { ...free, id: 1000, parent: "GPU-0" }, free]);
  expect(pickCards(mig, { ...everything, show: "trouble" })).toEqual([1]);
  expect(pickCards(mig, { ...everything, show: "free" })).toEqual([2]);
});

const anyCard: fc.Arbitrary<Card> = fc.record(
  {
    state: fc.constantFrom(State.OK, State.STALE, State.LOST, State.HUNG, State.UNSUPPORTED),
    utilization: fc.constantFrom(0, 90),
    memUsed: fc.constantFrom(0n, 60n),
    memTotal: fc.constant(80n),
    procs: fc.constantFrom([], [{ pid: 1, username: "ada" }]),
    throttle: fc.constantFrom([], [Throttle.HW_THERMAL], [Throttle.POWER_CAP]),
    eccUncorrected: fc.constantFrom(0n, 3n),
    integrated: fc.boolean(),
    asleep: fc.boolean(),
    uuid: fc.constantFrom("A", "B"),
    divided: fc.boolean(),
    parent: fc.constantFrom("A", "B"),
  },
  { requiredKeys: [] },
);
const anyHost = fc.record({
  gpus: fc.array(anyCard, { maxLength: 5 }),
  fresh: fc.boolean(),
  disks: fc.boolean().map((full) => (full ? [{ mount: "/", used: 99n, total: 100n }] : [])),
});
const fleets = fc
  .array(anyHost, { maxLength: 5 })
  .map((hosts) => hosts.map(({ gpus, fresh, disks }, i) => host(`h${i}`, gpus, { disks }, fresh)));

const cardsShown = (standings: readonly HostStatus[], show: CardFilter["show"]): number =>
  standings.reduce((sum, standing) => {
    const places = pickCards(standing, { ...everything, show });
    return sum + (places === "all" ? (standing.host.info?.gpus.length ?? 0) : (places?.length ?? 0));
  }, 0);

test("what a chip counts is what it shows, and the chips of cards add up to all cards", () => {
  fc.assert(
    fc.property(fleets, (standings) => {
      const { cards, count, troubled } = summarize(standings);
      expect(verdicts.reduce((sum, state) => sum + count[state], 0)).toBe(cards);
      for (const state of verdicts) expect(cardsShown(standings, state), state).toBe(count[state]);
      const hosts = standings.filter(
        (standing) => pickCards(standing, { ...everything, show: "trouble" }) !== undefined,
      );
      expect(hosts.length).toBe(troubled);
    }),
  );
});
