// Peers that attack a gRPC port over raw sockets, and what a test watches meanwhile.
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Bytes of memory that a process holds. */
export function memory(pid: number | undefined): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** True if certificates can be made here. */
export const certifies = spawnSync("openssl", ["version"]).status === 0;

/** A certificate for 127.0.0.1 that vouches for itself, in a folder of its own. */
export function certificate(): { readonly folder: string; readonly cert: string; readonly key: string } {
  const folder = mkdtempSync(join(tmpdir(), "gohm-attack-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=host", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { folder, cert, key };
}

/** An HTTP/2 frame. */
export function frame(type: number, stream: number, payload: Uint8Array = new Uint8Array(), flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What an HTTP/2 client says first: the preface and empty SETTINGS. */
export const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0)]);

/** HPACK of a gRPC request: :method POST, :scheme http, :path, :authority, content-type, te. */
export function headersOf(path: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  const indexed = Buffer.of(0x83, 0x86);
  const type = Buffer.concat([Buffer.of(0x0f, 0x10), text("application/grpc")]);
  const te = Buffer.concat([Buffer.of(0), text("te"), text("trailers")]);
  return Buffer.concat([indexed, Buffer.of(0x04), text(path), Buffer.of(0x01), text("x"), type, te]);
}

export interface Knock {
  readonly port: number;
  /** Address of this machine to come from. */
  readonly from?: string;
  /** Sent at once. */
  readonly says?: Uint8Array | string;
  /** Closes the sending half after that. */
  readonly half?: boolean;
}

/** A connection that never reads, and outlives its end. */
export async function knock({ port, from = "127.0.0.1", says = "", half = false }: Knock): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: from, allowHalfOpen: half });
  socket.on("error", () => undefined); // to be reset is what it is there for
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  if (says.length > 0) socket.write(says);
  if (half) socket.end();
  return socket.resume();
}

/** Those that are still connected. */
export const connected = (sockets: readonly Socket[]): Socket[] => sockets.filter(({ closed }) => !closed);

/**
 * Asks over one connection, without reading an answer, until `bytes` were taken or nothing more is: a gRPC stream of one request again and again.
 * @returns What ends the connection.
 */
export async function askWithoutReading(port: number, path: string, request: Uint8Array): Promise<Flooder> {
  const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 2 ** 31 - 1 } });
  session.on("error", () => undefined); // being cut off is allowed
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
  /** Bytes that the other side has accepted. */
  readonly taken: () => number;
  stop(): void;
}

/** Sends the same bytes again and again until the other side hangs up or `most` are sent. @returns Bytes that went out. */
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
