// Requests that meet: one of them is held, while its body is on the way or its password is hashed, until the other was answered.
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type LocalHub, localHub } from "./local.ts";

/** Hashes of passwords; while it is shut, they wait, in the order in which they began. */
const gate = vi.hoisted(() => ({ shut: false, waiting: [] as (() => void)[] }));

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof import("node:crypto")>();
  const scrypt = (
    password: string,
    salt: Buffer,
    length: number,
    options: import("node:crypto").ScryptOptions,
    done: (error: Error | null, key: Buffer) => void,
  ): void => {
    // Of a lower cost: what they cost is another test's matter.
    const run = (): void => real.scrypt(password, salt, length, { ...options, N: 1024 }, done);
    if (gate.shut) gate.waiting.push(run);
    else run();
  };
  return { ...real, scrypt };
});

const [right, better, other] = ["correct horse battery", "staple staple staple!", "quite another one"];

let hub: LocalHub;
/** Address that a proxy forwards for, of each test its own: attempts are counted by it. */
let client = 0;

beforeAll(async () => {
  hub = await localHub({});
  // Who is not in any race: the last administrator stays one.
  await administer("POST", "accounts", { name: "root", role: "administrator", password: right });
});

beforeEach(() => {
  client++;
});

afterAll(() => hub?.close());

interface Sent {
  readonly body?: unknown;
  readonly cookie?: string | undefined;
  readonly authorization?: string | undefined;
}

interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many routes
  readonly body: any;
  /** The session that it begins. */
  readonly cookie: string | undefined;
}

/** A request whose head the hub has taken, and whose body is on its way. */
interface Held {
  /** Sends the body. */
  finish(): Promise<Answered>;
}

