// What Node answers by itself, with an empty body, or not at all: answered as everything else is.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Fault } from "../fault.ts";
import { rawRefusal } from "./error.ts";

/** Milliseconds for which a client may go on sending after it was refused, so that it reads why. */
const lingering = 1000;

/** @param current the answer under way on a connection, if there is one */
export function refuseInWords(server: Server, current: (socket: Duplex) => ServerResponse | undefined): void {
  const refused = new WeakSet<Duplex>();
  const refuse = (socket: Duplex, fault: Fault): void => {
    if (refused.has(socket)) return;
    refused.add(socket);
    socket.on("error", () => {}); // the client has gone
    const answer = current(socket);
    // In the middle of an answer, or behind one that is not sent yet, these bytes would be taken for a part of it.
    if (!socket.writable || (answer !== undefined && !answer.writableFinished)) return void socket.destroy();
    socket.end(rawRefusal(fault));
    // What arrives meanwhile is read and dropped: a connection closed with bytes unread takes the answer with it.
    socket.resume();
    setTimeout(() => socket.destroy(), lingering).unref();
  };
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const fault = faultOf(error);
    if (fault === undefined) socket.destroy();
    else refuse(socket, fault);
  });
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    refuse(socket, new Fault("method_refused", "The hub is no proxy: the method CONNECT is not allowed."));
  });
}

/** Undefined where the connection broke, and nobody is there to hear of it. */
function faultOf({ code = "", message, ...more }: NodeJS.ErrnoException): Fault | undefined {
  if (code === "HPE_HEADER_OVERFLOW") {
    return new Fault("request_too_long", "The address and headers of a request must not be longer than 16 KiB.");
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new Fault("request_too_slow", "The request was not complete in time.");
  }
  if (!code.startsWith("HPE_")) return undefined;
  const { reason = message } = more as { reason?: string };
  return new Fault("bad_request", `The request is not HTTP/1.1: ${reason}.`);
}
