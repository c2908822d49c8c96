import { createPrivateKey, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { readRegular } from "./file.ts";
import { rateLimited } from "./rate-limit.ts";
import { SettingError } from "./setting.ts";

/** Paths of PEM files; "" where there is none. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Authorities whose certificates a client must show one of; "" lets every client in. */
  readonly clientCa: string;
}

export interface TlsOptions {
  readonly files: TlsFiles;
  /** Takes a connection whose handshake is done. */
  readonly enter: (socket: TLSSocket) => void;
  readonly log: (line: string) => void;
  /** Milliseconds, never going back. */
  readonly ticks: () => number;
}

/** How long a certificate that was looked at is taken as current (ms). */
const look = 1000;
/** A client that begins no handshake holds its connection this long (ms). */
const patience = 10_000;

const names = { cert: "GOHM_TLS_CERT", key: "GOHM_TLS_KEY", clientCa: "GOHM_TLS_CLIENT_CA" } as const;

/** Whether connections are to be encrypted. @throws SettingError when only half of it is set. */
export function encrypted({ cert, key, clientCa }: TlsFiles): boolean {
  if ((cert === "") === (key === "") && (clientCa === "" || cert !== "")) return cert !== "";
  const missing = cert === "" ? names.cert : names.key;
  throw new SettingError(
    `Cannot encrypt connections: ${missing} is missing; set the certificate and its key, or neither`,
  );
}

/** Reads the files and checks that they fit each other. @throws SettingError naming the file. */
function load(files: TlsFiles): SecureContextOptions {
  const read = (which: keyof TlsFiles): Buffer | undefined => {
    if (files[which] === "") return undefined;
    try {
      return readRegular(files[which]);
    } catch (error) {
      throw new SettingError(`Cannot read ${names[which]}: ${(error as Error).message}`);
    }
  };
  const [cert, key, ca] = [read("cert"), read("key"), read("clientCa")];
  const options = { ...(cert && { cert }), ...(key && { key }), ...(ca && { ca }) };
  try {
    createSecureContext(options);
    // OpenSSL keeps a certificate and a key of different kinds (RSA, EC) side by side without complaint.
    if (cert && key && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new Error("the key belongs to another certificate");
    }
  } catch (error) {
    const paths = Object.values(files).filter((path) => path !== "");
    const why = sslReason(error as Error) ?? (error as Error).message;
    throw new SettingError(`Cannot use the certificate in ${paths.join(", ")}: ${why}`);
  }
  return options;
}

/**
 * What an error of OpenSSL says ("wrong version number"), without its codes, file names and line break; undefined for other
 * errors. Node gives it in the message only, where it was writing.
 */
export const sslReason = ({ message }: Error): string | undefined =>
  /\berror:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/.exec(message)?.[1];

/** True if a connection failed because the peer does not speak TLS. */
export const withoutTls = (error: Error): boolean =>
  /^(wrong version number|packet length too long)$/.test(sslReason(error) ?? "");

/** What changes when a file is replaced, whether written over, renamed into place or linked anew. */
function mark(files: TlsFiles): string {
  const one = (path: string): string => {
    const { mtimeMs, size, ino } = path === "" ? { mtimeMs: 0, size: 0, ino: 0 } : statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  };
  try {
    return [files.cert, files.key, files.clientCa].map(one).join("|");
  } catch {
    // In the middle of being replaced: what is loaded stays, and the next connection looks again.
    return "";
  }
}

/**
 * Speaks TLS on connections that were let in. Renewed files are taken with the next connection; ones that cannot be
 * used leave the old ones in force, with a line in the log.
 * @throws SettingError when the files cannot be used at the start.
 */
export function tlsDoor({ files, enter, log, ticks }: TlsOptions): (socket: Socket) => void {
  let seen = mark(files);
  let looked = ticks();
  const strict = files.clientCa !== "";
  const server = createServer({
    ...load(files),
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.2",
    handshakeTimeout: patience,
    requestCert: strict,
    rejectUnauthorized: strict,
  });
  server.on("secureConnection", enter);
  const failed = rateLimited(log, ticks, "No TLS with");
  server.on("tlsClientError", (_error, socket) => {
    failed(socket.remoteAddress);
    socket.destroy();
  });
  const renew = (): void => {
    looked = ticks();
    const now = mark(files);
    if (now === seen || now === "") return;
    seen = now;
    try {
      server.setSecureContext(load(files));
      log(`The certificate in ${files.cert} was renewed`);
    } catch (error) {
      log(`${(error as Error).message}; the one before stays in force`);
    }
  };
  return (socket) => {
    if (ticks() - looked >= look) renew();
    server.emit("connection", socket);
  };
}
