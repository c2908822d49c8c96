import { type ClientRequest, get } from "node:http";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { sslReason, usesTls } from "../program/certificate.ts";
import type { StartSources } from "../program/setting.ts";
import { hostPort } from "../program/setting.ts";
import { isPlaintextPeer } from "../program/tls.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  Health as HealthService,
} from "../proto/gen/health_pb.js";
import { HostMonitor } from "../proto/gen/host_pb.js";
import { parseAllow } from "./allow.ts";
import { exporterEnabled, type Settings, servesGrpc, tlsFiles } from "./settings.ts";
import { exporterAt } from "./toml.ts";

/** Name of the command that checks the health of a running agent with the same settings, for probes. */
export const command = "health";

/** An agent that is busy with a driver answers all the same; one that takes longer than this (ms) is stuck. */
const deadlineMs = 5000;

/** The agent does not answer, and why. */
export class HealthError extends Error {
  override name = "HealthError";
}

interface HealthTarget {
  readonly host: string;
  readonly port: number;
  /** What it speaks: the exporter's HTTP, gRPC without and with TLS, or TLS with clients that have a certificate only. */
  readonly speaks: "http" | "grpc" | "grpc-tls" | "tls";
}

/** Path of the exporter's probe: liveness, or readiness (the machine has been read). */
type ProbePath = "/healthz" | "/ready";

/** Where the agent that was started with the same settings answers. @throws HealthError */
function targetOf(settings: Settings, given: StartSources): HealthTarget {
  const at = (addr: string, speaks: HealthTarget["speaks"]): HealthTarget => {
    const { host, port } = hostPort(addr);
    if (port === 0) throw new HealthError(`${addr} lets the system choose the port: health cannot know it`);
    // "Any address" is one to listen on, not to connect to.
    return { host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port, speaks };
  };
  if (exporterEnabled(settings, given.env)) return at(exporterAt(settings, given.env).address, "http");
  if (!servesGrpc(settings, given))
    throw new HealthError("An agent that only reports answers nowhere: there is nothing to ask");
  const { addr, tlsClientCa } = settings;
  if (!usesTls(tlsFiles(settings))) return at(addr, "grpc");
  return at(addr, tlsClientCa === "" ? "grpc-tls" : "tls");
}

/** A connection that is reset while it is being made may end without any error. */
const cutOff = (): Error => Object.assign(new Error("it cut the connection off"), { code: "ECONNRESET" });

const other = (): NodeJS.ErrnoException => new Error("another program answers there");

