import { isIP, type Socket } from "node:net";
import { connect, type SecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials, type experimental } from "@grpc/grpc-js";

type SecureConnector = experimental.SecureConnector;
type SecureConnectResult = Awaited<ReturnType<SecureConnector["connect"]>>;

/**
 * The state of the newest connection under a channel:
 * - unreached: no TCP connection was made
 * - silent: open, and the peer has sent nothing
 * - open: open, and the peer has sent something
 * - left: this side closed it, because keepalive pings were not answered
 * - ended, reset: the peer closed it; `spoke` is false if it sent nothing before, `secured` if TLS was agreed on
 * - failed: TLS or HTTP/2 refused what the peer sent; `code` as Node gives it
 */
export type LineState =
  | { readonly kind: "unreached" | "silent" | "open" | "left" }
  | { readonly kind: "ended" | "reset"; readonly spoke: boolean; readonly secured: boolean }
  | { readonly kind: "failed"; readonly code: string };

/** Bytes that a peer may send between two calls: an answer has a quarter of it at most. More is a flood of frames that mean nothing. */
const floodBytes = 4 * 2 ** 20;
/** Between two looks at that. Node reads HTTP/2 past JavaScript: only a count can be seen. */
const lookMs = 500;
/** The code of a connection that was closed for it. */
export const flooding = "FLOODING";

/** Closed by the peer, not by what it sent. */
const resets = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"]);

/**
 * Credentials of one channel that keep what happens to its connection: a call that fails says so in words, some of which the
 * peer chooses.
 */
export class Line extends ChannelCredentials {
  readonly #host: string;
  readonly #secure: SecureContext | undefined;
  #socket: Socket | undefined;
  /** The TCP connection, and what had been received on it before the newest call. */
  #raw: Socket | undefined;
  #read = 0;
  #secured = false;
  #over: "ended" | { readonly code: string } | undefined;

  /** @param secure What a TLS connection is made with; undefined for plaintext. */
  constructor(host: string, secure: SecureContext | undefined) {
    super();
    this.#host = host;
    this.#secure = secure;
  }

  get state(): LineState {
    const socket = this.#socket;
    if (socket === undefined) return { kind: "unreached" };
    const spoke = socket.bytesRead > 0;
    const secured = this.#secured;
    if (this.#over === "ended") return { kind: "ended", spoke, secured };
    if (this.#over !== undefined) {
      return resets.has(this.#over.code) ? { kind: "reset", spoke, secured } : { kind: "failed", ...this.#over };
    }
    if (socket.destroyed || socket.writableEnded) return { kind: "left" };
    return { kind: spoke ? "open" : "silent" };
  }

  /** Before a call: counts received bytes from now on, and forgets a connection that the peer closed between two calls. */
  renew(): void {
    this.#read = this.#raw?.bytesRead ?? 0;
    if (this.#over !== "ended") return;
    this.#socket = undefined;
    this.#over = undefined;
  }

  override _isSecure(): boolean {
    return this.#secure !== undefined;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(): SecureConnector {
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  #connect(raw: Socket): Promise<SecureConnectResult> {
    this.#over = undefined;
    this.#secured = false;
    this.#watch(raw);
    this.#count(raw);
    const secureContext = this.#secure;
    if (secureContext === undefined) return Promise.resolve({ socket: raw, secure: false });
    // An address is no name to ask for (RFC 6066); the certificate is checked against it all the same.
    const name = isIP(this.#host) === 0 && { servername: this.#host };
    const how = { socket: raw, secureContext, host: this.#host, ALPNProtocols: ["h2"], ...name };
    return new Promise((resolve, reject) => {
      const socket = connect(how, () => {
        this.#secured = true;
        resolve({ socket, secure: true });
      });
      this.#watch(socket);
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("closed during the TLS handshake")));
    });
  }

  /** Closes a connection on which far more comes than was asked for. */
  #count(raw: Socket): void {
    this.#raw = raw;
    this.#read = 0;
    const timer = setInterval(() => {
      if (raw.bytesRead - this.#read <= floodBytes) return;
      this.#over ??= { code: flooding };
      raw.destroy();
    }, lookMs).unref();
    raw.once("close", () => clearInterval(timer));
  }

  #watch(socket: Socket): void {
    this.#socket = socket;
    const end = (over: "ended" | { readonly code: string }): void => {
      // The first event is the cause, those after it are its consequences.
      this.#over ??= over;
    };
    socket.on("end", () => end("ended"));
    socket.on("error", ({ code = "unknown" }: NodeJS.ErrnoException) => end({ code }));
  }
}