/** Begins a request. @returns once the hub has found out who sends it */
function begin(method: string, path: string, { body, cookie, authorization }: Sent = {}): Promise<Held> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const headers = {
    Origin: hub.url,
    Expect: "100-continue",
    "X-Forwarded-For": `10.0.1.${client}`,
    ...(body === undefined
      ? {}
      : { "Content-Type": "application/json", "Content-Length": String(Buffer.byteLength(text)) }),
    ...(cookie === undefined ? {} : { Cookie: `gohm_session_http=${cookie}` }),
    ...(authorization === undefined ? {} : { Authorization: authorization }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${hub.url}${path}`, { method, headers, agent: false });
    const answer = new Promise<Answered>((done) => {
      sent.on("response", (response) => {
        let answered = "";
        response.setEncoding("utf8").on("data", (piece: string) => {
          answered += piece;
        });
        response.on("end", () => {
          const [cookie] = response.headers["set-cookie"]?.flatMap((one) => /=([\w-]+);/.exec(one)?.[1] ?? []) ?? [];
          done({ status: response.statusCode ?? 0, body: JSON.parse(answered), cookie });
        });
      });
    });
    sent.on("error", reject);
    // The hub sends it in the turn in which it handles the head.
    sent.on("continue", () => {
      resolve({
        finish() {
          sent.end(text);
          return answer;
        },
      });
    });
    sent.flushHeaders();
  });
}

const ask = async (method: string, path: string, sent: Sent = {}): Promise<Answered> =>
  (await begin(method, path, sent)).finish();
/** What an administrator does who is in no race. */
const administer = (method: string, path: string, body?: unknown): Promise<Answered> =>
  ask(method, `/api/v1/admin/${path}`, { authorization: hub.authorization, ...(body !== undefined && { body }) });
const signIn = (name: string, password: string, cookie?: string): Promise<Answered> =>
  ask("POST", "/api/v1/session", { body: { name, password }, cookie });
const me = async (cookie: string | undefined): Promise<string | null> =>
  (await ask("GET", "/api/v1/me", { cookie })).body.name;
const names = async (): Promise<string[]> =>
  (await administer("GET", "accounts")).body.accounts.map(({ name }: { name: string }) => name);

/** Creates an account with the password `right`, and signs it in. @returns the secret of its session */
async function account(name: string, role = "viewer"): Promise<string> {
  expect((await administer("POST", "accounts", { name, role, password: right })).status).toBe(200);
  const { status, cookie = "" } = await signIn(name, right);
  expect([status, cookie.length]).toEqual([200, 43]);
  return cookie;
}

/** Does work whose hashes wait. @param open lets the one go that began first, or as the nth of those that wait */
async function heldHashes<T>(work: (open: (nth?: number) => void, count: (wanted: number) => Promise<void>) => T) {
  gate.shut = true;
  try {
    return await work(
      (nth = 0) => gate.waiting.splice(nth, 1)[0]?.(),
      (wanted) => vi.waitFor(() => expect(gate.waiting.length).toBe(wanted), { interval: 2, timeout: 10_000 }),
    );
  } finally {
    gate.shut = false;
    for (const run of gate.waiting.splice(0)) run();
  }
}

test.each([
  ["deleted", async () => {}, []],
  [
    "deleted and created again",
    () => administer("POST", "accounts", { name: "carol", role: "administrator" }),
    ["carol"],
  ],
])("an account that is %s while it signs in is not signed in, and does not come back", async (_, then, left) => {
  await account("carol");
  const answer = await heldHashes(async (open, count) => {
    const signing = signIn("carol", right);
    await count(1);
    expect((await administer("DELETE", "accounts/carol")).status).toBe(200);
    await then();
    open();
    return signing;
  });
  expect([answer.status, answer.cookie]).toEqual([401, undefined]);
  expect((await names()).filter((name) => name === "carol")).toEqual(left);
  for (const name of left) await administer("DELETE", `accounts/${name}`);
});

test("an account that is deleted while its link is followed does not come back", async () => {
  await account("dora");
  const { path } = (await administer("POST", "links", { name: "dora" })).body;
  const answer = await heldHashes(async (open, count) => {
    const following = follow(path, better);
    await count(1);
    await administer("DELETE", "accounts/dora");
    open();
    return following;
  });
  expect([answer.status, answer.body.error.code, answer.cookie]).toEqual([404, "link_unknown", undefined]);
  expect(await names()).not.toContain("dora");
});

const follow = (path: string, password: string): Promise<Answered> =>
  ask("POST", "/api/v1/session/link", { body: { token: path.replace("#/link/", ""), password } });

/** Which of some passwords open an account. */
async function opening(name: string, passwords: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const password of passwords) if ((await signIn(name, password)).status === 200) found.push(password);
  return found;
}

test.each([
  ["the change", 0, [200, 404], better],
  ["the link", 1, [401, 200], other],
])(
  "of a change of a password and a link that is followed meanwhile, %s is first and alone counts",
  async (which, nth, statuses, password) => {
    const name = `of ${which}`;
    const cookie = await account(name);
    const { path } = (await administer("POST", "links", { name })).body;
    const answers = await heldHashes(async (open, count) => {
      const changing = ask("PUT", "/api/v1/me/password", { cookie, body: { old: right, new: better } });
      // The old password is compared.
      await count(1);
      open();
      await count(1);
      const following = follow(path, other);
      await count(2);
      open(nth);
      await (nth === 0 ? changing : following);
      open();
      return Promise.all([changing, following]);
    });
    expect(answers.map(({ status }) => status)).toEqual(statuses);
    expect(await me(cookie)).toBe(null);
    expect(await Promise.all(answers.map((answer) => me(answer.cookie)))).toEqual(
      statuses.map((status) => (status === 200 ? name : null)),
    );
    expect(await opening(name, [right, better, other])).toEqual([password]);
  },
);

test("a link that two people follow at once is that of the one who was first", async () => {
  const { path } = (await administer("POST", "links", { name: "erin" })).body;
  const answers = await heldHashes(async (open, count) => {
    const one = follow(path, better);
    await count(1);
    const two = follow(path, other);
    await count(2);
    open(1);
    await two;
    open();
    return Promise.all([one, two]);
  });
  expect(answers.map(({ status }) => status)).toEqual([404, 200]);
  expect(await opening("erin", [better, other])).toEqual([other]);
});

test("two sign-ins at once with a session that somebody planted have new ones, each its own, and the planted one has ended", async () => {
  const planted = await account("mallory");
  await account("faith");
  const answers = await heldHashes(async (open, count) => {
    const both = [signIn("faith", right, planted), signIn("faith", right, planted)];
    await count(2);
    open();
    open();
    return Promise.all(both);
  });
  const cookies = answers.map(({ cookie }) => cookie);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(new Set([...cookies, planted]).size).toBe(3);
  expect(await Promise.all([...cookies, planted].map(me))).toEqual(["faith", "faith", null]);
});

test("of two administrators who delete each other at once one remains, and can sign in", async () => {
  const cookies = { grace: await account("grace", "administrator"), heidi: await account("heidi", "administrator") };
  const held = await Promise.all([
    begin("DELETE", "/api/v1/admin/accounts/heidi", { cookie: cookies.grace }),
    begin("DELETE", "/api/v1/admin/accounts/grace", { cookie: cookies.heidi }),
  ]);
  const statuses = (await Promise.all(held.map((one) => one.finish()))).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([200, 401]);
  const left = (await names()).filter((name) => name in cookies);
  expect(left).toEqual([statuses[0] === 200 ? "grace" : "heidi"]);
  expect((await signIn(left[0] ?? "", right)).status).toBe(200);
});

/** Somebody with the right to administer, and how each loses it. */
const losses: readonly [string, (name: string) => Promise<Sent>, (name: string) => Promise<Answered>, number][] = [
  ["an administrator who is deleted", asAdministrator, (name) => administer("DELETE", `accounts/${name}`), 401],
  [
    "an administrator who becomes a viewer",
    asAdministrator,
    (name) => administer("PATCH", `accounts/${name}`, { role: "viewer" }),
    403,
  ],
  [
    "an administrator whose password is set by another one",
    asAdministrator,
    (name) => administer("PATCH", `accounts/${name}`, { password: other }),
    401,
  ],
  ["a token that is revoked", asToken, (name) => administer("DELETE", `tokens/${name}`), 401],
];

async function asAdministrator(name: string): Promise<Sent> {
  return { cookie: await account(name, "administrator") };
}

async function asToken(name: string, scope = "admin"): Promise<Sent> {
  const { secret } = (await administer("POST", "tokens", { name, scope })).body;
  return { authorization: `Bearer ${secret}` };
}

test.each(losses)("%s while a request is on its way changes nothing with it", async (_, make, lose, status) => {
  const name = `ivan-${client}`;
  const who = await make(name);
  const held = await begin("POST", "/api/v1/admin/tokens", { ...who, body: { name: `back-${name}`, scope: "admin" } });
  expect((await lose(name)).status).toBe(200);
  const answer = await held.finish();
  expect([answer.status, answer.body.secret]).toEqual([status, undefined]);
  const { tokens } = (await administer("GET", "tokens")).body;
  expect(tokens.filter((token: { name: string }) => token.name === `back-${name}`)).toEqual([]);
});

test.each(losses)("%s while a password is hashed has set none", async (_, make, lose, status) => {
  const owner = `kim-${client}`;
  await account(owner);
  const changes = [
    ["PATCH", `accounts/${owner}`, { password: better }],
    ["POST", "accounts", { name: `new-${client}`, role: "viewer", password: better }],
  ] as const;
  for (const [method, path, body] of changes) {
    const name = `judy-${client}-${method}`;
    const who = await make(name);
    const answer = await heldHashes(async (open, count) => {
      const change = ask(method, `/api/v1/admin/${path}`, { ...who, body });
      await count(1);
      // What ends the right may need a hash, too.
      gate.shut = false;
      expect((await lose(name)).status).toBe(200);
      open();
      return change;
    });
    expect(answer.status).toBe(status);
  }
  expect(await names()).not.toContain(`new-${client}`);
  expect(await opening(owner, [right, better])).toEqual([right]);
});

/** Registers a machine. @returns the header Authorization with its token */
async function machine(hostname: string): Promise<string> {
  const { body } = await ask("POST", "/api/monitoring/register", { body: { hostname, capabilities: {} } });
  return `Bearer ${body.token}`;
}

const report = (hostname: string, authorization: string | undefined, load: number): Promise<Held> =>
  begin("POST", "/api/monitoring/report", { authorization, body: { hostname, cpuUsagePct: load } });

const shown = (name: string): number | undefined => hub.live.host(name)?.info?.cpu?.busy;

test.each<[string, (name: string) => Promise<unknown>]>([
  ["reset", (name) => administer("DELETE", `nodes/${name}/token`)],
  ["deleted", (name) => administer("DELETE", `nodes/${name}`)],
])(
  "a report whose machine is %s while it is on its way is refused, and is not that of a machine that takes the name",
  async (how, lose) => {
    const name = `gpu-${how}`;
    const token = await machine(name);
    const held = [await report(name, token, 10), await report(name, token, 20)];
    await lose(name);
    expect((await held[0]?.finish())?.status).toBe(401);
    const fresh = await machine(name);
    expect((await held[1]?.finish())?.status).toBe(401);
    expect(shown(name)).toBeUndefined();
    expect((await (await report(name, fresh, 30)).finish()).status).toBe(200);
    expect((await (await report(name, token, 40)).finish()).status).toBe(401);
    expect(shown(name)).toBe(30);
  },
);

test("a report whose API token is revoked while it is on its way is refused", async () => {
  await machine("gpu-api");
  const { authorization } = await asToken("logger", "push");
  const held = await report("gpu-api", authorization, 10);
  await administer("DELETE", "tokens/logger");
  expect((await held.finish()).status).toBe(401);
  expect(shown("gpu-api")).toBeUndefined();
});

test("a machine that is approved and deleted at once is gone, and its token with it", async () => {
  for (let i = 0; i < 6; i++) {
    const name = `gpu-both-${i}`;
    const token = await machine(name);
    const changes = [`nodes/${name}/approve`, `nodes/${name}`].map((path, at) =>
      administer(at === 0 ? "POST" : "DELETE", path),
    );
    const [approved, deleted] = await Promise.all(i % 2 === 0 ? changes : changes.toReversed());
    const statuses = i % 2 === 0 ? [approved?.status, deleted?.status] : [deleted?.status, approved?.status];
    expect([
      [200, 200],
      [404, 200],
    ]).toContainEqual(statuses);
    expect(hub.book.node(name)).toBeUndefined();
    expect((await (await report(name, token, 1)).finish()).status).toBe(401);
  }
});
