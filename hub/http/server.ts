import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { trackRequests } from "../../program/connections.ts";
import { type ListenerOptions, makeListener } from "../../program/listen.ts";
import { peerAddress } from "../../program/network.ts";
import { byFirstByte, makeTlsServer } from "../../program/tls.ts";
import { clean } from "../../proto/clean.ts";
import { type Arrival, noProxies, type Proxies } from "../door/proxies.ts";
import { belowBase } from "../door/url.ts";
import { Fault } from "../fault.ts";
import type { FrontView } from "../front.ts";
import type { Log } from "../log.ts";
import type { Refusals } from "../refusal.ts";
import { healthRoutes } from "../route/health.ts";
import { closings, pageLimits, RequestWorths } from "./connections.ts";
import { always, errorResponse, refuse } from "./error.ts";
import { isForMachines } from "./machine.ts";
import { HostAllowlist, nameIn } from "./names.ts";
import { refuseInWords } from "./protocol.ts";

/** How long a client may read nothing of what was sent to it. */
const defaultStallMs = 60_000;

/** How long the head of a request may take. */
const defaultHeadMs = 15_000;

/** How long a request with a body may take, beside a second for each `patientBytes` of it that have arrived. */
const requestMs = 30_000;
const patientBytes = 16_384;

/** Limit for pipelined requests that wait for the answer before theirs; only a client that does not read exceeds it. */
const mostWaiting = 16;

/** Milliseconds, monotonic. */
const ticks = (): number => performance.now();

/** A server that listens on TCP. */
export interface WebServer {
  /** Where it listens, port filled in. */
  readonly host: string;
  readonly port: number;
  /** Marks a request as that of a client who has proved who it is: its connection is the last to be closed if there are too many. */
  identified(request: IncomingMessage): void;
  close(): Promise<void>;
}

/** Paths of liveness probes: a program that starts must not be killed for it. */
const liveness: ReadonlySet<string> = new Set([healthRoutes.livez.path, healthRoutes.prometheusHealthy.path]);

/** Answers requests that arrive before all parts are open. */
export const starting = ({ url }: Request): Response =>
  liveness.has(new URL(url).pathname)
    ? new Response("ok\n", { headers: { "Content-Type": "text/plain; charset=UTF-8" } })
    : errorResponse(new Fault("busy", "The hub is starting: ask again in some seconds."), {});

export interface ListenOptions {
  /** "host:port"; port 0 takes any. */
  readonly address: string;
  /** Who may connect, and with which certificate. */
  readonly front: FrontView;
  /** Names that requests may use beside this machine's own. */
  readonly names: () => readonly string[];
  /** Proxies in front of the hub; none by default. */
  readonly proxies?: Proxies;
  /** Path below which a proxy serves the hub, and may leave it in requests; none by default. */
  readonly base?: () => string;
  readonly log: Log;
  /** How long a client may read nothing before its connection is closed. */
  readonly stallMs?: number;
  /** How long the head of a request may take. */
  readonly headMs?: number;
  /** Counts refused machines. */
  readonly refusals?: Pick<Refusals, "count">;
  /** Most files that this process may open; by default as the system says. */
  readonly files?: number;
}

