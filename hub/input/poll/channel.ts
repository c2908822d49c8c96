import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, connectivityState, type ServiceError, status } from "@grpc/grpc-js";
import { readRegular } from "../../../program/file.ts";
import { isLinkLocal } from "../../../program/network.ts";
import { redact } from "../../../program/redact.ts";
import { hostPort } from "../../../program/setting.ts";
import { decode, hostLimits } from "../../../proto/bound.ts";
import { type HostInfo, HostInfoSchema, HostMonitor, RequestInfoSchema } from "../../../proto/gen/host_pb.js";
import { reason } from "../../reason.ts";
import type { Sentence } from "../../sentence.ts";
import { AgentConnection, flooding, linkLocal } from "./connection.ts";

const options = {
  // A peer that never speaks HTTP/2 leaves a subchannel connecting for ever; shared, it would poison the next channel too.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  // The way to a machine in the same lab never leads through the proxy that the environment names.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_receive_message_length": hostLimits.bytes,
};

const path = `/${HostMonitor.typeName}/${HostMonitor.method.getInfo.name}`;

/** Credentials of connections to an agent. */
export interface AgentCredentials {
  /** "" if the host requires none. */
  readonly token: string;
  /** Paths of PEM files; "" for the system's authorities, and for no certificate of our own. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Result of one call. `peer`: network address that answered. `lost`: the connection must be replaced. */
export type PollOutcome =
  | { readonly kind: "answer"; readonly info: HostInfo; readonly peer: string }
  | { readonly kind: "timeout"; readonly reason: Sentence }
  | { readonly kind: "bad"; readonly reason: Sentence }
  | { readonly kind: "lost"; readonly reason: Sentence };

/** Polls one agent over a connection that the first call opens. */
export interface Channel {
  /** Asks for a report. Never rejects. @param deadline milliseconds */
  ask(deadline: number): Promise<PollOutcome>;
  close(): void;
}

/** No token and no certificate; the system's authorities. */
const insecure: AgentCredentials = { token: "", ca: "", cert: "", key: "" };

/** HTTP/2 keepalive, in milliseconds. */
export interface Keepalive {
  /** Of silence before a ping. */
  readonly time: number;
  /** Until the ping must be answered. */
  readonly timeout: number;
}

const usualKeepalive: Keepalive = { time: 10_000, timeout: 5_000 };

/**
 * Creates a channel to an agent.
 * @param address "host:port", or "tls://host:port"
 * @param given credentials, if any
 */
export function dial(
  address: string,
  given: Partial<AgentCredentials> = {},
  keepalive: Keepalive = usualKeepalive,
): Channel {
  const trust = { ...insecure, ...given };
  const target = address.replace(tls, "");
  let secure: SecureContext | undefined;
  try {
    if (address.startsWith(tls)) secure = certified(address, trust);
  } catch (error) {
    // As a lost connection: the files are read again when the host is dialled again.
    const why =
      error instanceof UnusableFiles ? error.reason : reason("no_tls", { address, error: (error as Error).message });
    return { ask: async () => ({ kind: "lost", reason: why }), close: () => {} };
  }
  const { host } = hostPort(target);
  if (isLinkLocal(host)) {
    return { ask: async () => ({ kind: "bad", reason: reason("link_local", { address }) }), close: () => {} };
  }
  const connection = new AgentConnection(host, secure);
  const client = new Client(target, connection, {
    ...options,
    "grpc.keepalive_time_ms": keepalive.time,
    "grpc.keepalive_timeout_ms": keepalive.timeout,
  });
  const request = Buffer.from(toBinary(RequestInfoSchema, create(RequestInfoSchema, { token: trust.token })));
  return {
    ask: (deadline) => ask(client, { address, connection, request, deadline, token: trust.token }),
    close: () => client.close(),
  };
}

const tls = "tls://";

/** Certificate and key do not go together. */
class UnusableFiles extends Error {
  readonly reason: Sentence;

