import { EventEmitter } from "node:events";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  type ConnectionLimits,
  Connections,
  type Peer,
  peerName,
  type RequestWorth,
  rpcLimits,
  withinFiles,
} from "./connections.ts";

class Fake extends EventEmitter implements Peer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  bytesRead = 0;
  closed = false;
  constructor(address: string, port: number) {
    super();
    this.remoteAddress = address;
    this.remotePort = port;
  }
  /** As a socket does: the event comes later. */
  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    queueMicrotask(() => this.emit("close"));
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

let port = 0;
const from = (address: string): Fake => new Fake(address, ++port);

function open(limits: Partial<ConnectionLimits> = {}) {
  const flooded: string[] = [];
  const closed: string[] = [];
  const ticks = (): number => Date.now();
  const connections = new Connections({
    limits: { ...rpcLimits, ...limits },
    ticks,
    flooded: (at) => flooded.push(at),
    closed: (at, reason) => closed.push(`${at} ${reason}`),
  });
  const enter = (address: string): Fake => {
    const peer = from(address);
    if (!connections.admit(peer)) peer.destroy();
    return peer;
  };
  return { connections, enter, flooded, closed };
}

test("a connection that has not asked in time is closed, one that has stays", () => {
  const { connections, enter } = open();
  const [mute, asked, asking] = [enter("a"), enter("a"), enter("a")];
  connections.begin(peerName(asked))();
  connections.begin(peerName(asking));
  vi.advanceTimersByTime(rpcLimits.firstRequestMs);
  expect([mute.closed, asked.closed, asking.closed]).toEqual([true, false, false]);
});

test("a half-closed connection is closed unless an answer is under way", () => {
  const { connections, enter } = open();
  const [idle, asking] = [enter("a"), enter("a")];
  connections.begin(peerName(asking));
  for (const peer of [idle, asking]) peer.emit("end");
  expect([idle.closed, asking.closed]).toEqual([true, false]);
});

test("where an address has all its connections, the newest replaces that of the one that asked nothing, then of the one that asked longest ago", () => {
  const { connections, enter } = open({ perAddress: 3 });
  const [first, mute, second] = [enter("a"), enter("a"), enter("a")];
  connections.begin(peerName(second))();
  connections.begin(peerName(first))();
  const third = enter("a");
  expect([first, mute, second].map(({ closed }) => closed)).toEqual([false, true, false]);
  connections.begin(peerName(third))();
  enter("a");
  expect([first, second, third].map(({ closed }) => closed)).toEqual([false, true, false]);
});

test("where all connections are taken, the address with the most connections loses one", () => {
  const { connections, enter } = open({ total: 3 });
  const honest = enter("a");
  const others = [enter("b"), enter("b")];
  for (const peer of [honest, ...others]) connections.begin(peerName(peer))();
  expect(enter("c").closed).toBe(false);
  expect([honest, ...others].map(({ closed }) => closed)).toEqual([false, true, false]);
});

test("a request under way is never cut short to make room", () => {
  const { connections, enter } = open({ total: 2, perAddress: 1 });
  const ends = ["a", "b"].map((at) => connections.begin(peerName(enter(at))));
  expect(["a", "c"].map((at) => enter(at).closed)).toEqual([true, true]);
  ends[0]?.();
  expect(enter("c").closed).toBe(false);
});

test("an address that is trusted may have every connection, and no more", () => {
  const { connections, enter } = open({ total: 3, perAddress: 1, trusted: (address) => address === "proxy" });
  const peers = ["proxy", "proxy", "proxy"].map(enter);
  for (const peer of peers) connections.begin(peerName(peer));
  expect([...peers, enter("proxy")].map(({ closed }) => closed)).toEqual([false, false, false, true]);
});

test("a connection that goes on sending more than requests are is closed; a burst is not, nor what comes slowly", () => {
  const { connections, enter, flooded } = open({ burst: 1000, bytesPerSecond: 100 });
  const [flood, burst, slow] = [enter("a"), enter("b"), enter("c")];
  for (const peer of [flood, burst, slow]) connections.begin(peerName(peer))();
  burst.bytesRead = 1000;
  for (let second = 0; second < 20; second++) {
    flood.bytesRead += 200;
    slow.bytesRead += 100;
    vi.advanceTimersByTime(1000);
  }
  expect([flood, burst, slow].map(({ closed }) => closed)).toEqual([true, false, false]);
  expect(flooded).toEqual(["a"]);
});

