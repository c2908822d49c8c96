// HTTP's corners, on every path there is.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { openFront } from "../../test/door.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { writeFiles } from "../../test/report/written.ts";
import { noReports, viewOf } from "../../test/view.ts";
import { systemClock } from "../clock.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { feed } from "../view/feed.ts";
import { page } from "../view/page.ts";
import { rest } from "../view/rest.ts";
import { v1 } from "../view/v1.ts";
import type { RunningView } from "../view/view.ts";
import { application } from "./application.ts";
import { listen, type WebServer } from "./server.ts";

let folder = "";
let open: RunningView[];
let web: WebServer;
let paths: string[];
const lines: string[] = [];
const report = { card: 1, rows: [[1_754_007_000, 7, 9]] as const, user: "alice" };
const live = new Live(Date.now);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-web-"));
  writeFileSync(join(folder, "index.html"), "<title>page</title>".repeat(50));
  writeFileSync(join(folder, "app-ABCD2345.js"), "y".repeat(2000));
  live.expect("a", "x:1");
  live.received("a", create(HostInfoSchema, { hostname: "n" }));
  const model = new Model();
  const card = { level: "gpu" as const, key: "GPU-1", index: 0 };
  for (let i = 0; i < 20; i++) {
    const values = valuesOf("gpu", { gpu_power: i, gpu_memory_used: i, gpu_memory_total: 40 });
    model.append({ host: "a", at: Date.now() - 1000 * i, devices: [{ ...card, values }] });
  }
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  writeFiles(folder, { node: "n", date: "2025-08-01", format: () => "2025-08-01 00:10:00", cards: [report] });
  const reports = () => ({ ...noReports(), folder });
  const hub = viewOf({ live, history: model, clock: systemClock, log, web: folder, reports });
  open = [await feed.open(hub, {}), await rest.open(hub, {}), await v1.open(hub, {}), await page.open(hub, {})];
  const app = application(open, { log: hub.log, entry: hub.identity });
  // Every route that the views have, with something to fill its parameters.
  const filled: Readonly<Record<string, string>> = {
    "/host/*": "/host/a",
    "/:file{[A-Za-z0-9._-]+\\.[a-z0-9]+}": "/app-ABCD2345.js",
    "/feed/host": "/feed/host?name=a",
    "/api/history": "/api/history?host=a&metric=gpu_power&from=0",
    "/api/fleet/history": "/api/fleet/history?metric=gpu_power&from=0",
    "/api/v1/history": "/api/v1/history?host=a&metric=gpu_power&from=0",
    "/api/v1/fleet/history": "/api/v1/fleet/history?metric=gpu_power&from=0",
    "/api/v1/hosts/:name": "/api/v1/hosts/a",
    "/api/history/intervals": "/api/history/intervals?host=a&from=1754006400000&to=1754092800000",
    "/api/v1/reports/:node/:date": "/api/v1/reports/n/2025-08-01",
    "/api/v1/reports/:node/:date/page": "/api/v1/reports/n/2025-08-01/page",
    "/api/v1/reports/:node/:date/:file{[a-z0-9]+_[0-9-]+\\.(?:csv|txt)}":
      "/api/v1/reports/n/2025-08-01/gpu0_2025-08-01.csv",
  };
  paths = app.routes.map(({ path }) => filled[path] ?? path);
  web = await listen(app, { address: "127.0.0.1:0", front: openFront, names: () => ["gpus.lab.example"], log: silent });
});

afterAll(async () => {
  for (const view of open) await view.close();
  await web.close();
  rmSync(folder, { recursive: true });
});

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const blank = Buffer.from("\r\n\r\n");

/** Everything that comes back for some bytes, until `enough` or the end of the connection. */
function say(bytes: string, enough: (got: Buffer) => boolean = () => false): Promise<Buffer> {
  return new Promise((resolve) => {
    let got = Buffer.alloc(0);
    const socket = connect(web.port, "127.0.0.1");
    const end = (): void => {
      socket.destroy();
      resolve(got);
    };
    socket.on("error", end);
    socket.on("close", end);
    socket.on("data", (piece) => {
      got = Buffer.concat([got, piece]);
      if (enough(got)) end();
    });
    socket.write(bytes, "latin1");
  });
}

