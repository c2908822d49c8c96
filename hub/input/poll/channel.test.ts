// Why a poll failed, as a hub says it: over real connections to peers that behave in each of the ways.
import { once } from "node:events";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer, Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { playHost } from "../../../test/host.ts";
import { type Channel, dial, type PollOutcome } from "./channel.ts";
import { AgentConnection, linkLocal } from "./connection.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

/** A listener whose connections end with the test. */
async function listening(server: ReturnType<typeof createServer> | ReturnType<typeof createHttp2>): Promise<string> {
  server.on("connection", (socket: Socket) => {
    socket.on("error", () => undefined);
    undo.push(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function dialled(address: string, keepalive?: { time: number; timeout: number }): Channel {
  const channel = dial(address, {}, keepalive);
  undo.push(() => channel.close());
  return channel;
}

/** Kind and text of the outcome of a call that failed. */
async function told(call: Promise<PollOutcome>): Promise<readonly [string, string]> {
  const outcome = await call;
  return outcome.kind === "answer" ? ["answer", ""] : [outcome.kind, outcome.reason.text];
}

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

test.each([
  "connect ECONNREFUSED 127.0.0.1:9203",
  "Name resolution failed for target dns:x",
  "Connection dropped",
  "self-signed certificate",
  "read ECONNRESET",
  "Protocol error",
])('a peer that answers "%s" has answered, whatever the words are', async (words) => {
  const server = createHttp2();
  server.on("stream", (stream) => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc", "grpc-status": "14", "grpc-message": words },
      { endStream: true },
    );
  });
  const address = await listening(server);
  expect(await told(dialled(address).ask(10_000))).toEqual(["lost", `refused by ${address}: ${words}`]);
});

test("a peer that stops answering on an open connection hangs, and is not said to refuse this hub", async () => {
  const address = await listening(createServer((socket) => socket.resume().write(settings)));
  expect(await told(dialled(address, { time: 50, timeout: 50 }).ask(60_000))).toEqual([
    "lost",
    `${address} has stopped answering: its hmonitor hangs, or the network between is interrupted`,
  ]);
});

test("a peer that accepts and says nothing is not said to refuse this hub", async () => {
  const address = await listening(createServer());
  expect(await told(dialled(address).ask(200))).toEqual(["timeout", "no answer within 0.2 s"]);
});

test.each([
  ["resets", (socket: Socket) => socket.resetAndDestroy()],
  ["ends", (socket: Socket) => socket.end()],
])("a peer that %s a connection without a word may not know this hub, or want TLS", async (_, then) => {
  const address = await listening(createServer(then));
  const [, reason] = await told(dialled(address).ask(10_000));
  expect(reason).toContain("does the agent's GOHM_ALLOW name this hub's address?");
  expect(reason).toContain(`tls://${address}`);
});

test.each([
  ["SSH", (socket: Socket) => socket.end("SSH-2.0\r\n")],
  ["HTTP/1.1", (socket: Socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
])("a peer that speaks %s is no hmonitor", async (_, then) => {
  const address = await listening(createServer(then));
  expect(await told(dialled(address).ask(10_000))).toEqual(["lost", `what answers at ${address} does not speak gRPC`]);
});

test.each([
  ["reset", (socket: Socket) => socket.resetAndDestroy()],
  ["closed", (socket: Socket) => socket.destroy()],
])("a connection that is %s after it was in use says so, and no more", async (how, then) => {
  const sockets: Socket[] = [];
  const server = createHttp2();
  server.on("sessionError", () => undefined);
  server.on("connection", (socket: Socket) => sockets.push(socket));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    for (const socket of sockets) then(socket);
  });
  const address = await listening(server);
  expect(await told(dialled(address).ask(10_000))).toEqual(["lost", `the connection to ${address} was ${how}`]);
});

test("an agent that left between two polls is refused by its machine", async () => {
  let answered: Socket | undefined;
  const server = createHttp2();
  server.on("connection", (socket: Socket) => {
    answered = socket;
  });
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "7" }, { endStream: true });
  });
  const address = await listening(server);
  const channel = dialled(address);
  expect(await channel.ask(10_000)).toMatchObject({ kind: "bad" });
  server.close();
  answered?.destroy();
  await vi.waitUntil(async () => {
    const outcome = await channel.ask(10_000);
    return (
      outcome.kind === "lost" && outcome.reason.text === `connection refused at ${address}: is hmonitor running there?`
    );
  });
});

test("an answer has the network address that it came from, which a name in the settings is resolved to", async () => {
  const host = await playHost(() => ({ hostname: "h" }));
  undo.push(() => host.close());
  const address = host.address.replace("127.0.0.1", "localhost");
  expect(await dialled(address).ask(10_000)).toMatchObject({ kind: "answer", peer: "127.0.0.1" });
});

test.each(["169.254.169.254:9203", "tls://169.254.1.1:443", "[fe80::1]:9203", "[::ffff:169.254.169.254]:80"])(
  "nothing is sent to the link-local address %s",
  async (address) => {
    expect(await told(dialled(address).ask(10_000))).toEqual([
      "bad",
      expect.stringContaining(`does not connect to ${address}`),
    ]);
  },
);

test("a name that leads to a link-local address is refused before anything is sent", async () => {
  const raw = new Socket();
  const write = vi.spyOn(raw, "write");
  vi.spyOn(raw, "remoteAddress", "get").mockReturnValue("::ffff:169.254.169.254");
  const connection = new AgentConnection("metadata.lab", undefined);
  await expect(connection._createSecureConnector().connect(raw)).rejects.toThrow("link-local");
  expect([connection.state, raw.destroyed, write.mock.calls]).toEqual([{ kind: "failed", code: linkLocal }, true, []]);
});