test("a caller that does not take its answer in time loses the connection, one that does or cancels keeps it", () => {
  const { connections, enter } = open();
  const [unread, read, cancelled] = [enter("a"), enter("a"), enter("a")];
  const calls = [unread, read, cancelled].map((peer) => connections.track(() => peerName(peer)));
  for (const call of calls) {
    call.begin();
    call.sending();
  }
  calls[1]?.sent();
  calls[2]?.end();
  calls[2]?.sending();
  vi.advanceTimersByTime(rpcLimits.answerMs);
  expect([unread, read, cancelled].map(({ closed }) => closed)).toEqual([true, false, false]);
});

test("whatever connections do, there are never more than the limits say, and none is forgotten", async () => {
  const step = fc.record({
    address: fc.constantFrom("a", "b", "c"),
    what: fc.constantFrom("enter", "ask", "end", "leave"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { connections, enter } = open({ total: 4, perAddress: 2 });
      const peers: Fake[] = [];
      const ends: (() => void)[] = [];
      for (const { address, what } of steps) {
        const peer = peers.find((one) => !one.closed && one.remoteAddress === address);
        if (what === "enter") peers.push(enter(address));
        else if (what === "end") ends.pop()?.();
        else if (what === "leave") peer?.destroy();
        else if (peer) ends.push(connections.begin(peerName(peer)));
        if (what === "leave") await Promise.resolve();
        const alive = peers.filter(({ closed }) => !closed);
        expect(connections.size).toBe(alive.length);
        expect(alive.length).toBeLessThanOrEqual(4);
        for (const at of ["a", "b", "c"]) {
          expect(alive.filter(({ remoteAddress }) => remoteAddress === at).length).toBeLessThanOrEqual(2);
        }
      }
      connections.clear();
      await Promise.resolve();
      expect([connections.size, vi.getTimerCount()]).toEqual([0, 0]);
    }),
  );
});

test("a client of IPv6 that comes from many addresses of its network has the connections of one", () => {
  const { connections, enter } = open({ total: 8, perAddress: 4 });
  const all = Array.from({ length: 8 }, (_, n) => {
    const peer = enter(`fd00:1:2:3::${n + 1}`);
    connections.begin(peerName(peer));
    return peer;
  });
  expect(all.filter(({ closed }) => !closed)).toHaveLength(4);
  expect(enter("fd00:1:2:4::1").closed).toBe(false);
  expect(enter("10.0.0.5").closed).toBe(false);
});

/** Begins a request on a connection. @returns the function that ends it */
const ask = (connections: Connections, peer: Peer, worth: RequestWorth): (() => void) =>
  connections.begin(peerName(peer), () => worth);

test("the address that has most gives way, its least valuable connection first, in this order", () => {
  const { connections, enter, closed } = open({ total: 6, perAddress: 6 });
  const [known, shown, unread, idle, half, mute] = [0, 1, 2, 3, 4, 5].map(() => enter("a"));
  if (!(known && shown && unread && idle && half && mute)) throw new Error("a connection is missing");
  ask(connections, idle, "open")();
  ask(connections, known, "known");
  ask(connections, shown, "open");
  ask(connections, unread, "unread");
  ask(connections, half, "incomplete");
  const order = [mute, half, idle, unread, shown, known];
  const left = order.map(() => {
    // Each from an address of its own, and at once in use.
    ask(connections, enter(`b${Math.random()}`), "known");
    return order.filter((peer) => !peer.closed);
  });
  // One that has proved who it is keeps its last connection.
  expect(left).toEqual([
    order.slice(1),
    order.slice(2),
    order.slice(3),
    order.slice(4),
    order.slice(5),
    order.slice(5),
  ]);
  expect(closed).toEqual(["a room", "a room", "a room", "a room"]);
});

test("an address that has fewer loses nothing to those that have more", () => {
  const { connections, enter } = open({ total: 12, perAddress: 6 });
  const few = [enter("c"), enter("c")];
  for (let i = 0; i < 40; i++) for (const at of ["a", "b"]) enter(at);
  for (let i = 0; i < 40; i++) for (const at of ["a", "b"]) ask(connections, enter(at), "open");
  expect(few.map(({ closed }) => closed)).toEqual([false, false]);
  expect(enter("d").closed).toBe(false);
});

test("a new connection takes the place of one of its own address that is worth less, but never of one that has proved who it is", () => {
  const { connections, enter } = open({ total: 8, perAddress: 3 });
  const [report, viewer, half] = [enter("nat"), enter("nat"), enter("nat")];
  ask(connections, report, "known");
  ask(connections, viewer, "open");
  ask(connections, half, "incomplete");
  const next = enter("nat");
  ask(connections, next, "known");
  expect([report, viewer, half, next].map(({ closed }) => closed)).toEqual([false, false, true, false]);
  ask(connections, enter("nat"), "known");
  expect(viewer.closed).toBe(true);
  expect(enter("nat").closed).toBe(true);
  expect([report, next].map(({ closed }) => closed)).toEqual([false, false]);
});

