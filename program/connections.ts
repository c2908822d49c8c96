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

/** The part of a net.Socket that `Connections` uses. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly bytesRead: number;
  destroy(): unknown;
  once(event: "close" | "end", listener: () => void): unknown;
}

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** Called when an address loses a connection that floods the listener. */
  readonly flooded?: (address: string) => void;
}

/** Receives the events of one gRPC call. A message that is not sent within `answerMs` closes the connection. */
export interface CallTracker {
  begin(): void;
  sending(): void;
  sent(): void;
  end(): void;
}

interface Connection {
  readonly peer: Peer;
  readonly address: string;
  /** Key under which connections are counted, from `networkOf`. */
  readonly network: string;
  readonly name: string;
  readonly deadline: NodeJS.Timeout;
  /** 0 before the first request, then the order in which connections were last used. */
  used: number;
  /** Requests under way. */
  calls: number;
  /** Bytes that may still be received. */
  allowance: number;
  read: number;
}

const sweepMs = 500;

/** Returns the name of a connection: the same for its socket as for getPeer() of a grpc-js call on it. */
export const peerName = ({ remoteAddress, remotePort }: Pick<Peer, "remoteAddress" | "remotePort">): string =>
  `${remoteAddress}:${remotePort}`;

/**
 * The open connections of one listener. Limits them in all and per address, and closes those that make no request, flood, or
 * do not read their answers. A connection with a request under way is never closed to make room for another.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #options: ConnectionsOptions;
  /** By name, oldest first. */
  readonly #connections = new Map<string, Connection>();
  readonly #perNetwork = new Map<string, number>();
  #uses = 0;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#limits = options.limits;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** @returns False if there is no room; the caller closes the connection then. */
  admit(peer: Peer): boolean {
    const address = peer.remoteAddress;
    if (address === undefined) return false;
    const network = networkOf(address);
    if (!this.#makeRoom(address, network)) return false;
    const deadline = setTimeout(() => connection.used === 0 && peer.destroy(), this.#limits.firstRequestMs).unref();
    const { burst: allowance } = this.#limits;
    const name = peerName(peer);
    const connection: Connection = { peer, address, network, name, deadline, used: 0, calls: 0, allowance, read: 0 };
    this.#connections.set(connection.name, connection);
    this.#perNetwork.set(network, this.#count(network) + 1);
    // Only a client that has no further request closes its half.
    peer.once("end", () => connection.calls === 0 && peer.destroy());
    peer.once("close", () => this.#remove(connection));
    if (Number.isFinite(this.#limits.bytesPerSecond)) this.#watch();
    return true;
  }

  /**
   * Counts a request as under way on the connection of this name.
   * @returns Function that counts it as ended; further calls change nothing.
   */
  begin(name: string): () => void {
    const connection = this.#connections.get(name);
    if (connection === undefined) return () => undefined;
    connection.calls++;
    connection.used = ++this.#uses;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      connection.calls--;
      connection.used = ++this.#uses;
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

  /** Closes every connection. */
  clear(): void {
    for (const { peer } of this.#connections.values()) peer.destroy();
  }

  #count(network: string): number {
    return this.#perNetwork.get(network) ?? 0;
  }

  #remove(connection: Connection): void {
    clearTimeout(connection.deadline);
    // Evicted before it closed, or another connection has its name by now: it is counted out once.
    if (this.#connections.get(connection.name) !== connection) return;
    this.#connections.delete(connection.name);
    const rest = this.#count(connection.network) - 1;
    if (rest > 0) this.#perNetwork.set(connection.network, rest);
    else this.#perNetwork.delete(connection.network);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** Closes a connection if one more of this network would be too many; false if there is none to close. */
  #makeRoom(address: string, network: string): boolean {
    const { total, perAddress, trusted } = this.#limits;
    if (this.#count(network) >= perAddress && trusted?.(address) !== true) {
      return this.#evict([...this.#connections.values()].filter((connection) => connection.network === network));
    }
    return this.#connections.size < total || this.#evict([...this.#connections.values()]);
  }

  /** Closes the least valuable connection without a request under way; false if there is none. */
  #evict(from: readonly Connection[]): boolean {
    const [first, ...others] = from.filter(({ calls }) => calls === 0);
    if (first === undefined) return false;
    const least = others.reduce((a, b) => (this.#compare(b, a) < 0 ? b : a), first);
    // The event "close" comes later, and the next connection may come before it.
    this.#remove(least);
    least.peer.destroy();
    return true;
  }

  /** Negative if `a` is evicted before `b`: it made no request, its network has more connections, or it was used earlier. */
  #compare(a: Connection, b: Connection): number {
    const asked = Number(a.used > 0) - Number(b.used > 0);
    return asked || this.#count(b.network) - this.#count(a.network) || a.used - b.used;
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

/** Tracks each request of an HTTP server whose sockets `connections` admitted. */
export function trackRequests(server: Pick<Server, "on">, connections: Pick<Connections, "begin">): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    response.once("close", connections.begin(peerName(socket)));
  });
}
