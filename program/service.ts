import type { Socket } from "node:net";
import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";
import { Status } from "@grpc/grpc-js/build/src/constants.js";
import { Server } from "@grpc/grpc-js/build/src/server.js";
import { ServerCredentials } from "@grpc/grpc-js/build/src/server-credentials.js";
import { HealthCheckResponseSchema, Health as HealthService } from "../proto/gen/health_pb.js";
import { ServerReflection, type ServerReflectionRequest } from "../proto/gen/reflection_pb.js";
import type { Certificate } from "./certificate.ts";
import { peerName } from "./connections.ts";
import { type ListenAddress, type Listener, type ListenerOptions, makeListener } from "./listen.ts";
import { trackCalls } from "./service/call.ts";
import { Health } from "./service/health.ts";
import { Reflection } from "./service/reflection.ts";
import { byFirstByte, makeTlsServer } from "./tls.ts";

export { Status };

/** An error that a call answers with its status code and message. Messages go to the client. */
export class StatusError extends Error {
  override name = "StatusError";
  readonly code: Status;

  constructor(code: Status, message: string) {
    super(message);
    this.code = code;
  }
}

/** One call, as its handler sees it. */
export interface CallContext {
  /** Aborts when the call ends: cancelled by the client, past its deadline, disconnected, or answered and read. */
  readonly signal: AbortSignal;
  /** Unix milliseconds by which the client wants the answer; Infinity if it set no deadline. */
  readonly deadline: number;
  /** IP address of the client; "unknown" if it is gone. */
  readonly address: string;
  /** Token of the metadata `authorization: Bearer …`; "" if there is none. */
  readonly token: string;
  /** True if the connection is encrypted. */
  readonly secure: boolean;
}

/** Answers a unary call with a message, or with the bytes of one. An error that is no StatusError ends the call as INTERNAL. */
export type UnaryHandler<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: CallContext,
) => Promise<MessageShape<M["output"]> | Uint8Array>;

/** A handler for each method of a service, all of them unary. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: S["method"][K]["methodKind"] extends "unary"
    ? UnaryHandler<S["method"][K]>
    : never;
};

/** Log of the program: warnings about clients, and errors of handlers. */
interface Log {
  warn(message: string): void;
  error(message: string): void;
}

export interface ServiceOptions<S extends DescService> extends Omit<ListenerOptions, "serve" | "log"> {
  readonly service: S;
  readonly handlers: Handlers<S>;
  /** Enables server reflection for calls for which it does not throw. */
  readonly reflection?: ((context: CallContext) => void) | undefined;
  /** Maps an error of a handler to a status; undefined logs the error and answers INTERNAL without its message. */
  readonly statusOf?: (error: unknown) => StatusError | undefined;
  /**
   * The certificate to show: undefined for a port without encryption at the moment, and left out for one that never has it.
   * With one, a client without encryption is served if `plain` is true, for the handlers to refuse it in words, else cut off.
   */
  readonly certificate?: () => Certificate | undefined;
  readonly plain?: boolean;
  readonly log: Log;
}

/** A running gRPC service. */
export interface RunningService {
  readonly host: string;
  readonly port: number;
  /** Closes connections whose addresses may no longer connect. */
  recheck(): void;
  /** Tells health watchers, lets calls under way finish, and cuts connections that are left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const limits: grpc.ServerOptions = {
  // Requests hold a few short strings.
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.max_connection_idle_ms": 300_000,
  // Clients make one call at a time. Each call of a client that reads nothing costs the memory of one answer.
  "grpc.max_concurrent_streams": 16,
  "grpc.enable_channelz": 0,
};

/**
 * Serves one gRPC service with the standard health service and, if enabled, server reflection.
 * @throws ListenError
 */
export async function startService<S extends DescService>(
  at: ListenAddress,
  options: ServiceOptions<S>,
): Promise<RunningService> {
  const { service, reflection } = options;
  const log = (line: string): void => options.log.warn(line);
  const listener: Listener = makeListener({ ...options, log, serve: (socket) => serve(socket) });
  const server = new Server({ ...limits, interceptors: [trackCalls(listener.connections)] });
  const health = new Health([service.typeName]);
  const encrypted = new EncryptedPeers();
  addMethods(server, options, encrypted);
  const endWatches = addHealth(server, health);
  if (reflection !== undefined) addReflection(server, options, { authorize: reflection, encrypted });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const inject: ListenerOptions["serve"] = (socket) => injector.injectConnection(socket);
  const serve = protect(options, { log, encrypted, inject });
  const { host, port } = await listener.listen(at);
  return {
    host,
    port,
    recheck: () => listener.recheck(),
    close(graceMs) {
      health.leave();
      endWatches();
      // grpc-js 1.14 calls back before the last answers are sent: the listener knows when connections are closed.
      server.tryShutdown(() => undefined);
      return listener.close(graceMs);
    },
  };
}

/** Names of the connections that are encrypted. */
class EncryptedPeers {
  readonly #names = new Set<string>();

