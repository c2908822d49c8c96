import { type AddressInfo, createServer, type Server } from "node:net";
import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Connections, rpcLimits } from "../../program/connections.ts";
import { networkOf } from "../../program/network.ts";
import { rateLimited } from "../../program/rate-limit.ts";
import { Health } from "../../program/service/health.ts";
import { Reflection } from "../../program/service/reflection.ts";
import { address, hostPort, row, type Table, yes } from "../../program/setting.ts";
import { HealthCheckResponseSchema, Health as HealthService } from "../../proto/gen/health_pb.js";
import { History, type HistReq } from "../../proto/gen/history_pb.js";
import { ServerReflection, type ServerReflectionRequest } from "../../proto/gen/reflection_pb.js";
import { packSamples } from "../../proto/history.ts";
import { asFault, Fault, type Kind } from "../fault.ts";
import { find, type Present, samples } from "../history/series.ts";
import { trackCalls } from "./grpc/call.ts";
import { Turns } from "./grpc/turns.ts";
import type { HubView, View } from "./view.ts";

/** gRPC status of each kind of fault. */
export const statuses: Readonly<Record<Kind, grpc.status>> = {
  canceled: grpc.status.CANCELLED,
  unknown: grpc.status.UNKNOWN,
  invalid_argument: grpc.status.INVALID_ARGUMENT,
  deadline_exceeded: grpc.status.DEADLINE_EXCEEDED,
  not_found: grpc.status.NOT_FOUND,
  already_exists: grpc.status.ALREADY_EXISTS,
  permission_denied: grpc.status.PERMISSION_DENIED,
  resource_exhausted: grpc.status.RESOURCE_EXHAUSTED,
  failed_precondition: grpc.status.FAILED_PRECONDITION,
  aborted: grpc.status.ABORTED,
  out_of_range: grpc.status.OUT_OF_RANGE,
  unimplemented: grpc.status.UNIMPLEMENTED,
  internal: grpc.status.INTERNAL,
  unavailable: grpc.status.UNAVAILABLE,
  data_loss: grpc.status.DATA_LOSS,
  unauthenticated: grpc.status.UNAUTHENTICATED,
};

/** Samples in one answer, the newest: 23 days at one every ten seconds, and less than the 4 MiB that clients take. */
const most = 200_000;

/** Answers that are made and sent at the same time: each takes up to 3 MB until its caller has read it. */
const atOnce = { total: 32, perAddress: 4 };

/** Milliseconds for calls under way when the hub stops. */
const grace = 1000;

const limits: grpc.ServerOptions = {
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.max_concurrent_streams": 16,
  "grpc.max_connection_idle_ms": 300_000,
  "grpc.enable_channelz": 0,
};

const table = {
  reflection: row({
    name: "history.reflection",
    env: "GOHM_HISTORY_REFLECTION",
    default: false,
    help: "Answers server reflection on the gRPC port, for grpcurl and the like; takes effect at the start of the hub.",
    reader: yes,
  }),
  address: row({
    name: "history-addr",
    env: "GOHM_HISTORY_ADDR",
    only: "start",
    default: "0.0.0.0:9204",
    help: "Where the gRPC service gpu.History listens.",
    reader: address,
  }),
} satisfies Table;

/** gpu.History, with reflection and health, on a port of its own. */
export const history: View<typeof table> = {
  name: "grpc",
  table,
  async open(sight, settings) {
    const ticks = (): number => performance.now();
    const flooded = rateLimited(sight.log.warn, ticks, "The gRPC port was flooded by");
    const full = rateLimited(sight.log.warn, ticks, "No place on the gRPC port for another connection from");
    const connections = new Connections({ limits: rpcLimits, ticks, flooded });
    const server = new grpc.Server({ ...limits, interceptors: [trackCalls(connections)] });
    const health = new Health([History.typeName]);
    addHistory(server, sight);
    addHealth(server, health);
    if (settings.reflection) addReflection(server);
    const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    const listener = createServer({ noDelay: true }, (socket) => {
      if (connections.admit(socket)) return injector.injectConnection(socket);
      socket.on("error", () => undefined); // the reset may meet one from the other side; both mean gone
      full(socket.remoteAddress);
      socket.resetAndDestroy();
    });
    const { host, port } = await listen(listener, settings.address);
    return {
      place: `history gRPC on ${host.includes(":") ? `[${host}]` : host}:${port}`,
      close() {
        health.leave();
        listener.close();
        // Whoever reads a long history may finish; whoever just watches the health service may not hold the hub up.
        injector.drain(grace);
        return new Promise((resolve) => {
          const cancel = sight.clock.after(grace, () => server.forceShutdown());
          server.tryShutdown(() => {
            cancel();
            injector.destroy();
            resolve();
          });
        });
      },
    };
  },
};

