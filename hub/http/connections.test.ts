import { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import { PassThrough } from "node:stream";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { Connections, trackRequests } from "../../program/connections.ts";
import { openFront } from "../../test/door.ts";
import { silent } from "../log.ts";
import { Refusals } from "../refusal.ts";
import { closings, pageLimits, RequestWorths } from "./connections.ts";
import { listen, serverOf } from "./server.ts";

test("a hub that may open few files says how many connections it takes", async () => {
  const lines: string[] = [];
  const log = { ...silent, warn: (line: string) => void lines.push(line) };
  for (const files of [65_536, 1024]) {
    await (await listen(new Hono(), { address: "127.0.0.1:0", front: openFront, names: () => [], log, files })).close();
  }
  expect(lines).toEqual([
    "this process may open only few files (ulimit -n): the page's port takes 256 connections instead of 1024",
  ]);
});

test("a request whose body does not come in time is counted as too slow, and bytes that are no request as bad, once each", () => {
  const refusals = new Refusals(() => 0);
  const server = serverOf(new Hono(), { garbled: (_socket, { code }) => refusals.count("10.0.0.7", code) });
  for (const code of ["ERR_HTTP_REQUEST_TIMEOUT", "HPE_INVALID_METHOD", "ECONNRESET"]) {
    const socket = new PassThrough();
    for (let i = 0; i < 2; i++) server.emit("clientError", Object.assign(new Error("x"), { code }), socket);
  }
  expect(refusals.list()[0]?.counts.map(({ code, count }) => [code, count])).toEqual([
    ["request_too_slow", 1],
    ["bad_request", 1],
  ]);
});

/** A page's port with eight connections for each address, of sixteen in all, and what it does with those of one address. */
function crowded(isProxy: (address: string) => boolean = () => false) {
  const server = new EventEmitter();
  const refusals = new Refusals(() => 0);
  const connections = new Connections({
    limits: pageLimits({ isProxy, log: silent, files: 64 }),
    ticks: () => 0,
    closed: (address, reason) => refusals.count(address, closings[reason]),
  });
  const worths = new RequestWorths();
  trackRequests(server as Server, connections, (request, response) => worths.of(request, response));
  const closed: number[] = [];
  const connect = (remotePort: number): { readonly socket: EventEmitter; readonly admitted: boolean } => {
    const socket = Object.assign(new EventEmitter(), { remoteAddress: "10.0.0.7", remotePort, bytesRead: 1 });
    const peer = Object.assign(socket, { destroy: () => closed.push(remotePort) });
    return { socket, admitted: connections.admit(peer) };
  };
  const begin = (port: number, { complete, unread = 0, known = false }: BegunRequest) => {
    const request = { socket: connect(port).socket, complete } as unknown as IncomingMessage;
    server.emit("request", request, Object.assign(new EventEmitter(), { socket: { writableLength: unread } }));
    if (known) worths.identified(request);
  };
  return { refusals, closed, connect, begin };
}

interface BegunRequest {
  readonly complete: boolean;
  /** Bytes of the answer that the client has not read. */
  readonly unread?: number;
  readonly known?: boolean;
}

test.each<[string, BegunRequest, BegunRequest]>([
  ["half a body", { complete: false }, { complete: true }],
  ["an answer that nobody reads", { complete: true, unread: 1 }, { complete: true }],
  ["a page that is read", { complete: true }, { complete: true, known: true }],
  ["an answer that nobody reads", { complete: true, unread: 1 }, { complete: false, known: true }],
])(
  "where one address has every place of its own, %s gives way, although another request is older",
  (_, lesser, best) => {
    const { begin, connect, closed } = crowded();
    begin(1, best);
    for (let port = 2; port <= 8; port++) begin(port, lesser);
    expect(closed).toEqual([]);
    connect(9);
    expect(closed).toEqual([2]);
  },
);

test("a proxy of the settings, behind which many are, may have the places of all addresses", () => {
  const { begin, connect, closed } = crowded((address) => address === "10.0.0.7");
  for (let port = 1; port <= 16; port++) begin(port, { complete: true });
  expect(closed).toEqual([]);
  connect(17);
  expect(closed).toHaveLength(1);
});

test("a connection for which none gives way does not get in, and administrators see which gave way", () => {
  const { begin, connect, closed, refusals } = crowded();
  for (let port = 1; port <= 8; port++) begin(port, { complete: true, known: port > 1 });
  expect([connect(9).admitted, closed]).toEqual([true, [1]]);
  begin(10, { complete: true, known: true });
  expect([connect(11).admitted, closed]).toEqual([false, [1, 9]]);
  expect(refusals.list()).toMatchObject([{ address: "10.0.0.7", counts: [{ reason: "crowd", count: 2 }] }]);
});
