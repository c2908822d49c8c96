import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/** Milliseconds a connection may take. */
export interface Patience {
  /** From the connection to the end of the first request's headers. */
  readonly request: number;
  /** From a request to the end of its answer, read by the client. */
  readonly answer: number;
  /** From an answer to the end of the next request's headers. */
  readonly idle: number;
}

/** A reading takes up to 60 s where the setting says so; scrapers come back within a minute or two. */
export const patience: Patience = { request: 10_000, answer: 90_000, idle: 130_000 };

/**
 * Cuts off connections that are silent or slow. Node's own limits are looked after by a server that listens by itself,
 * which ours does not: the gate does.
 * @returns What hangs up on everybody who is not being answered.
 */
export function watchLines(server: Server, { request, answer, idle }: Patience): () => void {
  const lines = new Map<Socket, { timer: NodeJS.Timeout; answers: number }>();
  const arm = (socket: Socket, milliseconds: number, change: number): void => {
    const line = lines.get(socket);
    if (socket.destroyed) return;
    clearTimeout(line?.timer);
    const timer = setTimeout(() => socket.destroy(), milliseconds).unref();
    lines.set(socket, { timer, answers: (line?.answers ?? 0) + change });
  };
  server.on("connection", (socket: Socket) => {
    arm(socket, request, 0);
    socket.once("close", () => {
      clearTimeout(lines.get(socket)?.timer);
      lines.delete(socket);
    });
  });
  server.on("request", ({ socket }: IncomingMessage, response) => {
    arm(socket, answer, 1);
    response.once("close", () => arm(socket, idle, -1));
  });
  return () => {
    for (const [socket, { answers }] of lines) if (answers === 0) socket.destroy();
  };
}
