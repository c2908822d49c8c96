import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { RosterFixture } from "../test/roster.ts";
import { everything } from "./book/book.ts";
import { Fault } from "./fault.ts";

const approved = "approved" as const;

test("hosts to poll are the servers of the settings, then the book's; each has its interval", () => {
  const scene = new RosterFixture({ z: "h:1", a: { address: "h:2", group: "lab" } });
  const slow = { ...everything, reportIntervalSec: 60 };
  scene.write({
    hosts: [{ name: "b", address: "h:3", config: slow }, { name: "a", config: slow }, { name: "pushing" }],
    nodes: [{ hostname: "pushing", state: approved }],
  });
  expect([...scene.roster.polled()]).toEqual([
    ["z", { address: "h:1", origin: "settings", intervalSec: undefined }],
    ["a", { address: "h:2", origin: "settings", intervalSec: 60 }],
    ["b", { address: "h:3", origin: "book", intervalSec: 60 }],
  ]);
});

test("what the settings say of a host wins over the book, and the rest is the book's", () => {
  const labels = { rack: "b2" };
  const scene = new RosterFixture({ a: { address: "h:1", group: "lab", labels }, b: "h:2" });
  const book = { group: "book", labels: { rack: "x", owner: "ada" }, address: "h:9", shown: "Blue" };
  scene.write({
    hosts: [
      { name: "a", ...book },
      { name: "b", ...book, shown: undefined },
    ],
  });
  const { roster } = scene;
  expect(roster.profile("a")).toEqual({ shown: "Blue", group: "lab", labels: { rack: "b2", owner: "ada" } });
  expect(roster.profile("b")).toEqual({ group: "book", labels: { rack: "x", owner: "ada" } });
  expect([...roster.polled().values()].map(({ address, origin }) => [address, origin])).toEqual([
    ["h:1", "settings"],
    ["h:2", "settings"],
  ]);
  scene.servers.change({ b: "h:2" });
  expect(roster.polled().get("a")).toMatchObject({ address: "h:9", origin: "book" });
  expect(roster.profile("a")).toEqual({ shown: "Blue", group: "book", labels: { rack: "x", owner: "ada" } });
});

test("a host is found by its own name and by the one that is shown, which no other host's name gives way to", () => {
  const scene = new RosterFixture({ a: "h:1", b: "h:2" });
  const { roster } = scene;
  scene.write({ hosts: [{ name: "a", shown: "Blue" }], nodes: [{ hostname: "Blue" }] });
  // A stranger that registers under a name that is shown does not take it.
  expect(["a", "Blue", "b", "nobody"].map((name) => roster.keyOf(name))).toEqual(["a", "a", "b", "nobody"]);
  expect(["a", "b", "nobody"].map((host) => roster.nameOf(host))).toEqual(["Blue", "b", "nobody"]);
  // The settings' name wins.
  scene.servers.change({ a: "h:1", Blue: "h:3" });
  expect([roster.keyOf("Blue"), roster.nameOf("a"), roster.nameOf("Blue")]).toEqual(["Blue", "a", "Blue"]);
});

test("a machine waits until it is approved, unless the hub polls it", () => {
  const scene = new RosterFixture({ a: "h:1" });
  const { roster } = scene;
  const states = () => ["a", "b", "c", "d"].map((host) => [roster.approved(host), roster.waits(host)]);
  scene.write({
    hosts: [{ name: "b", address: "h:2" }],
    nodes: [{ hostname: "a" }, { hostname: "b" }, { hostname: "c" }, { hostname: "d", state: approved }],
  });
  expect(states()).toEqual([
    [false, false],
    [false, false],
    [false, true],
    [true, false],
  ]);
  scene.write({ nodes: [{ hostname: "c", state: approved }] });
  expect(states()).toEqual(Array(4).fill([true, false]));
});

test("listeners are called when something has changed that the roster tells, and only then", () => {
  const scene = new RosterFixture({ a: "h:1" });
  let calls = 0;
  const stop = scene.roster.onChange(() => calls++);
  scene.write({ hosts: [{ name: "a" }] });
  const config = scene.roster.config("a");
  const before = calls;
  scene.write({ hosts: [{ name: "a", config: { ...everything } }] });
  expect(calls).toBe(before);
  expect(scene.roster.config("a")).toBe(config);
  scene.write({ hosts: [{ name: "a", config: { ...everything, gpuIndices: [0] } }] });
  scene.servers.change({ a: "h:2" });
  expect(calls).toBe(before + 2);
  stop();
  scene.servers.change({});
  expect(calls).toBe(before + 2);
});

test("while the book cannot be read, what it said last holds, and the settings still change", () => {
  const scene = new RosterFixture({ a: "h:1" });
  scene.write({ hosts: [{ name: "b", address: "h:2" }] });
  scene.failure = new Fault("book_unusable", "the disk is full");
  scene.write({ hosts: [] });
  scene.servers.change({ c: "h:3" });
  expect([...scene.roster.polled().keys()]).toEqual(["c", "b"]);
  scene.failure = undefined;
  scene.write({});
  expect([...scene.roster.polled().keys()]).toEqual(["c"]);
});

const name: fc.Arbitrary<string> = fc.constantFrom("a", "b", "c", "constructor", "__proto__");
const shown = fc.option(fc.oneof(name, fc.constantFrom("Blue", "Red")), { nil: undefined });
const address = fc.option(fc.constantFrom("h:1", "h:2"), { nil: undefined });
const records = fc.uniqueArray(fc.record({ name, shown, address }), { selector: (one) => one.name });
const nodes = fc.uniqueArray(
  fc.record({ hostname: name, host: name, state: fc.constantFrom("waiting" as const, approved) }),
  { selector: (one) => one.hostname },
);

test("whatever settings and book hold, a name means one host, and the shown name of each host means that host", () => {
  fc.assert(
    fc.property(fc.uniqueArray(name), records, nodes, (listed, hosts, nodes) => {
      const scene = new RosterFixture(Object.fromEntries(listed.map((name) => [name, "h:9"])));
      scene.write({ hosts, nodes });
      const { roster } = scene;
      const all = ["a", "b", "c", "constructor", "__proto__", "Blue", "Red"];
      for (const host of all) {
        const trusted = roster.polled().has(host) || nodes.some((one) => one.host === host && one.state === approved);
        if (trusted) expect(roster.keyOf(host)).toBe(host);
        if (roster.nameOf(host) !== host) expect(roster.keyOf(roster.nameOf(host))).toBe(host);
        if (listed.includes(host))
          expect(roster.polled().get(host)).toMatchObject({ address: "h:9", origin: "settings" });
        if (roster.waits(host)) expect(trusted).toBe(false);
      }
    }),
    cases,
  );
});
