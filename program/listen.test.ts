import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { type ConnectionLimits, peerName, rpcLimits } from "./connections.ts";
import { ListenError, type Listener, listen, makeListener } from "./listen.ts";

const said = () => {
  const lines: string[] = [];
  return { lines, log: (line: string) => lines.push(line) };
};

let listener: Listener | undefined;
afterEach(async () => {
  await listener?.close(0);
  listener = undefined;
});

async function open(
  allowed: Pick<RegExp, "test">,
  then: (socket: Socket) => void = (socket) => socket.end(),
  limits: Partial<ConnectionLimits> = {},
): Promise<{ port: number; lines: string[]; entered: string[]; closed: string[] }> {
  const { lines, log } = said();
  const closed: string[] = [];
  const entered: string[] = [];
  const serve = (socket: Socket): void => {
    entered.push(socket.remoteAddress ?? "");
    then(socket);
    socket.resume();
  };
  const allows = (address: string): boolean => allowed.test(address);
  listener = makeListener({
    name: "test port",
    allows,
    closed: (...what) => closed.push(what.join(" ")),
    serve,
    log,
    ticks: () => 0,
    limits: { ...rpcLimits, ...limits },
  });
  const { port } = await listener.listen({ address: "127.0.0.1:0", setting: "TEST_ADDR" });
  return { port, lines, entered, closed };
}

test("a refused peer is reset before a byte of its is read, and logged", async () => {
  const { port, lines, entered, closed } = await open(/^127\.0\.0\.2$/);
  const socket = connect(port, "127.0.0.1");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const [error] = await once(socket, "error");
  expect(error.code).toBe("ECONNRESET");
  expect(socket.bytesRead).toBe(0);
  expect([lines, closed]).toEqual([["Reject: 127.0.0.1"], ["127.0.0.1 forbidden"]]);
  expect(entered).toEqual([]);
});

test("an allowed peer comes in", async () => {
  const { port, lines, entered } = await open(/^127\.0\.0\.2$/);
  const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
  socket.resume();
  await once(socket, "close");
  expect(entered).toEqual(["127.0.0.2"]);
  expect(lines).toEqual([]);
});

test("a peer that says something but asks nothing is cut off, one that has asked stays", async () => {
  const asks = (socket: { remoteAddress?: string | undefined }): void => {
    const end = socket.remoteAddress === "127.0.0.2" && listener?.connections.begin(peerName(socket));
    if (end) end();
  };
  const { port } = await open(/^127\./, asks, { firstRequestMs: 50 });
  const asked = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
  await once(asked, "connect");
  const talks = connect(port, "127.0.0.1");
  talks.write("x");
  // Both were there from the beginning: when the second is gone, the first would be.
  await once(talks.resume(), "close");
  expect(asked.resume().readyState).toBe("open");
  asked.destroy();
});

test("one for whom there is no place is reset and logged", async () => {
  const begins = (socket: object): unknown => listener?.connections.begin(peerName(socket));
  const { port, lines, entered, closed } = await open(/^127\.0\.0\.1$/, begins, { perAddress: 1 });
  const first = connect(port, "127.0.0.1");
  await once(first, "connect");
  const second = connect(port, "127.0.0.1");
  const [error] = await once(second, "error");
  expect(error.code).toBe("ECONNRESET");
  expect(lines).toEqual(["Too many connections to the test port: closed one from 127.0.0.1"]);
  expect([entered, closed]).toEqual([["127.0.0.1"], ["127.0.0.1 room"]]);
  first.destroy();
});

test("clients that are gone before their connections are looked at are no sign of anything", async () => {
  const { port, lines, closed } = await open(/^127\./);
  for (let i = 0; i < 20; i++) {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    socket.resetAndDestroy();
  }
  const last = connect(port, "127.0.0.1").resume();
  await once(last, "close");
  expect([lines, closed]).toEqual([[], []]);
});

test("connections that may no longer be made are closed, and no others", async () => {
  let allowed = /^127\.0\.0\.[12]$/;
  const { port } = await open({ test: (address) => allowed.test(address) }, () => undefined);
  const [one, two] = ["127.0.0.1", "127.0.0.2"].map((localAddress) =>
    connect({ port, host: "127.0.0.1", localAddress }),
  );
  if (one === undefined || two === undefined) throw new Error("no sockets");
  await Promise.all([once(one, "connect"), once(two, "connect")]);
  await vi.waitUntil(() => listener?.connections.size === 2);
  allowed = /^127\.0\.0\.1$/;
  listener?.recheck();
  await once(two.on("error", () => undefined).resume(), "close");
  await vi.waitUntil(() => listener?.connections.size === 1);
  expect(one.resume().readyState).toBe("open");
  one.destroy();
});

test("a peer that stays is cut off when the grace is over", async () => {
  const { port } = await open(/^127\.0\.0\.1$/, () => undefined);
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const gone = once(socket, "close");
  socket.resume();
  await listener?.close(1);
  await gone;
  listener = undefined;
});

const at = { address: "127.0.0.1:9", setting: "TEST_ADDR" };

test.each([
  ["EADDRINUSE", "port_in_use", "another program uses that port; stop it or set TEST_ADDR to another address"],
  ["EADDRNOTAVAIL", "address_unusable", "this machine does not have that address; set TEST_ADDR to one that it has"],
  ["EACCES", "address_unusable", "ports below 1024 need administrator rights; set TEST_ADDR to a higher port"],
  ["ENOTFOUND", "address_unusable", "no such host name is known; set TEST_ADDR to an address of this machine"],
  ["EIO", "address_unusable", "the reason; set TEST_ADDR to an address of this machine and a free port"],
])("an error %s is %s and says what to set", (code, kind, reason) => {
  const error = new ListenError(at, Object.assign(new Error("the reason"), { code }));
  expect([error.code, error.message]).toEqual([kind, `Cannot listen on 127.0.0.1:9 (TEST_ADDR): ${reason}`]);
});

test("a port in use is an error that names the address and the setting", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  try {
    await expect(listen(createServer(), { address, setting: "TEST_ADDR" }, () => undefined)).rejects.toMatchObject({
      code: "port_in_use",
      message: expect.stringContaining(`Cannot listen on ${address} (TEST_ADDR): another program`),
    });
  } finally {
    taken.close();
  }
});

test("a connection that cannot be accepted is reported, and the server goes on", async () => {
  const server = createServer((socket) => socket.end("hello"));
  const errors: string[] = [];
  const { port } = await listen(server, { ...at, address: "127.0.0.1:0" }, ({ message }) => errors.push(message));
  try {
    for (const message of ["accept EMFILE", "accept ENFILE"]) server.emit("error", new Error(message));
    expect(errors).toEqual(["accept EMFILE", "accept ENFILE"]);
    const [bytes] = await once(connect(port, "127.0.0.1"), "data");
    expect(String(bytes)).toBe("hello");
  } finally {
    server.close();
  }
});
