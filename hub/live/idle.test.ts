import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { Live } from "../live.ts";

type Card = Exclude<NonNullable<MessageInitShape<typeof HostInfoSchema>["gpus"]>[number], { $typeName: string }>;

const of = (uuid: string, utilization: number | undefined, pid: number, rest: Card = {}): Card => ({
  uuid,
  state: State.OK,
  ...(utilization === undefined ? {} : { utilization }),
  memUsed: 40n,
  memTotal: 80n,
  procs: pid === 0 ? [] : [{ pid, uid: 1, username: "ada" }],
  ...rest,
});
const minutes = (n: number): number => n * 60_000;

function scene() {
  let now = 0;
  const live = new Live(() => now);
  live.expect("a", "x:1");
  return {
    live,
    /** Lets the host answer at a time; the answer says what the hub makes of it: [card, since when, or longer]. */
    say(at: number, ...gpus: Card[]): [string, number, boolean][] {
      now = at;
      const info: HostInfo = create(HostInfoSchema, { gpus });
      live.received("a", info);
      return [...(live.host("a")?.idle ?? [])].map(([key, { since, orLonger }]) => [key, since, orLonger]);
    },
    fail(at: number): void {
      now = at;
      live.failed("a", "gone");
    },
  };
}

test("a card that stops computing is idle since then, and no longer when it computes again", () => {
  const { say } = scene();
  expect(say(0, of("A", 97, 1))).toEqual([]);
  expect(say(10_000, of("A", 0, 1))).toEqual([["A", 10_000, false]]);
  expect(say(minutes(9), of("A", 1, 1))).toEqual([["A", 10_000, false]]);
  expect(say(minutes(10), of("A", 60, 1))).toEqual([]);
  expect(say(minutes(11), of("A", 0, 1))).toEqual([["A", minutes(11), false]]);
});

test("one that was idle when it was first seen may have been for longer", () => {
  const { say } = scene();
  expect(say(5000, of("A", 0, 1))).toEqual([["A", 5000, true]]);
  expect(say(minutes(5), of("A", 0, 1), of("B", 0, 2))).toEqual([
    ["A", 5000, true],
    ["B", minutes(5), true],
  ]);
});

test("a card that moves up into the place of one that left keeps its own time", () => {
  const { say } = scene();
  say(0, of("A", 0, 1), of("B", 97, 2));
  expect(say(minutes(5), of("B", 0, 2))).toEqual([["B", minutes(5), false]]);
  expect(say(minutes(6), of("A", 0, 1), of("B", 0, 2))).toEqual([
    ["A", minutes(6), true],
    ["B", minutes(5), false],
  ]);
});

test("a card without a uuid is known by its index and name", () => {
  const { say } = scene();
  const bare = (id: number, utilization: number): Card => ({ ...of("", utilization, 7), id, name: "H100" });
  say(0, bare(0, 97), bare(1, 97));
  expect(say(1000, bare(0, 97), bare(1, 0))).toEqual([["1 H100", 1000, false]]);
  expect(say(2000, bare(1, 0))).toEqual([["1 H100", 1000, false]]);
});

test("idle time starts anew when an idle card changes hands", () => {
  const { say } = scene();
  say(0, of("A", 97, 1));
  say(1000, of("A", 0, 1));
  expect(say(minutes(5), of("A", 0, 1), of("B", 0, 9)).at(0)).toEqual(["A", 1000, false]);
  expect(say(minutes(6), of("A", 0, 2))).toEqual([["A", minutes(6), false]]);
  const xorg = { pid: 3, uid: 0, graphics: true, mem: 1n };
  const beside = (pid: number): Card => of("A", 0, 0, { procs: [{ pid, uid: 1 }, xorg] });
  say(minutes(7), beside(2));
  expect(say(minutes(8), beside(5))).toEqual([["A", minutes(8), false]]);
  const pod = (name: string): Card => of("A", 0, 0, { holders: [{ namespace: "lab", pod: name }] });
  say(minutes(9), pod("x"));
  expect(say(minutes(10), pod("y"))).toEqual([["A", minutes(10), false]]);
});

test("a free card is not idle in anybody's hands, and is from when somebody takes it", () => {
  const { say } = scene();
  const free: Card = { ...of("A", 0, 0), memUsed: 0n };
  expect(say(0, free)).toEqual([]);
  expect(say(minutes(90), of("A", 0, 1))).toEqual([["A", minutes(90), false]]);
});

test("after a time without readings it is idle since the first one, or longer", () => {
  const { say } = scene();
  say(0, of("A", 97, 1));
  say(1000, of("A", 0, 1));
  expect(say(2000, of("A", 0, 1, { state: State.STALE }))).toEqual([]);
  expect(say(3000, of("A", 0, 1))).toEqual([["A", 3000, true]]);
});

test("a poll that fails changes nothing, an absence of more than five minutes does", () => {
  const { say, fail } = scene();
  say(0, of("A", 97, 1));
  say(1000, of("A", 0, 1));
  fail(11_000);
  expect(say(21_000, of("A", 0, 1))).toEqual([["A", 1000, false]]);
  fail(31_000);
  expect(say(minutes(6), of("A", 0, 1))).toEqual([["A", minutes(6), true]]);
});

test("with polls an hour apart it is counted from answer to answer all the same", () => {
  const { say } = scene();
  say(0, of("A", 97, 1));
  say(minutes(60), of("A", 0, 1));
  expect(say(minutes(120), of("A", 0, 1))).toEqual([["A", minutes(60), false]]);
});

test("two cards that claim one uuid are counted apart", () => {
  const { say } = scene();
  say(0, of("A", 0, 1), of("A", 97, 2));
  expect(say(1000, of("A", 0, 1), of("A", 0, 2))).toEqual([
    ["A", 0, true],
    ["A 2", 1000, false],
  ]);
});
