import { readFileSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { networkOf } from "./network.ts";

/** Limits of one listener. All counts are of open connections. */
export interface ConnectionLimits {
  readonly total: number;
  /** Of one address; of IPv6, of one /64, whose addresses a client chooses among. */
  readonly perAddress: number;
  /** From accept to the first complete request head; a connection without one is closed then. */
  readonly firstRequestMs: number;
  /** Time in which a peer must accept an answer, or the part of it that was written last. */
  readonly answerMs: number;
  /** Received bytes per second that a connection may keep up, after `burst` bytes; Infinity does not look. */
  readonly bytesPerSecond: number;
  readonly burst: number;
  /** True for addresses that `perAddress` does not limit, such as that of a reverse proxy on this machine. */
  readonly trusted?: (address: string) => boolean;
}

/** Limits of a gRPC service: its requests are a few hundred bytes each, and a client needs one connection. */
export const rpcLimits: ConnectionLimits = {
  total: 512,
  perAddress: 64,
  firstRequestMs: 10_000,
  answerMs: 30_000,
  bytesPerSecond: 256 * 1024,
  burst: 4 * 1024 * 1024,
};

/** Fewest connections of a listener, however few files its process may open. */
const leastConnections = 16;

/**
 * Lowers limits to a share of the files that this process may open. The rest is for its files and the connections that it
 * makes itself: where none is left, every peer is turned away.
 * @param share Divisor: 4 for a quarter.
 */
export function withinFiles(limits: ConnectionLimits, share: number, files = openFiles()): ConnectionLimits {
  const total = Math.min(limits.total, Math.max(leastConnections, Math.floor(files / share)));
  const perAddress = Math.ceil((limits.perAddress * total) / limits.total);
  return { ...limits, total, perAddress };
}

/** Most files that this process may open (ulimit -n); Infinity if that is not known. */
function openFiles(): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY; // a system without /proc
  }
}

/** The part of a net.Socket that `Connections` uses. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly bytesRead: number;
  destroy(): unknown;
  once(event: "close" | "end", listener: () => void): unknown;
}

/** Why a connection was closed: to make room for another, or because its first request was not complete in time. */
export type ClosingReason = "room" | "slow";

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** Called when an address loses a connection that floods the listener. */
  readonly flooded?: (address: string) => void;
  /** Called when an address loses a connection that was in use, or that sent part of a request. */
  readonly closed?: (address: string, reason: ClosingReason) => void;
}

/**
 * What a request under way is worth when room is needed: one that is not completely received, one whose answer the client does
 * not read, any other, and that of a client who has proved who it is.
 */
export type RequestWorth = "incomplete" | "unread" | "open" | "known";

/** Receives the events of one gRPC call. A message that is not sent within `answerMs` closes the connection. */
export interface CallTracker {
  begin(): void;
  sending(): void;
  sent(): void;
  end(): void;
}

interface Request {
  readonly worth: () => RequestWorth;
  /** Connections that were admitted before it. */
  readonly at: number;
}

interface Connection {
  readonly peer: Peer;
  readonly address: string;
  readonly network: Network;
  readonly name: string;
  readonly deadline: NodeJS.Timeout;
  /** Connections that were admitted before it. */
  readonly at: number;
  /** True once a request was complete. */
  asked: boolean;
  /** The order in which connections were last used. */
  used: number;
  /** Requests under way. */
  readonly requests: Set<Request>;
  /** Bytes that may still be received. */
  allowance: number;
  read: number;
}

/** Connections that are counted together. */
interface Network {
  readonly key: string;
  size: number;
}

/** How much a connection is worth: the least is closed first. */
const ranks = { incomplete: 0, idle: 1, unread: 2, open: 3, known: 4 } as const;

const sweepMs = 500;

/** Returns the name of a connection: the same for its socket as for getPeer() of a grpc-js call on it. */
export const peerName = ({ remoteAddress, remotePort }: Pick<Peer, "remoteAddress" | "remotePort">): string =>
  `${remoteAddress}:${remotePort}`;

