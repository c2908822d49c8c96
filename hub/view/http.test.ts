import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { systemClock } from "../clock.ts";
import type { Known, Range, SeriesId } from "../history/store.ts";
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
let asked: [SeriesId, Range][];
let samples = 3;
const lines: string[] = [];

const known: Known[] = [
  { host: "a", level: "gpu", key: "GPU-1", index: 0, metrics: ["gpu_temperature"], last: 5 },
  { host: "old", level: "disk", key: "/", metrics: ["disk_used"], last: 5 },
];

function read(series: SeriesId, range: Range) {
  asked.push([series, range]);
  const count = range.step === 0 ? samples : Math.min(samples, 100);
  const t = Float64Array.from({ length: count }, (_, i) => range.from + i);
  return { t, min: t, avg: t, max: t };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-web-"));
  live = new Live(Date.now);
  live.expect("a", "x:1");
  asked = [];
  samples = 3;
  const sight: Sight = {
    live,
    history: { read, known: (host) => known.filter((one) => host === undefined || one.host === host) },
    clock: systemClock,
    log: { ...silent, warn: (line) => lines.push(line), error: (line) => lines.push(line) },
    version: "1.2.3",
    hub: "h",
    name: () => "north",
    interval: () => 10,
    keepDays: () => 15,
    web: folder,
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

test.each([
  ["?metric=load1", 400, "bad_request", "host"],
  ["?host=b&metric=load1", 404, "host_unknown", "b"],
  ["?host=a", 400, "bad_request", "metric"],
  ["?host=a&metric=colour", 400, "metric_unknown", "load1"],
  ["?host=a&metric=cpu_cores", 400, "metric_unknown", "cpu_utilization"],
  ["?host=a&level=rack&metric=load1", 400, "bad_request", "host, gpu, disk, nic"],
  ["?host=a&level=gpu&key=GPU-9&metric=gpu_fan", 404, "device_unknown", "GPU-9"],
  ["?host=a&metric=load1&from=x", 400, "bad_request", '"from"'],
  ["?host=a&metric=load1&from=-1", 400, "bad_request", '"from"'],
  ["?host=a&metric=load1&from=5&to=5", 400, "bad_request", "before"],
  [`?host=a&metric=${"load1,".repeat(17)}`, 400, "bad_request", "1 to 16"],
])("GET /api/history%s is refused with %d %s", async (query, status, code, word) => {
  const answer = await json(`/api/history${query}`);
  expect(answer).toEqual({ status, body: { error: { code, message: expect.stringContaining(word) } } });
});

test("a short range gives every sample, a long one at most 2,000 buckets, and a step that is too fine is widened", async () => {
  const ask = async (query: string) =>
    (await json(`/api/history?host=a&level=gpu&key=GPU-1&metric=gpu_temperature${query}`)).body;
  expect(await ask("&from=0&to=900000&step=0")).toMatchObject({
    step: 0,
    series: [
      { metric: "gpu_temperature", unit: "celsius", t: [0, 1, 2], min: [0, 1, 2], avg: [0, 1, 2], max: [0, 1, 2] },
    ],
  });
  expect(await ask("&from=0&to=864000000")).toMatchObject({ step: 600_000 });
  expect(await ask("&from=0&to=864000000&step=1000")).toMatchObject({ step: 600_000 });
  expect(await ask("&from=0&to=3600000&step=60000")).toMatchObject({ step: 60_000 });
  // Polled faster then than now: too many samples for one answer, so buckets after all.
  samples = 5000;
  expect(await ask("&from=0&to=900000")).toMatchObject({ step: 1000 });
});

test("a range that begins before anything is kept begins where keeping does, so that its buckets are no wider than need be", async () => {
  const to = Date.now();
  const { body } = await json(`/api/history?host=a&level=gpu&key=GPU-1&metric=gpu_temperature&from=0&to=${to}`);
  const fifteenDays = 15 * 86_400_000;
  expect(to - (body.from as number)).toBeLessThanOrEqual(fifteenDays);
  expect(body.step).toBeLessThanOrEqual(Math.ceil(fifteenDays / 2000 / 300_000) * 300_000);
});

test("a device that a host shows now has an empty chart before its first sample, and a host that is gone keeps its own", async () => {
  live.received("a", create(HostInfoSchema, { nics: [{ name: "eth0" }] }));
  expect((await json("/api/history?host=a&level=nic&key=eth0&metric=network_receive")).status).toBe(200);
  expect((await json("/api/history?host=old&level=disk&key=/&metric=disk_used")).status).toBe(200);
});

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
