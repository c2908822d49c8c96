import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { networkOf } from "../../../program/network.ts";

/** Timeouts of a connection in milliseconds. */
export interface ConnectionTimeouts {
  /** From the connection to the end of the first request's headers. */
  readonly request: number;
  /** From a request to its answer. */
  readonly answer: number;
  /** From there until the client has read it. */
  readonly reading: number;
  /** From an answer to the end of the next request's headers. */
  readonly idle: number;
}

/** Defaults: a reading takes up to 60 s if the setting says so; scrapers return within a minute or two. */
export const defaultTimeouts: ConnectionTimeouts = { request: 10_000, answer: 70_000, reading: 20_000, idle: 130_000 };

/** Limits of all connections together. A scraper needs one connection, with one request at a time. */
interface Limits {
  readonly total: number;
  readonly perAddress: number;
  /** Requests of one connection that wait for their answers. */
  readonly requests: number;
  /** Bytes of answers that clients have not read yet. */
  readonly unread: number;
}

const limits: Limits = { total: 256, perAddress: 16, requests: 4, unread: 16 * 2 ** 20 };

/** States of a connection, in the order in which connections are closed to make room. */
const stages = ["sending", "silent", "idle", "making"] as const;

interface ScrapeConnection {
  readonly socket: Socket;
  readonly address: string;
  stage: (typeof stages)[number];
  timer: NodeJS.Timeout | undefined;
  answers: number;
  /** Sequence number of the change to this stage. */
  since: number;
}

/** Bytes of answers that the kernel has not accepted. */
const unread = ({ socket }: ScrapeConnection): number => socket.writableLength;

/**
 * The open connections of the exporter. Limits them in all and per address, and closes those that send no request, do not read
 * their answers or have to make room. Node's own timeouts work only for a server that listens itself; here the gate listens.
 */
export class ScrapeConnections {
  readonly #patience: ConnectionTimeouts;
  readonly #lines = new Map<Socket, ScrapeConnection>();
  #steps = 0;

  constructor(allowed: ConnectionTimeouts) {
    this.#patience = allowed;
  }

  add(socket: Socket): void {
    const address = networkOf(socket.remoteAddress ?? "");
    this.#makeRoom(address);
    const line: ScrapeConnection = { socket, address, stage: "silent", timer: undefined, answers: 0, since: 0 };
    this.#lines.set(socket, line);
    this.#step(line, "silent", this.#patience.request);
    socket.once("close", () => this.#leave(line));
  }

  /** @returns False if too many requests wait on this connection; it is closed then, and no answer must be made. */
  begin(socket: Socket, response: ServerResponse): boolean {
    const line = this.#lines.get(socket);
    if (line === undefined || line.answers >= limits.requests) {
      socket.destroy();
      return false;
    }
    line.answers++;
    this.#step(line, "making", this.#patience.answer);
    response.once("close", () => {
      line.answers--;
      if (line.answers === 0) this.#step(line, "idle", this.#patience.idle);
    });
    return true;
  }

  /** Starts the deadline for reading an answer, and closes slow readers if too many bytes wait. */
  sending(socket: Socket): void {
    const line = this.#lines.get(socket);
    if (line === undefined || unread(line) === 0) return;
    this.#step(line, "sending", this.#patience.reading);
    let sum = [...this.#lines.values()].reduce((total, each) => total + unread(each), 0);
    while (sum > limits.unread) {
      const slow = this.#least(({ stage }) => stage === "sending");
      if (slow === undefined) return;
      sum -= unread(slow);
      this.#cut(slow);
    }
  }

  /** Closes all connections without a request under way. */
  closeIdle(): void {
    for (const { socket, answers } of this.#lines.values()) if (answers === 0) socket.destroy();
  }

  #step(line: ScrapeConnection, stage: ScrapeConnection["stage"], milliseconds: number): void {
    if (this.#lines.get(line.socket) !== line) return;
    if (line.stage !== stage || line.since === 0) line.since = ++this.#steps;
    line.stage = stage;
    clearTimeout(line.timer);
    line.timer = setTimeout(() => line.socket.destroy(), milliseconds).unref();
  }

  /**
   * Closes a connection if one more of this address would be too many: one of its own, or one of an address that has most, if
   * that has more. So no address keeps out one that has fewer (docs/decisions/0059-crowds-and-refusals.md).
   */
  #makeRoom(address: string): void {
    const sizes = new Map<string, number>();
    for (const line of this.#lines.values()) sizes.set(line.address, (sizes.get(line.address) ?? 0) + 1);
    const own = sizes.get(address) ?? 0;
    if (own < limits.perAddress && this.#lines.size < limits.total) return;
    const most = Math.max(...sizes.values());
    const isOwn = own >= limits.perAddress || own === most;
    this.#cut(this.#least((line) => (isOwn ? line.address === address : sizes.get(line.address) === most)));
  }

  /** The connection to close next: by stage, then the one that has been in it the longest. */
  #least(fits: (line: ScrapeConnection) => boolean): ScrapeConnection | undefined {
    let least: ScrapeConnection | undefined;
    const rank = ({ stage }: ScrapeConnection): number => stages.indexOf(stage);
    for (const line of this.#lines.values()) {
      if (!fits(line)) continue;
      if (least === undefined || rank(line) - rank(least) < 0) least = line;
      else if (rank(line) === rank(least) && line.since < least.since) least = line;
    }
    return least;
  }

  #cut(line: ScrapeConnection | undefined): void {
    if (line === undefined) return;
    // "close" comes later, and the next connection may come before it.
    this.#leave(line);
    line.socket.destroy();
  }

  #leave(line: ScrapeConnection): void {
    clearTimeout(line.timer);
    if (this.#lines.get(line.socket) === line) this.#lines.delete(line.socket);
  }
}
