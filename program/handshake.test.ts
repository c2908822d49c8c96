import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { Handshakes } from "./handshake.ts";

/** Handshakes whose signatures take `signMs`, with a clock that is turned by hand. */
function begun(signMs: number) {
  let now = 0;
  const timers: { at: number; run: () => void }[] = [];
  const order: Socket[] = [];
  const times: number[] = [];
  const handshakes = new Handshakes({
    signMs: () => signMs,
    begin: (socket) => {
      order.push(socket);
      times.push(now);
    },
    ticks: () => now,
    after: (ms, run) => void timers.push({ at: now + ms, run }),
  });
  /** Runs what is due until nothing waits, or until a time. */
  const pass = (until = Number.POSITIVE_INFINITY): void => {
    for (let next = timers.shift(); next !== undefined; next = timers.shift()) {
      if (next.at > until) {
        timers.unshift(next);
        break;
      }
      now = next.at;
      next.run();
    }
    if (Number.isFinite(until)) now = until;
  };
  return { handshakes, order, times, pass, timers };
}

const peer = (remoteAddress: string): Socket =>
  Object.assign(new EventEmitter(), { remoteAddress }) as unknown as Socket;

test("some connections at a time are served at once, and a crowd takes a quarter of the time", () => {
  const { handshakes, order, times, pass } = begun(1.5);
  const crowd = Array.from({ length: 1000 }, () => peer("10.0.0.7"));
  for (const socket of crowd) handshakes.add(socket);
  expect(order.length).toBe(10);
  pass();
  expect(order).toEqual(crowd);
  // 2 ms each, of which the first 20 ms are free.
  expect(times.at(-1)).toBeGreaterThan((1000 * 2 - 30) * 4);
});

test("a connection of another network waits for one of each crowd, however many wait there", () => {
  const { handshakes, order, pass } = begun(5);
  for (let i = 0; i < 300; i++)
    for (const address of ["10.0.0.7", "10.0.0.8", "2001:db8::1"]) handshakes.add(peer(address));
  const before = order.length;
  // Another address of a crowd's /64 waits behind it.
  const [honest, same] = [peer("10.0.0.9"), peer("2001:db8::2")];
  handshakes.add(same);
  handshakes.add(honest);
  pass(300);
  expect(order.indexOf(honest) - before).toBeLessThan(4);
  expect(order).not.toContain(same);
});

test("a connection that is closed while it waits is forgotten", () => {
  const { handshakes, order, pass, timers } = begun(100);
  const [first, gone, last] = [peer("10.0.0.7"), peer("10.0.0.7"), peer("10.0.0.8")];
  for (const socket of [first, gone, last]) handshakes.add(socket);
  gone.emit("close");
  pass();
  expect([order, timers]).toEqual([[first, last], []]);
});

test("every handshake is begun once, in the order of its network, and never more work than the share allows", () => {
  const arrivals = fc.array(
    fc.record({ network: fc.integer({ min: 1, max: 5 }), wait: fc.integer({ min: 0, max: 50 }) }),
  );
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 0, max: 30 }), (given, signMs) => {
      const { handshakes, order, times, pass } = begun(signMs);
      const sockets: Socket[] = [];
      let now = 0;
      for (const { network, wait } of given) {
        now += wait;
        pass(now);
        const socket = peer(`10.0.0.${network}`);
        sockets.push(socket);
        handshakes.add(socket);
      }
      pass();
      expect(order.length).toBe(sockets.length);
      for (let n = 1; n <= 5; n++) {
        const own = (socket: Socket): boolean => socket.remoteAddress === `10.0.0.${n}`;
        expect(order.filter(own)).toEqual(sockets.filter(own));
      }
      const work = signMs + 0.5;
      for (const [i, at] of times.entries()) {
        const first = times.findIndex((time) => at - time <= 1000);
        expect((i - first) * work).toBeLessThanOrEqual(250 + 20 + 1e-6);
      }
    }),
    cases,
  );
});