test("one that has proved who it is gives way only if there is no lesser one, and then to an address that still has fewer", () => {
  const { connections, enter } = open({ total: 4, perAddress: 3 });
  const many = [enter("a"), enter("a"), enter("a")];
  for (const peer of many) ask(connections, peer, "known");
  const mute = enter("b");
  expect(enter("c").closed).toBe(false);
  expect([...many, mute].map(({ closed }) => closed)).toEqual([false, false, false, true]);
  for (const at of ["c", "d", "e", "f"]) ask(connections, enter(at), "known");
  expect(many.filter(({ closed }) => !closed).length).toBe(1);
});

test("in a flood, the newest connections have time to send their requests", () => {
  const crowded = open({ total: 64, perAddress: 32 });
  const shown = Array.from({ length: 31 }, () => crowded.enter("a"));
  for (const peer of shown) ask(crowded.connections, peer, "open");
  // The first of them would never get to ask if the next one replaced it.
  const [first, next] = [crowded.enter("a"), crowded.enter("a")];
  expect([first, next, ...shown].map(({ closed }) => closed).indexOf(true)).toBe(2);

  const { connections, enter } = open({ total: 64, perAddress: 32 });
  const feeds = Array.from({ length: 29 }, () => enter("a"));
  for (const peer of feeds) ask(connections, peer, "open");
  const all = [enter("a"), enter("a"), enter("a"), enter("a")];
  // Two are newest; of the others without a request the oldest goes, and no viewer.
  expect(all.map(({ closed }) => closed)).toEqual([true, false, false, false]);
  expect(feeds.some(({ closed }) => closed)).toBe(false);
});

test("a connection that sent part of a request and no more is reported, one that sent nothing is not", () => {
  const { enter, closed } = open();
  const half = enter("half");
  half.bytesRead = 20;
  enter("mute");
  vi.advanceTimersByTime(rpcLimits.firstRequestMs);
  expect(closed).toEqual(["half slow"]);
});

test("whatever comes, an address loses no connection to one that has as many, and none that is known while there is a lesser one", () => {
  const worths = fc.constantFrom<(RequestWorth | "mute")[]>("mute", "incomplete", "unread", "open", "known");
  const arrival = fc.record({ address: fc.integer({ min: 0, max: 5 }), worth: worths });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
      const { connections, enter } = open({ total: 6, perAddress: 4 });
      const all: { readonly peer: Fake; readonly worth: RequestWorth | "mute" }[] = [];
      const alive = () => all.filter(({ peer }) => !peer.closed);
      const of = (address: string) => alive().filter(({ peer }) => peer.remoteAddress === address);
      for (const { address, worth } of arrivals) {
        const at = String(address);
        const before = alive();
        const sizes = new Map(before.map(({ peer }) => [peer.remoteAddress, of(peer.remoteAddress).length]));
        const own = sizes.get(at) ?? 0;
        const peer = enter(at);
        const lost = before.filter((one) => one.peer.closed);
        expect(lost.length).toBeLessThanOrEqual(1);
        for (const { peer: gone, worth: was } of lost) {
          const theirs = sizes.get(gone.remoteAddress) ?? 0;
          expect(gone.remoteAddress === at || theirs > own).toBe(true);
          if (was !== "known") continue;
          expect(theirs).toBeGreaterThanOrEqual(own + 2);
          const mayGive = ({ remoteAddress }: Fake): boolean =>
            remoteAddress === at || (sizes.get(remoteAddress) ?? 0) > own;
          const lesser = before.filter((one) => one.worth !== "known" && mayGive(one.peer));
          expect(lesser).toEqual([]);
        }
        // Only an address that has all its connections, or none of which may give way, is kept out.
        if (peer.closed)
          expect(before.filter((one) => one.worth !== "known" && one.peer.remoteAddress === at)).toEqual([]);
        all.push({ peer, worth });
        if (!peer.closed && worth !== "mute") ask(connections, peer, worth);
      }
    }),
  );
});

test.each([
  [Number.POSITIVE_INFINITY, 1024, 512],
  [4096, 1024, 512],
  [1024, 256, 128],
  [256, 64, 32],
  [10, 16, 8],
])(
  "of %d files that may be open, %d connections are a quarter, of which one address has %d",
  (files, total, perAddress) => {
    const limits = { ...rpcLimits, total: 1024, perAddress: 512 };
    expect(withinFiles(limits, 4, files)).toEqual({ ...limits, total, perAddress });
  },
);
