import type { IncomingMessage, ServerResponse } from "node:http";
import { type ConnectionLimits, type RequestWorth, withinFiles } from "../../program/connections.ts";
import type { Log } from "../log.ts";

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

/** What administrators read of connections that were closed. */
export const closings = {
  room: "connection_closed",
  slow: "request_too_slow",
  forbidden: "connection_forbidden",
} as const;

export interface PageLimitOptions {
  /** True for the address of a reverse proxy, which has all viewers behind it. */
  readonly isProxy: (address: string) => boolean;
  readonly log: Pick<Log, "warn">;
  /** Most files that this process may open, if that is known. */
  readonly files?: number | undefined;
}

/** The limits of the hub's HTTP port, within a quarter of the files that the process may open. */
export function pageLimits({ isProxy, log, files }: PageLimitOptions): ConnectionLimits {
  const limits = withinFiles({ ...most, trusted: isProxy }, 4, files);
  if (limits.total < total) {
    log.warn(
      `this process may open only few files (ulimit -n): the page's port takes ${limits.total} connections instead of ${total}`,
    );
  }
  return limits;
}

/** What requests of the hub's HTTP port are worth, where connections must be closed to make room for others. */
export class RequestWorths {
  readonly #known = new WeakSet<IncomingMessage>();

  /** Marks a request as that of a client who has proved who it is: its connection is kept as long as there is a lesser one. */
  identified(request: IncomingMessage): void {
    this.#known.add(request);
  }

  of(request: IncomingMessage, { socket }: Pick<ServerResponse, "socket">): RequestWorth {
    if (this.#known.has(request)) return "known";
    if (!request.complete) return "incomplete";
    return socket !== null && socket.writableLength > 0 ? "unread" : "open";
  }
}
