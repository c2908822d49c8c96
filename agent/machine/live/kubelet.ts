import { type Stats, statSync } from "node:fs";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { decode, type MessageLimits } from "../../../proto/bound.ts";
import {
  type ListPodResourcesResponse,
  ListPodResourcesResponseSchema,
  PodResourcesLister,
} from "../../../proto/gen/kubelet_pb.js";
import type { Grant } from "../machine.ts";

/** A node runs at most a few hundred pods, and few containers hold devices: 1 MiB is many times what that takes. */
const bound: MessageLimits = { bytes: 1024 * 1024, elements: 50_000 };

/** Length of a message's prefix in bytes: a compression flag, then its length. */
const prefix = 5;

/** Makes an error that the snapshot distinguishes by its name. */
const named = (name: "Hung" | "Unsupported", message: string): Error => Object.assign(new Error(message), { name });

function refused(socket: string): Error {
  return named("Unsupported", `${socket} may be asked by root only: pods go without names`);
}

/** Undefined if there is no socket. @throws Error if this user may not look. */
function find(path: string): string | undefined {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") throw refused(path);
    return undefined; // a part of the path is not a directory: there is no socket
  }
  return stats?.isSocket() ? path : undefined;
}

/**
 * Asks the first of the sockets that is there.
 * @returns Undefined when none is.
 */
export function grants(sockets: readonly string[], deadline: number): Promise<Grant[]> | undefined {
  try {
    const socket = sockets.map(find).find((path) => path !== undefined);
    return socket === undefined ? undefined : ask(socket, deadline);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** @throws Error if the message is malformed or exceeds the limits. */
function read(message: Buffer): ListPodResourcesResponse {
  try {
    return decode(ListPodResourcesResponseSchema, message, bound);
  } catch (error) {
    throw new Error(`the answer cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function ask(socket: string, deadline: number): Promise<Grant[]> {
  const { typeName, method } = PodResourcesLister;
  const message = await call(socket, `/${typeName}/${method.list.name}`, deadline);
  return read(message).podResources.flatMap(({ namespace, name: pod, containers }) =>
    containers.flatMap(({ name: container, devices, dynamicResources }) => {
      const claims = dynamicResources
        .flatMap(({ claimResources }) => claimResources)
        // Older kubelets name the container's view of a device only.
        .filter(({ driverName, deviceName }) => driverName !== "" && deviceName !== "");
      const given = [
        ...devices.map(({ resourceName, deviceIds }) => ({ resource: resourceName, devices: deviceIds })),
        ...claims.map(({ driverName, deviceName }) => ({ resource: driverName, devices: [deviceName] })),
      ];
      return given.map((each) => ({ namespace, pod, container, ...each }));
    }),
  );
}

/** Answer of a unary gRPC call: one message, then the status. */
class GrpcAnswer {
  readonly #pieces: Buffer[] = [];
  #size = 0;
  /** "" for a call that succeeded, else the code and what the server says of it; undefined before the end. */
  #status: string | undefined;

  /** @throws Error if the server does not speak gRPC. */
  hear(headers: IncomingHttpHeaders): void {
    const http = headers[":status"];
    if (http !== undefined && Number(http) !== 200)
      throw new Error(`answers with HTTP status ${http}: it is not a kubelet`);
    const code = headers["grpc-status"];
    if (code === undefined) return;
    this.#status = String(code) === "0" ? "" : `${code} ${unescaped(String(headers["grpc-message"] ?? ""))}`.trim();
  }

  /** @throws Error if the answer exceeds its limit. */
  take(piece: Buffer): void {
    this.#size += piece.length;
    this.#pieces.push(piece);
    if (this.#size > bound.bytes + prefix) throw new Error(`the answer is over ${bound.bytes} bytes`);
  }

  /** Returns the bytes of the message. @throws Error if the call failed or the message is incomplete. */
  message(): Buffer {
    if (this.#status) throw new Error(`the kubelet refuses: gRPC status ${this.#status}`);
    const all = Buffer.concat(this.#pieces);
    const whole = this.#status === "" && all.length >= prefix && all.readUInt32BE(1) === all.length - prefix;
    // The request accepts no compression.
    if (!whole || all[0] !== 0) throw new Error(`the answer is cut short (${all.length} bytes)`);
    return all.subarray(prefix);
  }
}

/** Text of grpc-message, in which some bytes are written as %41. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no UTF-8: better as it came than not at all
  }
}

const question = (path: string, deadline: number) => ({
  ":method": "POST",
  ":path": path,
  "content-type": "application/grpc",
  te: "trailers",
  "grpc-timeout": `${Math.round(deadline)}m`,
});

/**
 * One call of gRPC without arguments over a Unix socket. The agent's gRPC library is for its own doors; of a client, this
 * is all that is needed (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 * @returns Bytes of the answer's message.
 */
function call(socket: string, path: string, deadline: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2("http://localhost", { createConnection: () => connect(socket) });
    const answer = new GrpcAnswer();
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
      session.destroy();
    };
    const broken = (error: unknown): void => {
      // A stream that ends with its connection wraps what ended that.
      const { message, code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
      fail(code === "EACCES" ? refused(socket) : new Error(`${socket}: ${message}`));
    };
    const late = (): void => fail(named("Hung", `The kubelet did not answer within ${deadline / 1000} s`));
    const timer = setTimeout(late, deadline);
    const guarded =
      <T>(act: (value: T) => void) =>
      (value: T): void => {
        try {
          act(value);
        } catch (error) {
          broken(error);
        }
      };
    const stream = session.on("error", broken).request(question(path, deadline));
    stream.on("error", broken);
    for (const event of ["response", "trailers"])
      stream.on(
        event,
        guarded((headers: IncomingHttpHeaders) => answer.hear(headers)),
      );
    stream.on(
      "data",
      guarded((piece: Buffer) => answer.take(piece)),
    );
    stream.on(
      "close",
      guarded(() => {
        resolve(answer.message());
        clearTimeout(timer);
        session.destroy();
      }),
    );
    stream.end(Buffer.alloc(prefix));
  });
}
