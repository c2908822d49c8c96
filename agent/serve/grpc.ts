import type { Socket } from "node:net";
import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";
import { Status } from "@grpc/grpc-js/build/src/constants.js";
import { Server } from "@grpc/grpc-js/build/src/server.js";
import { ServerCredentials } from "@grpc/grpc-js/build/src/server-credentials.js";
import { Health } from "../../program/service/health.ts";
import { Reflection } from "../../program/service/reflection.ts";
import { encrypted, type TlsFiles, tlsDoor } from "../../program/tls.ts";
import { HealthCheckResponseSchema, Health as HealthService } from "../../proto/gen/health_pb.js";
import { type HostInfo, HostMonitor, type RequestInfo } from "../../proto/gen/host_pb.js";
import { ServerReflection, type ServerReflectionRequest } from "../../proto/gen/reflection_pb.js";
import type { Allow } from "../allow.ts";
import { gate } from "../gate.ts";
import { trackCalls } from "./grpc/call.ts";

export interface GrpcOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly allow: Allow;
  readonly tls: TlsFiles;
  /** Whether a caller who shows this token may read the machine. */
  readonly admits: (token: string) => boolean;
  readonly collect: () => Promise<HostInfo>;
  readonly log: (line: string) => void;
  readonly ticks: () => number;
}

export interface GrpcServer {
  readonly host: string;
  readonly port: number;
  /** Lets calls under way finish, up to `grace` milliseconds. */
  close(grace: number): Promise<void>;
}

const limits: grpc.ServerOptions = {
  // A request holds a token and a word.
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.max_connection_idle_ms": 300_000,
  // A hub asks one thing at a time. Each stream of a client that reads nothing costs the memory of one answer.
  "grpc.max_concurrent_streams": 16,
  "grpc.enable_channelz": 0,
};

/** How grpc-js wants a method that protobuf-es describes. */
function definition(service: string, method: DescMethod): grpc.MethodDefinition<Message, Message> {
  return {
    path: `/${service}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
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

/** Returns what ends the watchers' streams, which would otherwise last as long as the connection. */
function addHealth(server: grpc.Server, health: Health): () => void {
  const watchers = new Set<grpc.ServerWritableStream<{ service: string }, Message>>();
  const response = (status: number): Message => create(HealthCheckResponseSchema, { status });
  add(server, HealthService, {
    check(call: grpc.ServerUnaryCall<{ service: string }, Message>, done: grpc.sendUnaryData<Message>) {
      const status = health.status(call.request.service);
      if (status === undefined) {
        done({ code: Status.NOT_FOUND, details: `service "${call.request.service}" is not served here` });
      } else done(null, response(status));
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

const stranger = {
  code: Status.UNAUTHENTICATED,
  details: "wrong token: GOHM_TOKEN of the agent and poll.token of the hub must be the same",
};

/** The token that a call shows as `authorization: Bearer …`; "" if it shows none. */
function bearer(metadata: grpc.Metadata): string {
  const [value = ""] = metadata.get("authorization");
  return /^bearer +(.*)$/i.exec(String(value))?.[1] ?? "";
}

const alpha = "grpc.reflection.v1alpha.ServerReflection";

function addReflection(server: grpc.Server, reflection: Reflection, admits: GrpcOptions["admits"]): void {
  const handlers = {
    serverReflectionInfo(call: grpc.ServerDuplexStream<ServerReflectionRequest, Message>) {
      if (admits(bearer(call.metadata))) reflection.serve(call);
      else call.emit("error", stranger);
    },
  };
  add(server, ServerReflection, handlers);
  add(server, ServerReflection, handlers, alpha);
}

/**
 * Serves gpu.HostMonitor, reflection and health.
 * @throws Error of node:net (EADDRINUSE and such) when it cannot listen.
 */
export async function serveGrpc(options: GrpcOptions): Promise<GrpcServer> {
  const { allow, admits, collect, log, ticks } = options;
  const door = gate({ allow, log, ticks, enter: (socket) => enter(socket) });
  const server = new Server({ ...limits, interceptors: [trackCalls(door.connections)] });
  const health = new Health([HostMonitor.typeName]);
  add(server, HostMonitor, {
    getInfo(call: grpc.ServerUnaryCall<RequestInfo, HostInfo>, done: grpc.sendUnaryData<HostInfo>) {
      if (!admits(call.request.token || bearer(call.metadata))) return done(stranger);
      collect().then(
        (info) => done(null, info),
        (error: unknown) => done({ code: Status.INTERNAL, details: String(error) }),
      );
    },
  });
  const endWatches = addHealth(server, health);
  const files = [HostMonitor.file, HealthService.file, ServerReflection.file];
  // The older reflection is served but not listed: tools that know both would look for its description.
  const services = [HostMonitor.typeName, HealthService.typeName, ServerReflection.typeName];
  addReflection(server, new Reflection(files, services), admits);

  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const inject = (socket: Socket): void => injector.injectConnection(socket);
  const enter = encrypted(options.tls) ? tlsDoor({ files: options.tls, enter: inject, log, ticks }) : inject;
  const port = await door.listen(options);
  return {
    host: options.host,
    port,
    close(grace) {
      health.leave();
      endWatches();
      // Its callback comes before the last answers are out (grpc-js 1.14 on Node 24): our own listener knows better.
      server.tryShutdown(() => undefined);
      return door.close(grace);
    },
  };
}