function addHistory(server: grpc.Server, sight: HubView): void {
  const turns = new Turns(atOnce);
  add(server, History, {
    getHistory(call: grpc.ServerUnaryCall<HistReq, Uint8Array>, done: grpc.sendUnaryData<Uint8Array>) {
      const address = networkOf(call.getPeer().replace(/:\d+$/, ""));
      let made: Promise<void> | undefined;
      const leave = turns.enter(address, () => {
        made = answer(sight, call.request).then(
          (bytes) => done(null, bytes),
          (error: unknown) => {
            const fault = asFault(error);
            if (fault.code === "internal") sight.log.error(`History.GetHistory failed: ${String(error)}`);
            done({ code: statuses[fault.kind], details: fault.message });
          },
        );
      });
      // Emitted once the answer is out, too. The work for a caller who left goes on to its end, and so does its turn.
      call.once("cancelled", () => (made ? void made.then(leave) : leave()));
    },
  });
}

/** A HistResp, as bytes: a message of 200,000 bigints would keep the polls waiting. */
async function answer({ live, history, clock }: HubView, { id, type, timestamp }: HistReq): Promise<Uint8Array> {
  const present: Present = new Map(
    live.hosts().map(({ name, info }) => [name, (info?.gpus ?? []).map((gpu) => gpu.id ?? 0)]),
  );
  const wanted = find({ id, type }, history.known(), present);
  // Rounded up: a sample a millisecond before the time asked for is not at or after it.
  const from = Number((timestamp + 999_999n) / 1_000_000n);
  const range = { from, to: clock.now() + 1, step: 0 };
  const [held] = await samples(history, [wanted], { range, most });
  return packSamples(held ?? { t: new Float64Array(), v: new Float64Array() });
}

function addHealth(server: grpc.Server, health: Health): void {
  const response = (status: number): Message => create(HealthCheckResponseSchema, { status });
  add(server, HealthService, {
    check(call: grpc.ServerUnaryCall<{ service: string }, Message>, done: grpc.sendUnaryData<Message>) {
      const status = health.status(call.request.service);
      if (status !== undefined) return done(null, response(status));
      done({ code: grpc.status.NOT_FOUND, details: `There is no service "${call.request.service}" here` });
    },
    watch(call: grpc.ServerWritableStream<{ service: string }, Message>) {
      const stop = health.watch(call.request.service, (status) => call.write(response(status)));
      call.on("cancelled", stop);
      call.on("close", stop);
    },
  });
}

const alpha = "grpc.reflection.v1alpha.ServerReflection";

function addReflection(server: grpc.Server): void {
  const files = [History.file, HealthService.file, ServerReflection.file];
  // The older reflection is served but not listed: tools that know both would look for its description.
  const reflection = new Reflection(files, [History.typeName, HealthService.typeName, ServerReflection.typeName]);
  const handlers = {
    serverReflectionInfo: (call: grpc.ServerDuplexStream<ServerReflectionRequest, Message>) => reflection.serve(call),
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

function definition(service: string, method: DescMethod): grpc.MethodDefinition<Message, Message> {
  return {
    path: `/${service}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    // History packs its answers by itself.
    responseSerialize: (message) =>
      message instanceof Uint8Array ? Buffer.from(message) : Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

/** @throws Fault port_in_use, address_unusable */
function listen(listener: Server, address: string): Promise<{ host: string; port: number }> {
  const { host, port } = hostPort(address);
  return new Promise((resolve, reject) => {
    listener.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, address)));
    listener.listen({ host, port }, () => resolve({ host, port: (listener.address() as AddressInfo).port }));
  });
}

function cannotListen({ code, message }: NodeJS.ErrnoException, address: string): Fault {
  if (code === "EADDRINUSE") {
    return new Fault(
      "port_in_use",
      `Cannot listen on ${address} (GOHM_HISTORY_ADDR): another program, perhaps another hub, listens there already; end it or set GOHM_HISTORY_ADDR to another address`,
    );
  }
  return new Fault(
    "address_unusable",
    `Cannot listen on ${address} (GOHM_HISTORY_ADDR): ${message}; set GOHM_HISTORY_ADDR to an address of this machine and a free port`,
  );
}
