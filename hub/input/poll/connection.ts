import { isIP, type Socket } from "node:net";
import { connect, type SecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials, type experimental } from "@grpc/grpc-js";
import { isLinkLocal, peerAddress } from "../../../program/network.ts";

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
export type ConnectionState =
  | { readonly kind: "unreached" | "silent" | "open" | "left" }
  | { readonly kind: "ended" | "reset"; readonly spoke: boolean; readonly secured: boolean }
  | { readonly kind: "failed"; readonly code: string };

/** Bytes that a peer may send between two calls: four times the largest answer. More is a flood of meaningless frames. */
const floodBytes = 4 * 2 ** 20;
/** Interval of checking it. Node reads HTTP/2 outside of JavaScript: only the count of bytes is visible. */
const floodCheckMs = 500;
/** Code of a connection that was closed because of a flood. */
export const flooding = "FLOODING";

/** Code of a connection to an address that the hub does not speak to, to which a name may lead. */
export const linkLocal = "LINK_LOCAL";

/** Codes that mean that the peer closed the connection. */
const resets = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"]);

/**
 * Credentials of one channel that record what happens to its connection. The text of a failed call is no evidence: the peer
 * chooses part of it.
 */
export class AgentConnection extends ChannelCredentials {
  readonly #host: string;
  readonly #secure: SecureContext | undefined;
  #socket: Socket | undefined;
  /** The TCP connection, and bytes received on it before the newest call. */
  #raw: Socket | undefined;
  #read = 0;
  #secured = false;
  #over: "ended" | { readonly code: string } | undefined;

  /** @param secure for TLS; undefined for plaintext */
  constructor(host: string, secure: SecureContext | undefined) {
    super();
    this.#host = host;
    this.#secure = secure;
  }

  get state(): ConnectionState {
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

  /** Network address of the agent, to which a host name may be resolved; "" without a connection. */
  get peer(): string {
    return peerAddress(this.#raw ?? {});
  }

  /** Must precede each call: counts received bytes from here, and drops the state of a connection that the peer closed since. */
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
    if (isLinkLocal(this.peer)) {
      // Before anything is sent, a token above all.
      this.#over = { code: linkLocal };
      raw.destroy();
      return Promise.reject(new Error("a link-local address"));
    }
    const secureContext = this.#secure;
    if (secureContext === undefined) return Promise.resolve({ socket: raw, secure: false });
    // Server names exclude IP addresses (RFC 6066); the certificate is checked against them all the same.
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

  /** Closes the connection if it receives far more than an answer. */
  #count(raw: Socket): void {
    this.#raw = raw;
    this.#read = 0;
    const timer = setInterval(() => {
      if (raw.bytesRead - this.#read <= floodBytes) return;
      this.#over ??= { code: flooding };
      raw.destroy();
    }, floodCheckMs).unref();
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
