import { scryptSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BookFixture } from "../../test/book.ts";
import { cases } from "../../test/cases.ts";
import { viewOf } from "../../test/view.ts";
import type { Book, Role } from "../book/book.ts";
import { application } from "../http/application.ts";
import { newLink, newSecret } from "../secret.ts";
import { rest } from "./rest.ts";
import { session } from "./session.ts";

const start = 1_800_000_000_000;
const day = 86_400_000;
const right = "correct horse battery";
const better = "staple staple staple!";

const plain = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
/** The hash of `right`, at a lower cost than the hub's own, which takes 90 ms. */
const salt = Buffer.alloc(16, 1);
const hash = scryptSync(right, salt, 32, { N: 1024, r: 1, p: 1 });
const phc = `$scrypt$ln=10,r=1,p=1$${plain(salt)}$${plain(hash)}`;

let folder = "";
let fixture: BookFixture;
let book: Book;
let now = start;
/** Milliseconds of the monotonic clock. */
let ticks = 0;
let read: "open" | "login" = "open";
let app: ReturnType<typeof application>;
let lines: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-session-"));
  fixture = new BookFixture();
  book = fixture.open(folder);
  [now, ticks, read, lines] = [start, 0, "open", []];
  vi.spyOn(performance, "now").mockImplementation(() => ticks);
  const say = (line: string): void => void lines.push(line);
  const hub = viewOf({
    book,
    read: () => read,
    clock: { now: () => now, after: () => () => {} },
    log: { info: say, warn: say, error: say },
  });
  const parts = [await session.open(hub, {}), await rest.open(hub, {})];
  app = application(parts, { log: hub.log, entry: hub.identity });
});

afterEach(() => {
  vi.restoreAllMocks();
  fixture.close();
  rmSync(folder, { recursive: true });
});

function account(name: string, role: Role = "administrator"): void {
  book.write((writer) => writer.addAccount({ name, role, created: now }, phc));
}

interface Sent {
  readonly method?: string;
  readonly body?: unknown;
  readonly cookie?: string;
  readonly address?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many routes
  readonly body: any;
  /** The session of the header Set-Cookie; "" if it removes it. */
  readonly cookie: string | undefined;
  readonly headers: Headers;
}

