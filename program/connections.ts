import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { networkOf } from "./network.ts";

/** Limits of one listener. All counts are of open connections. */
export interface Limits {
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
  /** True if connections from this address may take every place, for example those of a reverse proxy on this machine. */
  readonly trusted?: (address: string) => boolean;
}

/** For a gRPC service: its requests are a few hundred bytes each, and a client needs one connection. */
export const rpcLimits: Limits = {
  total: 512,
  perAddress: 64,
  firstRequestMs: 10_000,
  answerMs: 30_000,
  bytesPerSecond: 256 * 1024,
  burst: 4 * 1024 * 1024,
};

/** What `Places` needs of a net.Socket. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly bytesRead: number;
  destroy(): unknown;
  once(event: "close" | "end", listener: () => void): unknown;
}

export interface PlacesOptions {
  readonly limits: Limits;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** Called when an address loses a connection that floods the listener. */
  readonly flooded?: (address: string) => void;
}

/** What becomes of one call. A message that is not sent within `answerMs` closes the connection. */
export interface PlacedCall {
  begin(): void;
  sending(): void;
  sent(): void;
  end(): void;
}

interface Place {
  readonly peer: Peer;
  readonly address: string;
  /** As connections are counted. */
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

/** The name of a connection that a socket and grpc-js's getPeer() agree on. */
export const peerName = ({ remoteAddress, remotePort }: Pick<Peer, "remoteAddress" | "remotePort">): string =>
  `${remoteAddress}:${remotePort}`;

/**
 * The open connections of one listener. Limits them in all and per address, and closes those that make no request, flood, or
 * do not read their answers. A connection with a request under way is never closed to make room for another.
 */
export class Places {
  readonly #limits: Limits;
  readonly #options: PlacesOptions;
  /** By name, oldest first. */
  readonly #places = new Map<string, Place>();
  readonly #perNetwork = new Map<string, number>();
  #uses = 0;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: PlacesOptions) {
    this.#options = options;
    this.#limits = options.limits;
  }

  get size(): number {
    return this.#places.size;
  }

  /** @returns False if there is no room; the caller closes the connection then. */
  enter(peer: Peer): boolean {
    const address = peer.remoteAddress;
    if (address === undefined) return false;
    const network = networkOf(address);
    if (!this.#makeRoom(address, network)) return false;
    const deadline = setTimeout(() => place.used === 0 && peer.destroy(), this.#limits.firstRequestMs).unref();
    const { burst: allowance } = this.#limits;
    const name = peerName(peer);
    const place: Place = { peer, address, network, name, deadline, used: 0, calls: 0, allowance, read: 0 };
    this.#places.set(place.name, place);
    this.#perNetwork.set(network, this.#count(network) + 1);
    // Only a client that has no further request closes its half.
    peer.once("end", () => place.calls === 0 && peer.destroy());
    peer.once("close", () => this.#leave(place));
    if (Number.isFinite(this.#limits.bytesPerSecond)) this.#watch();
    return true;
  }

  /**
   * Notes that a request has begun on the connection of this name.
   * @returns Notes its end; further calls change nothing.
   */
  begin(name: string): () => void {
    const place = this.#places.get(name);
    if (place === undefined) return () => undefined;
    place.calls++;
    place.used = ++this.#uses;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      place.calls--;
      place.used = ++this.#uses;
    };
  }

  /** A call of a gRPC service on the connection of this name. */
  call(name: () => string): PlacedCall {
    let over: (() => void) | undefined;
    let peer: Peer | undefined;
    let timer: NodeJS.Timeout | undefined;
    return {
      begin: () => {
        over = this.begin(name());
        peer = this.#places.get(name())?.peer;
      },
      sending: () => {
        // What is written to a call that is over never goes out.
        if (over === undefined) return;
        clearTimeout(timer);
        timer = setTimeout(() => peer?.destroy(), this.#limits.answerMs).unref();
      },
      sent: () => clearTimeout(timer),
      end: () => {
        clearTimeout(timer);
        over?.();
        over = undefined;
      },
    };
  }

  /** Closes every connection. */
  clear(): void {
    for (const { peer } of this.#places.values()) peer.destroy();
  }

  #count(network: string): number {
    return this.#perNetwork.get(network) ?? 0;
  }

  #leave(place: Place): void {
    clearTimeout(place.deadline);
    // Evicted before it closed, or its name is in use again: it frees its own place once.
    if (this.#places.get(place.name) !== place) return;
    this.#places.delete(place.name);
    const rest = this.#count(place.network) - 1;
    if (rest > 0) this.#perNetwork.set(place.network, rest);
    else this.#perNetwork.delete(place.network);
    if (this.#places.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** Closes a connection if one more of this network would be too many; false if there is none to close. */
  #makeRoom(address: string, network: string): boolean {
    const { total, perAddress, trusted } = this.#limits;
    if (this.#count(network) >= perAddress && trusted?.(address) !== true) {
      return this.#evict([...this.#places.values()].filter((place) => place.network === network));
    }
    return this.#places.size < total || this.#evict([...this.#places.values()]);
  }

  /** Closes the connection that is missed least, if there is one without a request under way. */
  #evict(from: readonly Place[]): boolean {
    const [first, ...others] = from.filter(({ calls }) => calls === 0);
    if (first === undefined) return false;
    const least = others.reduce((a, b) => (this.#compare(b, a) < 0 ? b : a), first);
    // The event "close" comes later, and the next connection may come before it.
    this.#leave(least);
    least.peer.destroy();
    return true;
  }

  /** Negative if `a` is missed less: it made no request, its address has more connections, or it was used earlier. */
  #compare(a: Place, b: Place): number {
    const asked = Number(a.used > 0) - Number(b.used > 0);
    return asked || this.#count(b.network) - this.#count(a.network) || a.used - b.used;
  }

  /** Closes connections that send more than any client has to ask. HTTP/2 reads past JavaScript, so only counts can be seen. */
  #watch(): void {
    if (this.#sweeper !== undefined) return;
    const { bytesPerSecond, burst } = this.#limits;
    let swept = this.#options.ticks();
    this.#sweeper = setInterval(() => {
      const now = this.#options.ticks();
      const earned = ((now - swept) / 1000) * bytesPerSecond;
      swept = now;
      for (const place of this.#places.values()) {
        const { bytesRead } = place.peer;
        place.allowance = Math.min(burst, place.allowance + earned) - (bytesRead - place.read);
        place.read = bytesRead;
        if (place.allowance >= 0) continue;
        this.#leave(place);
        place.peer.destroy();
        this.#options.flooded?.(place.address);
      }
    }, sweepMs).unref();
  }
}

/** Notes each request of an HTTP server whose connections entered `places`. */
export function noteRequests(server: Pick<Server, "on">, places: Pick<Places, "begin">): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    response.once("close", places.begin(peerName(socket)));
  });
}
