// Attacks on the ports of a hub with a certificate, over TLS and beside it: those that succeeded once over plain
// connections, and those that TLS itself makes possible.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type Agent, request } from "node:https";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { CertificateFolder, certifies } from "../certificate.ts";
import { type Info, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { flood, frame, headersOf, knock, knockEncrypted, memory, preface } from "./peer.ts";

const patience = { timeout: 20_000, interval: 20 };
const ask = (path: string, host = "localhost"): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** A host with cards, so that an answer about it has a size. */
const said = (): Info => ({
  agentVersion: "0",
  sampled: BigInt(Date.now()),
  gpus: Array.from({ length: 8 }, (_, id) => ({ id, uuid: `GPU-${id}` })),
});

describe.skipIf(!certifies)("TLS (openssl)", () => {
  let at: HubFolder;
  let certificates: CertificateFolder;
  let host: PlayedHost;
  let hub: RunningHub;
  let ca: Buffer;
  let pagePort = 0;
  let historyPort = 0;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    at = hubFolder();
    certificates = new CertificateFolder();
    host = await playHost(said);
    at.write({ servers: { a: host.address }, poll: { interval: 1 } });
    // A signature with such a key takes milliseconds.
    const { cert, key } = certificates.make({ kind: ["rsa:4096"] });
    ca = readFileSync(cert);
    hub = await startHub(at, { GOHM_HUB_TLS_CERT: cert, GOHM_HUB_TLS_KEY: key });
    pagePort = Number(new URL(hub.url).port);
    historyPort = Number(hub.history.split(":").at(-1));
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  afterAll(async () => {
    await hub?.stop();
    host?.close();
    at?.remove();
    certificates?.remove();
  });

  interface Conversation {
    readonly socket: Socket;
    readonly heard: () => string;
  }

  /** Says something over a connection of its own, encrypted or not. */
  async function say(text: string, { encrypted = true, from = "127.0.0.2" } = {}): Promise<Conversation> {
    const to = { host: "127.0.0.1", port: pagePort, localAddress: from };
    const socket: Socket | TLSSocket = encrypted ? connectTls({ ...to, ca }) : connect(to);
    sockets.push(socket);
    let heard = "";
    socket.setEncoding("latin1").on("data", (piece: string) => {
      heard += piece;
    });
    socket.on("error", () => undefined); // to be cut off is allowed
    socket.write(text);
    return { socket, heard: () => heard };
  }

  /** The head and body of the first answer to a text. */
  async function answerTo(text: string, encrypted = true): Promise<string> {
    const { heard } = await say(text, { encrypted });
    await vi.waitFor(() => expect(heard()).toMatch(/\r\n\r\n[\s\S]*$/), patience);
    return heard();
  }

  /** Status of a request of an honest client over a connection of its own. */
  const status = (path = "/api/health", from = "127.0.0.3", agent: Agent | false = false): Promise<number> =>
    new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port: pagePort, path, ca, agent, localAddress: from }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0)).on("error", reject);
      })
        .on("error", reject)
        .end();
    });

  test("another site's name is refused over TLS, and over http too: it is redirected nowhere", async () => {
    for (const encrypted of [true, false]) {
      for (const path of ["/", "/feed", "/pk", "/api/health"]) {
        const answer = await answerTo(ask(path, "evil.example"), encrypted);
        expect(answer).toMatch(/^HTTP\/1\.1 421 [\s\S]*"code":"name_refused"/);
        expect(answer).not.toMatch(/^location:/im);
      }
    }
  });

  test.each([
    ["a target that names another host", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421],
    ["two slashes", ask("//evil.example/x.js"), 404],
    ["a host with a path", ask("/", "localhost/evil.example"), 400],
    ["a host with a user", ask("/", "a@evil.example"), 400],
    ["two hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400],
  ])("over http, %s does not choose where a page is redirected to", async (_, text, code) => {
    const answer = await answerTo(text, false);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
    expect(answer).not.toMatch(/^location:/im);
  });

  test.each([
    ["bytes that are no request", "\x00\x01\x02\r\n\r\n", 400, "bad_request"],
    [
      "headers of 64 KB",
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(65_536)}\r\n\r\n`,
      431,
      "request_too_long",
    ],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_refused"],
    [
      "POST where there is GET",
      "POST /pk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
      405,
      "method_refused",
    ],
  ])("%s are refused in words, with the headers of every answer, encrypted or not", async (_, text, code, fault) => {
    for (const encrypted of [true, false]) {
      const answer = await answerTo(text, encrypted);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${code} [\\s\\S]*"code":"${fault}"`));
      expect(answer).toMatch(/^x-content-type-options: nosniff\r$/im);
    }
  });

  test("requests pipelined over TLS are answered in order, and too many of them end the connection", async () => {
    const { heard } = await say(
      ["/feed/host?name=a", "/api/health", "/nowhere", "/api/health"].map((path) => ask(path)).join(""),
    );
    const codes = (): string[] => [...heard().matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, code = ""]) => code);
    await vi.waitFor(() => expect(codes()).toEqual(["200", "200", "404", "200"]), patience);
    const before = memory(hub.child.pid);
    const { socket, heard: feed } = await say(ask("/feed"));
    await vi.waitFor(() => expect(feed()).toContain("HTTP/1.1 200"), patience);
    const piece = ask("/feed/host?name=a").repeat(500);
    for (let i = 0; i < 100 && !socket.destroyed; i++) await new Promise((resolve) => socket.write(piece, resolve));
    await vi.waitFor(() => expect(socket.destroyed).toBe(true), patience);
    expect(memory(hub.child.pid) - before).toBeLessThan(150e6);
  });

  test("one metric that is named 1,900 times over TLS is one metric", async () => {
    const before = memory(hub.child.pid);
    expect(await status(`/api/history?host=a&metric=${"gpu_fan,".repeat(1900)}`)).toBe(200);
    expect(memory(hub.child.pid) - before).toBeLessThan(150e6);
  });

  test("answers over TLS that nobody reads take little memory, and others are answered", async () => {
    const before = memory(hub.child.pid);
    const page = readFileSync(new URL("../../dist/web/index.html", import.meta.url), "utf8");
    const [, script = ""] = /src="([^"]+\.js)"/.exec(page) ?? [];
    const path = `/${script.replace(/^\.?\//, "")}`;
    expect(await status(path)).toBe(200);
    for (let i = 0; i < 100; i++) {
      const { socket } = await say("", { from: `127.0.0.${10 + (i % 4)}` });
      socket.pause();
      socket.write(ask(path).repeat(16));
    }
    for (let i = 0; i < 5; i++) expect(await status("/pk?host=a")).toBe(200);
    expect(memory(hub.child.pid) - before).toBeLessThan(150e6);
  });

  test("connections that are silent, in the middle of a handshake or idle after it, as many as there are places, keep nobody out", async () => {
    const crowd: Promise<Socket>[] = [];
    for (let i = 0; i < 1100; i++) {
      const from = `127.0.0.${20 + (i % 2)}`;
      const says = ["", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"][i % 2] ?? "";
      crowd.push(knock({ port: pagePort, from, says }));
      if (i % 100 === 0) await Promise.all(crowd);
    }
    for (let i = 0; i < 20; i++) crowd.push(knockEncrypted({ port: pagePort, from: `127.0.0.${20 + (i % 2)}` }));
    sockets.push(...(await Promise.all(crowd)));
    expect([await status(), await status(), await status("/", "127.0.0.20")]).toEqual([200, 200, 200]);
    await expect(getHistory(hub.history, { id: "x_0", type: "util" }, ca)).rejects.toMatchObject({ code: 5 });
  });

  test("a flood of handshakes of some addresses delays that of another one by one handshake of each", async () => {
    const hello = await clientHello();
    let answered = 0;
    /** Begins a handshake. */
    const begin = async (from: string): Promise<Socket> => {
      const socket = connect({ host: "127.0.0.1", port: pagePort, localAddress: from });
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.write(hello);
      await once(socket, "connect");
      return socket;
    };
    const attack = Array.from({ length: 400 }, async (_, i) => {
      const socket = await begin(`127.0.0.${30 + (i % 2)}`);
      socket.once("data", () => answered++);
    });
    await Promise.all(attack);
    const honest = await begin("127.0.0.3");
    await once(honest, "data");
    expect(answered).toBeLessThan(200);
    expect(await status()).toBe(200);
  });

  /** What a client says first. */
  async function clientHello(): Promise<Buffer> {
    const { createServer } = await import("node:net");
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const client = connectTls({ host: "127.0.0.1", port }).on("error", () => undefined);
    const [socket] = (await once(server, "connection")) as [Socket];
    const [hello] = (await once(socket, "data")) as [Buffer];
    client.destroy();
    socket.destroy();
    server.close();
    return hello;
  }

  test("a client cannot make the hub shake hands again and again on one connection", async () => {
    const socket = connectTls({ host: "127.0.0.1", port: pagePort, ca, maxVersion: "TLSv1.2" });
    sockets.push(socket);
    await once(socket, "secureConnect");
    let again = false;
    socket.renegotiate({}, (error) => {
      again ||= error === null;
    });
    socket.on("error", () => undefined).resume();
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.write(ask("/api/health").replace("\r\n", "\r\nConnection: close\r\n"));
    await ended;
    expect(again).toBe(false);
  });

  test.each([
    ["WINDOW_UPDATE", preface, frame(8, 0, Uint8Array.of(0, 0, 0, 1))],
    [
      "CONTINUATION",
      Buffer.concat([preface, frame(1, 1, headersOf("/gpu.History/GetHistory"))]),
      frame(9, 1, Buffer.of(0, 1, 0x61, 1, 0x62)),
    ],
  ])(
    "a peer that floods the gRPC port with %s over TLS is disconnected, and others are answered",
    async (_, says, bytes) => {
      const before = memory(hub.child.pid);
      const socket = await knockEncrypted({ port: historyPort, from: "127.0.0.2", says });
      sockets.push(socket);
      const sent = flood(socket, bytes, 8e9);
      await expect(getHistory(hub.history, { id: "x_0", type: "util" }, ca)).rejects.toMatchObject({ code: 5 });
      expect(await sent).toBeLessThan(8e9);
      expect(memory(hub.child.pid) - before).toBeLessThan(100e6);
    },
  );

  test("metadata of 64 KB on the gRPC port is refused, and others are answered", async () => {
    const grpc = await import("@grpc/grpc-js");
    const metadata = new grpc.Metadata();
    metadata.set("x", "x".repeat(65_536));
    const client = new grpc.Client(hub.history, grpc.credentials.createSsl(ca));
    const same = (piece: Buffer): Buffer => piece;
    const error = await new Promise((resolve) => {
      client.makeUnaryRequest("/gpu.History/GetHistory", same, same, Buffer.alloc(0), metadata, (failed) =>
        resolve(failed),
      );
    });
    client.close();
    expect(error).toBeInstanceOf(Error);
    await expect(getHistory(hub.history, { id: "x_0", type: "util" }, ca)).rejects.toMatchObject({ code: 5 });
  });

  test("it stops on SIGTERM while clients are in the middle of everything", async () => {
    for (let i = 0; i < 20; i++) {
      await say(ask("/feed"));
      sockets.push(await knock({ port: pagePort, says: "\x16\x03\x01" }));
      const { socket } = await say("");
      socket.pause();
      socket.write(ask("/feed/host?name=a").repeat(10));
      sockets.push(await knockEncrypted({ port: historyPort, says: preface }));
    }
    expect(await hub.stop()).toBe(0);
    expect(hub.output()).not.toMatch(/could not stop cleanly| error /);
  });
});
