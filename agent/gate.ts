import { createServer, type Server, type Socket } from "node:net";
import { type ConnectionLimits, Connections, rpcLimits } from "../program/connections.ts";
import { rateLimited } from "../program/rate-limit.ts";
import type { Allow } from "./allow.ts";

export interface GateOptions {
  readonly allow: Allow;
  /** Takes a connection that may come in. */
  readonly enter: (socket: Socket) => void;
  readonly log: (line: string) => void;
  /** Milliseconds, never going back. */
  readonly ticks: () => number;
  readonly limits?: ConnectionLimits;
}

/** Listens for peers. */
export interface Gate {
  readonly connections: Connections;
  /**
   * Begins to let peers in.
   * @param port 0 takes any free port.
   * @returns The port.
   * @throws Error of node:net (EADDRINUSE and such) when it cannot listen.
   */
  listen(at: { readonly host: string; readonly port: number }): Promise<number>;
  /** Lets nobody in any more; resolves when all have left, of whom those still there after `grace` milliseconds are cut off. */
  close(grace: number): Promise<void>;
}

/**
 * A listener that resets connections from outside the allowed networks before it reads a byte, and limits the others.
 * What `enter` serves must track its requests in `connections`.
 */
export function gate({ allow, enter, log, ticks, limits = rpcLimits }: GateOptions): Gate {
  const refused = rateLimited(log, ticks);
  const full = rateLimited(log, ticks, "No place for another connection from");
  const connections = new Connections({ limits, ticks, flooded: rateLimited(log, ticks, "Flooded by") });
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    // A peer that is gone already has no address any more.
    const peer = socket.remoteAddress;
    const allowed = peer !== undefined && allow.allows(peer);
    if (!allowed || !connections.admit(socket)) {
      socket.on("error", () => undefined); // the reset may meet one from the other side; both mean gone
      socket.resetAndDestroy();
      (allowed ? full : refused)(peer);
      return;
    }
    enter(socket);
    socket.resume();
  });
  return {
    connections,
    listen: (at) => listen(server, at),
    close(grace) {
      const timer = setTimeout(() => connections.clear(), grace);
      return new Promise((resolve) => {
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}

function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : port);
    });
  });
}
