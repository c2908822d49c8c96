import { chmodSync, linkSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type PlayedKubelet, playKubelet } from "../../../test/kubelet.ts";
import { grants } from "./kubelet.ts";

let folder: string;
let socket: string;
let kubelet: PlayedKubelet | undefined;
let server: Server | undefined;
const peers = new Set<Socket>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kubelet-"));
  socket = join(folder, "kubelet.sock");
});
afterEach(() => {
  kubelet?.close();
  server?.close();
  for (const peer of peers) peer.destroy();
  kubelet = undefined;
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const pods = {
  "lab/train-0": { worker: { "nvidia.com/gpu": ["GPU-a", "GPU-b"], "rdma/hca": ["mlx5_0"] }, log: {} },
  "default/web": { nginx: {} },
};
const given = [
  { namespace: "lab", pod: "train-0", container: "worker", resource: "nvidia.com/gpu", devices: ["GPU-a", "GPU-b"] },
  { namespace: "lab", pod: "train-0", container: "worker", resource: "rdma/hca", devices: ["mlx5_0"] },
];

const failure = async (): Promise<Error> => {
  try {
    await grants([socket], 300);
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
};

/** A server that is no kubelet: does what the test says with each connection. */
const serve = (greet: (peer: Socket) => void): Promise<void> =>
  new Promise((resolve) => {
    server = createServer((peer) => {
      peers.add(peer.on("error", () => undefined));
      greet(peer);
    }).listen(socket, resolve);
  });

test("tells each container that holds devices, over gRPC", async () => {
  kubelet = await playKubelet(socket, pods);
  expect(await grants([socket], 5000)).toEqual(given);
});

test("tells devices of claims, where the kubelet names them, under their driver's name", async () => {
  const nameless = { "claim:": ["gpu-1"], "claim:gpu.amd.com": [""] };
  const claimed = { "claim:gpu.nvidia.com": ["gpu-0", "gpu-3"], "nvidia.com/gpu": ["GPU-a"], ...nameless };
  kubelet = await playKubelet(socket, { "lab/train-0": { worker: claimed } });
  const worker = { namespace: "lab", pod: "train-0", container: "worker" };
  expect(await grants([socket], 5000)).toEqual([
    { ...worker, resource: "nvidia.com/gpu", devices: ["GPU-a"] },
    { ...worker, resource: "gpu.nvidia.com", devices: ["gpu-0"] },
    { ...worker, resource: "gpu.nvidia.com", devices: ["gpu-3"] },
  ]);
});

test("asks the first socket that is there", async () => {
  kubelet = await playKubelet(socket, pods);
  expect(await grants([join(folder, "none"), socket, join(folder, "other")], 5000)).toEqual(given);
});

test("where there is no socket there is no kubelet, and nothing is asked", () => {
  writeFileSync(join(folder, "file"), "");
  for (const path of ["none", "file", "file/below"]) expect(grants([join(folder, path)], 5000)).toBeUndefined();
});

test("a kubelet that holds thousands of devices is read", async () => {
  const devices = Array.from({ length: 5000 }, (_, i) => `GPU-${i}`);
  kubelet = await playKubelet(socket, { "lab/all": { c: { "nvidia.com/gpu": devices } } });
  expect((await grants([socket], 5000))?.[0]?.devices).toEqual(devices);
});

test("a kubelet that never answers is given up at the deadline", async () => {
  kubelet = await playKubelet(socket, pods);
  kubelet.answer("silence");
  expect(await failure()).toMatchObject({ name: "Hung", message: "The kubelet did not answer within 0.3 s" });
});

test("so is a peer that takes the connection and says nothing", async () => {
  await serve(() => undefined);
  expect(await failure()).toMatchObject({ name: "Hung" });
});

test("a refusal is told in the kubelet's words", async () => {
  kubelet = await playKubelet(socket, pods);
  kubelet.answer({
    code: grpc.status.RESOURCE_EXHAUSTED,
    details: "rejected by rate limit",
    metadata: new grpc.Metadata(),
  });
  expect((await failure()).message).toBe(`${socket}: the kubelet refuses: gRPC status 8 rejected by rate limit`);
});

test.each([
  ["an answer over 1 MiB", Buffer.alloc(1024 * 1024 + 1), /over 1048576 bytes/],
  ["an answer of nothing but empty pods", Buffer.alloc(200_000).fill(Buffer.of(10, 0)), /more than 50000 elements/],
  ["bytes that are no message", Buffer.of(10, 200, 1), /^the answer cannot be read: ./],
])("%s is refused", async (_, answer, text) => {
  kubelet = await playKubelet(socket, pods);
  kubelet.answer(answer);
  expect((await failure()).message).toMatch(text);
});

test.each([
  ["closes at once", (peer: Socket) => peer.destroy()],
  ["sends noise", (peer: Socket) => peer.end(Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 251)))],
  ["speaks HTTP/1", (peer: Socket) => peer.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
])("a peer that %s is an error that names the socket", async (_, greet) => {
  await serve(greet);
  const error = await failure();
  expect(error.name).toBe("Error");
  expect(error.message).toMatch(/kubelet\.sock: |cut short/);
});

test("a socket that nobody listens on any more is an error that names it", async () => {
  await serve(() => undefined);
  // Node takes the file away with the server: a kubelet that was killed leaves it.
  const left = join(folder, "left.sock");
  linkSync(socket, left);
  server?.close();
  await expect(grants([left], 5000)).rejects.toThrow("left.sock: connect ECONNREFUSED");
});

test.skipIf(process.getuid?.() !== 0)(
  "a socket that this user may not reach or use says that root is needed",
  async () => {
    kubelet = await playKubelet(socket, pods);
    const nobody = 65_534;
    const asNobody = async (): Promise<Error> => {
      process.seteuid?.(nobody);
      try {
        return await failure();
      } finally {
        process.seteuid?.(0);
      }
    };
    const refused = { name: "Unsupported", message: `${socket} may be asked by root only: pods go without names` };
    chmodSync(folder, 0o755);
    chmodSync(socket, 0o755);
    expect(await asNobody()).toMatchObject(refused);
    chmodSync(folder, 0o700);
    expect(await asNobody()).toMatchObject(refused);
  },
);
