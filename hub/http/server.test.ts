import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { HttpBindings } from "@hono/node-server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { openFront } from "../../test/door.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { viewOf } from "../../test/view.ts";
import { systemClock } from "../clock.ts";
import { Live } from "../live.ts";
import { type Log, silent } from "../log.ts";
import type { Served } from "../route/handler.ts";
import { feed } from "../view/feed.ts";
import { page } from "../view/page.ts";
import { rest } from "../view/rest.ts";
import type { HubView, RunningView } from "../view/view.ts";
import { application } from "./application.ts";
import { listen, type WebServer } from "./server.ts";

let folder = "";
let live: Live;
let open: RunningView[];
let web: WebServer;
let url = "";
let model: Model;
let lines: string[];
/** The hub's side of every viewer of the feed. */
let viewers: ServerResponse[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-web-"));
  live = new Live(Date.now);
  live.expect("a", "x:1");
  model = new Model();
  lines = [];
  viewers = [];
  const history: HubView["history"] = {
    read: (question) => model.read(question),
    fold: (question) => model.fold(question),
    known: (host) => model.known(host),
  };
  const log: Log = { ...silent, warn: (line) => lines.push(line), error: (line) => lines.push(line) };
  const hub = viewOf({ live, history, clock: systemClock, log, name: () => "north", web: folder });
  const [events, programs, files] = [await feed.open(hub, {}), await rest.open(hub, {}), await page.open(hub, {})];
  const { routes = {}, handlers = {} } = events.routes ?? {};
  const watched: Served = {
    routes,
    handlers: {
      ...handlers,
      feed: (request) => {
        viewers.push((request.c.env as HttpBindings).outgoing as ServerResponse);
        return handlers.feed?.(request) ?? Response.error();
      },
    },
  };
  open = [events, programs, files];
  web = await listen(application([{ routes: watched }, programs, files], { log: hub.log, entry: hub.identity }), {
    address: "127.0.0.1:0",
    front: openFront,
    names: () => ["gpus.lab.example"],
    log: hub.log,
  });
  url = `http://127.0.0.1:${web.port}`;
});

afterEach(async () => {
  for (const view of open) await view.close();
  await web.close();
  rmSync(folder, { recursive: true });
});

const json = async (path: string): Promise<{ status: number; body: Record<string, unknown> }> => {
  const answer = await fetch(url + path);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

test("GET /api/health counts hosts and says what an administrator should know", async () => {
  live.notice("settings", "line 3");
  expect((await json("/api/health")).body).toMatchObject({
    status: "ok",
    name: "north",
    version: "1.2.3",
    hosts: 1,
    open: 0,
    notices: ["line 3"],
  });
});

test("GET /api/health names the hosts that do not answer, at most 20, without hidden characters", async () => {
  const silentHosts = async () => (await json("/api/health")).body.silent;
  const [first] = live.hosts().map(({ name }) => name);
  expect(await silentHosts()).toEqual([first]);
  live.expect("x\u202ey", "127.0.0.1:1");
  for (let i = 0; i < 30; i++) live.expect(`z${i}`, "127.0.0.1:1");
  expect([await silentHosts(), (await json("/api/health")).body.hosts]).toEqual([
    [first, "xy", ...Array.from({ length: 18 }, (_, i) => `z${i}`)],
    32,
  ]);
});

type FetchedAnswer = IncomingMessage & { body: Buffer };

function raw(
  path: string,
  headers: Record<string, string> = {},
  more: { method?: string; agent?: Agent } = {},
): Promise<FetchedAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { headers, ...more }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("end", () => resolve(Object.assign(response, { body: Buffer.concat(pieces) })));
    });
    asked.on("error", reject).end();
  });
}

/** Samples of one card, a second apart. */
function measure(count: number): void {
  for (let i = 0; i < count; i++) {
    const values = valuesOf("gpu", { gpu_power: i });
    model.append({ host: "a", at: 1000 * i, devices: [{ level: "gpu", key: "GPU-1", values }] });
  }
}

test("history comes whole, with its length, over one connection, and HEAD says the same without it", async () => {
  measure(20);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let connections = 0;
  const connecting = agent.createConnection.bind(agent);
  agent.createConnection = (...given) => {
    connections++;
    return connecting(...given);
  };
  const path = "/api/history?host=a&metric=gpu_power&step=0&from=0&to=20000";
  const first = await raw(path, {}, { agent });
  expect(first.headers).toMatchObject({
    "content-type": "application/json; charset=utf-8",
    "content-length": String(first.body.length),
    vary: "Accept",
  });
  const packed = await raw(path, { accept: "application/x-protobuf" }, { agent });
  expect(packed.headers).toMatchObject({
    "content-type": "application/x-protobuf",
    "content-length": String(packed.body.length),
  });
  expect((await raw(path, {}, { agent })).body.equals(first.body)).toBe(true);
  expect(connections).toBe(1);
  const head = await raw(path, {}, { agent, method: "HEAD" });
  expect([head.statusCode, head.headers["content-type"], head.headers.vary, head.body.length]).toEqual([
    200,
    "application/json; charset=utf-8",
    "Accept",
    0,
  ]);
  agent.destroy();
});

