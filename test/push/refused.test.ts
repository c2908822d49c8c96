// What the hub refuses of machines is visible to administrators, by address, and to nobody else.
import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type LocalHub, localHub } from "../local.ts";

let hub: LocalHub;

beforeEach(async () => {
  hub = await localHub({ push: { secret: "open sesame" } });
});

afterEach(() => hub.close());

interface Sent {
  readonly from?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
}

/** Sends a request of a machine. @returns the status */
function send(path: string, { from = "127.0.0.66", body, headers = {} }: Sent = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${hub.url}${path}`,
      {
        method: body === undefined ? "GET" : "POST",
        localAddress: from,
        agent: false,
        headers: {
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
        sent.destroy();
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

const registration = (hostname: string, secret?: string): string =>
  JSON.stringify({ hostname, capabilities: {}, ...(secret === undefined ? {} : { secret }) });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** What administrators see of an address. */
function seen(from = "127.0.0.66") {
  const found = hub.view.refusals.list().find(({ address }) => address === from);
  if (found === undefined) return undefined;
  const counts = Object.fromEntries(found.counts.map(({ code, count }) => [code, count]));
  return { host: found.host, called: found.called, counts };
}

test.each<[string, string, Sent, number, object]>([
  [
    "a wrong secret",
    "register",
    { body: registration("gpu7", "x") },
    403,
    { host: "gpu7", counts: { secret_refused: 1 } },
  ],
  [
    "a host name that is none",
    "register",
    { body: registration("\u001b[2J<script>alert(1)</script>\u202e\n", "open sesame") },
    400,
    { host: "[2J<script>alert(1)</script>", counts: { bad_request: 1 } },
  ],
  ["no JSON", "register", { body: "{" }, 400, { counts: { bad_request: 1 } }],
  [
    "a gigabyte that is declared",
    "register",
    { body: "x", headers: { "content-length": 2 ** 30 } },
    413,
    { counts: { body_too_large: 1 } },
  ],
  [
    "another type",
    "register",
    { body: "x", headers: { "content-type": "text/html" } },
    415,
    { counts: { media_type_refused: 1 } },
  ],
  [
    "a token of nobody",
    "report",
    { body: "{}", headers: bearer("x".repeat(43)) },
    401,
    { counts: { sign_in_needed: 1 } },
  ],
  ["no token", "config", {}, 401, { counts: { sign_in_needed: 1 } }],
  [
    "a name that is none of the hub's",
    "config",
    { headers: { host: "gpus.example.org" } },
    421,
    { called: "gpus.example.org", counts: { name_refused: 1 } },
  ],
  ["a path that there is not", "other", {}, 404, { counts: { page_unknown: 1 } }],
  ["a method that the path has not", "report", {}, 405, { counts: { method_refused: 1 } }],
])("%s is counted by address", async (_, path, sent, status, wanted) => {
  expect(await send(`/api/monitoring/${path}`, sent)).toBe(status);
  expect(seen()).toEqual({ host: undefined, called: undefined, ...wanted });
});

test("a machine that was deleted, or whose token was reset, is seen for as long as it goes on, without a word in the audit log", async () => {
  const tokens: string[] = [];
  for (const name of ["gone", "reset"]) {
    const answer = await fetch(`${hub.url}/api/monitoring/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: registration(name, "open sesame"),
    });
    tokens.push(((await answer.json()) as { token: string }).token);
  }
  await hub.remove("gone");
  await hub.reset("reset");
  const entries = hub.book.audit({ limit: 1000 }).length;
  for (const [i, token] of tokens.entries()) {
    for (let n = 0; n < 5; n++) {
      const from = `127.0.0.${70 + i}`;
      expect(await send("/api/monitoring/report", { from, body: "{}", headers: bearer(token) })).toBe(401);
    }
  }
  expect([seen("127.0.0.70")?.counts, seen("127.0.0.71")?.counts]).toEqual([
    { sign_in_needed: 5 },
    { sign_in_needed: 5 },
  ]);
  expect(hub.book.audit({ limit: 1000 })).toHaveLength(entries);
});

test("what is wrong with the reports of a registered machine is shown with it, and not as of a stranger", async () => {
  const answer = await fetch(`${hub.url}/api/monitoring/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: registration("gpu7", "open sesame"),
  });
  const { token } = (await answer.json()) as { token: string };
  expect(await send("/api/monitoring/report", { body: "{", headers: bearer(token) })).toBe(400);
  expect(hub.view.troubles.of("gpu7")).toEqual([expect.stringContaining("A report was refused")]);
  expect(hub.view.refusals.list()).toEqual([]);
});

test("a report with a token of the API for a machine that there is not has the name that it gave", async () => {
  const token = await hub.token("ci", "push");
  const body = JSON.stringify({ hostname: "<b>gpu8\u0000" });
  expect(await send("/api/monitoring/report", { body, headers: bearer(token) })).toBe(400);
  expect(seen()).toMatchObject({ host: "<b>gpu8", counts: { bad_request: 1 } });
});

test("bytes that are no request are counted by address", async () => {
  const socket = connect({ port: Number(new URL(hub.url).port), host: "127.0.0.1", localAddress: "127.0.0.66" });
  socket.on("error", () => {}).resume();
  socket.write("\x16\x03\x01\x02\x00");
  await vi.waitFor(() => expect(seen()).toMatchObject({ counts: { bad_request: 1 } }));
  socket.destroy();
});

test("of clients of a proxy on this machine, the address counts that it forwards for", async () => {
  const headers = { ...bearer("x".repeat(43)), "x-forwarded-for": "10.1.1.1, 10.0.0.9" };
  expect(await send("/api/monitoring/report", { body: "{}", headers })).toBe(401);
  expect(seen("10.0.0.9")).toMatchObject({ counts: { sign_in_needed: 1 } });
});

test("people and other paths are not counted", async () => {
  expect(await send("/nothing")).toBe(404);
  expect(await send("/api/v1/admin/nodes")).toBe(401);
  expect(await send("/api/history", { headers: { host: "gpus.example.org" } })).toBe(421);
  expect(hub.view.refusals.list()).toEqual([]);
});

test("only administrators may see who was refused", async () => {
  await send("/api/monitoring/config");
  const path = "/api/v1/admin/refusals";
  expect(await send(path)).toBe(401);
  expect(await send(path, { headers: bearer(await hub.token("grafana", "read")) })).toBe(403);
  expect(await send(path, { headers: bearer(await hub.token("ci", "push")) })).toBe(403);
  const answer = await fetch(`${hub.url}${path}`, { headers: bearer(await hub.token("root", "admin")) });
  expect(await answer.json()).toEqual({
    refusals: [
      {
        ...{ address: "127.0.0.66", host: null, called: null },
        ...{ first: expect.any(Number), last: expect.any(Number) },
        counts: [{ reason: "token", code: "sign_in_needed", count: 1 }],
      },
    ],
  });
});
