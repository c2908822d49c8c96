import type { IncomingMessage, Server, ServerResponse } from "node:http";
import {
  type ConnectionLimits,
  Connections,
  type RequestWorth,
  trackRequests,
  withinFiles,
} from "../../program/connections.ts";
import { rateLimited } from "../../program/rate-limit.ts";
import { noProxies, type Proxies } from "../door/proxies.ts";
import type { Log } from "../log.ts";
import type { Refusals } from "../refusal.ts";

/** Connection limit. A viewer has one or two, and keeps one while the page is open. */
const total = 1024;

const most: Omit<ConnectionLimits, "trusted"> = {
  total,
  // One address leaves half of the connections to others, however many requests it has under way.
  perAddress: total / 2,
  firstRequestMs: 10_000,
  answerMs: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  burst: Number.POSITIVE_INFINITY,
};

export interface LimitOptions {
  readonly log: Log;
  readonly refusals?: Pick<Refusals, "count"> | undefined;
  /** Proxies in front of the hub, each with many viewers behind one address. */
  readonly proxies?: Pick<Proxies, "has">;
  /** Most files that this process may open, if that is known. */
  readonly files?: number;
}

/** Limits the connections of the hub's HTTP server, and closes those that make no request, or are worth least if there is no room. */
export class PageConnections {
  readonly #known = new WeakSet<IncomingMessage>();

  constructor(server: Server, { log, refusals, proxies = noProxies, files }: LimitOptions) {
    const limits = withinFiles({ ...most, trusted: (address) => proxies.has(address) }, 4, files);
    if (limits.total < total) {
      log.warn(
        `this process may open only few files (ulimit -n): the page's port takes ${limits.total} connections instead of ${total}`,
      );
    }
    const ticks = (): number => performance.now();
    const full = rateLimited(log.warn, ticks, "Too many connections to the page's port: closed one from");
    const connections = new Connections({
      limits,
      ticks,
      closed(address, reason) {
        if (reason === "room") full(address);
        refusals?.count(address, reason === "room" ? "connection_closed" : "request_too_slow");
      },
    });
    server.on("connection", (socket) => {
      if (connections.admit(socket)) return;
      // Undefined if the peer is gone already.
      if (socket.remoteAddress !== undefined) {
        full(socket.remoteAddress);
        refusals?.count(socket.remoteAddress, "connection_closed");
      }
      socket.resetAndDestroy();
    });
    trackRequests(server, connections, (request, response) => this.#worthOf(request, response));
  }

  /** Marks a request as that of a client who has proved who it is: its connection is kept as long as there is a lesser one. */
  identified(request: IncomingMessage): void {
    this.#known.add(request);
  }

  #worthOf(request: IncomingMessage, { socket }: ServerResponse): RequestWorth {
    if (this.#known.has(request)) return "known";
    if (!request.complete) return "incomplete";
    return socket !== null && socket.writableLength > 0 ? "unread" : "open";
  }
}