/** Serves an application on TCP. @throws ListenError */
export async function listen(
  app: Pick<Hono, "fetch">,
  {
    address,
    front,
    names,
    proxies = noProxies,
    base,
    log,
    stallMs = defaultStallMs,
    headMs,
    refusals,
    files,
  }: ListenOptions,
): Promise<WebServer> {
  const known = new HostAllowlist(names);
  const refused = seldom(log);
  const server = serverOf(app, {
    stallMs,
    base,
    headMs,
    headers({ headers: { host = "" }, socket }) {
      const strict = "encrypted" in socket ? front.strictTransport(nameIn(host) ?? "") : undefined;
      return strict === undefined ? {} : { "Strict-Transport-Security": strict };
    },
    refuse: (incoming) => {
      const client = proxies.clientOf(arrivalOf(incoming));
      const fault = known.refuse(incoming, client.host);
      if (fault?.code === "name_refused") refused(`a request was refused: ${fault.message}`);
      if (fault !== undefined && isForMachines(pathOf(incoming.url))) {
        const called = fault.code === "name_refused" ? client.host : undefined;
        refusals?.count(client.address, fault.code, { called });
      }
      return fault;
    },
    // Nothing tells what it was for.
    garbled: (socket, { code }) => refusals?.count((socket as Socket).remoteAddress, code),
  });
  const listener = makeListener({
    name: "page's port",
    allows: (peer) => front.allows(peer),
    limits: pageLimits({ isProxy: (peer) => proxies.has(peer), log, files }),
    closed: (peer, reason) => refusals?.count(peer, closings[reason]),
    serve: connectionsTo(server, front, log),
    log: log.warn,
    ticks,
  });
  const worths = new RequestWorths();
  trackRequests(server, listener.connections, (request, response) => worths.of(request, response));
  front.onChange(() => listener.recheck());
  const { host, port } = await listener.listen({ address, setting: "GOHM_HUB_ADDR" });
  return {
    host,
    port,
    identified: (request) => worths.identified(request),
    async close() {
      await Promise.all([listener.close(0), shut(server)]);
    },
  };
}

/** Makes a function that hands connections to an HTTP server that does not listen itself, over TLS as long as there is a certificate. */
function connectionsTo(server: Server, front: FrontView, log: Log): ListenerOptions["serve"] {
  // Node checks the time limits of requests from this event on.
  server.emit("listening");
  const plain = (socket: Socket): void => {
    server.emit("connection", socket);
    socket.resume();
  };
  const serve = (socket: TLSSocket): void => void server.emit("connection", socket);
  let tls: ((socket: Socket) => void) | undefined;
  return (socket) => {
    const now = front.certificate();
    if (now === undefined) return plain(socket);
    tls ??= makeTlsServer({
      certificate: () => front.certificate() ?? now,
      protocols: ["http/1.1"],
      serve,
      log: log.warn,
      ticks,
    });
    byFirstByte(socket, { tls, plain });
  };
}

/** A request, as far as it tells who its client is. */
function arrivalOf({ socket, headers }: IncomingMessage): Arrival {
  const header = (name: string): string | undefined => headers[name]?.toString();
  return { peer: peerAddress(socket), encrypted: "encrypted" in socket, header };
}

/** The path in the target of a request. */
const pathOf = (target = ""): string => target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");

interface ServerOptions {
  /** Further headers of every answer. */
  readonly headers?: (incoming: IncomingMessage) => Readonly<Record<string, string>>;
  /** Returns a fault for a request that the application must not see. */
  readonly refuse?: (incoming: IncomingMessage) => Fault | undefined;
  /** Called for what is no complete request. */
  readonly garbled?: (socket: Duplex, fault: Fault) => void;
  /** As of ListenOptions; unlimited by default. */
  readonly stallMs?: number;
  /** As of ListenOptions. */
  readonly base?: (() => string) | undefined;
  readonly headMs?: number | undefined;
}

