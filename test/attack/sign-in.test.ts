// Strangers who try passwords, many at a time, and who send the sign-in whatever bytes a socket takes.
import { Agent, request } from "node:http";
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cases } from "../cases.ts";
import { addAdministrator } from "../door.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";

const password = "correct horse battery";

let at: HubFolder;
let hub: RunningHub;

beforeAll(async () => {
  at = hubFolder();
  at.write({ servers: {}, auth: { read: "login" } });
  for (const name of ["alice", "bob", "carol"]) await addAdministrator(at, name, password);
  hub = await startHub(at);
});

afterAll(async () => {
  await hub?.stop();
  at.remove();
});

/** @param client address that a proxy on this machine says it forwards for */
function signIn(name: string, word: string, client: string): Promise<Response> {
  return fetch(`${hub.url}/api/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Origin: hub.url, "X-Forwarded-For": client },
    body: JSON.stringify({ name, password: word }),
  });
}

test("of many guesses at the same time few are compared, everyone else is answered meanwhile, and nothing tells them apart", async () => {
  const begun = performance.now();
  const guesses = Array.from({ length: 120 }, (_, i) =>
    signIn(i % 4 === 0 ? `user${i}` : "alice", `guess ${i}`, `10.0.${i % 30}.1`),
  );
  const healthy = Array.from({ length: 20 }, () => fetch(`${hub.url}/api/health`));
  expect((await Promise.all(healthy)).map(({ status }) => status)).toEqual(Array(20).fill(200));
  const answers = await Promise.all(guesses);
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([401, 429]));
  // Five, and one after each pause: those of n pauses are 2^n - 1 seconds.
  const most = 5 + Math.log2((performance.now() - begun) / 1000 + 1);
  expect(statuses.filter((status, i) => status === 401 && i % 4 !== 0).length).toBeLessThanOrEqual(most);
  const refused = answers.filter(({ status }) => status === 401);
  const words = await Promise.all(refused.map((answer) => answer.text()));
  expect(new Set(words).size).toBe(1);
  for (const answer of answers) {
    if (answer.status === 429) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(answer.headers.getSetCookie()).toEqual([]);
  }
  expect(hub.output()).not.toMatch(/guess \d| error /);
});

test("ten thousand wrong passwords from a thousand addresses: few are compared, and other people sign in meanwhile, known to the hub or not", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const counts = new Map<number, number>();
  /** Passwords that were compared and wrong. */
  const compared = (): number => counts.get(401) ?? 0;
  const guess = (i: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const client = `10.${i % 4}.${(i >> 2) % 250}.9`;
      const headers = { "Content-Type": "application/json", Origin: hub.url, "X-Forwarded-For": client };
      const sent = request(`${hub.url}/api/v1/session`, { method: "POST", agent, headers }, (answer) => {
        const { statusCode = 0 } = answer;
        counts.set(statusCode, (counts.get(statusCode) ?? 0) + 1);
        answer.resume().once("end", resolve).once("error", reject);
      });
      sent.once("error", reject).end(JSON.stringify({ name: `user${i % 3000}`, password: "not this one" }));
    });
  expect((await signIn("bob", password, "192.168.7.7")).status).toBe(200);
  const all = Array.from({ length: 10_000 }, (_, i) => guess(i));
  await Promise.all(all.slice(0, 2000));
  const before = compared();
  // From where they signed in before; from elsewhere; and everyone who only reads.
  expect((await signIn("bob", password, "192.168.7.7")).status).toBe(200);
  expect((await signIn("carol", password, "192.168.8.8")).status).toBe(200);
  expect((await fetch(`${hub.url}/api/health`)).status).toBe(200);
  // While these two were served, nearly nobody else was: their turns came next.
  expect(compared() - before).toBeLessThanOrEqual(10);
  await Promise.all(all);
  agent.destroy();
  expect([...counts.keys()].sort()).toEqual([401, 429]);
  expect(compared()).toBeLessThan(2000);
  expect(hub.output()).not.toMatch(/ error /);
}, 120_000);

/** Status of what answers to a request with these bytes as values of its headers; 0 if the connection is closed. */
function raw(headers: Readonly<Record<string, Uint8Array>>): Promise<number> {
  const { hostname, port } = new URL(hub.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.setEncoding("latin1").on("data", (piece: string) => {
      text += piece;
    });
    socket.once("close", () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)));
    socket.once("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve(0) : reject(error)));
    socket.write(`POST /api/v1/session/link/read HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\n`);
    socket.write("Content-Type: application/json\r\nContent-Length: 2\r\n");
    for (const [name, value] of Object.entries(headers)) {
      socket.write(`${name}: `);
      socket.write(value);
      socket.write("\r\n");
    }
    socket.write("\r\n{}");
  });
}

/** Connections at the same time. */
const atOnce = 10;

test("no bytes in the headers of a sign-in let anybody in, or make the hub fail", async () => {
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.uint8Array({ min: 32, maxLength: 200 }),
    fc
      .constantFrom("Bearer ", "gohm_session_http=", "__Host-gohm=", "http://", "null")
      .map((text) => Buffer.from(text)),
    fc
      .uint8Array({ min: 128, maxLength: 60 })
      .map((bytes) => Buffer.concat([Buffer.from("gohm_session_http="), bytes])),
  );
  const headers = fc.record(
    {
      Cookie: value,
      Authorization: value,
      Origin: value,
      "Sec-Fetch-Site": value,
      "X-Forwarded-For": value,
      "X-Forwarded-Proto": value,
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    // Some at a time, as each needs a connection of its own.
    fc.asyncProperty(fc.array(headers, { minLength: atOnce, maxLength: atOnce }), async (all) => {
      // 400: not HTTP, or no token in the body; 401: no token; 403: not the hub's page; 429: too many. Never 200, never 500.
      for (const status of await Promise.all(all.map(raw))) expect([0, 400, 401, 403, 404, 415, 429]).toContain(status);
    }),
    { numRuns: cases.numRuns / atOnce },
  );
  expect((await fetch(`${hub.url}/api/health`)).status).toBe(200);
  expect(hub.output()).not.toMatch(/ error /);
});

test("after all that, the right password from elsewhere is slowed down at most, and a page without a session reads nothing", async () => {
  const answer = await signIn("alice", password, "10.9.9.9");
  expect([200, 429]).toContain(answer.status);
  expect((await fetch(`${hub.url}/feed`)).status).toBe(401);
  expect((await fetch(`${hub.url}/feed/host?name=a`)).status).toBe(401);
});