/** A request as the hub's own page makes it. */
async function ask(
  path: string,
  { method = "GET", body, cookie, address = "10.0.0.7", headers }: Sent = {},
): Promise<Answered> {
  const init = {
    method,
    headers: {
      host: "hub:5000",
      ...(method === "GET" ? {} : { origin: "http://hub:5000" }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(cookie === undefined ? {} : { cookie: `gohm_session_http=${cookie}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  const answer = await app.request(path, init, { incoming: { socket: { remoteAddress: address } } });
  const set = answer.headers.getSetCookie()[0];
  const text = await answer.text();
  return {
    status: answer.status,
    body: JSON.parse(text),
    cookie: set === undefined ? undefined : /^gohm_session_http=([^;]*);/.exec(set)?.[1],
    headers: answer.headers,
  };
}

const post = (path: string, body: unknown, more: Sent = {}) => ask(path, { method: "POST", body, ...more });
const signIn = (name: string, password = right, more: Sent = {}) => post("/api/v1/session", { name, password }, more);
const signedIn = async (name: string, more: Sent = {}): Promise<string> =>
  (await signIn(name, right, more)).cookie ?? "";
const me = async (cookie?: string) => (await ask("/api/v1/me", cookie === undefined ? {} : { cookie })).body;

/** Adds a one-time link. @returns its secret */
function link(name: string, role: Role = "administrator"): string {
  const made = newLink({ name, role }, now);
  book.write((writer) => writer.addLink(made.hash, made.link));
  return made.path.replace("#/link/", "");
}
const follow = (token: string, password = better, more: Sent = {}) =>
  post("/api/v1/session/link", { token, password }, more);

const entries = () =>
  book.audit({ limit: 1000 }).map(({ actor, action, target, result }) => `${actor}: ${action} ${target} ${result}`);

test("signing in begins a session that only the browser reads, and that says who it is", async () => {
  account("Alice");
  // How many machines wait is for administrators alone.
  expect(await me()).toEqual({
    kind: "anonymous",
    name: null,
    rights: ["open", "read"],
    session: false,
    encrypted: false,
    accounts: true,
  });
  const answer = await signIn("alice");
  expect([answer.status, answer.body]).toEqual([200, { name: "Alice", role: "administrator" }]);
  expect(answer.headers.get("set-cookie")).toMatch(
    /^gohm_session_http=[A-Za-z0-9_-]{43}; Max-Age=7776000; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  expect(await me(answer.cookie)).toEqual({
    ...{ kind: "administrator", name: "Alice", rights: ["open", "read", "admin"], session: true },
    ...{ encrypted: false, accounts: true, waiting: 0, url: "http://hub.lab:5000" },
  });
  expect(book.account("alice")?.used).toBe(now);
  expect(entries()).toEqual(["administrator Alice: session.create Alice done"]);
  expect(book.audit({ limit: 1 })[0]).toMatchObject({ origin: "10.0.0.7" });
});

test("a wrong password, a wrong name and an account without a password are refused in the same words, and neither is recorded", async () => {
  account("alice");
  book.write((writer) => writer.addAccount({ name: "linked", role: "viewer", created: now }, undefined));
  // The second one has its password in the wrong place.
  const answers = await Promise.all([signIn("alice", better), signIn(right, "alice"), signIn("linked", better)]);
  for (const { status, body, cookie } of answers) {
    expect([status, cookie, body]).toEqual([
      401,
      undefined,
      { error: { code: "sign_in_refused", message: "There is no account with this name and password." } },
    ]);
  }
  expect(entries().sort()).toEqual([
    "anonymous: session.create  refused",
    "anonymous: session.create alice refused",
    "anonymous: session.create linked refused",
  ]);
  const all = JSON.stringify([book.audit({ limit: 100 }), lines]);
  for (const secret of [right, better]) expect(all).not.toContain(secret);
});

test("a session that somebody planted before is not the one after signing in, and ends", async () => {
  account("alice");
  account("mallory", "viewer");
  const planted = await signedIn("mallory");
  const fixed = newSecret();
  for (const cookie of [planted, fixed]) {
    const { cookie: begun = "" } = await signIn("alice", right, { cookie });
    expect(begun).not.toBe(cookie);
    expect(await me(begun)).toMatchObject({ name: "alice" });
    expect(await me(cookie)).toMatchObject({ kind: "anonymous" });
  }
});

test("sign-ins at the same time have a session each, and each ends alone", async () => {
  account("alice");
  const begun = await Promise.all(
    ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"].map((address) => signedIn("alice", { address })),
  );
  expect(new Set(begun).size).toBe(4);
  const [one = "", other = ""] = begun;
  const { cookie, body } = await ask("/api/v1/session", { method: "DELETE", cookie: one });
  expect([cookie, body]).toEqual(["", { ok: true }]);
  expect([(await me(one)).kind, (await me(other)).kind]).toEqual(["anonymous", "administrator"]);
  expect((await ask("/api/v1/sessions", { method: "DELETE", cookie: other })).cookie).toBe("");
  for (const each of begun) expect((await me(each)).kind).toBe("anonymous");
  // Without a session there is nothing to end.
  expect((await ask("/api/v1/session", { method: "DELETE" })).status).toBe(200);
  expect((await ask("/api/v1/sessions", { method: "DELETE", cookie: one })).status).toBe(401);
});

test("a new password takes the old one, ends all other sessions and links, and goes on with a new session", async () => {
  account("alice");
  const [cookie, other, pending] = [await signedIn("alice"), await signedIn("alice"), link("alice")];
  const change = (body: object, more: Sent = {}) =>
    ask("/api/v1/me/password", { method: "PUT", body, cookie, ...more });
  expect((await change({ old: better, new: better })).body.error.code).toBe("sign_in_refused");
  expect((await change({ old: right, new: "short" })).body.error.code).toBe("password_weak");
  expect((await change({ old: right, new: better }, { cookie: newSecret() })).status).toBe(401);
  expect((await me(other)).kind).toBe("administrator");
  const { status, cookie: begun = "" } = await change({ old: right, new: better });
  expect(status).toBe(200);
  expect([(await me(begun)).name, (await me(cookie)).kind, (await me(other)).kind]).toEqual([
    "alice",
    "anonymous",
    "anonymous",
  ]);
  expect([(await signIn("alice", right)).status, (await signIn("alice", better)).status]).toEqual([401, 200]);
  expect((await follow(pending)).status).toBe(404);
});

test("a password that was changed while it was compared is not accepted any more", async () => {
  account("alice");
  const passwordOf = book.passwordOf.bind(book);
  let reads = 0;
  book.passwordOf = (name) => {
    const found = passwordOf(name);
    if (++reads === 1)
      book.write((writer) => writer.changeAccount(writer.account(name)?.id ?? 0, { password: undefined }));
    return found;
  };
  expect((await signIn("alice")).status).toBe(401);
  expect(reads).toBe(2);
});

test("two changes of a password at the same time: one is made, and the other one's session has ended", async () => {
  account("alice");
  const cookie = await signedIn("alice");
  const change = (next: string) =>
    ask("/api/v1/me/password", { method: "PUT", body: { old: right, new: next }, cookie });
  const answers = await Promise.all([change("first first 1st"), change("second second 2nd")]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
});

test("a link makes an account with a password once: it does not work again, nor twice at the same time", async () => {
  const secret = link("admin");
  expect((await post("/api/v1/session/link/read", { token: secret })).body).toEqual({
    name: "admin",
    role: "administrator",
  });
  expect((await follow(secret, "short")).body.error.code).toBe("password_weak");
  expect((await follow(secret, "Administrator")).body.error.code).toBe("password_weak");
  const answers = await Promise.all([follow(secret), follow(secret), follow(secret)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
  const begun = answers.find(({ status }) => status === 200)?.cookie;
  expect(await me(begun)).toMatchObject({ kind: "administrator", name: "admin" });
  expect((await follow(secret)).body.error.code).toBe("link_unknown");
  expect((await post("/api/v1/session/link/read", { token: secret })).status).toBe(404);
  expect((await signIn("admin", better)).status).toBe(200);
  expect(
    book.audit({ limit: 100 }).filter(({ action, result }) => action === "link.follow" && result === "done"),
  ).toMatchObject([{ actor: "administrator admin", target: "admin", details: { created: true } }]);
  expect(JSON.stringify([book.audit({ limit: 100 }), lines])).not.toContain(secret);
});

test("a link to an account that exists sets its password and ends its sessions, and gives it no other right", async () => {
  account("bob", "viewer");
  const before = await signedIn("bob");
  const [secret, second] = [link("bob", "administrator"), link("bob", "administrator")];
  expect((await post("/api/v1/session/link/read", { token: secret })).body).toEqual({ name: "bob", role: "viewer" });
  const { body, cookie } = await follow(secret);
  expect(body).toEqual({ name: "bob", role: "viewer" });
  expect([(await me(cookie)).kind, (await me(before)).kind]).toEqual(["viewer", "anonymous"]);
  expect((await follow(second)).status).toBe(404);
});

test("a link ends after a day", async () => {
  const secret = link("admin");
  now += day;
  expect((await follow(secret)).body.error.code).toBe("link_unknown");
});

test("after five wrong passwords the next attempt has to wait, at whichever address, and then the right one is accepted", async () => {
  account("alice");
  const tries = await Promise.all(
    Array.from({ length: 12 }, (_, i) => signIn("Alice", "wrong", { address: `10.0.0.${i}` })),
  );
  expect(tries.filter(({ status }) => status === 401)).toHaveLength(5);
  const refused = tries.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(7);
  expect(refused[0]?.headers.get("retry-after")).toBe("1");
  expect(refused[0]?.body.error).toEqual({
    code: "too_many_attempts",
    message: "Too many attempts to sign in: try again in 1 s.",
  });
  // The hub's own clock may be set.
  now += day;
  expect((await signIn("alice")).status).toBe(429);
  ticks += 1000;
  expect((await signIn("alice")).status).toBe(200);
});

test("guesses at links are slowed down, and any number of them leaves few entries", async () => {
  const answers: number[] = [];
  for (let i = 0; i < 100; i++) answers.push((await follow(newSecret())).status);
  expect(answers.slice(0, 20)).toEqual(Array(20).fill(404));
  expect(new Set(answers.slice(20))).toEqual(new Set([429]));
  expect(entries().length).toBeLessThanOrEqual(10);
});

test("clients of a proxy on this machine are told apart, and nobody else can say who they are", async () => {
  const guess = async (address: string, forwarded: string) =>
    (await follow(newSecret(), better, { address, headers: { "x-forwarded-for": forwarded } })).status;
  for (let i = 0; i < 30; i++) await guess("127.0.0.1", `10.9.9.9, 10.0.0.1`);
  expect(await guess("127.0.0.1", "10.0.0.1")).toBe(429);
  expect(await guess("127.0.0.1", "10.0.0.1, 10.0.0.2")).toBe(404);
  for (let i = 0; i < 30; i++) await guess("10.0.0.3", `10.1.0.${i}`);
  expect(await guess("10.0.0.3", "10.1.1.1")).toBe(429);
});

const own = { origin: "http://hub:5000" };
test.each([
  ["another site's page", { origin: "https://evil.example" }, 403],
  ["another site's form", { origin: "null" }, 403],
  ["another site, says the browser", { ...own, "sec-fetch-site": "cross-site" }, 403],
  ["another port's page", { origin: "http://hub:3000" }, 403],
  ["the hub's page", own, 200],
  ["the hub's page, says the browser", { ...own, "sec-fetch-site": "same-origin" }, 200],
])("%s (%j) signs people in and out: status %d", async (_, headers, status) => {
  account("alice");
  const cookie = await signedIn("alice");
  expect((await signIn("alice", right, { headers })).status).toBe(status);
  expect((await follow(link("alice"), better, { headers })).status).toBe(status);
  const again = status === 200 ? ((await signIn("alice", better)).cookie ?? "") : cookie;
  for (const path of ["/api/v1/session", "/api/v1/sessions"]) {
    expect((await ask(path, { method: "DELETE", cookie: again, headers })).status).toBe(
      status === 200 && path === "/api/v1/sessions" ? 401 : status,
    );
  }
  expect((await me(again)).session).toBe(status !== 200);
});

test("where reading needs an account, everyone else is asked to sign in, and is told no names of hosts", async () => {
  read = "login";
  account("bob", "viewer");
  for (const path of ["/pk", "/hist", "/api/history?host=a&metric=load1", "/api/fleet/history?metric=load1"]) {
    expect((await ask(path)).body.error.code).toBe("sign_in_needed");
  }
  expect((await me()).rights).toEqual(["open"]);
  const cookie = await signedIn("bob");
  expect((await ask("/hist", { cookie })).status).toBe(200);
});

test("while the disk fails, everyone reads as before, and whoever was signed in, too", async () => {
  account("alice");
  const cookie = await signedIn("alice");
  book.close();
  expect((await ask("/hist", { cookie })).status).toBe(200);
  expect((await signIn("alice")).body.error.code).toBe("book_unusable");
  read = "login";
  expect((await ask("/hist", { cookie })).body.error.code).toBe("book_unusable");
});

test("nothing that is sent to the sign-in crashes it or lets anybody in", async () => {
  account("alice");
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.string({ maxLength: 200 }),
    fc.constant("alice"),
  );
  const value = fc.oneof(
    text,
    fc.integer(),
    fc.constant(null),
    fc.array(text, { maxLength: 3 }),
    fc.object({ maxDepth: 2 }),
  );
  const body = fc.oneof(
    fc.record({ token: value, password: value }, { requiredKeys: [] }),
    fc.record({ name: value, old: value, new: value }),
    value,
  );
  const paths = ["/api/v1/session", "/api/v1/session/link", "/api/v1/session/link/read"];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), body, fc.ipV4(), async (path, sent, address) => {
      const answer = await post(path, sent, { address });
      expect([400, 401, 404, 429]).toContain(answer.status);
      expect(answer.cookie).toBeUndefined();
    }),
    cases,
  );
  expect(lines).toEqual([]);
});
