import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { Model } from "../../test/model.ts";
import { systemClock } from "../clock.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { feed } from "./feed.ts";
import { application, listen, type Web } from "./http.ts";
import { page } from "./page.ts";
import { rest } from "./rest.ts";
import type { Open, Sight } from "./view.ts";

let folder = "";
let live: Live;
let open: Open[];
let web: Web;
let url = "";
const lines: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-web-"));
  live = new Live(Date.now);
  live.expect("a", "x:1");
  const sight: Sight = {
    live,
    history: new Model(),
    clock: systemClock,
    log: { ...silent, warn: (line) => lines.push(line), error: (line) => lines.push(line) },
    version: "1.2.3",
    hub: "h",
    name: () => "north",
    interval: () => 10,
    web: folder,
    group: () => undefined,
    historyAddress: "127.0.0.1:0",
  };
  open = [await feed.open(sight), await rest.open(sight), await page.open(sight)];
  web = await listen(application(open, sight.log), "127.0.0.1:0");
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

function raw(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage & { body: Buffer }> {
  return new Promise((resolve, reject) => {
    get(url + path, { headers }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("end", () => resolve(Object.assign(response, { body: Buffer.concat(pieces) })));
    }).on("error", reject);
  });
}

test("a page that was not built says how to build it, and is there without a restart once it is", async () => {
  const before = await raw("/");
  expect([before.statusCode, before.headers["content-type"]]).toEqual([503, "text/html; charset=utf-8"]);
  expect(before.body.toString()).toContain("npm run build");
  writeFileSync(join(folder, "index.html"), "<title>x</title>");
  const after = await raw("/");
  expect([after.statusCode, after.body.toString()]).toEqual([200, "<title>x</title>"]);
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

test("a host that the hub does not know has no page: the answer says so", async () => {
  const { status, body } = await json("/feed/host?name=nobody");
  expect([status, body]).toEqual([
    404,
    { error: { code: "host_unknown", message: 'There is no host "nobody" in the settings.' } },
  ]);
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
