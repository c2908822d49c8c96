// Peers that attack a gRPC port over raw sockets, and measurements of the attacked process.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

/** Returns the resident memory of a process in bytes. */
export function memory(pid: number | undefined): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** Encodes an HTTP/2 frame. */
export function frame(type: number, stream: number, payload: Uint8Array = new Uint8Array(), flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** First bytes of an HTTP/2 client: the preface and an empty SETTINGS frame. */
export const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0)]);

/** Encodes the headers of a gRPC request in HPACK: :method POST, :scheme http, :path, :authority, content-type, te. */
export function headersOf(path: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  const indexed = Buffer.of(0x83, 0x86);
  const type = Buffer.concat([Buffer.of(0x0f, 0x10), text("application/grpc")]);
  const te = Buffer.concat([Buffer.of(0), text("te"), text("trailers")]);
  return Buffer.concat([indexed, Buffer.of(0x04), text(path), Buffer.of(0x01), text("x"), type, te]);
}

export interface ConnectOptions {
  readonly port: number;
  /** Local address of the connection. */
  readonly from?: string;
  /** Bytes that are sent at once. */
  readonly says?: Uint8Array | string;
  /** True to close the sending half after that. */
  readonly half?: boolean;
}

/** Opens a raw connection and discards what it receives. Resolves also if the connection was rejected. */
export async function knock({ port, from = "127.0.0.1", says = "", half = false }: ConnectOptions): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: from, allowHalfOpen: half });
  socket.on("error", () => undefined); // a reset is expected
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  if (says.length > 0) socket.write(says);
  if (half) socket.end();
  return socket.resume();
}

/** Opens an encrypted connection, whose certificate is not checked, and discards what it receives. Resolves after the handshake, or if there is none. */
export async function knockEncrypted({
  port,
  from = "127.0.0.1",
  says = "",
}: Omit<ConnectOptions, "half">): Promise<TLSSocket> {
  const to = { port, host: "127.0.0.1", localAddress: from, rejectUnauthorized: false };
  const socket = connectTls({ ...to, ALPNProtocols: ["h2", "http/1.1"] });
  socket.on("error", () => undefined); // a reset is expected
  await new Promise((resolve) => socket.once("secureConnect", resolve).once("close", resolve));
  if (says.length > 0) socket.write(says);
  return socket.resume();
}

/** Returns the sockets that are still open. */
export const connected = (sockets: readonly Socket[]): Socket[] => sockets.filter(({ closed }) => !closed);

/** Sends the same gRPC request again and again in one stream, and reads no answer. */
export async function askWithoutReading(
  { port, scheme = "http" }: { readonly port: number; readonly scheme?: "http" | "https" },
  path: string,
  request: Uint8Array,
): Promise<Flooder> {
  const settings = { initialWindowSize: 2 ** 31 - 1 };
  const session = connectHttp2(`${scheme}://127.0.0.1:${port}`, { settings, rejectUnauthorized: false });
  session.on("error", () => undefined); // the server may close the connection
  await once(session, "connect");
  const stream: ClientHttp2Stream = session.request(
    { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
    { endStream: false },
  );
  stream.on("error", () => undefined).pause();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(request.length, 1);
  const message = Buffer.concat([head, request]);
  const piece = Buffer.concat(Array.from({ length: Math.ceil(16_384 / message.length) }, () => message));
  let taken = 0;
  const push = (): void => {
    if (stream.destroyed) return;
    stream.write(piece, () => {
      taken += piece.length;
      push();
    });
  };
  push();
  return { taken: () => taken, stop: () => session.destroy() };
}

export interface Flooder {
  /** Returns the number of bytes that were written. */
  readonly taken: () => number;
  stop(): void;
}

/** Sends the same bytes again and again until the peer closes the connection or `most` are sent. @returns bytes sent */
export async function flood(socket: Socket, bytes: Uint8Array, most: number): Promise<number> {
  const piece = Buffer.concat(Array.from({ length: Math.ceil(262_144 / bytes.length) }, () => bytes));
  let sent = 0;
  while (sent < most && !socket.destroyed) {
    const went = await new Promise<boolean>((resolve) => {
      socket.once("close", () => resolve(false));
      socket.write(piece, (error) => resolve(!error));
    });
    socket.removeAllListeners("close");
    if (!went) break;
    sent += piece.length;
  }
  return sent;
}
