import { connect } from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { HealthCheckRequestSchema, HealthCheckResponseSchema } from "../proto/gen/health_pb.js";
import { History, type HistReq, HistReqSchema, type HistResp, HistRespSchema } from "../proto/gen/history_pb.js";
import {
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../proto/gen/reflection_pb.js";
import { type CallContext, type RunningService, type ServiceOptions, StatusError, startService } from "./service.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Served {
  readonly running: RunningService;
  readonly client: grpc.Client;
  readonly log: string[];
}

type GetHistory = ServiceOptions<typeof History>["handlers"]["getHistory"];

async function serve(
  getHistory: GetHistory,
  options: Pick<ServiceOptions<typeof History>, "reflection" | "statusOf"> = {},
): Promise<Served> {
  const log: string[] = [];
  const line = (message: string): void => void log.push(message);
  const running = await startService(
    { address: "127.0.0.1:0", setting: "TEST_ADDR" },
    {
      name: "test port",
      service: History,
      handlers: { getHistory },
      log: { warn: line, error: line },
      ticks: () => performance.now(),
      ...options,
    },
  );
  undo.push(() => running.close(0));
  const client = new grpc.Client(`127.0.0.1:${running.port}`, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  undo.push(() => client.close());
  return { running, client, log };
}

interface UnaryCall {
  readonly answer: Promise<HistResp>;
  cancel(): void;
}

function ask(
  client: grpc.Client,
  options: { readonly request?: MessageInitShape<typeof HistReqSchema>; readonly deadline?: number } = {},
  metadata = new grpc.Metadata(),
): UnaryCall {
  let call: grpc.ClientUnaryCall | undefined;
  const answer = new Promise<HistResp>((resolve, reject) => {
    call = client.makeUnaryRequest(
      "/gpu.History/GetHistory",
      (request: HistReq) => Buffer.from(toBinary(HistReqSchema, request)),
      (bytes: Buffer) => fromBinary(HistRespSchema, bytes),
      create(HistReqSchema, options.request ?? {}),
      metadata,
      options.deadline === undefined ? {} : { deadline: options.deadline },
      (error, response) => (error ? reject(error) : resolve(response as HistResp)),
    );
  });
  answer.catch(() => undefined); // a test that cancels looks at the server only
  return { answer, cancel: () => call?.cancel() };
}

const samples = create(HistRespSchema, { t: [1n], v: [2n] });
const answering: GetHistory = () => Promise.resolve(samples);

/** A handler that waits until its call ends, and what it saw. */
function waiting(): {
  readonly getHistory: GetHistory;
  readonly begun: Promise<CallContext>;
  readonly ended: Promise<void>;
} {
  const begun = Promise.withResolvers<CallContext>();
  const ended = Promise.withResolvers<void>();
  const getHistory: GetHistory = (_request, context) => {
    begun.resolve(context);
    return new Promise((_, reject) => {
      context.signal.addEventListener("abort", () => {
        ended.resolve();
        reject(context.signal.reason);
      });
    });
  };
  return { getHistory, begun: begun.promise, ended: ended.promise };
}

test("a message and the bytes of one are the same answer", async () => {
  const whole = await serve(answering);
  const packed = await serve(() => Promise.resolve(toBinary(HistRespSchema, samples)));
  for (const { client } of [whole, packed]) expect(await ask(client).answer).toEqual(samples);
});

test("a handler sees the client's address, token and deadline", async () => {
  const seen: CallContext[] = [];
  const { client } = await serve((_request, context) => {
    seen.push(context);
    return Promise.resolve(samples);
  });
  const metadata = new grpc.Metadata();
  metadata.set("authorization", "bearer  swordfish");
  const deadline = Date.now() + 60_000;
  await ask(client, { deadline }, metadata).answer;
  await ask(client).answer;
  expect(seen).toMatchObject([
    { address: "127.0.0.1", token: "swordfish" },
    { address: "127.0.0.1", token: "", deadline: Number.POSITIVE_INFINITY },
  ]);
  // gRPC sends the time that is left, in whole milliseconds.
  expect(Math.abs((seen[0]?.deadline ?? 0) - deadline)).toBeLessThan(5000);
});

test("a handler's signal aborts when the client cancels, and nothing is logged", async () => {
  const { getHistory, begun, ended } = waiting();
  const { client, log } = await serve(getHistory);
  const asked = ask(client);
  expect((await begun).signal.aborted).toBe(false);
  asked.cancel();
  await ended;
  expect(log).toEqual([]);
});

test("a handler's signal aborts at the client's deadline", async () => {
  const { getHistory, ended } = waiting();
  const { client } = await serve(getHistory);
  await expect(ask(client, { deadline: Date.now() + 200 }).answer).rejects.toMatchObject({
    code: grpc.status.DEADLINE_EXCEEDED,
  });
  await ended;
});

test("a handler's signal aborts when the connection is gone", async () => {
  const { getHistory, begun, ended } = waiting();
  const { running } = await serve(getHistory);
  const session = connect(`http://127.0.0.1:${running.port}`);
  undo.push(() => session.destroy());
  const path = "/gpu.History/GetHistory";
  session
    .request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" })
    .on("error", () => undefined)
    .end(Buffer.alloc(5));
  await begun;
  session.socket.destroy();
  await ended;
});

test("a handler's signal aborts after its answer was sent", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { client } = await serve((_request, { signal }) => {
    signal.addEventListener("abort", () => resolve());
    return Promise.resolve(samples);
  });
  await ask(client).answer;
  await promise;
});

