import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { listen as startListening } from "../../program/listen.ts";
import { clean } from "../../proto/clean.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { limitConnections } from "./connections.ts";
import { always, errorResponse, refuse } from "./error.ts";
import { Names, nameIn } from "./names.ts";
import { refuseInWords } from "./protocol.ts";

/** Milliseconds after which a connection ends whose client takes nothing of what was sent to it. */
const usualStall = 60_000;

/** Requests of one connection that wait for the answer before theirs; only a client that sends without reading has more. */
const mostWaiting = 16;

/** A server that listens on TCP. */
export interface Web {
  /** Where it listens, port filled in. */
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Answers what comes before all parts are open. */
export const starting = (): Response =>
  errorResponse(new Fault("busy", "The hub is starting: ask again in some seconds."), {});

export interface ListenOptions {
  /** "host:port"; port 0 takes any. */
  readonly address: string;
  /** Names that requests may use beside this machine's own. */
  readonly names: () => readonly string[];
  readonly log: Log;
  /** Milliseconds after which a connection ends whose client takes nothing. */
  readonly stall?: number;
}

/** Serves an application on TCP. @throws ListenError */
export async function listen(
  app: Pick<Hono, "fetch">,
  { address, names, log, stall = usualStall }: ListenOptions,
): Promise<Web> {
  const known = new Names(names);
  const refused = seldom(log);
  const server = serverOf(app, {
    stall,
    refuse: (incoming) => {
      const fault = known.refuse(incoming);
      if (fault?.code === "name_refused") refused(`a request was refused: ${fault.message}`);
      return fault;
    },
  });
  limitConnections(server, log);
  const at = { address, setting: "GOHM_HUB_ADDR" };
  const { host, port } = await startListening(server, at, ({ message }) => {
    refused(`a connection to the page's port cannot be accepted: ${message}`);
  });
  return { host, port, close: () => shut(server) };
}

interface ServerOptions {
  /** Why a request is not handed to the application, if it is not. */
  readonly refuse?: (incoming: IncomingMessage) => Fault | undefined;
  /** As of ListenOptions; without it a client may take its time. */
  readonly stall?: number;
}

/** An HTTP server of an application, which also answers in words what Node would answer by itself, or not at all. */
export function serverOf(app: Pick<Hono, "fetch">, { refuse: refusalOf, stall }: ServerOptions): Server {
  // Puts its own Response in the place of Node's: that one makes a stream of every body and reads it back, which takes
  // as long as fetching a day of history does.
  const respond = getRequestListener(app.fetch, {
    hostname: "localhost",
    errorHandler: (error) =>
      errorResponse(
        new Fault("bad_request", `The target of the request must be a path: ${(error as Error).message}.`),
        {},
      ),
  });
  /** The newest answer on each connection. */
  const answers = new WeakMap<Duplex, ServerResponse>();
  const inOrder = new InOrder();
  const receive = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const before = answers.get(incoming.socket);
    answers.set(incoming.socket, outgoing);
    inOrder.after(before, incoming.socket, () => handle(incoming, outgoing));
  };
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    for (const [name, value] of Object.entries(always)) outgoing.setHeader(name, value);
    const fault = refusalOf?.(incoming);
    if (fault === undefined) {
      // An address of IPv6 has several forms, of which the listener takes the shortest only.
      const name = nameIn(incoming.headers.host ?? "");
      if (name?.includes(":")) incoming.headers.host = new URL(`http://[${name}]`).host;
      return void respond(incoming, outgoing);
    }
    refuse(outgoing, fault, { accept: incoming.headers.accept });
  };
  // A missing header Host is refused in words, by the hub.
  const server = createServer({ requireHostHeader: false }, receive);
  server.on("checkExpectation", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const message = `The header Expect must be "100-continue": it is ${JSON.stringify(clean(incoming.headers.expect ?? ""))}.`;
    refuse(outgoing, new Fault("expectation_refused", message), { accept: incoming.headers.accept });
  });
  refuseInWords(server, (socket) => answers.get(socket));
  // A client that sends its headers a byte a minute holds a connection no longer than this.
  server.headersTimeout = 15_000;
  server.requestTimeout = 30_000;
  if (stall === undefined) return server;
  return server.setTimeout(stall, (socket: Socket) => {
    const answer = answers.get(socket);
    // Nothing waits to be taken: the hub is still at work on the answer, or has no news for a viewer.
    if (answer !== undefined && !answer.writableEnded && socket.writableLength === 0)
      socket.setTimeout(socket.timeout ?? stall);
    else socket.destroy();
  });
}

/** Ends every connection. */
export function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/**
 * Handles the requests of a connection one after the other. An answer that is made while the one before it is still under way
 * would wait in memory, behind a feed without end.
 */
class InOrder {
  readonly #waiting = new WeakMap<Socket, number>();

  /** Calls `handle` once the answer before is sent; never if the connection is gone by then. Closes one with too many requests. */
  after(before: ServerResponse | undefined, socket: Socket, handle: () => void): void {
    if (before === undefined || before.closed) {
      handle();
      return;
    }
    const waiting = this.#waiting.get(socket) ?? 0;
    if (waiting >= mostWaiting) {
      socket.destroy();
      return;
    }
    this.#waiting.set(socket, waiting + 1);
    before.once("close", () => {
      this.#waiting.set(socket, (this.#waiting.get(socket) ?? 0) - 1);
      if (!socket.destroyed) handle();
    });
  }
}

/** At most one line a minute: whoever is refused may ask without end. */
function seldom(log: Log): (message: string) => void {
  let quiet = Number.NEGATIVE_INFINITY;
  return (message) => {
    const now = performance.now();
    if (now < quiet) return;
    quiet = now + 60_000;
    log.warn(message);
  };
}
