import { createServer, type Server, type Socket } from "node:net";
import type { Allow } from "./allow.ts";

export interface GateOptions {
  readonly allow: Allow;
  /** Takes a connection that may come in. */
  readonly enter: (socket: Socket) => void;
  readonly log: (line: string) => void;
  /** Milliseconds, never going back. */
  readonly ticks: () => number;
  /** Milliseconds in which a peer must have said something. */
  readonly patience?: number;
}

const quiet = 60_000;
/** Addresses whose last refusal is remembered; a scan from many addresses must not fill the memory. */
const addresses = 1000;

/** Says once a minute and address that it was refused, and how often since the last time. */
export function refusals(log: (line: string) => void, ticks: () => number): (address: string) => void {
  const seen = new Map<string, { at: number; silent: number }>();
  return (address) => {
    const now = ticks();
    const held = seen.get(address);
    if (held !== undefined && now - held.at < quiet) {
      held.silent++;
      return;
    }
    log(
      held && held.silent > 0 ? `Reject: ${address} (${held.silent} more since the last time)` : `Reject: ${address}`,
    );
    seen.delete(address);
    seen.set(address, { at: now, silent: 0 });
    const oldest = seen.keys().next();
    if (seen.size > addresses && !oldest.done) seen.delete(oldest.value);
  };
}

/** Listens for peers. */
export interface Gate {
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

/** A listener that cuts off peers outside the allowed networks before a byte of theirs is read. */
export function gate({ allow, enter, log, ticks, patience = 10_000 }: GateOptions): Gate {
  const refused = refusals(log, ticks);
  const inside = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    // A peer that is gone already has no address any more.
    const peer = socket.remoteAddress;
    if (peer === undefined || !allow.allows(peer)) {
      socket.on("error", () => undefined); // the reset may meet one from the other side; both mean gone
      socket.resetAndDestroy();
      refused(peer?.replace(/^::ffff:(?=\d+\.)/, "") ?? "unknown");
      return;
    }
    inside.add(socket);
    // Whoever comes to ask says so at once. Peers that do not (a scanner, a machine that lost its network) must not take the
    // places of others.
    const mute = setTimeout(() => socket.bytesRead === 0 && socket.destroy(), patience);
    socket.once("close", () => {
      clearTimeout(mute);
      inside.delete(socket);
    });
    enter(socket);
    socket.resume();
  });
  // Far above what hubs need, far below what a descriptor leak costs.
  server.maxConnections = 512;
  return {
    listen: (at) => listen(server, at),
    close(grace) {
      const timer = setTimeout(() => {
        for (const socket of inside) socket.destroy();
      }, grace);
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