/** An HTTP server of an application. Errors that Node would answer with an empty body or not at all have a body. */
export function serverOf(
  app: Pick<Hono, "fetch">,
  { headers, refuse: refusalOf, garbled, stallMs, base = () => "", headMs = defaultHeadMs }: ServerOptions,
): Server {
  // Replaces the global Response: Node's makes a stream of every body and reads it back, which takes as long as fetching a
  // day of history does.
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
  const inOrder = new ResponseOrder();
  const receive = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const before = answers.get(incoming.socket);
    answers.set(incoming.socket, outgoing);
    inOrder.after(before, incoming.socket, () => handle(incoming, outgoing));
  };
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    for (const [name, value] of Object.entries({ ...always, ...headers?.(incoming) })) outgoing.setHeader(name, value);
    if (isLong(incoming)) outgoing.shouldKeepAlive = true;
    limitBody(server, incoming);
    const target = belowBase(incoming.url ?? "", base());
    incoming.url = target ?? "/";
    const fault = refusalOf?.(incoming);
    if (fault === undefined && target === undefined && /^(GET|HEAD)$/.test(incoming.method ?? "")) {
      // Relative to the base path itself, whatever the client called the hub.
      const folder = base().slice(base().lastIndexOf("/") + 1);
      return void outgoing.writeHead(308, { Location: `${folder}/`, "Content-Length": 0 }).end();
    }
    if (fault === undefined) {
      // The listener accepts only the shortest form of an IPv6 address.
      const name = nameIn(incoming.headers.host ?? "");
      if (name?.includes(":")) incoming.headers.host = new URL(`http://[${name}]`).host;
      return void respond(incoming, outgoing);
    }
    refuse(outgoing, fault, { accept: incoming.headers.accept });
  };
  // The hub refuses a missing header Host itself.
  const server = createServer({ requireHostHeader: false, connectionsCheckingInterval: headMs / 5 }, receive);
  server.on("checkExpectation", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const message = `The header Expect must be "100-continue": it is ${JSON.stringify(clean(incoming.headers.expect ?? ""))}.`;
    refuse(outgoing, new Fault("expectation_refused", message), { accept: incoming.headers.accept });
  });
  refuseInWords(server, { current: (socket) => answers.get(socket), refused: garbled });
  server.headersTimeout = headMs;
  // Node would also end a large file that comes fast: `limitBody` bounds the time of bodies.
  server.requestTimeout = 0;
  if (stallMs === undefined) return server;
  return server.setTimeout(stallMs, (socket: Socket) => {
    const answer = answers.get(socket);
    // Nothing waits to be read: the hub still works on the answer, or has no news for a viewer.
    if (answer !== undefined && !answer.writableEnded && socket.writableLength === 0)
      socket.setTimeout(socket.timeout ?? stallMs);
    else socket.destroy();
  });
}

/** Ends a request whose body comes too slowly: large ones may take longer. */
function limitBody(server: Server, incoming: IncomingMessage): void {
  const { headers, socket } = incoming;
  if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0) return;
  const begun = performance.now();
  const read = socket.bytesRead;
  const check = (): void => {
    const allowed = requestMs + (1000 * (socket.bytesRead - read)) / patientBytes;
    // What waits to be read is late by the hub's own doing.
    const left = incoming.readableLength > 0 ? requestMs : begun + allowed - performance.now();
    if (left > 0) timer = setTimeout(check, left).unref();
    else server.emit("clientError", Object.assign(new Error(), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), socket);
  };
  let timer = setTimeout(check, requestMs).unref();
  const end = (): void => clearTimeout(timer);
  incoming.once("end", end).once("close", end);
}

/**
 * True if a body does not fit into the buffers of a connection. If its request is refused by the head alone, and the connection
 * closed as the client wished, the rest of the body is answered with a reset, and the client never reads why. So the client
 * closes such connections, or the server when they have been idle.
 */
const isLong = ({ headers, httpVersion }: IncomingMessage): boolean =>
  httpVersion === "1.1" &&
  (Number(headers["content-length"] ?? 0) > 65_536 || headers["transfer-encoding"] !== undefined);

/** Closes a server and all its connections. */
export function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/**
 * Handles the requests of a connection one after the other. Otherwise their answers would wait in memory, behind a feed
 * without end.
 */
class ResponseOrder {
  readonly #waiting = new WeakMap<Socket, number>();

  /** Calls `handle` once the previous answer is sent and if the connection is still open. Closes one with too many requests. */
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

/** Logs at most one line a minute. */
function seldom(log: Log): (message: string) => void {
  let quiet = Number.NEGATIVE_INFINITY;
  return (message) => {
    const now = performance.now();
    if (now < quiet) return;
    quiet = now + 60_000;
    log.warn(message);
  };
}
