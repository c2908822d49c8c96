import { EventEmitter } from "node:events";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ConnectionLimits, Connections, type Peer, peerName, rpcLimits } from "./connections.ts";

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
  const ticks = (): number => Date.now();
  const connections = new Connections({
    limits: { ...rpcLimits, ...limits },
    ticks,
    flooded: (at) => flooded.push(at),
  });
  const enter = (address: string): Fake => {
    const peer = from(address);
    if (!connections.admit(peer)) peer.destroy();
    return peer;
  };
  return { connections, enter, flooded };
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
