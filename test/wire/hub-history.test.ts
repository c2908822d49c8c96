// gRPC History as the first GOHM's clients call it, reflection and health beside it, over real sockets.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { HealthCheckRequestSchema, HealthCheckResponseSchema } from "../../proto/gen/health_pb.js";
import { HistMapSchema } from "../../proto/gen/history_pb.js";
import {
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../proto/gen/reflection_pb.js";
import { unpackAnswer } from "../../proto/history.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
let client: grpc.Client;

beforeAll(async () => {
  at = hubFolder();
  host = await playHost(() => machine(Date.now()));
  // Names with underscores, one of them looking like another's GPU.
  at.write({ servers: { my_lab: host.address, my_lab_0: host.address, gone: "127.0.0.1:1" }, poll: { interval: 1 } });
  hub = await startHub(at);
  client = new grpc.Client(hub.history, grpc.credentials.createInsecure());
  await vi.waitFor(
    async () => expect((await getHistory(hub.history, { id: "my_lab_0_1", type: "util" })).t.length).toBeGreaterThan(2),
    { timeout: 20_000, interval: 100 },
  );
});

afterAll(async () => {
  client.close();
  expect(await hub.stop()).toBe(0);
  host.close();
  at.remove();
});

test.each([
  ["my_lab_0", "gpumem", 2500n],
  ["my_lab_0", "util", 40n],
  ["my_lab_1", "util", 41n],
  ["my_lab_1", "temp", 50n],
  ["my_lab_1", "gpu_power", 300_000n],
  ["my_lab_1", "gpu_memory_used", 20_000_000_000n],
  ["my_lab_0_1", "util", 41n],
  ["my_lab", "cpu_utilization", 1235n],
  ["my_lab_0", "load1", 50n],
  ["my_lab", "memory_used", 50n],
])("%s %s is %d in every sample, at Unix nanoseconds, oldest first", async (id, type, value) => {
  const { t, v } = await getHistory(hub.history, { id, type });
  expect(t.length).toBeGreaterThan(1);
  expect(new Set(v)).toEqual(new Set([value]));
  expect(t).toEqual([...t].sort((a, b) => (a < b ? -1 : 1)));
  expect(Math.abs(Number((t.at(-1) ?? 0n) / 1_000_000n) - Date.now())).toBeLessThan(60_000);
});

test("a series that a card does not offer is empty, not 0", async () => {
  expect((await getHistory(hub.history, { id: "my_lab_0", type: "fan" })).t).toEqual([]);
});

test("samples at the time asked for are in, those a nanosecond before it are not", async () => {
  const ask = (timestamp: bigint) => getHistory(hub.history, { id: "my_lab_0", type: "util", timestamp });
  const [first = 0n, second = 0n] = (await ask(0n)).t;
  expect((await ask(first)).t[0]).toBe(first);
  expect((await ask(first + 1n)).t[0]).toBe(second);
  expect((await ask(2n ** 64n - 1n)).t).toEqual([]);
});

test.each([
  ["stranger_0", "util", grpc.status.NOT_FOUND, /servers are .*my_lab/],
  ["my_lab_7", "util", grpc.status.NOT_FOUND, /its GPUs are my_lab_0, my_lab_1/],
  ["gone_0", "util", grpc.status.NOT_FOUND, /\(none\)/],
  ["my_lab_1", "colour", grpc.status.INVALID_ARGUMENT, /gpumem, util, temp, fan/],
  ["my_lab", "", grpc.status.INVALID_ARGUMENT, /memory_used/],
])("%s %s is refused with status %d and what is allowed", async (id, type, code, words) => {
  await expect(getHistory(hub.history, { id, type })).rejects.toMatchObject({
    code,
    details: expect.stringMatching(words),
  });
});

test("a request that is garbage is refused, and the next one answered", async () => {
  const same = (held: Buffer): Buffer => held;
  const error = await new Promise<grpc.ServiceError | null>((resolve) => {
    client.makeUnaryRequest("/gpu.History/GetHistory", same, same, Buffer.from("ffffff", "hex"), resolve);
  });
  expect(error?.code).toBe(grpc.status.INTERNAL);
  expect((await getHistory(hub.history, { id: "my_lab_0", type: "util" })).t.length).toBeGreaterThan(0);
});

test("every interface gives the same samples: gRPC, /pk, /hist, and /api/history in JSON and protobuf", async () => {
  const { t, v } = await getHistory(hub.history, { id: "my_lab_1", type: "util" });
  const [first = 0n, end = 0n] = [t[0], (t.at(-1) ?? 0n) + 1n];
  const map = await (await fetch(`${hub.url}/pk?host=my_lab&type=util&from=${first}&to=${end}`)).text();
  expect(fromBinary(HistMapSchema, Buffer.from(map, "base64")).data.my_lab_1).toMatchObject({ t, v });
  const list = await (await fetch(`${hub.url}/hist?host=my_lab&type=util&from=${first}&to=${end}`)).json();
  expect(list).toMatchObject({ my_lab_1: v.map(Number) });
  const words = `host=my_lab&key=GPU-1&metric=gpu_utilization&of=last&step=0&from=${first / 1_000_000n}&to=${end / 1_000_000n + 1n}`;
  const wanted = { t: t.map((ns) => Number(ns / 1_000_000n)), last: v.map(Number) };
  const plain = (await (await fetch(`${hub.url}/api/history?${words}`)).json()) as { series: object[] };
  expect(plain.series).toMatchObject([wanted]);
  const headers = { Accept: "application/x-protobuf" };
  const packed = await (await fetch(`${hub.url}/api/history?${words}`, { headers })).arrayBuffer();
  const [series] = unpackAnswer(new Uint8Array(packed)).series;
  expect({ t: [...(series?.t ?? [])], last: [...(series?.columns.last ?? [])] }).toEqual(wanted);
});

test("the fleet's history is grouped: the power of all cards, and of those of each host", async () => {
  const ask = async (by: string) =>
    (await (await fetch(`${hub.url}/api/fleet/history?metric=gpu_power&by=${by}&step=3600000`)).json()) as {
      groups: { name: string; series: number; sum: number[]; max: number[] }[];
    };
  const [all] = (await ask("all")).groups;
  expect([all?.series, all?.sum.at(-1), all?.max.at(-1)]).toEqual([4, 1_200_000, 300_000]);
  expect((await ask("host")).groups.map(({ name, series, sum }) => [name, series, sum.at(-1)])).toEqual([
    ["my_lab", 2, 600_000],
    ["my_lab_0", 2, 600_000],
  ]);
  expect((await ask("model")).groups).toMatchObject([{ name: "NVIDIA H100", series: 4 }]);
});

test.each(["", "gpu.History"])('the health service says SERVING for "%s"', async (service) => {
  const answer = await new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      () => Buffer.from(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }))),
      (bytes: Buffer) => fromBinary(HealthCheckResponseSchema, bytes),
      null,
      (error: grpc.ServiceError | null, value?: unknown) => (error ? reject(error) : resolve(value)),
    );
  });
  expect(answer).toMatchObject({ status: 1 });
});

