import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { RosterFixture } from "../test/roster.ts";
import type { BookWriter, NodeChange } from "./book/book.ts";
import { Fault } from "./fault.ts";
import { Ingest, type Owner } from "./ingest.ts";
import { Live } from "./live.ts";
import { silent } from "./log.ts";
import { Machines } from "./machines.ts";

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

const poll: Owner = { input: "poll", origin: "settings" };
const push: Owner = { input: "portal", origin: "push" };
const approved = "approved" as const;

let scene: RosterFixture;
let ingest: Ingest;
let timers: (() => void)[];
let actions: object[];
let failure: Error | undefined;
let lines: string[];
let machines: Machines;

beforeEach(() => {
  scene = new RosterFixture({ gpu1: "10.0.0.1:9203", gpu2: "[fd00::2]:9203" });
  timers = [];
  actions = [];
  failure = undefined;
  lines = [];
  const live = new Live(() => 0);
  ingest = new Ingest({
    live,
    history: { append: () => {}, rename: () => false },
    now: () => 0,
    directory: scene.roster,
  });
  machines = new Machines({
    roster: scene.roster,
    ingest,
    clock: {
      after: (_ms, run) => {
        timers.push(run);
        return () => {};
      },
    },
    log: { ...silent, info: (line) => void lines.push(line), warn: (line) => void lines.push(line) },
    desk: {
      do(who, { name, target, details, write }) {
        if (failure !== undefined) throw failure;
        actions.push({ by: who.origin, name, target, details });
        const changeNode = (id: number, change: NodeChange): void =>
          scene.write({ nodes: scene.nodes.map((node) => (node.id === id ? { ...node, ...change } : node)) });
        return write({ changeNode } as BookWriter);
      },
    },
  });
  for (const name of ["gpu1", "gpu2"]) ingest.claim(name, poll, scene.servers.addresses().get(name) ?? "");
});

/** Takes a report, and whatever follows from it. @param peer address that it comes from */
function hear(host: string, by: Owner, init: Init, peer = ""): void {
  if (by === push) ingest.claim(host, push, peer);
  ingest.received(host, create(HostInfoSchema, init), by, peer);
  settle();
}

function settle(): void {
  for (let i = 0; timers.length > 0 && i < 100; i++) timers.shift()?.();
}

const boot = (bootId: string): Init => ({ hostname: "h", system: { bootId, uptime: 9n } });
const hosts = () => scene.nodes.map(({ hostname, host }) => `${hostname} ${host}`);

test("a machine that is polled and reports by itself is one host by its boot id, whichever is heard first", () => {
  scene.write({
    nodes: [
      { hostname: "n1", state: approved },
      { hostname: "n2", state: approved },
    ],
  });
  hear("n1", push, boot("A"));
  hear("n2", push, boot("B"));
  hear("gpu1", poll, boot("C"));
  expect(hosts()).toEqual(["n1 n1", "n2 n2"]);
  hear("gpu2", poll, boot("B"));
  expect(hosts()).toEqual(["n1 n1", "n2 gpu2"]);
  hear("n1", push, { system: { bootId: "C", uptime: 0n } });
  expect(hosts()).toEqual(["n1 gpu1", "n2 gpu2"]);
  expect(actions).toEqual([
    { by: "hub", name: "node.join", target: "gpu2", details: { hostname: "n2" } },
    { by: "hub", name: "node.join", target: "gpu1", details: { hostname: "n1" } },
  ]);
});

const node = { hostname: "node" };
test.each<[string, Init, Init, string, string, string]>([
  ["the same address", { hostname: "Node" }, node, "10.0.0.1", "10.0.0.1", "n gpu1"],
  ["another host name", { hostname: "other" }, node, "10.0.0.1", "10.0.0.1", "n n"],
  ["another address", node, node, "10.0.0.1", "10.0.0.3", "n n"],
  [
    "the same address in the reports alone",
    { ...node, ip: "10.0.0.1" },
    { ...node, ip: "10.0.0.1" },
    "10.0.0.1",
    "10.0.0.3",
    "n n",
  ],
  ["no host name", {}, {}, "10.0.0.1", "10.0.0.1", "n n"],
  ["a loopback address", node, node, "127.0.0.1", "127.0.0.1", "n n"],
  ["an unknown address", node, node, "", "", "n n"],
  ["a boot id of the poll alone", boot("A"), { hostname: "h" }, "10.0.0.1", "10.0.0.1", "n gpu1"],
  ["a boot id of the machine's own reports alone", { hostname: "h" }, boot("A"), "10.0.0.1", "10.0.0.1", "n gpu1"],
  ["boot ids that differ", boot("A"), { ...boot("B"), hostname: "h" }, "10.0.0.1", "10.0.0.1", "n n"],
])("where a boot id is missing, host name and address decide: %s", (_what, polled, own, at, from, wanted) => {
  scene.write({ nodes: [{ hostname: "n", state: approved }] });
  hear("gpu1", poll, polled, at);
  hear("n", push, own, from);
  expect(hosts()).toEqual([wanted]);
});

