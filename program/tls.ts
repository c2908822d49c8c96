import { createPrivateKey, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { readRegular } from "./file.ts";
import { rateLimited } from "./rate-limit.ts";
import { SettingError } from "./setting.ts";

/** A PEM file and the setting that names it. */
export interface PemFile {
  /** "" if the setting is empty. */
  readonly path: string;
  /** Environment variable of the setting, for errors: "GOHM_TLS_CERT". */
  readonly setting: string;
}

/** Files of a server that speaks TLS. */
export interface TlsFiles {
  readonly cert: PemFile;
  readonly key: PemFile;
  /** Authorities, of one of which a client must show a certificate; without them no certificate is asked for. */
  readonly clientCa: PemFile;
}

export interface TlsOptions {
  readonly files: TlsFiles;
  /** Protocols offered by ALPN, best first. */
  readonly protocols: readonly string[];
  /** Serves a connection whose handshake has succeeded. */
  readonly serve: (socket: TLSSocket) => void;
  readonly log: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
}

/** Interval between two checks for renewed files. */
const checkMs = 1000;
/** Time in which a client must complete its handshake. */
const handshakeMs = 10_000;

/** True if the settings ask for TLS. @throws SettingError if a certificate has no key, or a key or authorities no certificate. */
export function usesTls({ cert, key, clientCa }: TlsFiles): boolean {
  const complete = (cert.path === "") === (key.path === "") && (clientCa.path === "" || cert.path !== "");
  if (complete) return cert.path !== "";
  const missing = cert.path === "" ? cert : key;
  throw new SettingError(
    `Cannot encrypt connections: ${missing.setting} is missing; set the certificate and its key, or neither`,
  );
}

/** Reads the files and checks that certificate and key belong together. @throws SettingError naming the file. */
function load({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  const read = ({ path, setting }: PemFile): Buffer | undefined => {
    if (path === "") return undefined;
    try {
      return readRegular(path);
    } catch (error) {
      throw new SettingError(`Cannot read ${setting}: ${(error as Error).message}`);
    }
  };
  const [certPem, keyPem, caPem] = [read(cert), read(key), read(clientCa)];
  const options = { ...(certPem && { cert: certPem }), ...(keyPem && { key: keyPem }), ...(caPem && { ca: caPem }) };
  try {
    createSecureContext(options);
    // OpenSSL accepts a certificate and a key of different kinds (RSA, EC).
    if (certPem && keyPem && !new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem))) {
      throw new Error("the key belongs to another certificate");
    }
  } catch (error) {
    const paths = [cert, key, clientCa].map(({ path }) => path).filter((path) => path !== "");
    const why = sslReason(error as Error) ?? (error as Error).message;
    throw new SettingError(`Cannot use the certificate in ${paths.join(", ")}: ${why}`);
  }
  return options;
}

/**
 * Returns the reason in an OpenSSL error ("wrong version number") without codes, file names and line break; undefined for
 * other errors. Node has it only within the message.
 */
export const sslReason = ({ message }: Error): string | undefined =>
  /\berror:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/.exec(message)?.[1];

/** True if a connection failed because the peer does not speak TLS. */
export const isPlaintextPeer = (error: Error): boolean =>
  /^(wrong version number|packet length too long)$/.test(sslReason(error) ?? "");

/** Returns a text that changes when a file is overwritten, replaced or linked anew; "" while one is missing. */
function fingerprint(files: TlsFiles): string {
  const one = ({ path }: PemFile): string => {
    const { mtimeMs, size, ino } = path === "" ? { mtimeMs: 0, size: 0, ino: 0 } : statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  };
  try {
    return [files.cert, files.key, files.clientCa].map(one).join("|");
  } catch {
    return ""; // a file is just being replaced: the loaded ones stay, and a later connection checks again
  }
}

/**
 * Makes a function that serves connections over TLS. Changed files are loaded at a later connection; if they cannot be used, the
 * previous ones remain in effect and the log says so.
 * @throws SettingError if the files cannot be used at the start.
 */
export function makeTlsServer({ files, protocols, serve, log, ticks }: TlsOptions): (socket: Socket) => void {
  let loaded = fingerprint(files);
  let checked = ticks();
  const mutual = files.clientCa.path !== "";
  const server = createServer({
    ...load(files),
    ALPNProtocols: [...protocols],
    minVersion: "TLSv1.2",
    handshakeTimeout: handshakeMs,
    requestCert: mutual,
    rejectUnauthorized: mutual,
  });
  server.on("secureConnection", serve);
  const failed = rateLimited(log, ticks, "No TLS with");
  server.on("tlsClientError", (_error, socket) => {
    failed(socket.remoteAddress);
    socket.destroy();
  });
  const renew = (): void => {
    checked = ticks();
    const now = fingerprint(files);
    if (now === loaded || now === "") return;
    loaded = now;
    try {
      server.setSecureContext(load(files));
      log(`The certificate in ${files.cert.path} was renewed`);
    } catch (error) {
      log(`${(error as Error).message}; the previous certificate remains in effect`);
    }
  };
  return (socket) => {
    if (ticks() - checked >= checkMs) renew();
    server.emit("connection", socket);
  };
}
