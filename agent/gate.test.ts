import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type ConnectionLimits, peerName, rpcLimits } from "../program/connections.ts";
import { parseAllow } from "./allow.ts";
import { type Gate, gate } from "./gate.ts";

const said = () => {
  const lines: string[] = [];
  return { lines, log: (line: string) => lines.push(line) };
};

let door: Gate | undefined;
afterEach(() => door?.close(0));

async function open(
  allow: string,
  then: (socket: Socket) => void = (socket) => socket.end(),
  limits: Partial<ConnectionLimits> = {},
): Promise<{ port: number; lines: string[]; entered: string[] }> {
  const { lines, log } = said();
  const entered: string[] = [];
  const enter = (socket: Socket): void => {
    entered.push(socket.remoteAddress ?? "");
    then(socket);
  };
  door = gate({ allow: parseAllow(allow), enter, log, ticks: () => 0, limits: { ...rpcLimits, ...limits } });
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  return { port, lines, entered };
}

test("a refused peer is reset before a byte of its is read, and logged", async () => {
  const { port, lines, entered } = await open("127.0.0.2");
  const socket = connect(port, "127.0.0.1");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const [error] = await once(socket, "error");
  expect(error.code).toBe("ECONNRESET");
  expect(socket.bytesRead).toBe(0);
  expect(lines).toEqual(["Reject: 127.0.0.1"]);
  expect(entered).toEqual([]);
});

test("an allowed peer comes in", async () => {
  const { port, lines, entered } = await open("127.0.0.2");
  const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
  socket.resume();
  await once(socket, "close");
  expect(entered).toEqual(["127.0.0.2"]);
  expect(lines).toEqual([]);
});

test("a peer that says something but asks nothing is cut off, one that has asked stays", async () => {
  const asks = (socket: { remoteAddress?: string | undefined }): void => {
    const end = socket.remoteAddress === "127.0.0.2" && door?.connections.begin(peerName(socket));
    if (end) end();
  };
  const { port } = await open("127.0.0.0/8", asks, { firstRequestMs: 50 });
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
  const begins = (socket: object): unknown => door?.connections.begin(peerName(socket));
  const { port, lines, entered } = await open("127.0.0.1", begins, { perAddress: 1 });
  const first = connect(port, "127.0.0.1");
  await once(first, "connect");
  const second = connect(port, "127.0.0.1");
  const [error] = await once(second, "error");
  expect(error.code).toBe("ECONNRESET");
  expect(lines).toEqual(["No place for another connection from 127.0.0.1"]);
  expect(entered).toEqual(["127.0.0.1"]);
  first.destroy();
});

test("a peer that stays is cut off when the grace is over", async () => {
  const { port } = await open("127.0.0.1", () => undefined);
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const gone = once(socket, "close");
  socket.resume();
  await door?.close(1);
  await gone;
  door = undefined;
});