test("an error's status and message go to the client; those of an unexpected error go to the log only", async () => {
  const { client, log } = await serve(
    async ({ id }) => {
      if (id === "status") throw new StatusError(grpc.status.NOT_FOUND, "no such host");
      if (id === "mapped") throw new RangeError("too far");
      throw new Error("secret path");
    },
    {
      statusOf: (error) =>
        error instanceof RangeError ? new StatusError(grpc.status.OUT_OF_RANGE, error.message) : undefined,
    },
  );
  const fail = (id: string) => ask(client, { request: { id } }).answer;
  await expect(fail("status")).rejects.toMatchObject({ code: grpc.status.NOT_FOUND, details: "no such host" });
  await expect(fail("mapped")).rejects.toMatchObject({ code: grpc.status.OUT_OF_RANGE, details: "too far" });
  expect(log).toEqual([]);
  await expect(fail("other")).rejects.toMatchObject({
    code: grpc.status.INTERNAL,
    details: expect.not.stringContaining("secret"),
  });
  expect(log).toEqual(["gpu.History.GetHistory failed: Error: secret path"]);
});

test("a message that was cut within a character reaches the client", async () => {
  const { client } = await serve(() => Promise.reject(new StatusError(grpc.status.NOT_FOUND, "no \ud83d")));
  await expect(ask(client).answer).rejects.toMatchObject({ code: grpc.status.NOT_FOUND, details: "no \ufffd" });
});

/** Asks for the services of a server by reflection. */
function services(client: grpc.Client, version: string): Promise<string[]> {
  const stream = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (messageRequest: { case: "listServices"; value: string }) =>
      Buffer.from(toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest }))),
    (bytes: Buffer) => fromBinary(ServerReflectionResponseSchema, bytes),
  );
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.once("data", ({ messageResponse }: ServerReflectionResponse) => {
      stream.end();
      const listed = messageResponse.case === "listServicesResponse" ? messageResponse.value.service : [];
      resolve(listed.map(({ name }) => name));
    });
    stream.write({ case: "listServices", value: "" });
  });
}

test.each(["v1", "v1alpha"])("reflection %s lists the service and the two standard ones", async (version) => {
  const { client } = await serve(answering, { reflection: () => undefined });
  expect(await services(client, version)).toEqual([
    "gpu.History",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
  ]);
});

test.each(["v1", "v1alpha"])(
  "reflection %s is off by default, and refused where it is not allowed",
  async (version) => {
    const off = await serve(answering);
    await expect(services(off.client, version)).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
    const closed = await serve(answering, {
      reflection: () => {
        throw new StatusError(grpc.status.UNAUTHENTICATED, "who are you?");
      },
    });
    await expect(services(closed.client, version)).rejects.toMatchObject({
      code: grpc.status.UNAUTHENTICATED,
      details: "who are you?",
    });
  },
);

const codecs = [
  (service: string) => Buffer.from(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }))),
  (bytes: Buffer) => fromBinary(HealthCheckResponseSchema, bytes).status as number,
] as const;

function check(client: grpc.Client, service: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest("/grpc.health.v1.Health/Check", ...codecs, service, (error, status) =>
      error ? reject(error) : resolve(status),
    );
  });
}

test("health is SERVING for the server and its service, and NOT_FOUND for others", async () => {
  const { client } = await serve(answering);
  expect([await check(client, ""), await check(client, "gpu.History")]).toEqual([1, 1]);
  await expect(check(client, "gpu.Other")).rejects.toMatchObject({
    code: grpc.status.NOT_FOUND,
    details: 'There is no service "gpu.Other" here',
  });
});

test("closing tells health watchers, ends their streams, and lets a call under way finish", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<HistResp>();
  const { client, running } = await serve(() => {
    begun.resolve();
    return finish.promise;
  });
  const { answer } = ask(client);
  await begun.promise;
  const stream = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", ...codecs, "");
  const told: number[] = [];
  const first = Promise.withResolvers<void>();
  stream.on("data", (status: number) => {
    told.push(status);
    first.resolve();
  });
  await first.promise;
  const ended = new Promise((resolve) => stream.once("end", resolve));
  // Far more than a test takes: nothing is cut.
  const closed = running.close(60_000);
  await ended;
  expect(told).toEqual([1, 2]);
  finish.resolve(samples);
  expect(await answer).toEqual(samples);
  await closed;
});

test("closing cuts a call that does not finish", async () => {
  const { getHistory, begun, ended } = waiting();
  const { client, running } = await serve(getHistory);
  const { answer } = ask(client);
  await begun;
  await running.close(0);
  await ended;
  // The client names it by what it saw first: the end of the connection, or of the stream.
  await expect(answer).rejects.toMatchObject({
    code: expect.toBeOneOf([grpc.status.UNAVAILABLE, grpc.status.INTERNAL]),
  });
});