function parse(got: Buffer): RawAnswer {
  const split = got.indexOf(blank);
  const [first = "", ...fields] = got.toString("latin1", 0, split).split("\r\n");
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 2)];
  });
  return { status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers), body: got.subarray(split + 4) };
}

/** One request on a connection that is closed after it. @param headers "Name: value\r\n" each */
const ask = async (method: string, path: string, headers = ""): Promise<RawAnswer> =>
  parse(await say(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${headers}\r\n`));

/** As that, of an answer that never ends. */
const begin = async (path: string, headers = ""): Promise<RawAnswer> =>
  parse(await say(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`, (got) => got.includes(blank)));

const get = (path: string, headers = ""): Promise<RawAnswer> =>
  path === "/feed" ? begin(path, headers) : ask("GET", path, headers);

const everywhere = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "accept-ranges": "none",
  "cache-control": expect.stringMatching(/no-store|no-cache|immutable/),
  "content-security-policy": expect.stringMatching(/^default-src '(none|self)'/),
};

const sentence = expect.stringMatching(/^.{20,}$/s);

/** An answer in the documented form. @param path one that has the logger's shape of errors, or any other */
function refused(answer: RawAnswer, status: number, code: string, path = ""): void {
  expect(answer).toMatchObject({
    status,
    headers: { ...everywhere, "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
  });
  const body = JSON.parse(answer.body.toString()) as unknown;
  const logger = { success: false, detail: sentence, error_code: code.toUpperCase() };
  expect(body).toEqual(path === "/api" ? logger : { error: { code, message: sentence } });
  expect(Number(answer.headers["content-length"])).toBe(answer.body.length);
}

test("there is a request for every route", () => {
  expect(paths).toHaveLength(25);
  expect(paths.join()).not.toMatch(/[*{:]/);
});

test("GET and HEAD of every path say the same, HEAD without a body, and with the headers that every answer has", async () => {
  for (const path of paths) {
    const [whole, head] = [await get(path), await ask("HEAD", path)];
    const status = path.startsWith("/host/") ? 302 : 200;
    expect([whole.status, head.status, head.body.length], path).toEqual([status, status, 0]);
    expect(whole.headers, path).toMatchObject(everywhere);
    for (const name of [
      "content-type",
      "location",
      "content-encoding",
      "vary",
      "cache-control",
      "content-security-policy",
    ]) {
      expect(head.headers[name], `${name} of ${path}`).toBe(whole.headers[name]);
    }
  }
  expect(lines).toEqual([]);
});

test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])(
  "%s of every path is 405 with the methods it takes, and 404 where there is nothing",
  async (method) => {
    for (const path of paths) {
      const answer = await ask(method, path, "Content-Length: 2\r\n\r\n{}");
      refused(answer, 405, "method_refused", path);
      expect(answer.headers.allow).toBe("GET, HEAD");
    }
    refused(await ask(method, "/nothing/here"), 404, "page_unknown");
  },
);