test("a page that was not built says how to build it, and is there without a restart once it is", async () => {
  const before = await raw("/");
  expect([before.statusCode, before.headers["content-type"]]).toEqual([503, "text/html; charset=utf-8"]);
  expect(before.body.toString()).toContain("npm run build");
  writeFileSync(join(folder, "index.html"), "<title>x</title>");
  const after = await raw("/");
  expect([after.statusCode, after.body.toString()]).toEqual([200, "<title>x</title>"]);
});

test("a file that comes, changes or goes while the hub runs is answered as it is: a build is not one step", async () => {
  writeFileSync(join(folder, "index.html"), "<title>x</title>");
  expect((await raw("/plots-ABCD2345.js")).statusCode).toBe(404);
  expect((await raw("/")).statusCode).toBe(200);
  writeFileSync(join(folder, "plots-ABCD2345.js"), "half");
  expect((await raw("/plots-ABCD2345.js")).body.toString()).toBe("half");
  writeFileSync(join(folder, "plots-ABCD2345.js"), "half and half");
  const whole = await raw("/plots-ABCD2345.js");
  expect(whole.body.toString()).toBe("half and half");
  rmSync(join(folder, "plots-ABCD2345.js"));
  expect((await raw("/plots-ABCD2345.js")).statusCode).toBe(404);
  rmSync(join(folder, "index.html"));
  expect((await raw("/")).statusCode).toBe(503);
});

test("files with their hash in the name are kept by browsers for good, the page itself is asked for each time", async () => {
  writeFileSync(join(folder, "index.html"), "x".repeat(2000));
  writeFileSync(join(folder, "app-ABCD2345.js"), "y".repeat(2000));
  mkdirSync(join(folder, "folder.js"));
  const script = await raw("/app-ABCD2345.js", { "accept-encoding": "gzip, br" });
  expect(script.headers).toMatchObject({
    "cache-control": "public, max-age=31536000, immutable",
    "content-encoding": "br",
    "content-type": "text/javascript; charset=utf-8",
  });
  expect(script.body.length).toBeLessThan(100);
  const index = await raw("/");
  expect(index.headers["cache-control"]).toBe("no-cache");
  const again = await raw("/", { "if-none-match": index.headers.etag ?? "" });
  expect([again.statusCode, again.body.length]).toEqual([304, 0]);
  expect((await raw("/folder.js")).statusCode).toBe(404);
});

/** A viewer that asks for the feed and then reads as it is told. */
function viewer(): Socket {
  const socket = connect(web.port, "127.0.0.1");
  socket.on("error", () => {}); // it is meant to be dropped
  socket.write("GET /feed HTTP/1.1\r\nHost: x\r\n\r\n");
  return socket;
}

