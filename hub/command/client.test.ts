import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { socketPathOf } from "../http/socket.ts";
import { restRoutes } from "../route/rest.ts";
import { openHub, type Timeouts } from "./client.ts";
import { Failure } from "./command.ts";

let folder = "";
const servers: { close(): unknown }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-client-"));
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

type Responder = (response: ServerResponse, request: IncomingMessage) => void;

async function serve(answer: Responder, at?: string): Promise<string> {
  const server: Server = createServer((request, response) => answer(response, request));
  servers.push({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  await new Promise<void>((done) => (at === undefined ? server.listen(0, "127.0.0.1", done) : server.listen(at, done)));
  return at ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json =
  (value: unknown, status = 200): Responder =>
  (response) =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));

/** The answer of a hub of this name. */
const hub = (name: string): unknown => ({ status: "ok", name, version: "1", hub: "x", hosts: 0, open: 0, notices: [] });

const refusal = (code: string, message: string): unknown => ({ error: { code, message } });

type Env = Readonly<Record<string, string>>;

const patient: Timeouts = { silenceMs: 60_000, totalMs: 60_000 };

/** The name of the hub that is asked. */
const ask = async (flags: Readonly<Record<string, string>>, env: Env = {}, timeouts = patient): Promise<string> =>
  (await openHub({ flags, env }, timeouts).call(restRoutes.health, {})).name;

test("a hub is asked at its address, below the address's own path, with the token as a bearer", async () => {
  const seen: unknown[] = [];
  const url = await serve((response, request) => {
    seen.push([request.method, request.url, request.headers.authorization, request.headers.accept]);
    json(hub("lab"))(response, request);
  });
  expect(await ask({ hub: url })).toBe("lab");
  await ask({}, { GOHM_HUB: `${url}/gohm/`, GOHM_HUB_TOKEN: "s3cret" });
  writeFileSync(join(folder, "token"), "from-file\n");
  await ask({}, { GOHM_HUB: url, GOHM_HUB_TOKEN_FILE: join(folder, "token") });
  expect(seen).toEqual([
    ["GET", "/api/health", undefined, "application/json"],
    ["GET", "/gohm/api/health", "Bearer s3cret", "application/json"],
    ["GET", "/api/health", "Bearer from-file", "application/json"],
  ]);
});

test("a client says the address of its hub, below which links lead, and has none for the hub of a data folder", () => {
  expect(openHub({ flags: { hub: "https://gpus.lab/gohm" }, env: {} }).base).toBe("https://gpus.lab/gohm/");
  expect(openHub({ flags: { data: folder }, env: { GOHM_HUB: "https://gpus.lab" } }).base).toBeUndefined();
});

/** A data folder whose hub answers on its control socket. */
async function control(name: string, answer: Responder): Promise<string> {
  const data = join(folder, name);
  mkdirSync(join(data, "control"), { recursive: true });
  const address = socketPathOf(data);
  await serve(answer, address.path);
  address.release();
  return data;
}

test("without an address the hub of the data folder is asked, and shown no token", async () => {
  const seen: unknown[] = [];
  const data = await control("data", (response, request) => {
    seen.push([request.url, request.headers.authorization]);
    json(hub("lab"))(response, request);
  });
  const env = { GOHM_DATA: data, GOHM_HUB_TOKEN: "s3cret" };
  expect(await ask({}, env)).toBe("lab");
  expect(seen).toEqual([["/api/health", undefined]]);
});

/** What no hub has: a route of its owner with a name in its path and a body, which answers as /api/health does. */
const rename = {
  ...restRoutes.health,
  ...({ method: "PUT", path: "/nodes/{name}", needs: "owner" } as const),
  params: { name: restRoutes.pk.params.host },
};

test("a call sends the method, the path and the body of its route", async () => {
  const seen: unknown[] = [];
  const data = await control("data", async (response, request) => {
    seen.push([request.method, request.url, request.headers["content-type"], await text(request)]);
    json(hub("lab"))(response, request);
  });
  const client = openHub({ flags: { data }, env: {} }, patient);
  expect(await client.call(rename, { name: "a/b" }, { name: "c" })).toMatchObject({ name: "lab" });
  expect(seen).toEqual([["PUT", "/nodes/a%2Fb", "application/json", '{"name":"c"}']]);
});

test("routes of the owner are not asked for at an address, where no hub has them", async () => {
  let asked = 0;
  const url = await serve((response, request) => {
    asked++;
    json(hub("lab"))(response, request);
  });
  const call = openHub({ flags: {}, env: { GOHM_HUB: url } }, patient).call(rename, { name: "a" });
  expect(await failure(call)).toMatch(
    /may ask for \/nodes\/\{name\}, .*\(--data\) instead of its address \(GOHM_HUB\)$/,
  );
  expect(asked).toBe(0);
});

test("a data folder with a long name is asked too, and nothing of it stays open", async () => {
  const data = await control("x".repeat(120), json(hub("long")));
  expect(await ask({ data })).toBe("long");
  expect(execFileSync("ls", ["-l", `/proc/${process.pid}/fd`], { encoding: "utf8" })).not.toContain(data);
});

test("a flag wins over a variable: --data over GOHM_HUB, --hub over GOHM_DATA", async () => {
  const url = await serve(json(hub("address")));
  const data = await control("data", json(hub("folder")));
  expect(await ask({ data }, { GOHM_HUB: url })).toBe("folder");
  expect(await ask({ hub: url }, { GOHM_DATA: data })).toBe("address");
  expect(await ask({}, { GOHM_HUB: url, GOHM_DATA: data })).toBe("address");
});

const failure = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    (answer) => `answered ${JSON.stringify(answer)}`,
    (error: unknown) => (error instanceof Failure ? error.message : `unexpected ${String(error)}`),
  );

