// A client that asks for descriptors without end and reads none of them: before, during and after.
import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { ServerReflectionRequestSchema } from "../../proto/gen/reflection_pb.js";
import { startAgent } from "../agent.ts";
import { CertificateFolder, certifies } from "../certificate.ts";
import { getHistory, type HubFolder, hubFolder, startHub } from "../hub.ts";
import type { Program } from "../program.ts";
import { askWithoutReading, memory } from "./peer.ts";

const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const asking = (symbol: string): Uint8Array =>
  toBinary(
    ServerReflectionRequestSchema,
    create(ServerReflectionRequestSchema, { messageRequest: { case: "fileContainingSymbol", value: symbol } }),
  );

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Served {
  readonly program: Program;
  readonly port: number;
  readonly scheme?: "https";
  readonly symbol: string;
  ask(): Promise<unknown>;
}

async function agent(): Promise<Served> {
  const { program, port, info, stop } = await startAgent({ GOHM_NOGPU: "true" });
  undo.push(stop);
  return { program, port, symbol: "gpu.HostInfo", ask: info };
}

async function hub(env: Readonly<Record<string, string>> = {}, ca?: Buffer): Promise<Served> {
  const at: HubFolder = hubFolder();
  undo.push(() => at.remove());
  at.write({ servers: {}, history: { reflection: true } });
  const program = await startHub(at, env);
  undo.push(() => program.stop());
  const ask = (): Promise<unknown> =>
    getHistory(program.history, { id: "x_0", type: "util" }, ca).catch((error: grpc.ServiceError) => {
      // The hub knows no such host: it has answered.
      if (error.code !== grpc.status.NOT_FOUND) throw error;
    });
  return { program, port: Number(program.history.split(":").at(-1)), symbol: "gpu.HistResp", ask };
}

async function hubWithTls(): Promise<Served> {
  const certificates = new CertificateFolder();
  undo.push(() => certificates.remove());
  const { cert, key } = certificates.make();
  const served = await hub({ GOHM_HUB_TLS_CERT: cert, GOHM_HUB_TLS_KEY: key }, readFileSync(cert));
  return { ...served, scheme: "https" };
}

const begins: readonly (readonly [string, () => Promise<Served>])[] = [
  ["agent", agent],
  ["hub", () => hub()],
  ...(certifies ? ([["hub with TLS", hubWithTls]] as const) : []),
];

describe.each(begins)("%s", (_, begin) => {
  test("answers others, does not grow, and stops on SIGTERM, while a client asks for descriptors and reads none", async () => {
    const { program, port, scheme = "http", symbol, ask } = await begin();
    await ask();
    const before = memory(program.child.pid);
    const attack = await askWithoutReading({ port, scheme }, path, asking(symbol));
    undo.push(attack.stop);
    for (let i = 0; i < 40; i++) await ask();
    expect(memory(program.child.pid) - before).toBeLessThan(100e6);
    expect(await program.stop()).toBe(0);
  });
});