test("a viewer that takes nothing is dropped instead of filling the hub's memory, and the others go on", async () => {
  const slow = viewer();
  slow.pause();
  const quick = viewer();
  let heard = 0;
  quick.on("data", (piece) => {
    heard += piece.length;
  });
  await vi.waitFor(() => expect(heard).toBeGreaterThan(0));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    const closed = new Promise((resolve) => slow.once("close", resolve));
    // Each tick carries a megabyte that no delta can shorten.
    for (let i = 0; i < 40 && !lines.some((line) => line.includes("too slowly")); i++) {
      live.received("a", create(HostInfoSchema, { hostname: `${i}${"x".repeat(1_000_000)}` }));
      await vi.advanceTimersByTimeAsync(1100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(lines.join()).toContain("too slowly");
    slow.resume();
    await closed;
  } finally {
    vi.useRealTimers();
  }
  const before = heard;
  live.received("a", create(HostInfoSchema, { hostname: "short" }));
  // The clock went back with the real timers: the feed must not wait until it has caught up.
  await vi.waitFor(() => expect(heard).toBeGreaterThan(before), { timeout: 5000 });
  quick.destroy();
});

test("a viewer that takes nothing for two minutes is dropped, however little waits for it", async () => {
  const slow = viewer();
  slow.pause();
  await vi.waitFor(() => expect(viewers).toHaveLength(1));
  const [answer] = viewers;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    const told = async (hostname: string, ms: number): Promise<void> => {
      live.received("a", create(HostInfoSchema, { hostname }));
      await vi.advanceTimersByTimeAsync(ms);
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    // What lies between two programs is filled first: from then on something waits.
    for (let i = 0; i < 40 && answer?.writableLength === 0; i++) await told(`${i}${"x".repeat(500_000)}`, 1100);
    expect(answer?.writableLength).toBeGreaterThan(0);
    for (let i = 0; i < 110; i++) await told(`short ${i}`, 1000);
    expect(lines).toEqual([]);
    for (let i = 0; i < 20; i++) await told(`late ${i}`, 1000);
    expect(lines.join()).toContain("too slowly");
    expect(answer?.destroyed).toBe(true);
  } finally {
    vi.useRealTimers();
    slow.destroy();
  }
});

test("a host that the hub does not know has no page: the answer says so", async () => {
  const { status, body } = await json("/feed/host?name=nobody");
  expect([status, body]).toEqual([404, { error: { code: "host_unknown", message: 'There is no host "nobody".' } }]);
  const known = await raw("/feed/host?name=a");
  expect([known.statusCode, known.headers["content-type"]]).toEqual([200, "application/x-protobuf"]);
});

test("many changes within a second are one event", async () => {
  const socket = viewer();
  let text = "";
  socket.on("data", (piece) => {
    text += piece.toString();
  });
  const events = (): number => text.match(/^data: /gm)?.length ?? 0;
  await vi.waitFor(() => expect(events()).toBe(1));
  for (let i = 0; i < 100; i++) {
    live.received("a", create(HostInfoSchema, { hostname: `h${i}` }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.waitFor(() => expect(events()).toBe(2), { timeout: 3000 });
  live.notice("x", "y");
  await vi.waitFor(() => expect(events()).toBe(3), { timeout: 3000 });
  socket.destroy();
});

test("a body may take longer than half a minute if it comes at a steady pace, and no longer if it does not", async () => {
  let received = 0;
  const fetch = async ({ body }: Request): Promise<Response> => {
    for await (const piece of body ?? []) received += piece.length;
    return new Response("all of it");
  };
  const slowly = await listen({ fetch }, { address: "127.0.0.1:0", front: openFront, names: () => [], log: silent });
  const sockets: Socket[] = [];
  const send = (length: number, body: Buffer): { socket: Socket; heard: () => string } => {
    const socket = connect(slowly.port, "127.0.0.1");
    sockets.push(socket);
    let text = "";
    socket.on("error", () => {}); // the hub closes it
    socket.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
    socket.write(`POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`);
    socket.write(body);
    return { socket, heard: () => text };
  };
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const stuck = send(100, Buffer.alloc(1));
    const steady = send(1_048_576, Buffer.alloc(1_000_000));
    while (received < 1_000_001) await new Promise((done) => setImmediate(done));
    vi.advanceTimersByTime(31_000);
    while (!stuck.socket.destroyed) await new Promise((done) => setImmediate(done));
    vi.advanceTimersByTime(50_000);
    steady.socket.write(Buffer.alloc(48_576));
    while (steady.heard() === "" && !steady.socket.destroyed) await new Promise((done) => setImmediate(done));
    expect(steady.heard()).toMatch(/^HTTP\/1.1 200 /);
  } finally {
    vi.useRealTimers();
    for (const socket of sockets) socket.destroy();
    await slowly.close();
  }
});

/** Sends texts over one connection, each after an answer to the one before. @returns what came back until the hub closed it */
async function converse(port: number, texts: readonly string[], half = false): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: half });
  let heard = "";
  let answers = 0;
  const next = (): void => {
    const text = texts[answers++];
    if (text !== undefined) socket.write(text);
    if (half && answers === texts.length) socket.end();
  };
  socket.setEncoding("latin1").on("data", (piece: string) => {
    heard += piece;
    if (heard.split("HTTP/1.1 ").length > answers) next();
  });
  next();
  await new Promise((resolve) => socket.once("close", resolve).on("error", () => undefined));
  return heard;
}

const get = "GET /api/health HTTP/1.1\r\nHost: localhost\r\n";

test("a further request whose head does not come in time is refused in words, as a first one", async () => {
  const app = application(open, { log: silent, entry: viewOf().identity });
  const hasty = await listen(app, {
    address: "127.0.0.1:0",
    front: openFront,
    names: () => [],
    log: silent,
    headMs: 100,
  });
  try {
    for (const texts of [[get], [`${get}\r\n`, get]]) {
      expect(await converse(hasty.port, texts)).toMatch(/HTTP\/1\.1 408 [\s\S]*"code":"request_too_slow"/);
    }
  } finally {
    await hasty.close();
  }
});

test("a client that sends no more than its request gets the answer", async () => {
  expect(await converse(web.port, [`${get}\r\n`], true)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"status":"ok"/);
});
