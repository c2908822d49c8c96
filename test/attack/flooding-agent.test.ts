// A machine that floods the hub that polls it with frames that mean nothing.
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub, type Viewer, view } from "../hub.ts";
import { frame } from "./peer.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
let viewer: Viewer;
let flooder: Server;
const sockets: Socket[] = [];
const mostBytes = 512 * 2 ** 20;

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(() => machine(Date.now()));
});

afterEach(async () => {
  viewer.close();
  await hub.stop();
  for (const socket of sockets.splice(0)) socket.destroy();
  flooder.close();
  host.close();
  at.remove();
});

/** ORIGIN of RFC 8336: a client must ignore it on this connection, and Node reads it all the same. */
const origin = frame(0x0c, 0, Buffer.concat([Buffer.from([0, 8]), Buffer.from("http://a")]));
const updates = frame(0x08, 0, Buffer.from([0, 0, 0, 1]));

test.each([
  ["ORIGIN", origin],
  ["WINDOW_UPDATE", updates],
])("a machine that sends %s without end is cut off, and another one is read meanwhile", async (_, bytes) => {
  const piece = Buffer.concat(Array.from({ length: Math.ceil(65_536 / bytes.length) }, () => bytes));
  let sent = 0;
  let cuts = 0;
  flooder = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined); // to be cut off is what is wanted
    socket.once("close", () => cuts++);
    socket.resume();
    socket.write(frame(0x04, 0));
    const push = (): void => {
      if (socket.destroyed || sent > mostBytes) return;
      socket.write(piece, (error) => {
        sent += piece.length;
        if (!error) setImmediate(push);
      });
    };
    push();
  });
  await new Promise<void>((resolve) => flooder.listen(0, "127.0.0.1", resolve));
  const { port } = flooder.address() as { port: number };
  const servers = { good: host.address, bad: `127.0.0.1:${port}` };
  at.write({ servers, poll: { interval: 1, deadline: 30 } });
  hub = await startHub(at);
  viewer = view(hub.url);
  await vi.waitFor(() => expect(cuts).toBeGreaterThan(0), { timeout: 20_000, interval: 50 });
  expect(sent).toBeLessThan(mostBytes);
  await vi.waitFor(() => expect(viewer.hosts.get("bad")?.reason).toMatch(/sends more than/), { timeout: 20_000 });
  const before = host.calls();
  await vi.waitFor(() => expect(host.calls()).toBeGreaterThan(before), { timeout: 20_000 });
});