test("a data folder without a hub is named, with the ways to name another", async () => {
  const wanted = `No hub runs on the data folder ${join(folder, "none")}: start one, name its folder (--data, GOHM_DATA), or name the address of a hub (--hub, GOHM_HUB)`;
  expect(await failure(ask({ data: join(folder, "none") }))).toBe(wanted);
  writeFileSync(join(folder, "file"), "");
  expect(await failure(ask({ data: join(folder, "file") }))).toContain("No hub runs on the data folder");
  // What a hub that was killed leaves behind.
  const data = await control("left", json({}));
  for (const server of servers.splice(0)) server.close();
  writeFileSync(join(data, "control", "socket"), "");
  expect(await failure(ask({ data }))).toContain(`No hub runs on the data folder ${data}`);
});

test.each([
  [401, "x", {}, /\(--hub\) requires a token: GOHM_HUB_TOKEN, or GOHM_HUB_TOKEN_FILE$/],
  [401, "x", { GOHM_HUB_TOKEN: "wrong" }, /\(--hub\) rejected this token \(GOHM_HUB_TOKEN\)$/],
  [403, "<html>", {}, /\(--hub\) does not allow this \(status 403\)$/],
  [403, refusal("permission_denied", "Only an owner may."), {}, /\(--hub\) refuses: Only an owner may\.$/],
  [404, refusal("page_unknown", "There is nothing."), {}, /does not know \/api\/health: it is older than this program/],
  [405, refusal("method_refused", "Only read."), {}, /it is older than this program; upgrade it$/],
  [404, "<html>", {}, /^What answers at http:\/\/127\.0\.0\.1:\d+ \(--hub\) is not a GOHM hub$/],
  [200, undefined, {}, /is not a GOHM hub$/],
  [200, { status: "UP" }, {}, /is not a GOHM hub$/],
  [421, refusal("name_refused", "Not my name."), {}, /refuses: Not my name\.$/],
  [503, refusal("busy", "Too \u001b[31mmany\u202e."), {}, /refuses: Too \[31mmany\.$/],
  [503, refusal("busy", "You said wrong."), { GOHM_HUB_TOKEN: "wrong" }, /refuses: You said \*\*\*\.$/],
  [502, "<html>", {}, /failed to answer \(status 502\)$/],
])("status %d with %j is told in words (%j)", async (status, body, env: Env, wanted) => {
  const url = await serve((response) => {
    response.writeHead(status).end(typeof body === "string" || body === undefined ? body : JSON.stringify(body));
  });
  expect(await failure(ask({ hub: url }, env))).toMatch(wanted);
});

test("an address whose path leads to nothing is told apart from an older hub", async () => {
  const url = await serve(json(refusal("page_unknown", "There is nothing at this path."), 404));
  expect(await failure(ask({ hub: `${url}/x/` }))).toBe(
    `There is nothing at /x/api/health of ${url} (--hub): check the path /x of the address; if it is right, the hub is older than this program`,
  );
});

test("what a newer hub says beside is kept", async () => {
  const url = await serve(json({ ...(hub("lab") as object), more: [1] }));
  const answer = await openHub({ flags: { hub: url }, env: {} }).call(restRoutes.health, {});
  expect(answer).toMatchObject({ name: "lab", more: [1] });
});

test("a redirect is not followed: the token is for one address", async () => {
  const url = await serve((response) => void response.writeHead(302, { location: "https://login.lab/?x" }).end());
  expect(await failure(ask({ hub: url }, { GOHM_HUB_TOKEN: "s3cret" }))).toBe(
    `The hub at ${url} (--hub) redirects to another address, which is not followed: https://login.lab/?x`,
  );
});

test("nothing that listens, no HTTP, and no TLS are told apart", async () => {
  const plain = createTcp((socket) => void socket.end("220 mail.lab ESMTP\r\n"));
  servers.push(plain);
  await new Promise<void>((done) => plain.listen(0, "127.0.0.1", done));
  const { port } = plain.address() as AddressInfo;
  expect(await failure(ask({ hub: `http://127.0.0.1:${port}` }))).toMatch(
    /^http:.* does not speak HTTP: its address may begin with https/,
  );
  const url = await serve(json({}));
  expect(await failure(ask({ hub: url.replace("http:", "https:") }))).toMatch(
    /^https:\/\/127\.0\.0\.1:\d+ \(--hub\) does not speak TLS: its address may begin with http:\/\/$/,
  );
  for (const server of servers.splice(0)) server.close();
  expect(await failure(ask({}, { GOHM_HUB: url }))).toBe(
    `Cannot reach a hub at ${url} (GOHM_HUB): nothing listens there`,
  );
});

test("a hub that says nothing, or never ends, is given up", async () => {
  const mute = await serve(() => {});
  expect(await failure(ask({ hub: mute }, {}, { ...patient, silenceMs: 300 }))).toMatch(/no data for 0\.3 s$/);
  const endless = await serve((response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(timer));
  });
  expect(await failure(ask({ hub: endless }, {}, { ...patient, totalMs: 300 }))).toMatch(
    /its answer takes longer than 0\.3 s$/,
  );
  const cut = await serve((response) => {
    response.writeHead(200, { "content-length": 10 });
    response.write("{", () => response.destroy());
  });
  expect(await failure(ask({ hub: cut }))).toMatch(/: the connection was cut$/);
});

