import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { parseAllow } from "./allow.ts";
import { type Gate, gate, refusals } from "./gate.ts";

const said = () => {
  const lines: string[] = [];
  return { lines, log: (line: string) => lines.push(line) };
};

test("a refused address is named once a minute, with how often it came since", () => {
  const { lines, log } = said();
  let now = 0;
  const refused = refusals(log, () => now);
  refused("192.0.2.1");
  refused("192.0.2.2");
  for (now = 1; now < 60_000; now += 1000) refused("192.0.2.1");
  now = 60_000;
  refused("192.0.2.1");
  expect(lines).toEqual(["Reject: 192.0.2.1", "Reject: 192.0.2.2", "Reject: 192.0.2.1 (60 more since the last time)"]);
});

test("a scan from many addresses is remembered no further than a thousand", () => {
  const { lines, log } = said();
  const refused = refusals(log, () => 0);
  for (let i = 0; i < 1001; i++) refused(`fd00::${i}`);
  refused("fd00::0");
  refused("fd00::1000");
  expect(lines.length).toBe(1002);
});

let door: Gate | undefined;
afterEach(() => door?.close(0));

async function open(
  allow: string,
  then = (socket: { end(): void }): void => socket.end(),
  patience = 10_000,
): Promise<{ port: number; lines: string[]; entered: string[] }> {
  const { lines, log } = said();
  const entered: string[] = [];
  const enter = (socket: { remoteAddress?: string | undefined; end(): void }): void => {
    entered.push(socket.remoteAddress ?? "");
    then(socket);
  };
  door = gate({ allow: parseAllow(allow), enter, log, ticks: () => 0, patience });
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

test("a peer that says nothing is cut off, one that has said something stays", async () => {
  const { port } = await open("127.0.0.1", () => undefined, 50);
  const talks = connect(port, "127.0.0.1");
  talks.write("x");
  await once(talks, "connect");
  const mute = connect(port, "127.0.0.1");
  // Both were there from the beginning: when the second is gone, the first would be.
  await once(mute.resume(), "close");
  expect(talks.resume().readyState).toBe("open");
  talks.destroy();
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
