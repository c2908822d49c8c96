import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { decode, hostBound } from "../../../proto/bound.ts";
import { type HostInfo, HostInfoSchema, HostMonitor, RequestInfoSchema } from "../../../proto/gen/host_pb.js";

const options = {
  // A peer that never speaks HTTP/2 leaves a subchannel connecting for ever; shared, it would poison the next channel too.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  // The way to a machine in the same lab never leads through the proxy that the environment names.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_receive_message_length": hostBound.bytes,
};

const path = `/${HostMonitor.typeName}/${HostMonitor.method.getInfo.name}`;

/** Paths of PEM files; "" for the system's authorities, and for no certificate of our own. */
export interface Trust {
  readonly token: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** What became of one call. `lost`: the connection is of no use any more. */
export type Outcome =
  | { readonly kind: "answer"; readonly info: HostInfo }
  | { readonly kind: "silence"; readonly reason: string }
  | { readonly kind: "bad"; readonly reason: string }
  | { readonly kind: "lost"; readonly reason: string };

/** A connection to one agent, made when first asked. */
export interface Channel {
  /** Never throws. @param deadline milliseconds the call may take */
  ask(deadline: number): Promise<Outcome>;
  close(): void;
}

/** Of a fleet that neither encrypts nor asks for a token. */
export const open: Trust = { token: "", ca: "", cert: "", key: "" };

/** @param address "host:port", or "tls://host:port" */
export function dial(address: string, trust: Trust): Channel {
  let secure: ChannelCredentials;
  try {
    secure = address.startsWith(tls) ? certified(trust) : credentials.createInsecure();
  } catch (error) {
    // As a lost connection: the files are read again when the host is dialled again.
    const reason = `no TLS with ${address}: ${(error as Error).message}`;
    return { ask: async () => ({ kind: "lost", reason }), close: () => {} };
  }
  const client = new Client(address.replace(tls, ""), secure, options);
  const request = Buffer.from(toBinary(RequestInfoSchema, create(RequestInfoSchema, { token: trust.token })));
  return {
    ask: (deadline) => ask(client, { address, request, deadline }),
    close: () => client.close(),
  };
}

const tls = "tls://";

/** @throws Error when a file cannot be read or is none of a certificate. */
function certified({ ca, cert, key }: Trust): ChannelCredentials {
  const file = (path: string): Buffer | null => (path === "" ? null : readFileSync(path));
  return credentials.createSsl(file(ca), file(key), file(cert));
}

interface Call {
  readonly address: string;
  readonly request: Buffer;
  /** Milliseconds. */
  readonly deadline: number;
}

function ask(client: Client, { address, request, deadline }: Call): Promise<Outcome> {
  return new Promise((resolve) => {
    let info: HostInfo | undefined;
    let unreadable: string | undefined;
    // A decoder that throws would look like any other failed call: it notes what it saw instead.
    const read = (bytes: Buffer): undefined => {
      try {
        info = decode(HostInfoSchema, bytes, hostBound);
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
        else if (error) resolve(failure(error, address, deadline));
        else if (info) resolve({ kind: "answer", info });
        else resolve({ kind: "bad", reason: "the answer was empty" });
      },
    );
  });
}

function failure(error: ServiceError, address: string, deadline: number): Outcome {
  const details = error.details ?? "";
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return { kind: "silence", reason: `no answer within ${Number((deadline / 1000).toFixed(1))} s` };
    case status.UNAVAILABLE:
      return { kind: "lost", reason: unavailable(details, address) };
    case status.CANCELLED:
      return { kind: "lost", reason: `the connection to ${address} was closed` };
    case status.UNIMPLEMENTED:
      return { kind: "bad", reason: `what answers at ${address} is no hmonitor: it does not know gpu.HostMonitor` };
    case status.RESOURCE_EXHAUSTED:
      return { kind: "bad", reason: `the answer could not be read: ${short(details)}` };
    default:
      return { kind: "bad", reason: `refused by ${address}: ${short(details) || status[error.code]}` };
  }
}

const ends: readonly (readonly [RegExp, (address: string) => string])[] = [
  [/ECONNREFUSED/, (at) => `connection refused at ${at}: is hmonitor running there?`],
  [
    /ECONNRESET|EPIPE|socket hang up|Connection dropped/i,
    (at) => `connection to ${at} was reset: does the agent's GOHM_ALLOW name this hub's address?`,
  ],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/i, (at) => `the name in ${at} cannot be resolved`],
  [/EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL/, (at) => `no route to ${at}`],
  [
    /certificate|altnames|self.signed|SSL|TLS/i,
    (at) => `the certificate shown at ${at} is not accepted, or it does not accept ours`,
  ],
  [/ETIMEDOUT/, (at) => `no connection to ${at}: nothing answers at that address`],
  [/protocol error|ERR_HTTP2|NGHTTP2|Parse Error/i, (at) => `what answers at ${at} does not speak gRPC`],
];

function unavailable(details: string, address: string): string {
  const known = ends.find(([pattern]) => pattern.test(details));
  return known ? known[1](address) : `no connection to ${address}: ${short(details)}`;
}

const short = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