test("an address that is none, and a token of two lines, are settings that cannot be used", () => {
  expect(() => openHub({ flags: { hub: "gpus.lab:5000" }, env: {} })).toThrow(
    /"hub" \(--hub\): must be an address like .*: current value is "gpus\.lab:5000": write http:\/\/gpus\.lab:5000$/,
  );
  expect(() => openHub({ flags: {}, env: { GOHM_HUB: "127.0.0.1:5000" } })).toThrow(
    /: write http:\/\/127\.0\.0\.1:5000$/,
  );
  for (const hub of ["ftp://gpus.lab", "a b", "user@gpus.lab"]) {
    expect(() => openHub({ flags: { hub }, env: {} })).toThrow(/: current value is "[^"]*"$/);
  }
  expect(() => openHub({ flags: {}, env: { GOHM_HUB_TOKEN: "a\nb" } })).toThrow(
    /"hub-token" \(GOHM_HUB_TOKEN\).*\(secret\)$/,
  );
});

test("proxies of the environment are not used", async () => {
  const url = await serve(json(hub("direct")));
  const before = process.env.http_proxy;
  process.env.http_proxy = "http://127.0.0.1:9";
  try {
    expect(await ask({ hub: url })).toBe("direct");
  } finally {
    if (before === undefined) delete process.env.http_proxy;
    else process.env.http_proxy = before;
  }
});