test.each([
  ["reports come from", () => hear("other", push, { hostname: "other" }, "10.0.0.1")],
  ["is polled at", () => hear("gpu2", poll, { hostname: "other" }, "10.0.0.1")],
])("an address that another machine %s, as behind one proxy, tells nothing", (_, other) => {
  scene.write({ nodes: [{ hostname: "n", state: approved }, { hostname: "other" }] });
  other();
  hear("gpu1", poll, node, "10.0.0.1");
  hear("n", push, node, "10.0.0.1");
  expect(hosts()).toEqual(["n n", "other other"]);
  // The kernel's boot id does.
  hear("gpu1", poll, boot("A"), "10.0.0.1");
  hear("n", push, boot("A"), "10.0.0.1");
  expect(hosts()).toEqual(["n gpu1", "other other"]);
});

test("a machine that waits for approval is taken for no other one; once it is approved, it is", () => {
  scene.write({ nodes: [{ hostname: "n" }] });
  hear("gpu1", poll, boot("A"));
  hear("n", push, boot("A"));
  expect(hosts()).toEqual(["n n"]);
  scene.write({ nodes: [{ hostname: "n", state: approved }] });
  settle();
  expect(hosts()).toEqual(["n gpu1"]);
});

test("what can be joined is joined at once when an approval asks for it, and not once more", () => {
  scene.write({ nodes: [{ hostname: "n" }] });
  hear("gpu1", poll, boot("A"));
  hear("n", push, boot("A"));
  scene.write({ nodes: [{ hostname: "n", state: approved }] });
  expect(hosts()).toEqual(["n n"]);
  machines.joinNow();
  expect(hosts()).toEqual(["n gpu1"]);
  settle();
  expect(actions).toHaveLength(1);
});

test("what a person has parted stays parted, and is joined again when the person takes that back", () => {
  scene.write({ hosts: [{ name: "gpu1", parted: true }], nodes: [{ hostname: "n", state: approved }] });
  hear("gpu1", poll, boot("A"));
  hear("n", push, boot("A"));
  expect([hosts(), actions]).toEqual([["n n"], []]);
  scene.write({ hosts: [{ name: "gpu1", parted: false }] });
  settle();
  expect(hosts()).toEqual(["n gpu1"]);
});

test("of many hosts each is joined with its own, all at once", () => {
  const count = 300;
  const names = Array.from({ length: count }, (_, i) => `p${i}`);
  scene.servers.change(Object.fromEntries(names.map((name) => [name, "10.0.0.1:9203"])));
  scene.write({ nodes: names.map((name) => ({ hostname: `n-${name}`, state: approved })) });
  for (const name of names) ingest.claim(name, poll, "10.0.0.1:9203");
  for (const name of names) ingest.received(name, create(HostInfoSchema, boot(name)), poll);
  for (const name of names) ingest.claim(`n-${name}`, push, "10.0.0.1");
  for (const name of names) ingest.received(`n-${name}`, create(HostInfoSchema, boot(name)), push);
  settle();
  expect(scene.nodes.map(({ host }) => host)).toEqual(names);
});

test("one polled host is no two machines that report by themselves", () => {
  scene.write({
    nodes: [
      { hostname: "n1", state: approved },
      { hostname: "n2", state: approved },
    ],
  });
  hear("n1", push, boot("A"));
  hear("n2", push, boot("A"));
  hear("gpu1", poll, boot("A"));
  expect(hosts()).toEqual(["n1 gpu1", "n2 n2"]);
  hear("n2", push, boot("B"));
  hear("n2", push, boot("A"));
  expect(hosts()).toEqual(["n1 gpu1", "n2 n2"]);
});

test("a book that cannot be written is logged, and costs no report; the next change tries again", () => {
  scene.write({ nodes: [{ hostname: "n", state: approved }] });
  failure = new Fault("book_unusable", "the disk is full");
  hear("gpu1", poll, boot("A"));
  hear("n", push, boot("A"));
  expect([hosts(), lines]).toEqual([["n n"], [expect.stringMatching(/n and gpu1 are one machine.*the disk is full/)]]);
  failure = undefined;
  scene.write({ hosts: [{ name: "gpu1", group: "lab" }] });
  settle();
  expect(hosts()).toEqual(["n gpu1"]);
});