  add(socket: Socket): void {
    const name = peerName(socket);
    this.#names.add(name);
    socket.once("close", () => this.#names.delete(name));
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }
}

interface Protected {
  readonly log: (line: string) => void;
  readonly encrypted: EncryptedPeers;
  readonly inject: (socket: Socket) => void;
}

/** Makes a function that serves admitted connections, over TLS as long as there is a certificate. */
function protect<S extends DescService>(
  { certificate, plain = false, ticks }: ServiceOptions<S>,
  { log, encrypted, inject }: Protected,
): (socket: Socket) => void {
  let tls: ((socket: Socket) => void) | undefined;
  const serve = (socket: Socket): void => {
    encrypted.add(socket);
    inject(socket);
  };
  return (socket) => {
    const now = certificate?.();
    if (now === undefined || certificate === undefined) {
      inject(socket);
      socket.resume();
      return;
    }
    tls ??= makeTlsServer({ certificate: () => certificate() ?? now, protocols: ["h2"], serve, log, ticks });
    // HTTP/2 reads by itself what was read already, and then goes on.
    if (plain) byFirstByte(socket, { tls, plain: inject });
    else tls(socket);
  };
}

/** The status of an error that ends a call. */
function failure<S extends DescService>(
  { statusOf, log }: Pick<ServiceOptions<S>, "statusOf" | "log">,
  error: unknown,
  method: string,
): Partial<grpc.StatusObject> {
  const known = error instanceof StatusError ? error : statusOf?.(error);
  if (known !== undefined) return statusObject(known);
  log.error(`${method} failed: ${String(error)}`);
  return { code: Status.INTERNAL, details: "The call failed; the server's log has the details" };
}

function addMethods<S extends DescService>(
  server: grpc.Server,
  options: ServiceOptions<S>,
  encrypted: EncryptedPeers,
): void {
  const { service, handlers } = options;
  const unary =
    (method: DescMethod, handler: UnaryHandler<DescMethod>): grpc.handleUnaryCall<Message, Message | Uint8Array> =>
    (call, done) => {
      const context = contextOf(call, encrypted);
      handler(call.request, context).then(
        (answer) => done(null, answer),
        (error: unknown) => {
          // The work for a client that is gone was stopped: nobody receives a status.
          if (context.signal.aborted && (error as Error).name === "AbortError") return;
          done(failure(options, error, `${service.typeName}.${method.name}`));
        },
      );
    };
  const entries = service.methods.map((method): [string, grpc.UntypedHandleCall] => {
    const handler = handlers[method.localName as keyof S["method"]] as UnaryHandler<DescMethod>;
    return [method.localName, unary(method, handler)];
  });
  add(server, service, Object.fromEntries(entries));
}

/** grpc-js encodes details by encodeURI, which throws at half of a surrogate pair: a cut text may end in one. */
const statusObject = ({ code, message }: StatusError): Partial<grpc.StatusObject> => ({
  code,
  details: Buffer.from(message).toString(),
});

type Call = grpc.ServerUnaryCall<Message, unknown> | grpc.ServerDuplexStream<Message, Message>;

function contextOf(call: Call, encrypted: EncryptedPeers): CallContext {
  const ended = new AbortController();
  // Emitted at the end of every call, whether it was cancelled or answered.
  call.once("cancelled", () => ended.abort());
  const [authorization = ""] = call.metadata.get("authorization");
  return {
    signal: ended.signal,
    deadline: Number(call.getDeadline()),
    address: call.getPeer().replace(/:\d+$/, ""),
    secure: encrypted.has(call.getPeer()),
    token: /^bearer +(.*)$/i.exec(String(authorization))?.[1] ?? "",
  };
}

/** Returns a function that ends the streams of watchers, which otherwise last as long as their connections. */
function addHealth(server: grpc.Server, health: Health): () => void {
  const watchers = new Set<grpc.ServerWritableStream<{ service: string }, Message>>();
  const response = (status: number): Message => create(HealthCheckResponseSchema, { status });
  add(server, HealthService, {
    check(call: grpc.ServerUnaryCall<{ service: string }, Message>, done: grpc.sendUnaryData<Message>) {
      const { service } = call.request;
      const status = health.status(service);
      if (status !== undefined) return done(null, response(status));
      done(statusObject(new StatusError(Status.NOT_FOUND, `There is no service "${service}" here`)));
    },
    watch(call: grpc.ServerWritableStream<{ service: string }, Message>) {
      watchers.add(call);
      const stop = health.watch(call.request.service, (status) => call.write(response(status)));
      for (const event of ["cancelled", "close"]) {
        call.on(event, () => {
          stop();
          watchers.delete(call);
        });
      }
    },
  });
  return () => {
    for (const call of watchers) call.end();
  };
}

/** Path of reflection for older tools: served, but not listed, because tools that list services ask for their descriptors. */
const alpha = "grpc.reflection.v1alpha.ServerReflection";

function addReflection<S extends DescService>(
  server: grpc.Server,
  options: ServiceOptions<S>,
  { authorize, encrypted }: { readonly authorize: (context: CallContext) => void; readonly encrypted: EncryptedPeers },
): void {
  const { service } = options;
  const all = [service, HealthService, ServerReflection];
  const reflection = new Reflection(
    all.map(({ file }) => file),
    all.map(({ typeName }) => typeName),
  );
  const handlers = {
    serverReflectionInfo(call: grpc.ServerDuplexStream<ServerReflectionRequest, Message>) {
      try {
        authorize(contextOf(call, encrypted));
      } catch (error) {
        call.emit("error", failure(options, error, ServerReflection.typeName));
        return;
      }
      reflection.serve(call);
    },
  };
  add(server, ServerReflection, handlers);
  add(server, ServerReflection, handlers, alpha);
}

function add(
  server: grpc.Server,
  service: DescService,
  handlers: grpc.UntypedServiceImplementation,
  name = service.typeName,
): void {
  const methods = service.methods.map((method) => [method.localName, definition(name, method)] as const);
  server.addService(Object.fromEntries(methods), handlers);
}

/** Describes a method of protobuf-es to grpc-js. */
function definition(service: string, method: DescMethod): grpc.MethodDefinition<Message, Message | Uint8Array> {
  return {
    path: `/${service}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (answer) => Buffer.from(answer instanceof Uint8Array ? answer : toBinary(method.output, answer)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}
