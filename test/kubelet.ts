// A simulated kubelet: a real gRPC server of its pod-resources API on a Unix socket.
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { ListPodResourcesResponseSchema } from "../proto/gen/kubelet_pb.js";

/**
 * Ids of devices by pod ("namespace/name"), container and resource; for a resource "claim:<driver>" the names of claimed
 * devices.
 */
export type Pods = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>>>;

export interface PlayedKubelet {
  /** Returns the number of calls so far. */
  calls(): number;
  /** Sets the answer: pods, bytes, an error, or no answer at all. */
  answer(answer: Pods | Uint8Array | grpc.StatusObject | "silence"): void;
  close(): void;
}

const claim = "claim:";

function bytesOf(pods: Pods): Buffer {
  const podResources = Object.entries(pods).map(([pod, containers]) => {
    const [namespace = "", name = ""] = pod.split("/");
    return {
      namespace,
      name,
      containers: Object.entries(containers).map(([container, resources]) => ({
        name: container,
        devices: Object.entries(resources)
          .filter(([name]) => !name.startsWith(claim))
          .map(([resourceName, ids]) => ({ resourceName, deviceIds: [...ids] })),
        dynamicResources: Object.entries(resources)
          .filter(([name]) => name.startsWith(claim))
          .map(([name, devices]) => ({
            claimResources: devices.map((deviceName) => ({ driverName: name.slice(claim.length), deviceName })),
          })),
      })),
    };
  });
  return Buffer.from(
    toBinary(ListPodResourcesResponseSchema, create(ListPodResourcesResponseSchema, { podResources })),
  );
}

export async function playKubelet(socket: string, pods: Pods = {}): Promise<PlayedKubelet> {
  let calls = 0;
  let answer: Parameters<PlayedKubelet["answer"]>[0] = pods;
  const server = new grpc.Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const list = {
    path: "/v1.PodResourcesLister/List",
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { List: list },
    {
      List: (_: unknown, reply: grpc.sendUnaryData<Buffer>) => {
        calls++;
        if (answer === "silence") return;
        if (answer instanceof Uint8Array) reply(null, Buffer.from(answer));
        else if (typeof answer.code === "number") reply(answer as grpc.StatusObject);
        else reply(null, bytesOf(answer as Pods));
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    calls: () => calls,
    answer: (next) => {
      answer = next;
    },
    close: () => server.forceShutdown(),
  };
}
