// Two machines under one name: a clone of a disk, or another machine with the same host name or token.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { cases } from "../test/cases.ts";
import { Ingest, type Owner } from "./ingest.ts";
import { Live } from "./live.ts";
import { Troubles } from "./trouble.ts";

const start = 1_800_000_000_000;
const minute = 60_000;
const poll: Owner = { input: "poll", origin: "settings" };
const push: Owner = { input: "portal", origin: "push" };

let now: number;
let live: Live;
let troubles: Troubles;
let ingest: Ingest;
let kept: (readonly [at: number, values: number])[];

beforeEach(() => {
  now = start;
  live = new Live(() => now);
  troubles = new Troubles(() => now);
  kept = [];
  ingest = new Ingest({ live, history: { append: () => {}, rename: () => false }, now: () => now, troubles });
  ingest.onReading(({ at, info }) => void kept.push([at - start, info.system?.load1 ?? Number.NaN]));
  ingest.claim("a", push, "10.0.0.9");
});

/** A machine, by its boot id and the time of its start; undefined if it does not report that. */
interface Machine {
  readonly bootId: string;
  readonly started?: number;
  readonly load: number;
}

const report = ({ bootId, started, load }: Machine, sampled = now) => {
  const uptime = started === undefined ? {} : { uptime: BigInt(Math.floor((now - started) / 1000)) };
  return create(HostInfoSchema, {
    agentVersion: "1",
    sampled: BigInt(sampled),
    system: { bootId, load1: load, ...uptime },
  });
};

const first: Machine = { bootId: "11111111-aaaa", started: start - 600_000, load: 1 };
const clone: Machine = { bootId: "22222222-bbbb", started: start - 300_000, load: 2 };
const shown = () => live.host("a")?.info?.system?.load1;

function hear(machine: Machine, by = push): void {
  ingest.received("a", report(machine), by);
  now += 1000;
}

test("of two machines that report under one name, only the first is kept and shown, and administrators see why", () => {
  for (let i = 0; i < 5; i++) {
    hear(first);
    hear(clone);
  }
  expect([shown(), kept.map(([, load]) => load)]).toEqual([1, Array(5).fill(1)]);
  expect(troubles.of("a")).toEqual([expect.stringMatching(/Two machines.*11111111….*22222222….*only the first/)]);
  now += 10 * minute;
  expect(troubles.of("a")).toEqual([]);
});

test("after a restart a machine goes on at once, as it started after its last report", () => {
  hear(first);
  now += 20_000;
  hear({ bootId: "3", started: start + 10_000, load: 3 });
  hear({ bootId: "3", started: start + 10_000, load: 4 });
  expect([shown(), kept.length, troubles.of("a")]).toEqual([4, 3, []]);
});

test("a second machine takes the place of the first once that one is silent for five minutes", () => {
  hear(first);
  now += 4 * minute;
  hear(clone);
  expect(shown()).toBe(1);
  now += minute;
  hear(clone);
  expect(shown()).toBe(2);
  hear(first);
  expect(shown()).toBe(2);
});

test("a machine that does not say when it started waits for a minute", () => {
  hear(first);
  now += 50_000;
  hear({ bootId: "3", load: 3 });
  expect(shown()).toBe(1);
  now += 20_000;
  hear({ bootId: "3", load: 3 });
  expect(shown()).toBe(3);
});

test("reports without a boot id are taken as they come", () => {
  hear(first);
  hear({ bootId: "", load: 5 });
  expect(shown()).toBe(5);
});

test("the polled machine of a name feeds its host, whichever machine was heard first", () => {
  hear(clone);
  ingest.claim("a", poll, "h:1");
  hear(first, poll);
  hear(clone);
  expect([shown(), troubles.of("a").length]).toEqual([1, 1]);
  // While it is down, another machine is still another one.
  ingest.failed("a", "gone", poll);
  hear(clone);
  expect([shown(), live.host("a")?.link.state]).toEqual([1, "waiting"]);
});

test("the polled machine that reports by itself, too, is one machine", () => {
  ingest.claim("a", poll, "h:1");
  hear(first, poll);
  hear(first);
  ingest.failed("a", "gone", poll);
  hear({ ...first, load: 6 });
  expect([shown(), troubles.of("a")]).toEqual([6, []]);
});

test("a polled host that gets another address is another machine at once", () => {
  ingest.claim("b", poll, "h:1");
  ingest.received("b", report(first), poll);
  ingest.claim("b", poll, "h:2");
  ingest.received("b", report(clone), poll);
  expect([live.host("b")?.info?.system?.load1, troubles.of("b")]).toEqual([2, []]);
});

test("late reports of the second machine are not kept, those from before a restart are", () => {
  hear(first);
  ingest.late("a", report(clone, now - 2 * minute), push);
  expect([kept.length, troubles.of("a").length]).toEqual([1, 1]);
  ingest.late("a", report({ ...clone, load: 7 }, start - 700_000), push);
  expect(kept.at(-1)).toEqual([-700_000, 7]);
  ingest.late("a", report({ ...first, load: 8 }, now - minute), push);
  expect(kept.at(-1)?.[1]).toBe(8);
});

test("a boot id is quoted without hidden characters", () => {
  hear({ ...first, bootId: "\u202e\n<b>" });
  hear(clone);
  expect(troubles.of("a")).toEqual([expect.stringContaining("boot ids <b>…")]);
});

const step = fc.record({ who: fc.constantFrom(0, 1, 2), pauseMs: fc.integer({ min: 0, max: 20_000 }) });

test("however machines that run all the time take turns, the one that was heard first is the only one that is kept", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      now += 100 * minute;
      const host = `host ${now}`;
      ingest.claim(host, push, "x");
      const born = now - 90 * minute;
      const loads: number[] = [];
      const end = ingest.onReading(({ info }) => void loads.push(info.system?.load1 ?? 0));
      for (const { who, pauseMs } of steps) {
        ingest.received(host, report({ bootId: `boot ${who}`, started: born, load: who }), push);
        now += Math.min(pauseMs, 9000);
      }
      end();
      const [first] = steps;
      const spoke = steps.filter(({ who }) => who === first?.who).length;
      expect(loads).toEqual(Array(spoke).fill(first?.who));
      ingest.release(host, push);
    }),
    cases,
  );
});

test("two machines behind one polled address are told apart, too, whoever was heard first", () => {
  hear(first);
  ingest.claim("a", poll, "h:1");
  hear(first, poll);
  hear(clone, poll);
  expect([shown(), troubles.of("a").length]).toEqual([1, 1]);
});
