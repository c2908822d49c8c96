// Calls of a real gRPC server, tracked as agent and hub do.
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { afterEach, expect, test, vi } from "vitest";
import { type ConnectionLimits, Connections, rpcLimits } from "../connections.ts";
import { trackCalls } from "./call.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

const path = "/test.Echo/Say";
const same = (bytes: Buffer): Buffer => bytes;

/** A server that answers each call with 64 KiB, and what has happened to its connections. */
async function serve(limits: Partial<ConnectionLimits>) {
  const connections = new Connections({ limits: { ...rpcLimits, ...limits }, ticks: () => performance.now() });
  const begun: string[] = [];
  const ended: string[] = [];
  const begin = connections.begin.bind(connections);
  connections.begin = (name) => {
    begun.push(name);
    const end = begin(name);
    return () => {
      ended.push(name);
      end();
    };
  };
  const server = new grpc.Server({ interceptors: [trackCalls(connections)] });
  const say = { path, requestStream: false, responseStream: false } as const;
  const codecs = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { say: { ...say, ...codecs } },
    {
      say: (_call: unknown, done: (error: null, answer: Buffer) => void) => done(null, Buffer.alloc(65_536)),
    },
  );
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = createServer((socket: Socket) => {
    if (connections.admit(socket)) injector.injectConnection(socket);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  undo.push(() => {
    connections.clear();
    server.forceShutdown();
    listener.close();
  });
  const port = (listener.address() as AddressInfo).port;
  return { connections, begun, ended, port };
}

/** Asks over a connection of its own. @param window Bytes of an answer that the client takes before it has to say more. */
function ask(port: number, window: number): { session: ClientHttp2Session; read: () => Promise<number> } {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: window } });
  session.on("error", () => undefined); // being cut off is what some tests wait for
  undo.push(() => session.destroy());
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request(headers);
  stream.on("error", () => undefined);
  stream.end(Buffer.alloc(5));
  const read = async (): Promise<number> => {
    let bytes = 0;
    for await (const piece of stream) bytes += piece.length;
    return bytes;
  };
  return { session, read };
}

test("a call is noted under the name of its connection, from its beginning to the end of its answer", async () => {
  const { connections, begun, ended, port } = await serve({});
  const { session, read } = ask(port, 65_535);
  expect(await read()).toBe(65_536 + 5);
  await vi.waitUntil(() => ended.length === 1);
  expect(begun).toEqual([`127.0.0.1:${session.socket.localPort}`]);
  expect(ended).toEqual(begun);
  expect(connections.size).toBe(1);
});

test("a client that does not read its answer in time loses the connection", async () => {
  const { connections, begun, ended, port } = await serve({ answerMs: 50 });
  const { session } = ask(port, 100);
  await once(session, "close");
  await vi.waitUntil(() => connections.size === 0);
  expect(ended).toEqual(begun);
});

test("calls that are cancelled, at once or later, leave none under way", async () => {
  const { connections, begun, ended, port } = await serve({});
  for (let i = 0; i < 20; i++) {
    const { session } = ask(port, 100);
    if (i % 2 === 0) await vi.waitUntil(() => begun.length > 0);
    session.destroy();
  }
  await vi.waitUntil(() => connections.size === 0);
  expect(ended.length).toBe(begun.length);
});
