// Starts the built agent and calls it over gRPC, as a hub or a tool does.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { type Program, start, top } from "./program.ts";

/** A running agent on a free port. */
export interface Agent {
  readonly program: Program;
  readonly port: number;
  /** Calls a method (default GetInfo) and returns the bytes of the answer. */
  raw(method?: string, request?: Uint8Array): Promise<Buffer>;
  info(): Promise<HostInfo>;
  stop(): Promise<number | null>;
}

/** Calls one gRPC method. @throws ServiceError of grpc-js */
function call(client: grpc.Client, method: string, request: Uint8Array = new Uint8Array()): Promise<Buffer> {
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve, reject) => {
    const deadline = { deadline: Date.now() + 20_000 };
    client.makeUnaryRequest(method, same, same, Buffer.from(request), new grpc.Metadata(), deadline, (error, answer) =>
      error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
    );
  });
}

export async function startAgent(
  env: Readonly<Record<string, string>> = {},
  begin: () => Program = () => start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0", GOHM_ALLOW: "127.0.0.0/8", ...env }),
): Promise<Agent> {
  const program = begin();
  const [, port] = await program.line(/listens on \S+:(\d+)/);
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const raw = (method = "/gpu.HostMonitor/GetInfo", request?: Uint8Array): Promise<Buffer> =>
    call(client, method, request);
  return {
    program,
    port: Number(port),
    raw,
    info: async () => fromBinary(HostInfoSchema, await raw()),
    async stop() {
      client.close();
      return await program.stop();
    },
  };
}

/** Calls a method with buf's gRPC client, which has only the schema from server reflection. */
export function curl(port: number, path: string, ...args: string[]): string {
  const fixed = ["curl", "--protocol", "grpc", "--http2-prior-knowledge"];
  return execFileSync(
    join(top, "node_modules", ".bin", "buf"),
    [...fixed, ...args, `http://127.0.0.1:${port}${path}`],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}