/** Connects and calls back, perhaps several times, once the peer has answered as only a running agent does. Returns a function that disconnects. */
function ask({ host, port, speaks }: HealthTarget, page: ProbePath, answered: (error?: Error) => void): () => void {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  switch (speaks) {
    case "http": {
      const look = (path: string, then: (status: number | undefined, body: string) => void): ClientRequest => {
        let body = "";
        const request = get(`http://${authority}${path}`, { agent: false }, (response) => {
          response.setEncoding("utf8").on("data", (piece: string) => {
            body += piece;
            if (body.length > mostBytes) request.destroy(other());
          });
          response.on("end", () => then(response.statusCode, body));
        }).on("error", answered);
        return request;
      };
      // The first page contains our name; the others are the same in many programs.
      let request = look("/", (_, body) => {
        if (!/^hmonitor /.test(body)) return answered(other());
        request = look(page, (status) => answered(status === 200 ? undefined : new Error(`it answers ${status}`)));
      });
      return () => request.destroy();
    }
    case "grpc":
    case "grpc-tls": {
      // Liveness is checked, not identity: the certificate is not verified.
      const url = `${speaks === "grpc" ? "http" : "https"}://${authority}`;
      const session = connect(url, { rejectUnauthorized: false })
        .on("error", answered)
        .once("close", () => answered(cutOff()));
      checkHealth(session, answered);
      return () => session.destroy();
    }
    case "tls": {
      // Without a certificate of its own this command gets no further than the handshake.
      const options = { host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"] };
      const socket = connectTls(options, () => answered(socket.alpnProtocol === "h2" ? undefined : other()))
        .on("error", answered)
        .once("close", () => answered(cutOff()));
      return () => socket.destroy();
    }
    default:
      return speaks satisfies never;
  }
}

/** Characters or bytes of an answer that are looked at. */
const mostBytes = 4096;

/** Asks the standard health service for our own, which no other gRPC server has. */
function checkHealth(session: ClientHttp2Session, answered: (error?: Error) => void): void {
  const message = toBinary(
    HealthCheckRequestSchema,
    create(HealthCheckRequestSchema, { service: HostMonitor.typeName }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = session.request({
    ":method": "POST",
    ":path": `/${HealthService.typeName}/${HealthService.method.check.name}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  let answer = Buffer.alloc(0);
  let code: unknown;
  const read = (headers: IncomingHttpHeaders): void => {
    code = headers["grpc-status"] ?? code;
  };
  stream.on("response", read).on("trailers", read);
  stream.on("data", (piece: Buffer) => {
    answer = Buffer.concat([answer, piece]);
    if (answer.length > mostBytes) session.destroy(other());
  });
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // A TLS 1.3 server rejects a client after the handshake: then only the stream has the error, and the session no event.
    if (error.code?.startsWith("ERR_SSL_")) answered(error);
  });
  // Otherwise the session itself says why it ended.
  stream.on("close", () => {
    if (code === "0") answered(healthOf(answer.subarray(head.length)));
    else if (!session.destroyed) answered(other());
  });
  stream.end(Buffer.concat([head, message]));
}

function healthOf(answer: Uint8Array): Error | undefined {
  try {
    const { status } = fromBinary(HealthCheckResponseSchema, answer);
    const name = HealthCheckResponse_ServingStatus[status] ?? status;
    return status === HealthCheckResponse_ServingStatus.SERVING ? undefined : new Error(`it is ${name}`);
  } catch {
    // The answer is not a HealthCheckResponse.
    return other();
  }
}

/** Settings of an agent that cuts off a client without the same ones. */
const guards: Readonly<Record<HealthTarget["speaks"], string>> = {
  http: "GOHM_ALLOW",
  grpc: "GOHM_ALLOW, GOHM_TLS_CERT and GOHM_TLS_KEY",
  "grpc-tls": "GOHM_ALLOW and GOHM_TLS_CLIENT_CA",
  tls: "GOHM_ALLOW",
};

/** Names the settings of the agent that this command may lack, or have and the agent not. */
function hint({ speaks }: HealthTarget, error: NodeJS.ErrnoException): string {
  if (isPlaintextPeer(error)) return "; an agent without a certificate is asked without GOHM_TLS_CERT";
  const rejected = error.code === "ECONNRESET" || sslReason(error) !== undefined;
  return rejected ? `; ask with the agent's own ${guards[speaks]}` : "";
}

/**
 * Checks the health of the agent of this machine that was started with the same settings. The machine is not read.
 * @param ready Also checks that an agent with an exporter has read the machine.
 * @returns A sentence for the user.
 * @throws HealthError @throws SettingError
 */
export async function health(settings: Settings, given: StartSources, ready = false): Promise<string> {
  const door = targetOf(settings, given);
  const { host, port } = door;
  const where = `${host}:${port}`;
  // It sees us come from the address that we connect to. An agent that hangs resets no connection.
  const refusing = isIP(host) !== 0 && !parseAllow(settings.allow).allows(host);
  let hangUp = (): void => undefined;
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(new Error(`no answer in ${deadlineMs / 1000} s`)), deadlineMs);
    hangUp = ask(door, ready ? "/ready" : "/healthz", (failure) => {
      clearTimeout(timer);
      resolve(failure);
    });
  });
  hangUp();
  if (error === undefined) return `hmonitor answers on ${where}`;
  if (refusing && error.code === "ECONNRESET") {
    return `hmonitor resets connections of ${host} on port ${port}, as GOHM_ALLOW says: it is running`;
  }
  // What is sent there is neither HTTP nor HTTP/2.
  const failure: NodeJS.ErrnoException = /^(ERR_HTTP2_|HPE_)/.test(error.code ?? "") ? other() : error;
  const why = isPlaintextPeer(failure)
    ? "it does not speak TLS"
    : (sslReason(failure) ?? (failure.message || failure.code));
  throw new HealthError(`hmonitor does not answer on ${where}: ${why}${hint(door, failure)}`);
}