/**
 * The open connections of one listener. Limits them in all and per address, and closes those that make no request, flood, or
 * do not read their answers. If there is no room, a new one takes the place of the least valuable connection of the address
 * that has most, so that no address keeps out one that has fewer.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #options: ConnectionsOptions;
  /** By name, oldest first. */
  readonly #connections = new Map<string, Connection>();
  readonly #networks = new Map<string, Network>();
  #uses = 0;
  #admitted = 0;
  /** Newest connections whose request cannot be complete yet: in a flood, an honest one must have time to send it. */
  readonly #newcomers: number;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#newcomers = Math.floor(options.limits.perAddress / 16);
  }

  get size(): number {
    return this.#connections.size;
  }

  /** @returns False if there is no room; the caller closes the connection then. */
  admit(peer: Peer): boolean {
    const address = peer.remoteAddress;
    if (address === undefined) return false;
    const key = networkOf(address);
    const network = this.#networks.get(key) ?? { key, size: 0 };
    if (!this.#makeRoom(address, network)) return false;
    const connection: Connection = {
      ...{ peer, address, network, name: peerName(peer), asked: false, requests: new Set() },
      deadline: setTimeout(() => this.#expire(connection), this.#limits.firstRequestMs).unref(),
      at: ++this.#admitted,
      used: ++this.#uses,
      allowance: this.#limits.burst,
      read: 0,
    };
    this.#connections.set(connection.name, connection);
    network.size++;
    this.#networks.set(key, network);
    // Only a client that has no further request closes its half.
    peer.once("end", () => connection.requests.size === 0 && peer.destroy());
    peer.once("close", () => this.#remove(connection));
    if (Number.isFinite(this.#limits.bytesPerSecond)) this.#watch();
    return true;
  }

  /**
   * Counts a request as under way on the connection of this name.
   * @param worth What it is worth at the moment.
   * @returns Function that counts it as ended; further calls change nothing.
   */
  begin(name: string, worth: () => RequestWorth = () => "known"): () => void {
    const connection = this.#connections.get(name);
    if (connection === undefined) return () => undefined;
    const request: Request = { worth, at: this.#admitted };
    connection.requests.add(request);
    connection.asked = true;
    connection.used = ++this.#uses;
    return () => {
      if (connection.requests.delete(request)) connection.used = ++this.#uses;
    };
  }

  /** Tracks one gRPC call on the connection of this name. */
  track(name: () => string): CallTracker {
    let ended: (() => void) | undefined;
    let peer: Peer | undefined;
    let timer: NodeJS.Timeout | undefined;
    return {
      begin: () => {
        ended = this.begin(name());
        peer = this.#connections.get(name())?.peer;
      },
      sending: () => {
        // A message written to a call that has ended is never sent.
        if (ended === undefined) return;
        clearTimeout(timer);
        timer = setTimeout(() => peer?.destroy(), this.#limits.answerMs).unref();
      },
      sent: () => clearTimeout(timer),
      end: () => {
        clearTimeout(timer);
        ended?.();
        ended = undefined;
      },
    };
  }

  /** Closes all connections, or those of some addresses. */
  clear(which: (address: string) => boolean = () => true): void {
    for (const { peer, address } of this.#connections.values()) if (which(address)) peer.destroy();
  }

  /** Closes a connection that has made no request in time. */
  #expire({ asked, peer, address }: Connection): void {
    if (asked) return;
    // Browsers open connections ahead of need, and send nothing on them.
    if (peer.bytesRead > 0) this.#options.closed?.(address, "slow");
    peer.destroy();
  }

  #remove(connection: Connection): void {
    clearTimeout(connection.deadline);
    // Evicted before it closed, or another connection has its name by now: it is counted out once.
    if (this.#connections.get(connection.name) !== connection) return;
    this.#connections.delete(connection.name);
    const { network } = connection;
    network.size--;
    if (network.size === 0) this.#networks.delete(network.key);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** Closes a connection if one more of this network would be too many; false if there is none to close. */
  #makeRoom(address: string, network: Network): boolean {
    const { total, perAddress, trusted } = this.#limits;
    const isFull = network.size >= perAddress && trusted?.(address) !== true;
    if (!isFull && this.#connections.size < total) return true;
    const least = this.#leastFor(network, isFull);
    if (least === undefined) return false;
    if (this.#rankOf(least) !== ranks.idle) this.#options.closed?.(least.address, "room");
    // The event "close" comes later, and the next connection may come before it.
    this.#remove(least);
    least.peer.destroy();
    return true;
  }

  /**
   * The connection that gives its place to a new one of a network: one of the network that has most, if that has more; else
   * one of its own.
   * @param ownOnly True to look only among those of its own network.
   */
  #leastFor(network: Network, ownOnly: boolean): Connection | undefined {
    let least: Candidate | undefined;
    for (const connection of this.#connections.values()) {
      const { size } = connection.network;
      const own = connection.network === network;
      if (!own && (ownOnly || size <= network.size)) continue;
      const rank = this.#rankOf(connection);
      // A client who has proved who it is gives way only to an address that has no more than its own afterwards.
      if (rank === ranks.known && (own || size < network.size + 2)) continue;
      const candidate = { connection, rank };
      if (least === undefined || compare(candidate, least) < 0) least = candidate;
    }
    return least?.connection;
  }

  #rankOf({ asked, requests, at }: Connection): number {
    if (requests.size === 0) return asked ? ranks.idle : this.#incompleteRank(at);
    let best = 0;
    for (const request of requests) {
      const worth = request.worth();
      best = Math.max(best, worth === "incomplete" ? this.#incompleteRank(request.at) : ranks[worth]);
    }
    return best;
  }

  /** @param at Connections that had been admitted when the request could begin. */
  #incompleteRank(at: number): number {
    return this.#admitted - at < this.#newcomers ? ranks.open : ranks.incomplete;
  }

  /** Closes connections above `bytesPerSecond`. Node's HTTP/2 reads sockets natively, so only their byte counts are visible. */
  #watch(): void {
    if (this.#sweeper !== undefined) return;
    const { bytesPerSecond, burst } = this.#limits;
    let swept = this.#options.ticks();
    this.#sweeper = setInterval(() => {
      const now = this.#options.ticks();
      const earned = ((now - swept) / 1000) * bytesPerSecond;
      swept = now;
      for (const connection of this.#connections.values()) {
        const { bytesRead } = connection.peer;
        connection.allowance = Math.min(burst, connection.allowance + earned) - (bytesRead - connection.read);
        connection.read = bytesRead;
        if (connection.allowance >= 0) continue;
        this.#remove(connection);
        connection.peer.destroy();
        this.#options.flooded?.(connection.address);
      }
    }, sweepMs).unref();
  }
}

/** A connection that may be closed to make room. */
interface Candidate {
  readonly connection: Connection;
  readonly rank: number;
}

/** Negative if `a` is closed before `b`: nobody else needs it as much, its network has more, it is worth less, or it is older. */
function compare(a: Candidate, b: Candidate): number {
  return (
    Number(a.rank === ranks.known) - Number(b.rank === ranks.known) ||
    b.connection.network.size - a.connection.network.size ||
    a.rank - b.rank ||
    a.connection.used - b.connection.used
  );
}

/**
 * Tracks each request of an HTTP server whose sockets `connections` admitted.
 * @param worth What a request under way is worth; without it, no request is ended to make room for its own address.
 */
export function trackRequests(
  server: Pick<Server, "on">,
  connections: Pick<Connections, "begin">,
  worth?: (request: IncomingMessage, response: ServerResponse) => RequestWorth,
): void {
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const now = worth && ((): RequestWorth => worth(request, response));
    response.once("close", connections.begin(peerName(request.socket), now));
  });
}