/** Asks a hub for its services by reflection. */
function services(address: grpc.Client, version: string): Promise<string[]> {
  const stream = address.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (asked: { case: "listServices"; value: string }) =>
      Buffer.from(
        toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest: asked })),
      ),
    (bytes: Buffer) => fromBinary(ServerReflectionResponseSchema, bytes),
  );
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.once("data", ({ messageResponse }: ServerReflectionResponse) => {
      stream.end();
      resolve(
        messageResponse.case === "listServicesResponse" ? messageResponse.value.service.map(({ name }) => name) : [],
      );
    });
    stream.write({ case: "listServices", value: "" });
  });
}

test.each(["v1", "v1alpha"])("reflection %s is not answered unless the settings ask for it", async (version) => {
  await expect(services(client, version)).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
});

test("reflection, if enabled, lists the services once, so that grpcurl needs no file", async () => {
  const other = hubFolder();
  other.write({ servers: {}, history: { reflection: true } });
  const reflecting = await startHub(other);
  const asking = new grpc.Client(reflecting.history, grpc.credentials.createInsecure());
  try {
    for (const version of ["v1", "v1alpha"]) {
      // The older reflection has no description that could be asked for: it answers, and is not listed.
      expect(await services(asking, version)).toEqual([
        "gpu.History",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
      ]);
    }
  } finally {
    asking.close();
    expect(await reflecting.stop()).toBe(0);
    other.remove();
  }
});
