// Hostile senders of records, without end and at once. Others deliver meanwhile, and the hub's memory is bounded.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { memory } from "./peer.ts";

let at: HubFolder;
let hub: RunningHub;
const sockets: Socket[] = [];

beforeEach(async () => {
  at = hubFolder();
  at.write({ servers: {}, hub: { timezone: "UTC" }, push: { register: "open", body: "8MiB" } });
  hub = await startHub(at);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await hub.stop("SIGKILL");
  at.remove();
});

/** Sends the head of a request with records from an address of this machine, and what follows. */
async function sender(from: string, head: string): Promise<Socket> {
  const { hostname, port } = new URL(hub.url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: from });
  sockets.push(socket);
  socket.on("error", () => {}); // the hub has closed it
  await once(socket, "connect");
  socket.write(`POST /api/receive-data HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n${head}\r\n\r\n`);
  return socket;
}

/** Status of the answer; 0 if the connection was closed without one. */
const statusOf = async (socket: Socket): Promise<number> => {
  let text = "";
  for await (const piece of socket) {
    text += String(piece);
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
    if (status !== undefined) return Number(status);
  }
  return 0;
};

const zone = new Zone("UTC");
const record = (client_name: string) => ({
  timestamp: zone.format(Date.now()),
  gpu_id: 0,
  utilization_gpu: 5,
  client_name,
});

/** Delivers records as an honest client. @returns the status */
async function deliver(records: readonly object[]): Promise<number> {
  const body = JSON.stringify(records);
  const answer = await fetch(`${hub.url}/api/receive-data`, { method: "POST", body });
  await answer.arrayBuffer();
  return answer.status;
}

test("arrays without end cost bounded memory, and end at push.body; others deliver meanwhile", async () => {
  expect(await deliver([record("honest")])).toBe(200);
  const before = memory(hub.child.pid);
  const bad = `{"client_name":"${"x".repeat(900)}","gpu_id":-1},`.repeat(64);
  const statuses = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"].map(async (from) => {
    const socket = await sender(from, "Transfer-Encoding: chunked");
    const answered = statusOf(socket);
    const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
    socket.write(chunk("["));
    let open = true;
    void answered.then(() => {
      open = false;
    });
    while (open && !socket.destroyed) {
      if (!socket.write(chunk(bad))) await Promise.race([once(socket, "drain"), answered]);
    }
    return answered;
  });
  for (let i = 0; i < 5; i++) expect(await deliver([record("honest")])).toBe(200);
  expect(await Promise.all(statuses)).toEqual([413, 413, 413, 413]);
  expect(memory(hub.child.pid) - before).toBeLessThan(100e6);
});
