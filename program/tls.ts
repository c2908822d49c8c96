import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { type Certificate, sslReason } from "./certificate.ts";
import { peerName } from "./connections.ts";
import { Handshakes } from "./handshake.ts";
import { rateLimited } from "./rate-limit.ts";

export interface TlsOptions {
  /** The certificate to show; another one at any time. */
  readonly certificate: () => Certificate;
  /** Protocols offered by ALPN, best first. */
  readonly protocols: readonly string[];
  /** Serves a connection whose handshake has succeeded. */
  readonly serve: (socket: TLSSocket) => void;
  readonly log: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
}

/** Time in which a client must complete its handshake. */
const handshakeMs = 10_000;

/** First byte of a client that speaks TLS: a record of type "handshake" (RFC 8446 §5.1). */
const handshakeRecord = 0x16;

/** True if a connection failed because the peer does not speak TLS. */
export const isPlaintextPeer = (error: Error): boolean =>
  /^(wrong version number|packet length too long)$/.test(sslReason(error) ?? "");

/** Makes a function that serves connections over TLS. A renewed certificate is shown from the next connection on. */
export function makeTlsServer({ certificate, protocols, serve, log, ticks }: TlsOptions): (socket: Socket) => void {
  let used = certificate();
  let { context } = used;
  const mutual = used.files.clientCa.path !== "";
  const server = createServer({
    ...context,
    ALPNProtocols: [...protocols],
    minVersion: "TLSv1.2",
    handshakeTimeout: handshakeMs,
    requestCert: mutual,
    rejectUnauthorized: mutual,
    // Each renegotiation costs as much as a handshake.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  });
  /** Connections whose handshake is not complete. A socket that its client has closed does not know its address any more. */
  const unproven = new Set<string>();
  server.on("secureConnection", (socket) => {
    unproven.delete(peerName(socket));
    serve(socket);
  });
  const failed = rateLimited(log, ticks, "No TLS with");
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const begin = (socket: Socket): void => {
    const { remoteAddress } = socket;
    const name = peerName(socket);
    unproven.add(name);
    socket.once("close", () => {
      if (unproven.delete(name)) failed(remoteAddress);
    });
    used = certificate();
    used.renew();
    if (used.context !== context) {
      context = used.context;
      server.setSecureContext({ ...context, secureOptions: constants.SSL_OP_NO_RENEGOTIATION });
    }
    server.emit("connection", socket);
  };
  const handshakes = new Handshakes({ signMs: () => used.signMs, begin, ticks });
  return (socket) => handshakes.add(socket);
}

/** Serves a connection by what its client speaks, which its first byte tells. */
export function byFirstByte(
  socket: Socket,
  serve: { readonly tls: (socket: Socket) => void; readonly plain: (socket: Socket) => void },
): void {
  socket.once("data", (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    if (first[0] === handshakeRecord) serve.tls(socket);
    else serve.plain(socket);
  });
  socket.resume();
}
