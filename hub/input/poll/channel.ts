import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, connectivityState, type ServiceError, status } from "@grpc/grpc-js";
import { readRegular } from "../../../program/file.ts";
import { redact } from "../../../program/redact.ts";
import { hostPort } from "../../../program/setting.ts";
import { decode, hostLimits } from "../../../proto/bound.ts";
import { type HostInfo, HostInfoSchema, HostMonitor, RequestInfoSchema } from "../../../proto/gen/host_pb.js";
import { AgentConnection, flooding } from "./connection.ts";

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
  | { readonly kind: "timeout"; readonly reason: string }
  | { readonly kind: "bad"; readonly reason: string }
  | { readonly kind: "lost"; readonly reason: string };

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
    if (address.startsWith(tls)) secure = certified(trust);
  } catch (error) {
    // As a lost connection: the files are read again when the host is dialled again.
    const reason = `no TLS with ${address}: ${(error as Error).message}`;
    return { ask: async () => ({ kind: "lost", reason }), close: () => {} };
  }
  const connection = new AgentConnection(hostPort(target).host, secure);
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

/** @throws Error if a file cannot be read or used, or the key belongs to another certificate. */
function certified({ ca, cert, key }: AgentCredentials): SecureContext {
  if ((cert === "") !== (key === "")) throw new Error("poll.cert and poll.key go together: set both or neither");
  const file = (path: string): Buffer | undefined => (path === "" ? undefined : readRegular(path));
  const own = { cert: file(cert), key: file(key) };
  const context = createSecureContext({ ca: file(ca), ...own });
  // OpenSSL keeps a certificate and a key of different kinds (RSA, EC) side by side without complaint.
  if (own.cert && own.key && !new X509Certificate(own.cert).checkPrivateKey(createPrivateKey(own.key))) {
    throw new Error(`the key in ${key} belongs to another certificate than that in ${cert}`);
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
        if (unreadable !== undefined) resolve({ kind: "bad", reason: `the answer could not be read: ${unreadable}` });
        // A connection that grpc-js gave up is closed a moment after its calls have failed.
        else if (error) setImmediate(() => resolve(failure(error, call, client)));
        else if (info) resolve({ kind: "answer", info, peer: connection.peer });
        else resolve({ kind: "bad", reason: "the answer was empty" });
      },
    );
  });
}

function failure(error: ServiceError, { address, connection, deadline, token }: PollCall, client: Client): PollOutcome {
  // The peer was sent the token and may quote it, and every visitor of the page reads the reason.
  const details = redact(error.details ?? "", [token]);
  switch (error.code) {
    case status.DEADLINE_EXCEEDED: {
      const seconds = `${Number((deadline / 1000).toFixed(1))} s`;
      const nothing = connection.state.kind === "unreached" ? `no connection to ${address} within` : "no answer within";
      return { kind: "timeout", reason: `${nothing} ${seconds}` };
    }
    case status.UNAVAILABLE: {
      // A channel that lost a working connection is idle; in this state none ever spoke HTTP/2.
      const never = client.getChannel().getConnectivityState(false) === connectivityState.TRANSIENT_FAILURE;
      return { kind: "lost", reason: unavailable({ connection, address, details, never }) };
    }
    case status.CANCELLED:
      return { kind: "lost", reason: `the connection to ${address} was closed` };
    case status.UNIMPLEMENTED:
      return { kind: "bad", reason: `what answers at ${address} is no hmonitor: it does not know gpu.HostMonitor` };
    case status.RESOURCE_EXHAUSTED:
      return { kind: "bad", reason: `the answer could not be read: ${short(details)}` };
    default:
      return {
        kind: "bad",
        reason: `refused by ${address}: ${short(details) || (status[error.code] ?? "with an unknown status")}`,
      };
  }
}

interface Unavailable extends Pick<PollCall, "connection" | "address"> {
  readonly details: string;
  /** True if no connection ever spoke HTTP/2. */
  readonly never: boolean;
}

/** Explains why there is no connection, from its events and codes alone: the peer chooses the words. */
function unavailable({ connection, address, details, never }: Unavailable): string {
  const { state } = connection;
  switch (state.kind) {
    case "unreached":
      return unreached(address, details);
    case "left":
      return `${address} has stopped answering: its hmonitor hangs, or the network between is interrupted`;
    case "reset":
    case "ended":
      if (state.spoke && never) return foreign(address);
      if (state.spoke) return `the connection to ${address} was ${state.kind === "reset" ? "reset" : "closed"}`;
      return state.secured ? unknownTo(address) : refusing(address);
    case "failed":
      return rejected(address, state.code);
    case "silent":
    case "open":
      return `refused by ${address}: ${short(details)}`;
    default:
      return state satisfies never;
  }
}

const unreachable: Readonly<Record<string, (address: string) => string>> = {
  ECONNREFUSED: (at) => `connection refused at ${at}: is hmonitor running there?`,
  ECONNRESET: (at) => refusing(at),
  EHOSTUNREACH: (at) => `no route to ${at}`,
  ENETUNREACH: (at) => `no route to ${at}`,
  ENETDOWN: (at) => `no route to ${at}`,
  EADDRNOTAVAIL: (at) => `no route to ${at}`,
  ETIMEDOUT: (at) => `no connection to ${at}: nothing answers at that address`,
};

/** Explains why no peer was reached. grpc-js gives these errors as text only; no peer can have chosen it. */
function unreached(address: string, details: string): string {
  const [, code = ""] = /\bconnect (E[A-Z]+) /.exec(details) ?? [];
  if (details.startsWith("Name resolution failed")) return `the name in ${address} cannot be resolved`;
  return unreachable[code]?.(address) ?? `no connection to ${address}: ${short(details)}`;
}

/** An agent resets connections from addresses that it does not allow; with a certificate it closes those without a TLS handshake. */
const refusing = (address: string): string =>
  address.startsWith(tls)
    ? `connection to ${address} was reset: does the agent's GOHM_ALLOW name this hub's address?`
    : `connection to ${address} was reset: does the agent's GOHM_ALLOW name this hub's address? If it has a certificate, its address here is tls://${address}`;

const foreign = (address: string): string => `what answers at ${address} does not speak gRPC`;

/** An agent closes a connection with an unaccepted client certificate after the TLS handshake; some libraries send an alert. */
const unknownTo = (address: string, code = ""): string =>
  `${address} does not accept this hub's certificate (poll.cert and poll.key): is it from an authority in GOHM_TLS_CLIENT_CA there?${code && ` (${code})`}`;

function rejected(address: string, code: string): string {
  if (code === flooding) return `what answers at ${address} sends more than any hmonitor does`;
  if (!address.startsWith(tls)) return foreign(address);
  if (/^ERR_SSL_.*ALERT/.test(code)) return unknownTo(address, code);
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") {
    return `what answers at ${address} does not speak TLS: an hmonitor without a certificate has an address without tls:// (${code})`;
  }
  if (code.startsWith("ERR_HTTP2_")) return foreign(address);
  return `the certificate shown at ${address} is not accepted: ${code}`;
}

const short = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
