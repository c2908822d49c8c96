// Errors that Node answers with an empty body or not at all get the body of any other error.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Fault } from "../fault.ts";
import { rawRefusal } from "./error.ts";

/** How long a refused client may go on sending, so that it can read the answer. */
const lingerMs = 1000;

export interface ProtocolOptions {
  /** Returns the latest answer of a connection, if there is one. */
  readonly current: (socket: Duplex) => ServerResponse | undefined;
  /** Called with every fault. */
  readonly refused?: ((socket: Duplex, fault: Fault) => void) | undefined;
}

/** Answers what Node cannot parse as a request, or what does not come in time. */
export function refuseInWords(server: Server, { current, refused: count }: ProtocolOptions): void {
  const refused = new WeakSet<Duplex>();
  const refuse = (socket: Duplex, fault: Fault): void => {
    if (refused.has(socket)) return;
    refused.add(socket);
    count?.(socket, fault);
    socket.on("error", () => {}); // the client has gone
    const answer = current(socket);
    // A client would take these bytes for a part of an answer that is not completely sent.
    if (!socket.writable || (answer !== undefined && !answer.writableFinished)) return void socket.destroy();
    socket.end(rawRefusal(fault));
    // Discards what arrives: closing a connection with unread bytes would discard the answer.
    socket.resume();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  };
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const fault = faultOf(error);
    if (fault === undefined) socket.destroy();
    else refuse(socket, fault);
  });
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    refuse(socket, new Fault("method_refused", "The hub is not a proxy: the method CONNECT is not allowed."));
  });
}

/** Undefined if the connection is lost. */
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
