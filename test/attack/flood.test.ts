// Clients that send frames without end and ask nothing: before, during and after.
import { afterEach, describe, expect, test } from "vitest";
import { dial } from "../../hub/input/poll/channel.ts";
import { startAgent } from "../agent.ts";
import { CertificateFolder, certifies } from "../certificate.ts";
import { getHistory, hubFolder, startHub } from "../hub.ts";
import { flood, frame, headersOf, knock, knockEncrypted, memory, preface } from "./peer.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const windows = frame(8, 0, Uint8Array.of(0, 0, 0, 1));
const request = headersOf("/gpu.HostMonitor/GetInfo");
/** Calls that are given up as soon as they are made. */
const resets = Buffer.concat(
  Array.from({ length: 20_000 }, (_, i) =>
    Buffer.concat([frame(1, 2 * i + 1, request, 4), frame(3, 2 * i + 1, Uint8Array.of(0, 0, 0, 8))]),
  ),
);
/** What is sent first, and then again and again. */
const floods = [
  ["WINDOW_UPDATE", preface, windows],
  ["PING", preface, frame(6, 0, new Uint8Array(8))],
  ["SETTINGS", preface, frame(4, 0)],
  ["PRIORITY", preface, frame(2, 1, new Uint8Array(5))],
  ["an unknown type", preface, frame(0xee, 0, new Uint8Array(1024))],
  ["empty DATA", preface, frame(0, 0)],
  ["CONTINUATION", Buffer.concat([preface, frame(1, 1, request)]), frame(9, 1, Buffer.of(0, 1, 0x61, 1, 0x62))],
  ["RST_STREAM", preface, resets],
] as const;

/** Bytes: many times what a listener takes before it looks. */
const most = 8e9;

test("an agent disconnects a peer that floods it, and answers others meanwhile", async () => {
  const agent = await startAgent({ GOHM_NOGPU: "true" });
  undo.push(agent.stop);
  await agent.info();
  const before = memory(agent.program.child.pid);
  for (const [what, says, bytes] of floods) {
    const socket = await knock({ port: agent.port, from: "127.0.0.2", says });
    undo.push(() => socket.destroy());
    const sent = flood(socket, bytes, most);
    await agent.info();
    expect([what, (await sent) < most]).toEqual([what, true]);
  }
  await agent.info();
  expect(memory(agent.program.child.pid) - before).toBeLessThan(100e6);
  await agent.program.line(/^The gRPC port was flooded by 127\.0\.0\.2$/m);
  expect(await agent.program.stop()).toBe(0);
});

test("a hub disconnects a peer that floods it, and answers others meanwhile", async () => {
  const at = hubFolder();
  undo.push(() => at.remove());
  at.write({ servers: {} });
  const hub = await startHub(at);
  undo.push(() => hub.stop());
  const socket = await knock({ port: Number(hub.history.split(":").at(-1)), says: preface });
  undo.push(() => socket.destroy());
  const sent = flood(socket, windows, most);
  await expect(getHistory(hub.history, { id: "x_0", type: "util" })).rejects.toMatchObject({ code: 5 });
  expect(await sent).toBeLessThan(most);
  await hub.line(/flooded by 127\.0\.0\.1$/m);
  expect(await hub.stop()).toBe(0);
});

describe.skipIf(!certifies)("with TLS (openssl)", () => {
  test("an agent disconnects a peer that floods it, and answers others meanwhile", async () => {
    const certificates = new CertificateFolder();
    undo.push(() => certificates.remove());
    const { cert, key } = certificates.make();
    const agent = await startAgent({ GOHM_NOGPU: "true", GOHM_TLS_CERT: cert, GOHM_TLS_KEY: key });
    undo.push(agent.stop);
    const channel = dial(`tls://127.0.0.1:${agent.port}`, { ca: cert });
    undo.push(() => channel.close());
    expect(await channel.ask(20_000)).toMatchObject({ kind: "answer" });
    const socket = await knockEncrypted({ port: agent.port, says: preface });
    undo.push(() => socket.destroy());
    const sent = flood(socket, windows, most);
    expect(await channel.ask(20_000)).toMatchObject({ kind: "answer" });
    expect(await sent).toBeLessThan(most);
    expect(await channel.ask(20_000)).toMatchObject({ kind: "answer" });
    expect(await agent.program.stop()).toBe(0);
  });
});
