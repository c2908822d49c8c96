import type { Server } from "node:http";
import { type ConnectionLimits, Connections, trackRequests } from "../../program/connections.ts";
import { isLoopback } from "../../program/network.ts";
import { rateLimited } from "../../program/rate-limit.ts";
import type { Log } from "../log.ts";

/** Connection limit. A viewer has one or two, and keeps one while the page is open. */
const total = 1024;

const limits: ConnectionLimits = {
  total,
  // One address leaves half of the connections to others, however many requests it has under way.
  perAddress: total / 2,
  // A reverse proxy on this machine has all viewers behind one address.
  trusted: isLoopback,
  firstRequestMs: 10_000,
  answerMs: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  burst: Number.POSITIVE_INFINITY,
};

/** Limits the connections of the hub's HTTP server, and closes those that make no request. */
export function limitConnections(server: Server, log: Log): void {
  const ticks = (): number => performance.now();
  const connections = new Connections({ limits, ticks });
  const full = rateLimited(log.warn, ticks, "Too many connections to the page's port: closed one from");
  server.on("connection", (socket) => {
    if (connections.admit(socket)) return;
    full(socket.remoteAddress);
    socket.resetAndDestroy();
  });
  trackRequests(server, connections);
}