test.each([
  ["no HTTP at all", "\x16\x03\x01\x02\x00\r\n\r\n", 400, "bad_request"],
  ["HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"],
  ["a method that is none", "HELLO / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
  ["a header without a colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400, "bad_request"],
  ["two lengths", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "bad_request"],
  ["* as its path", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
  ["a path that does not begin with /", "GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
  ["a target of another scheme", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
  ["a backslash in its path", "GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400, "bad_request"],
  ["an empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400, "bad_request"],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "bad_request"],
  ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n", 400, "bad_request"],
  ["a port that is none", "GET / HTTP/1.1\r\nHost: [::1]:70000\r\n\r\n", 400, "bad_request"],
  ["a strange name", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "name_refused"],
  ["a strange name in its target", "GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 421, "name_refused"],
  ["a query of 20 KB", `GET /pk?x=${"y".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, "request_too_long"],
  ["headers of 20 KB", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, 431, "request_too_long"],
  ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_refused"],
  ["an expectation", "GET / HTTP/1.1\r\nHost: x\r\nExpect: a-wonder\r\n\r\n", 417, "expectation_refused"],
])("a request with %s is refused in the documented form", async (_name, bytes, status, code) => {
  // Node answers some of these and would go on: the end of the answer is told by its length.
  const whole = (got: Buffer): boolean => {
    const { headers, body } = parse(got);
    return got.includes(blank) && body.length >= Number(headers["content-length"] ?? Number.POSITIVE_INFINITY);
  };
  refused(parse(await say(bytes, whole)), status, code);
});

test("an answer that has begun is never followed by bytes that would be taken for a part of it", async () => {
  const got = await new Promise<string>((resolve) => {
    let text = "";
    const socket = connect(web.port, "127.0.0.1");
    socket.on("error", () => {}); // it is cut
    socket.on("close", () => resolve(text));
    socket.once("data", () => socket.write("nonsense\r\n\r\n"));
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
    });
    socket.write("GET /feed HTTP/1.1\r\nHost: x\r\n\r\n");
  });
  expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(got).not.toContain("bad_request");
});

test.each([
  ["HTTP/1.0 without a Host", "GET /api/health HTTP/1.0\r\n\r\n"],
  [
    "an upgrade that is not offered",
    "GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
  ],
  [
    "a WebSocket",
    "GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
  ],
  [
    "a target with the hub's own name",
    "GET http://gpus.lab.example:99/api/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
  ],
  ["an address of IPv6 written out", "GET /api/health HTTP/1.1\r\nHost: [fd00:0:0:0:0:0:0:1]:5000\r\n\r\n"],
  ["a target beside a Host that is none", "GET http://x/api/health HTTP/1.1\r\nHost: [zz\r\n\r\n"],
  ["a range", "GET /api/health HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n"],
  ["Expect: 100-continue", "GET /api/health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"],
  ["a percent sign that begins nothing", "GET /api/health?x=%zz HTTP/1.1\r\nHost: x\r\n\r\n"],
])("%s is answered as any request", async (_name, bytes) => {
  const got = await say(bytes, (part) => part.includes('"notices":[]}'));
  expect(got.toString()).toMatch(/^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK\r\n/);
});

test.each([
  ["/api/health/", "page_unknown"],
  ["/api/history/?host=a", "page_unknown"],
  ["/%zz", "page_unknown"],
  ["/%00", "page_unknown"],
  ["/..%2fpackage.json", "page_unknown"],
  ["/%2e%2e/package.json", "page_unknown"],
  ["/index.html/", "page_unknown"],
  ["/constructor.js", "page_unknown"],
  ["//evil.example/", "page_unknown"],
  ["/api/history?host=%zz&metric=gpu_power", "host_unknown"],
  ["/api/history?host=constructor&metric=gpu_power", "host_unknown"],
  ["/feed/host?name=__proto__", "host_unknown"],
  ["/feed/host?name=toString", "host_unknown"],
  ["/api/history?host=a&host=b&metric=gpu_power", "bad_request"],
  ["/api/history?host=a&metric=gpu_power&metric=gpu_fan", "bad_request"],
  ["/feed/host?name=a&name=b", "bad_request"],
  ["/pk?host=a&host=b", "bad_request"],
  ["/api/history?host=a&metric=constructor", "metric_unknown"],
  ["/api/fleet/history?metric=__proto__", "metric_unknown"],
  ["/pk?type=toString", "metric_unknown"],
])("%s is %s", async (path, code) => {
  const status = code.startsWith("page") || code.startsWith("host") ? 404 : 400;
  refused(await ask("GET", path), status, code);
});

test("the first GOHM's paths ignore parameters that mean nothing, and give the answer of without them", async () => {
  for (const path of ["/pk", "/hist"]) {
    const plain = await get(path);
    for (const more of ["?x=1", "?__proto__=1&constructor=2", "?x=%zz", "?="]) {
      const other = await get(path + more);
      expect([other.status, other.headers.etag, other.body.equals(plain.body)]).toEqual([
        200,
        plain.headers.etag,
        true,
      ]);
    }
  }
});

const tagged = ["/", "/app-ABCD2345.js", "/pk", "/hist"];

test("each coding of a file has a tag of its own, and every form of If-None-Match is understood", async () => {
  for (const path of tagged) {
    const tags = new Set<string>();
    for (const coding of ["br", "gzip", "identity"]) {
      const encoding = `Accept-Encoding: ${coding}\r\n`;
      const { headers } = await get(path, encoding);
      const tag = headers.etag ?? "";
      expect(tag, path).toMatch(/^"[^"]+"$/);
      tags.add(tag);
      expect(headers["content-encoding"] ?? "identity").toBe(path.length < 6 && path !== "/" ? "identity" : coding);
      for (const held of [tag, `W/${tag}`, `"other", ${tag}`, `"a,b",W/${tag} `, "*"]) {
        const again = await get(path, `${encoding}If-None-Match: ${held}\r\n`);
        expect([again.status, again.body.length], `${path} ${held}`).toEqual([304, 0]);
        // What a cache needs, and no length or coding of a body that is not there.
        expect(again.headers).toMatchObject({ ...everywhere, etag: tag, "cache-control": headers["cache-control"] });
        expect(again.headers.vary).toBe(headers.vary);
        expect(again.headers["content-encoding"]).toBeUndefined();
        expect(again.headers["content-type"]).toBeUndefined();
      }
      for (const other of ['"other"', tag.slice(0, -1), `x${tag.replaceAll('"', "")}`, ""]) {
        expect((await get(path, `${encoding}If-None-Match: ${other}\r\n`)).status, `${path} ${other}`).toBe(200);
      }
    }
    expect(tags.size, path).toBe(path === "/pk" || path === "/hist" ? 1 : 3);
  }
});

test.each([
  ["gzip;q=0", undefined],
  ["br;q=0, gzip;q=0, *;q=0", undefined],
  ["identity, gzip;q=0.1", undefined],
  ["gzip;q=0.5", "gzip"],
])("Accept-Encoding: %s gives the page and the feed in %s", async (encoding, coding) => {
  for (const path of ["/", "/feed"]) {
    const { headers } = await get(path, `Accept-Encoding: ${encoding}\r\n`);
    expect(headers["content-encoding"], path).toBe(coding);
    expect(headers.vary, path).toContain("Accept-Encoding");
  }
});

test("what is packed is what is not", async () => {
  const [plain, packed] = [await get("/"), await get("/", "Accept-Encoding: gzip\r\n")];
  expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
});

test.each([
  ["application/json", "application/json"],
  ["text/html, application/json", "text/html; charset=utf-8"],
  ["text/html;q=0, application/json;q=0.5", "application/json"],
  ["application/json;q=0, */*", "text/html; charset=utf-8"],
])("/ for Accept: %s is %s", async (accept, type) => {
  expect((await get("/", `Accept: ${accept}\r\n`)).headers["content-type"]).toBe(type);
});

test.each([
  ["/host/gpu1", "../#/host/gpu1"],
  ["/host/gpu1?name=other", "../#/host/gpu1"],
  ["/host/a%2Fb%20%E8%8A%82%23%3F", "../#/host/a%2Fb%20%E8%8A%82%23%3F"],
  ["/host/a/b", "../../#/host/a/b"],
  ["/host//evil.example", "../../#/host//evil.example"],
  ["/host/100%", "../#/host/100%"],
  ["/host/%0d%0aSet-Cookie:a=b", "../#/host/%0d%0aSet-Cookie:a=b"],
  ["/host/", "../#/"],
  ["/host", "./#/"],
])("%s redirects to %s, relative to any path of a proxy and to this hub only", async (path, location) => {
  const { status, headers } = await get(path, "Accept: application/json\r\n");
  expect([status, headers.location, headers["set-cookie"]]).toEqual([302, location, undefined]);
});

test("HEAD of the feed ends, is no viewer, and the next request on its connection is answered", async () => {
  const request =
    "HEAD /feed HTTP/1.1\r\nHost: x\r\n\r\nGET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const got = (await say(request)).toString();
  expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n.*text\/event-stream.*HTTP\/1\.1 200 OK\r\n.*"status":"ok"/s);
  expect(lines).toEqual([]);
});

test("a client that closes the connection and sends a long body is left to close it: it can send all and read why it is refused", async () => {
  const head = (length: number): string =>
    `POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
  const connectionOf = async (length: number): Promise<string | undefined> =>
    parse(await say(head(length), (got) => got.includes(blank))).headers.connection;
  expect([await connectionOf(3_000_000), await connectionOf(10)]).toEqual(["keep-alive", "close"]);
});
