// Requests that are sent behind another one on the same connection, and what they cost others.
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Info, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { memory } from "./peer.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
const sockets: Socket[] = [];
const mostGrowth = 150 * 2 ** 20;

const said = (): Info => ({ agentVersion: "0", sampled: BigInt(Date.now()), gpus: [{ id: 0, uuid: "GPU-1" }] });
const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(said);
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
  hub = await startHub(at);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await hub.stop();
  host.close();
  at.remove();
});

/** A connection from another address of this machine, with what it has received. */
async function say(from: string, text: string): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(hub.url).port), localAddress: from });
  sockets.push(socket);
  let heard = "";
  socket.setEncoding("latin1").on("data", (piece: string) => {
    heard += piece;
  });
  socket.on("error", () => undefined); // to be cut off is allowed
  socket.write(text);
  await vi.waitFor(() => expect(heard).toContain("HTTP/1.1 "), { timeout: 10_000 });
  return { socket, heard: () => heard };
}

const status = async (path: string): Promise<number> => (await fetch(hub.url + path)).status;

test("requests pipelined behind a feed hold no place that others wait for", async () => {
  const behind = request("/feed") + request("/feed/host?name=a").repeat(16);
  for (const from of ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]) await say(from, behind);
  for (let i = 0; i < 3; i++) expect(await status("/feed/host?name=a")).toBe(200);
});

test("a connection with too many pending requests is closed, and uses little memory", async () => {
  await status("/api/health");
  const before = memory(hub.child.pid);
  const { socket } = await say("127.0.0.2", request("/feed"));
  const piece = request("/feed/host?name=a").repeat(500);
  for (let i = 0; i < 100 && !socket.destroyed; i++) {
    await new Promise((resolve) => socket.write(piece, resolve));
  }
  await vi.waitFor(() => expect(socket.destroyed).toBe(true), { timeout: 20_000 });
  expect(await status("/feed/host?name=a")).toBe(200);
  expect(memory(hub.child.pid) - before).toBeLessThan(mostGrowth);
});

test("pipelined requests are answered in order", async () => {
  const paths = ["/feed/host?name=a", "/api/health", "/nowhere", "/feed/host?name=a", "/api/health"];
  const { heard } = await say("127.0.0.2", paths.map(request).join(""));
  const answers = (): string[] => [...heard().matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, code = ""]) => code);
  await vi.waitFor(() => expect(answers()).toHaveLength(paths.length), { timeout: 10_000 });
  expect(answers()).toEqual(["200", "200", "404", "200", "200"]);
});
