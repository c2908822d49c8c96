// A simulated machine: a real gRPC server that answers GetInfo with a given message, bytes or error.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { HostInfoSchema, State } from "../proto/gen/host_pb.js";

export type Info = MessageInitShape<typeof HostInfoSchema>;

export interface PlayedHost {
  readonly address: string;
  readonly port: number;
  /** Returns the number of calls so far. */
  readonly calls: () => number;
  /** Sets the answer: bytes that are sent unchanged, a message, or an error. */
  answer(with_: () => Buffer | Info | Error): void;
  close(): void;
}

const bytes = (info: Info): Buffer => Buffer.from(toBinary(HostInfoSchema, create(HostInfoSchema, info)));

/** Makes the report of a machine with two cards, as a current agent sends it. */
export function machine(now: number, load = 40): Info {
  const sampled = BigInt(now);
  const gpu = (id: number): NonNullable<Info["gpus"]>[number] => ({
    id,
    uuid: `GPU-${id}`,
    name: "NVIDIA H100",
    memUsed: 20_000_000_000n,
    memTotal: 80_000_000_000n,
    utilization: load + id,
    temp: 50,
    power: 300_000,
    state: State.OK,
    sampled,
    procs: [{ pid: 100 + id, uid: 1000, username: "ada", basename: "python", mem: 19_000_000_000n }],
  });
  return {
    id: "5",
    hostname: "node",
    agentVersion: "0",
    sampled,
    gpus: [gpu(0), gpu(1)],
    disks: [{ device: "/dev/sda1", mount: "/", used: 1n, total: 2n }],
    cpu: { busy: 12.345, threads: 8 },
    memory: { total: 100n, used: 50n },
    nics: [{ name: "eth0", rxRate: 10n, txRate: 20n }],
    system: { load1: 0.5, processes: 99 },
  };
}

/** Starts a simulated machine. @param port 0 for any free port */
export async function playHost(first: () => Buffer | Info | Error, port = 0): Promise<PlayedHost> {
  let make = first;
  let calls = 0;
  const server = new grpc.Server();
  const same = (held: Buffer): Buffer => held;
  const getInfo: grpc.MethodDefinition<Buffer, Buffer> = {
    path: "/gpu.HostMonitor/GetInfo",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { getInfo },
    {
      getInfo(_call: unknown, done: grpc.sendUnaryData<Buffer>) {
        calls++;
        const made = make();
        if (made instanceof Error) done({ code: grpc.status.INTERNAL, details: made.message });
        else done(null, Buffer.isBuffer(made) ? made : bytes(made));
      },
    },
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    );
  });
  return {
    address: `127.0.0.1:${bound}`,
    port: bound,
    calls: () => calls,
    answer(next) {
      make = next;
    },
    close: () => server.forceShutdown(),
  };
}
