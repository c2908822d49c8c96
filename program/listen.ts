import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type ClosingReason, type ConnectionLimits, Connections, rpcLimits, withinFiles } from "./connections.ts";
import { rateLimited } from "./rate-limit.ts";
import { hostPort } from "./setting.ts";

/** An address to listen on, and the setting that holds it. */
export interface ListenAddress {
  /** "host:port"; port 0 takes any free port. */
  readonly address: string;
  /** Environment variable of that setting, for errors: "GOHM_ADDR". */
  readonly setting: string;
}

/** A server cannot listen. The message names the address, its setting and what to do. */
export class ListenError extends Error {
  override name = "ListenError";
  readonly code: "port_in_use" | "address_unusable";

  constructor({ address, setting }: ListenAddress, cause: NodeJS.ErrnoException) {
    const reason = (reasons[cause.code ?? ""] ?? otherReason)(setting, cause.message);
    super(`Cannot listen on ${address} (${setting}): ${reason}`, { cause });
    this.code = cause.code === "EADDRINUSE" ? "port_in_use" : "address_unusable";
  }
}

type Reason = (setting: string, message: string) => string;

const reasons: Readonly<Record<string, Reason>> = {
  EADDRINUSE: (setting) => `another program uses that port; stop it or set ${setting} to another address`,
  EADDRNOTAVAIL: (setting) => `this machine does not have that address; set ${setting} to one that it has`,
  EACCES: (setting) => `ports below 1024 need administrator rights; set ${setting} to a higher port`,
  ENOTFOUND: (setting) => `no such host name is known; set ${setting} to an address of this machine`,
};

const otherReason: Reason = (setting, message) =>
  `${message}; set ${setting} to an address of this machine and a free port`;

/**
 * Starts a server.
 * @param failed Receives errors of accepting a connection, such as too many open files; the server goes on.
 * @returns The host of the address and the port in use.
 * @throws ListenError
 */
export function listen(
  server: Server,
  at: ListenAddress,
  failed: (error: Error) => void,
): Promise<{ host: string; port: number }> {
  const { host, port } = hostPort(at.address);
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => reject(new ListenError(at, error));
    server.once("error", refuse);
    server.listen({ host, port }, () => {
      server.off("error", refuse);
      server.on("error", failed);
      resolve({ host, port: (server.address() as AddressInfo).port });
    });
  });
}

export interface ListenerOptions {
  /** Name of the port in log lines: "gRPC port". */
  readonly name: string;
  /** Addresses that may connect; all if left out. */
  readonly allows?: (address: string) => boolean;
  /** By default those of a gRPC service, within an eighth of the files that the process may open. */
  readonly limits?: ConnectionLimits;
  /** Called when an address loses a connection, or gets none; see also `Connections`. */
  readonly closed?: (address: string, reason: ClosingReason | "forbidden") => void;
  /** Serves an admitted connection, which is paused, and tracks its requests in `connections`. */
  readonly serve: (socket: Socket) => void;
  readonly log: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
}

export interface Listener {
  readonly connections: Connections;
  /** Closes connections whose addresses may no longer connect. */
  recheck(): void;
  /** Starts accepting connections; see the function `listen`. @throws ListenError */
  listen(at: ListenAddress): Promise<{ host: string; port: number }>;
  /** Stops accepting connections; resolves once all are closed, of which those left after `graceMs` are cut. */
  close(graceMs: number): Promise<void>;
}

/** Makes a TCP listener that resets connections from addresses not allowed, before it reads a byte, and limits all others. */
export function makeListener(options: ListenerOptions): Listener {
  const { name, allows = () => true, limits = withinFiles(rpcLimits, 8), serve } = options;
  const { log, ticks } = options;
  const rejected = rateLimited(log, ticks);
  const full = rateLimited(log, ticks, `Too many connections to the ${name}: closed one from`);
  const failed = rateLimited(log, ticks, `Cannot accept a connection to the ${name}:`);
  const flooded = rateLimited(log, ticks, `The ${name} was flooded by`);
  const closed = (address: string, reason: ClosingReason | "forbidden"): void => {
    if (reason === "room") full(address);
    if (reason === "forbidden") rejected(address);
    options.closed?.(address, reason);
  };
  const connections = new Connections({ limits, ticks, flooded, closed });
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    // The peer may reset the connection at any time: it is gone either way.
    socket.on("error", () => undefined);
    const address = socket.remoteAddress;
    const allowed = address !== undefined && allows(address);
    if (allowed && connections.admit(socket)) return serve(socket);
    socket.resetAndDestroy();
    // Undefined if the peer is gone already.
    if (address !== undefined) closed(address, allowed ? "room" : "forbidden");
  });
  return {
    connections,
    recheck: () => connections.clear((address) => !allows(address)),
    listen: (at) => listen(server, at, ({ message }) => failed(message)),
    close(graceMs) {
      const timer = setTimeout(() => connections.clear(), graceMs);
      return new Promise((resolve) => {
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}
