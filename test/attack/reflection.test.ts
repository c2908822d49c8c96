// A client that asks for descriptors without end and reads none of them: before, during and after.
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { ServerReflectionRequestSchema } from "../../proto/gen/reflection_pb.js";
import { startAgent } from "../agent.ts";
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
  readonly symbol: string;
  ask(): Promise<unknown>;
}

async function agent(): Promise<Served> {
  const { program, port, info, stop } = await startAgent({ GOHM_NOGPU: "true" });
  undo.push(stop);
  return { program, port, symbol: "gpu.HostInfo", ask: info };
}

async function hub(): Promise<Served> {
  const at: HubFolder = hubFolder();
  undo.push(() => at.remove());
  at.write({ servers: {}, history: { reflection: true } });
  const program = await startHub(at);
  undo.push(() => program.stop());
  const ask = (): Promise<unknown> =>
    getHistory(program.history, { id: "x_0", type: "util" }).catch((error: grpc.ServiceError) => {
      // The hub knows no such host: it has answered.
      if (error.code !== grpc.status.NOT_FOUND) throw error;
    });
  return { program, port: Number(program.history.split(":").at(-1)), symbol: "gpu.HistResp", ask };
}

describe.each([
  ["agent", agent],
  ["hub", hub],
])("%s", (_, begin) => {
  test("answers others, does not grow, and stops on SIGTERM, while a client asks for descriptors and reads none", async () => {
    const { program, port, symbol, ask } = await begin();
    await ask();
    const before = memory(program.child.pid);
    const attack = await askWithoutReading(port, path, asking(symbol));
    undo.push(attack.stop);
    for (let i = 0; i < 40; i++) await ask();
    expect(memory(program.child.pid) - before).toBeLessThan(100e6);
    expect(await program.stop()).toBe(0);
  });
});
