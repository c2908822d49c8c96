// Connections without end that ask nothing, to every listener: before, during and after.
import { get } from "node:http";
import type { Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { dial } from "../../hub/input/poll/channel.ts";
import { rpcLimits } from "../../program/connections.ts";
import type { HostInfo } from "../../proto/gen/host_pb.js";
import { startAgent } from "../agent.ts";
import { CertificateFolder, certifies } from "../certificate.ts";
import { getHistory, hubFolder, startHub, view } from "../hub.ts";
import { connected, knock, knockEncrypted, memory, preface } from "./peer.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const kinds = [{ says: "P" }, { says: preface }, {}, { says: preface, half: true }] as const;

/** Connections from many addresses, that of honest clients among them. */
async function knocks(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < count; i++) {
    sockets.push(await knock({ port, from: `127.0.0.${1 + (i % 10)}`, ...kinds[i % kinds.length] }));
  }
  return sockets;
}

/** Asks an agent over a connection of its own, as a hub does that was started just now. */
async function askAnew(port: number): Promise<HostInfo> {
  const channel = dial(`127.0.0.1:${port}`);
  undo.push(() => channel.close());
  const outcome = await channel.ask(20_000);
  if (outcome.kind !== "answer") throw new Error(outcome.reason.text);
  return outcome.info;
}

/** Asks the page over a connection of its own. */
const page = (url: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(`${url}/pk`, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });

/** Connections to an agent and to both ports of a hub with a certificate: silent, in the middle of a handshake, and after it. */
async function knocksOverTls(): Promise<Socket[]> {
  if (!certifies) return [];
  const certificates = new CertificateFolder();
  undo.push(() => certificates.remove());
  const { cert, key } = certificates.make();
  const { port, stop } = await startAgent({ GOHM_NOGPU: "true", GOHM_TLS_CERT: cert, GOHM_TLS_KEY: key });
  undo.push(stop);
  const at = hubFolder();
  undo.push(() => at.remove());
  at.write({ servers: {} });
  const hub = await startHub(at, { GOHM_HUB_TLS_CERT: cert, GOHM_HUB_TLS_KEY: key });
  undo.push(() => hub.stop());
  const sockets: Socket[] = [];
  for (const at of [port, Number(new URL(hub.url).port), Number(hub.history.split(":").at(-1))]) {
    sockets.push(await knock({ port: at }), await knock({ port: at, says: "\x16\x03\x01" }));
    sockets.push(await knockEncrypted({ port: at }), await knockEncrypted({ port: at, says: preface }));
  }
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

test("clients are answered while idle connections take all places, and these are closed after a time", async () => {
  const agent = await startAgent({ GOHM_NOGPU: "true" });
  undo.push(agent.stop);
  const at = hubFolder();
  undo.push(() => at.remove());
  at.write({ servers: { node: `127.0.0.1:${agent.port}` }, poll: { interval: 1 } });
  const hub = await startHub(at);
  undo.push(() => hub.stop());
  const viewer = view(hub.url);
  undo.push(() => viewer.close());
  await vi.waitUntil(() => viewer.hosts.get("node")?.info, { timeout: 20_000 });
  const before = [agent.program, hub].map(({ child }) => memory(child.pid));
  const events = viewer.events.length;

  const historyPort = Number(hub.history.split(":").at(-1));
  const pagePort = Number(new URL(hub.url).port);
  const onAgent = await knocks(agent.port, 800);
  const onHistory = await knocks(historyPort, 800);
  const onPage = await knocks(pagePort, 1300);
  const overTls = await knocksOverTls();

  // Each of these connects anew, from an address that has all its places taken.
  expect((await askAnew(agent.port)).hostname).not.toBe("");
  await expect(getHistory(hub.history, { id: "node_0", type: "util" })).rejects.toMatchObject({ code: 5 });
  expect(await page(hub.url)).toBe(200);
  await vi.waitUntil(() => viewer.events.length > events + 2, { timeout: 20_000 });

  for (const sockets of [onAgent, onHistory]) {
    await vi.waitUntil(() => connected(sockets).length <= rpcLimits.total, { timeout: 20_000 });
  }
  await vi.waitUntil(() => connected(onPage).length <= 1024, { timeout: 20_000 });
  const grown = [agent.program, hub].map(({ child }, i) => memory(child.pid) - (before[i] ?? 0));
  expect(Math.max(...grown)).toBeLessThan(150e6);

  for (const sockets of [onAgent, onHistory, onPage, overTls]) {
    await vi.waitUntil(() => connected(sockets).length === 0, { timeout: 40_000 });
  }
  expect(await page(hub.url)).toBe(200);
  expect(viewer.hosts.get("node")?.reason ?? "").toBe("");
  expect(hub.output()).not.toMatch(/cannot be reached/);
  expect(await hub.stop()).toBe(0);
  expect(await agent.program.stop()).toBe(0);
});