  constructor(reason: Sentence) {
    super(reason.text);
    this.reason = reason;
  }
}

/** @throws UnusableFiles, and Error if a file cannot be read or used */
function certified(address: string, { ca, cert, key }: AgentCredentials): SecureContext {
  if ((cert === "") !== (key === "")) throw new UnusableFiles(reason("no_tls_half", { address }));
  const file = (path: string): Buffer | undefined => (path === "" ? undefined : readRegular(path));
  const own = { cert: file(cert), key: file(key) };
  const context = createSecureContext({ ca: file(ca), ...own });
  // OpenSSL keeps a certificate and a key of different kinds (RSA, EC) side by side without complaint.
  if (own.cert && own.key && !new X509Certificate(own.cert).checkPrivateKey(createPrivateKey(own.key))) {
    throw new UnusableFiles(reason("no_tls_pair", { address, key, cert }));
  }
  return context;
}

interface PollCall {
  readonly address: string;
  readonly connection: AgentConnection;
  readonly request: Buffer;
  /** Milliseconds. */
  readonly deadline: number;
  readonly token: string;
}

function ask(client: Client, call: PollCall): Promise<PollOutcome> {
  const { connection, request, deadline } = call;
  connection.renew();
  return new Promise((resolve) => {
    let info: HostInfo | undefined;
    let unreadable: string | undefined;
    // If a decoder throws, grpc-js reports a failed call like any other: errors are recorded instead.
    const read = (bytes: Buffer): undefined => {
      try {
        info = decode(HostInfoSchema, bytes, hostLimits);
      } catch (error) {
        unreadable = (error as Error).message;
      }
      return undefined;
    };
    client.makeUnaryRequest(
      path,
      (bytes: Buffer) => bytes,
      read,
      request,
      { deadline: Date.now() + deadline },
      (error) => {
        if (unreadable !== undefined) resolve({ kind: "bad", reason: reason("unreadable", { error: unreadable }) });
        // A connection that grpc-js gave up is closed a moment after its calls have failed.
        else if (error) setImmediate(() => resolve(failure(error, call, client)));
        else if (info) resolve({ kind: "answer", info, peer: connection.peer });
        else resolve({ kind: "bad", reason: reason("empty") });
      },
    );
  });
}

function failure(error: ServiceError, { address, connection, deadline, token }: PollCall, client: Client): PollOutcome {
  // The peer was sent the token and may quote it, and every visitor of the page reads the reason.
  const details = redact(error.details ?? "", [token]);
  switch (error.code) {
    case status.DEADLINE_EXCEEDED: {
      const unreached = connection.state.kind === "unreached";
      const why = unreached
        ? reason("no_connection_in_time", { address, deadlineMs: deadline })
        : reason("no_answer_in_time", { deadlineMs: deadline });
      return { kind: "timeout", reason: why };
    }
    case status.UNAVAILABLE: {
      // A channel that lost a working connection is idle; in this state none ever spoke HTTP/2.
      const never = client.getChannel().getConnectivityState(false) === connectivityState.TRANSIENT_FAILURE;
      return { kind: "lost", reason: unavailable({ connection, address, details, never }) };
    }
    case status.CANCELLED:
      return { kind: "lost", reason: reason("closed", { address }) };
    case status.UNIMPLEMENTED:
      return { kind: "bad", reason: reason("not_hmonitor", { address }) };
    case status.RESOURCE_EXHAUSTED:
      return { kind: "bad", reason: reason("unreadable", { error: short(details) }) };
    default: {
      const answer = short(details) || (status[error.code] ?? "with an unknown status");
      return { kind: "bad", reason: reason("refused", { address, answer }) };
    }
  }
}

interface Unavailable extends Pick<PollCall, "connection" | "address"> {
  readonly details: string;
  /** True if no connection ever spoke HTTP/2. */
  readonly never: boolean;
}

/** Explains why there is no connection, from its events and codes alone: the peer chooses the words. */
function unavailable({ connection, address, details, never }: Unavailable): Sentence {
  const { state } = connection;
  switch (state.kind) {
    case "unreached":
      return unreached(address, details);
    case "left":
      return reason("hanging", { address });
    case "reset":
    case "ended":
      if (state.spoke && never) return reason("not_grpc", { address });
      if (state.spoke) return reason(state.kind === "reset" ? "reset" : "closed", { address });
      return state.secured ? reason("own_certificate", { address, error: "" }) : refusing(address);
    case "failed":
      return rejected(address, state.code);
    case "silent":
    case "open":
      return reason("refused", { address, answer: short(details) });
    default:
      return state satisfies never;
  }
}

const unreachable: Readonly<Record<string, (address: string) => Sentence>> = {
  ECONNREFUSED: (address) => reason("not_listening", { address }),
  ECONNRESET: (address) => refusing(address),
  EHOSTUNREACH: (address) => reason("no_route", { address }),
  ENETUNREACH: (address) => reason("no_route", { address }),
  ENETDOWN: (address) => reason("no_route", { address }),
  EADDRNOTAVAIL: (address) => reason("no_route", { address }),
  ETIMEDOUT: (address) => reason("no_answer", { address }),
};

/** Explains why no peer was reached. grpc-js gives these errors as text only; no peer can have chosen it. */
function unreached(address: string, details: string): Sentence {
  const [, code = ""] = /\bconnect (E[A-Z]+) /.exec(details) ?? [];
  if (details.startsWith("Name resolution failed")) return reason("no_name", { address });
  return unreachable[code]?.(address) ?? reason("no_connection", { address, error: short(details) });
}

/** An agent resets connections from addresses that it does not allow; with a certificate it closes those without a TLS handshake. */
const refusing = (address: string): Sentence =>
  reason(address.startsWith(tls) ? "not_allowed_tls" : "not_allowed", { address });

/** Explains why TLS or HTTP/2 failed. */
function rejected(address: string, code: string): Sentence {
  if (code === flooding) return reason("flooding", { address });
  if (code === linkLocal) return reason("link_local", { address });
  if (!address.startsWith(tls)) return reason("not_grpc", { address });
  // An agent closes a connection with an unaccepted client certificate after the TLS handshake; some libraries send an alert.
  if (/^ERR_SSL_.*ALERT/.test(code)) return reason("own_certificate", { address, error: code });
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") return reason("not_tls", { address, error: code });
  if (code.startsWith("ERR_HTTP2_")) return reason("not_grpc", { address });
  return reason("its_certificate", { address, error: code });
}

const short = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
