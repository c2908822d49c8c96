import type { Socket } from "node:net";
import { networkOf } from "./network.ts";

/** Handshakes take at most this part of the time. */
const share = 1 / 4;
/** What a handshake costs beside its signature. Milliseconds. */
const restMs = 0.5;
/** Milliseconds of work that may be done at once after a quiet time: a page opens several connections. */
const burstMs = 20;

export interface HandshakeOptions {
  /** Milliseconds that a signature takes at the moment. */
  readonly signMs: () => number;
  /** Begins a handshake. */
  readonly begin: (socket: Socket) => void;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** Timer; by default Node's. */
  readonly after?: (ms: number, run: () => void) => void;
}

/**
 * Begins TLS handshakes one by one, so that they take a quarter of the time at most: a server signs for everybody who sends a
 * few bytes. Those that must wait are begun for one network after the other, so that a crowd of one address delays others little.
 */
export class Handshakes {
  readonly #options: HandshakeOptions;
  readonly #after: (ms: number, run: () => void) => void;
  /** Those that wait, by network; the network that had its turn the longest ago is first. */
  readonly #waiting = new Map<string, Set<Socket>>();
  /** Milliseconds of work that may be done now. */
  #credit = burstMs;
  #earned: number;
  #isTimed = false;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#after = options.after ?? ((ms, run) => void setTimeout(run, ms).unref());
    this.#earned = options.ticks();
  }

  /** Begins a handshake now or later, unless its connection is closed before. */
  add(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? "");
    const own = this.#waiting.get(network) ?? new Set();
    this.#waiting.set(network, own.add(socket));
    socket.once("close", () => this.#remove(network, socket));
    this.#run();
  }

  #remove(network: string, socket: Socket): void {
    const own = this.#waiting.get(network);
    if (own?.delete(socket) && own.size === 0) this.#waiting.delete(network);
  }

  #run(): void {
    if (this.#isTimed) return;
    const now = this.#options.ticks();
    this.#credit = Math.min(burstMs, this.#credit + (now - this.#earned) * share);
    this.#earned = now;
    for (const [network, own] of this.#waiting) {
      if (this.#credit <= 0) break;
      const [socket] = own;
      this.#waiting.delete(network);
      if (socket === undefined) continue;
      own.delete(socket);
      // Behind the others: a map is walked through in the order of its entries, those added meanwhile included.
      if (own.size > 0) this.#waiting.set(network, own);
      this.#credit -= this.#options.signMs() + restMs;
      this.#options.begin(socket);
    }
    if (this.#waiting.size === 0) return;
    this.#isTimed = true;
    this.#after(Math.max(1, -this.#credit / share), () => {
      this.#isTimed = false;
      this.#run();
    });
  }
}
